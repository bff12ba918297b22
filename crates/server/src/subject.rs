//! `baeum subject`: everything that there is about a person written to a folder, and asking for them to be forgotten. It
//! works on the database; a running `process` role takes the steps of an erasure.

use std::{
    env,
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use baeum_commands::{
    CommandContext, Commands, ExecuteError, LogError,
    identity::{Error, record_access::NewAccess},
    vault::VaultError,
};
use baeum_domain::{
    identity::{access::Category, erasure::Ground},
    ids::UserId,
};
use baeum_projections::Projection;
use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::output::tell;

/// What is wanted about a person.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum SubjectCommand {
    /// Write everything that there is about a person to a folder, readable
    Export {
        /// The person's id
        id: Uuid,
        /// A folder that is not there yet
        folder: PathBuf,
    },
    /// Have a person forgotten: their key is destroyed when the grace is over, and rows about them are removed
    Erase {
        /// The person's id
        id: Uuid,
        /// Why: no_longer_needed, consent_withdrawn, objection, unlawful_processing, legal_obligation or
        /// collected_from_child
        #[arg(long, value_name = "GROUND", default_value = "consent_withdrawn")]
        ground: String,
        /// Days in which it can be taken back, 0 to 30
        #[arg(long, value_name = "DAYS", default_value_t = 0)]
        grace_days: u16,
    },
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubjectError {
    /// No tenant of the shards has such a person.
    #[error("there is no user {0} in the tenants of this installation: check the id")]
    Unknown(Uuid),
    /// They are gone.
    #[error("user {0} was erased: nothing is left to write")]
    Erased(Uuid),
    /// There is no such ground.
    #[error(
        "'{0}' is no ground: give no_longer_needed, consent_withdrawn, objection, unlawful_processing, \
         legal_obligation or collected_from_child"
    )]
    Ground(String),
    /// The folder cannot be written.
    #[error("the folder {path} cannot be written: {error}: give one that is not there yet")]
    Folder {
        /// Which.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// It was refused, or could not be recorded.
    #[error(transparent)]
    Command(#[from] ExecuteError<Error>),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A text could not be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The read models could not be read.
    #[error("the read models cannot be read: {0}")]
    Database(#[from] sqlx::Error),
}

/// A shard that is looked into.
pub(crate) struct SubjectShard {
    /// Everything that can be done in it.
    pub(crate) commands: Commands,
    /// Whose logs it keeps.
    pub(crate) tenants: Vec<String>,
}

/// Does it, in the shard that has the person.
///
/// # Errors
/// An unknown person, a folder that cannot be written, or a failing store.
pub(crate) async fn run(
    shards: &[SubjectShard],
    registry: &[Arc<dyn Projection>],
    command: &SubjectCommand,
) -> Result<(), SubjectError> {
    let (SubjectCommand::Export { id, .. } | SubjectCommand::Erase { id, .. }) = command;
    let mut found = None;
    for shard in shards {
        for tenant in &shard.tenants {
            if shard.commands.log().belongs_to(tenant, "user", &id.to_string()).await? {
                found = Some((&shard.commands, tenant.as_str()));
            }
        }
    }
    let (commands, tenant) = found.ok_or(SubjectError::Unknown(*id))?;
    let subject = UserId(*id);
    match command {
        SubjectCommand::Export { folder, .. } => {
            if commands.log().erased().contains(subject) {
                return Err(SubjectError::Erased(*id));
            }
            export(commands, registry, tenant, subject, folder).await
        }
        SubjectCommand::Erase { ground, grace_days, .. } => {
            let ground: Ground = ground.parse().map_err(|_| SubjectError::Ground(ground.clone()))?;
            let context = context(commands, tenant);
            let asked = commands.request_erasure_as_operator(&context, subject, ground, *grace_days).await?;
            tell(format_args!(
                "recorded at {}: {subject} is to be forgotten; the role 'process' (or 'serve') does it",
                asked.position
            ));
            Ok(())
        }
    }
}

/// Whoever has the database is the operator; the name of their account is noted.
fn operator() -> String {
    let account = env::var("USER").or_else(|_| env::var("USERNAME")).ok().filter(|it| !it.is_empty());
    account.map_or_else(|| "operator".to_owned(), |account| format!("operator:{account}"))
}

fn context(commands: &Commands, tenant: &str) -> CommandContext {
    let command_id = commands.log().clock().new_id();
    CommandContext {
        tenant: tenant.to_owned(),
        actor: operator(),
        command_id,
        fingerprint: None,
        correlation_id: command_id,
        causation_id: command_id,
        expected_sequence: None,
    }
}

async fn export(
    commands: &Commands,
    registry: &[Arc<dyn Projection>],
    tenant: &str,
    subject: UserId,
    folder: &Path,
) -> Result<(), SubjectError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error| SubjectError::Folder { path, error }
    };
    make_private(folder).map_err(failed(folder))?;
    let access = NewAccess {
        tenant,
        actor: operator(),
        subject,
        what: [Category::Everything].into(),
        route: "baeum subject export",
        correlation_id: commands.log().clock().new_id(),
    };
    commands.record_access(access).await?;
    let identity = commands.identity_of(tenant, subject).await?;
    let identity = identity.map(|it| json!({ "email": it.email, "display_name": it.display_name }));
    let profile = json!({
        "subject_id": subject,
        "tenant": tenant,
        "exported_at": commands.log().clock().now(),
        "identity": identity,
    });
    write_json(&folder.join("profile.json"), &profile).map_err(failed(folder))?;
    let streams = commands.streams_of(tenant, subject).await?;
    let path = folder.join("events.jsonl");
    let mut file = BufWriter::new(File::create(&path).map_err(failed(&path))?);
    let (mut count, mut after) = (0, Some(0));
    while let Some(position) = after {
        let page = commands.personal_events(tenant, subject, &streams, position).await?;
        for event in &page.events {
            let line = serde_json::to_string(event).map_err(|error| failed(&path)(error.into()))?;
            writeln!(file, "{line}").map_err(failed(&path))?;
            count += 1;
        }
        after = page.next_after;
    }
    file.flush().map_err(failed(&path))?;
    let models = folder.join("read-models");
    fs::create_dir(&models).map_err(failed(&models))?;
    for mut table in baeum_projections::personal_rows(commands.log().pool(), registry, subject).await? {
        for row in &mut table.rows {
            commands.open_texts(tenant, subject, row).await?;
        }
        let path = models.join(format!("{}.json", table.table));
        write_json(&path, &Value::Array(table.rows)).map_err(failed(&path))?;
    }
    let readme = folder.join("README.txt");
    fs::write(&readme, README).map_err(failed(&readme))?;
    tell(format_args!("{}: {count} events of {} streams were written", folder.display(), streams.len()));
    Ok(())
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn write_json(path: &Path, value: &Value) -> io::Result<()> {
    fs::write(path, format!("{value:#}\n"))
}

const README: &str = "\
This folder holds everything that the platform keeps about one person.

profile.json        who they are: address and name, as they gave them.
events.jsonl        every event of their part of the log, one a line, in the order in which it happened. `payload` is
                    what happened; where the person wrote or said something, it stands as {\"text\": \"...\"}. In the log
                    itself these texts are encrypted under a key of the person.
read-models/*.json  what is derived from those events: profile, tests, lessons, progress, emotion state (with consent
                    only), recommendations, subscriptions, invoices, payments, usage credits, and who looked at their
                    data. A file a table.

Times are in UTC. Identifiers (UUIDs) name nobody outside of the platform.
";
