//! Configuration: flags and environment variables of the same names, checked before anything starts.
//!
//! clap only collects the words here. They are checked by [`Config::from_words`], so that a wrong value is named as the
//! flag and as the variable, says what would be right, and never repeats a password.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use baeum_domain::subscription::policy::BillingPolicy;
use chrono::TimeDelta;
use clap::{Args, Parser, Subcommand};
use sqlx::postgres::PgConnectOptions;

use crate::{
    audit::AuditCommand,
    billing_policy::BillingWords,
    calibrate::CalibrateOptions,
    carrier::{CarrierConfig, CarrierWords},
    demo::DemoOptions,
    exchange::{ExportOptions, ImportOptions},
    gateway::{GatewayConfig, GatewayWords},
    irt::IrtCommand,
    keys::KeysCommand,
    mastery::MasteryCommand,
    model_command::ModelsCommand,
    notification::{NotificationConfig, NotificationWords, NotificationsCommand},
    projections::ProjectionsCommand,
    query::QueryOptions,
    recommend::RecommendCommand,
    replay::ReplayOptions,
    reviews::ReviewsCommand,
    sandbox::SandboxCommand,
    seal::{SealConfig, SealWords},
    serving::{ServingConfig, ServingWords},
    shards::{self, ShardConfig},
    subject::SubjectCommand,
    travel::ClockCommand,
};

/// The command line, as it was written.
#[derive(Debug, Parser)]
#[command(name = "baeum", version, about = "Baeum: an event-sourced platform for learning English")]
pub(crate) struct CommandLine {
    #[command(flatten)]
    words: Words,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What the process is to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Run every role in this process (the default)
    Serve,
    /// Answer HTTP requests only
    Api,
    /// Carry the log to the broker's stream only
    Relay,
    /// Keep the read models up to date only
    Project,
    /// Run the sagas only
    Process,
    /// Seal the log only: keep the tree that proves that it was not changed, and sign it
    Seal,
    /// Bring the database to the schema of this build, then stop
    Migrate,
    /// Rebuild a read model from the log beside the present one and put it in its place, or replay it elsewhere, then stop
    Replay(ReplayOptions),
    /// The schemas into which read models were replayed
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Show a read model of one learner, as it is or as it was, then stop
    Query(QueryOptions),
    /// Say how the read models are doing, or deal with streams that they have parked, then stop
    Projections {
        #[command(subcommand)]
        command: Option<ProjectionsCommand>,
    },
    /// Learn from reactions to recommendations, or judge policies by them, then stop
    #[command(subcommand)]
    Recommend(RecommendCommand),
    /// Write events and read models as files for analysts: what is new since the last export to the same place
    Export(ExportOptions),
    /// Bring a file of attempts that were made in another system into the log
    Import(ImportOptions),
    /// Write out everything that there is about a person, or have them forgotten, then stop
    #[command(subcommand)]
    Subject(SubjectCommand),
    /// Make or replace the keys that wrap the keys of people, then stop
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Say which notifications and webhooks were given up, or have them tried again, then stop
    Notifications {
        #[command(subcommand)]
        command: Option<NotificationsCommand>,
    },
    /// The clock of a platform on which time is travelled (BAEUM_CLOCK=travel)
    #[command(subcommand)]
    Clock(ClockCommand),
    /// Play learners through the HTTP API of a running server, so that every read model has something to show
    Demo(DemoOptions),
    /// Calibrate the items of the level test from the answers in the log, and record it there, then stop
    Calibrate(CalibrateOptions),
    /// Fit the parameters of mastery to the answers in the log, and record them there, then stop
    #[command(subcommand)]
    Mastery(MasteryCommand),
    /// The models that evaluate answers: list them, promote one, or take it back, then stop
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Fit the scheduler of reviews to learners, then stop
    #[command(subcommand)]
    Reviews(ReviewsCommand),
    /// Item response theory on files: calibrate items from a matrix of answers. No database is opened
    #[command(subcommand)]
    Irt(IrtCommand),
    /// Export, verify and prove the log: for auditors
    #[command(subcommand)]
    Audit(AuditCommand),
}

#[derive(Args, Clone, Debug, Default)]
struct Words {
    /// Address and port of the HTTP server
    #[arg(long, env = "BAEUM_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", global = true)]
    listen: String,
    /// Folder of the embedded database
    #[arg(long, env = "BAEUM_DATA", value_name = "FOLDER", default_value = ".baeum", global = true)]
    data: String,
    /// File of the keys that wrap the keys of people (`baeum keys create`); embedded, it is made in the data folder
    #[arg(long, env = "BAEUM_KEY_FILE", value_name = "FILE", global = true)]
    key_file: Option<String>,
    #[arg(help = "Postgres, in place of the embedded database: postgres://user:password@host:5432/database")]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true, global = true)]
    database_url: Option<String>,
    #[arg(
        help = "NATS with JetStream, for more than one process: nats://host:4222 (of a cluster: several, with commas)"
    )]
    #[arg(long, env = "NATS_URL", value_name = "URL", hide_env_values = true, global = true)]
    nats_url: Option<String>,
    /// Name of the stream that carries the log
    #[arg(long, env = "BAEUM_STREAM", value_name = "NAME", default_value = "events", global = true)]
    stream: String,
    /// How many servers of a NATS cluster keep the stream: 1, 3 or 5; without it a stream stays as it is
    #[arg(long, env = "BAEUM_STREAM_REPLICAS", value_name = "NUMBER", global = true)]
    stream_replicas: Option<String>,
    /// Address and port for /metrics and /health alone, for roles that serve no HTTP, or away from the public port
    #[arg(long, env = "BAEUM_METRICS_LISTEN", value_name = "ADDRESS:PORT", global = true)]
    metrics_listen: Option<String>,
    /// File of the shards and their tenants, for more than one database
    #[arg(long, env = "BAEUM_SHARDS", value_name = "FILE", global = true)]
    shards: Option<String>,
    /// Only this shard of the file
    #[arg(long, env = "BAEUM_SHARD", value_name = "NUMBER", global = true)]
    shard: Option<String>,
    /// Form of the log lines: text or json
    #[arg(long, env = "BAEUM_LOG", value_name = "FORM", default_value = "text", global = true)]
    log: String,
    /// What to log: a level, or levels by module such as `info,baeum_eventlog=debug`
    #[arg(long, env = "BAEUM_LOG_LEVEL", value_name = "FILTER", default_value = "info", global = true)]
    log_level: String,
    /// Folder of the catalogue, in place of the built-in one
    #[arg(long, env = "BAEUM_CATALOG", value_name = "FOLDER", global = true)]
    catalog: Option<String>,
    /// File of what the recommender has learned (`baeum recommend fit`), without which it goes by its experts' weights
    #[arg(long, env = "BAEUM_RECOMMENDER", value_name = "FILE", global = true)]
    recommender: Option<String>,
    /// Folder of a speech model (pronunciation.safetensors and pronunciation.json), in place of the built-in one
    #[arg(long, env = "BAEUM_SPEECH_MODEL", value_name = "FOLDER", global = true)]
    speech_model: Option<PathBuf>,
    /// Folder of models that evaluate answers, a subfolder each, beside the built-in one
    #[arg(long, env = "BAEUM_EVALUATORS", value_name = "FOLDER", global = true)]
    evaluators: Option<PathBuf>,
    /// Folder of the model that compares meanings (`scripts/minilm`), without which verdicts tell none
    #[arg(long, env = "BAEUM_MEANING_MODEL", value_name = "FOLDER", global = true)]
    meaning_model: Option<PathBuf>,
    /// E-mail address of the administrator to create where there is none
    #[arg(long, env = "BAEUM_ADMIN_EMAIL", value_name = "ADDRESS", global = true)]
    admin_email: Option<String>,
    /// The administrator's password (better given by the variable: flags can be seen by other users)
    #[arg(long, env = "BAEUM_ADMIN_PASSWORD", value_name = "PASSWORD", hide_env_values = true, global = true)]
    admin_password: Option<String>,
    /// Seconds that the clock of this process is to be wrong by, for instance -3600: for tests and drills
    #[arg(long, env = "BAEUM_CLOCK_OFFSET_SECONDS", value_name = "SECONDS", default_value = "0", global = true)]
    #[arg(allow_hyphen_values = true)]
    clock_offset_seconds: String,
    /// How time goes: real, or travel, where the clock stands still until it is moved: for tests and demonstrations
    #[arg(long, env = "BAEUM_CLOCK", value_name = "HOW", default_value = "real", global = true)]
    clock: String,
    #[command(flatten)]
    seal: SealWords,
    #[command(flatten)]
    notification: NotificationWords,
    #[command(flatten)]
    gateway: GatewayWords,
    #[command(flatten)]
    billing: BillingWords,
    #[command(flatten)]
    carrier: CarrierWords,
    #[command(flatten)]
    serving: ServingWords,
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogForm {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// The administrator to create where there is none. It has no debug form, which would show the password.
#[derive(Clone)]
pub(crate) struct Admin {
    /// E-mail address.
    pub(crate) email: String,
    /// Password in clear.
    pub(crate) password: String,
}

/// A configuration in which every value is right by itself.
#[derive(Clone)]
pub(crate) struct Config {
    /// What to do.
    pub(crate) command: Command,
    /// Where to serve HTTP.
    pub(crate) listen: SocketAddr,
    /// Folder of the embedded database.
    pub(crate) data: PathBuf,
    /// The file of the keys that wrap the keys of people, where one is given.
    pub(crate) key_file: Option<PathBuf>,
    /// The shards that this process works for, at least one.
    pub(crate) shards: Vec<ShardConfig>,
    /// The broker, where there is one.
    pub(crate) nats_url: Option<String>,
    /// How many servers are to keep its streams.
    pub(crate) stream_replicas: Option<usize>,
    /// Where to serve metrics and health alone.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Form of the log lines.
    pub(crate) log: LogForm,
    /// What to log.
    pub(crate) log_level: String,
    /// Folder of the catalogue, in place of the built-in one.
    pub(crate) catalog: Option<PathBuf>,
    /// File of what the recommender has learned.
    pub(crate) recommender: Option<PathBuf>,
    /// Folder of a speech model, in place of the built-in one.
    pub(crate) speech_model: Option<PathBuf>,
    /// Folder of models that evaluate answers.
    pub(crate) evaluators: Option<PathBuf>,
    /// Folder of the model that compares meanings.
    pub(crate) meaning_model: Option<PathBuf>,
    /// The administrator to create where there is none.
    pub(crate) admin: Option<Admin>,
    /// By how much the clock of this process is wrong.
    pub(crate) clock_offset: TimeDelta,
    /// Whether the clock stands still until it is moved.
    pub(crate) travels: bool,
    /// How the log is sealed.
    pub(crate) seal: SealConfig,
    /// How notifications leave the platform.
    pub(crate) notification: NotificationConfig,
    /// The payment gateway, where there is one.
    pub(crate) gateway: Option<GatewayConfig>,
    /// What the operator decides about billing.
    pub(crate) billing: BillingPolicy,
    /// The carrier that kits are handed to, where there is one.
    pub(crate) carrier: Option<CarrierConfig>,
    /// How evaluators are served.
    pub(crate) serving: ServingConfig,
}

/// A value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} {problem}")]
pub(crate) struct ConfigError {
    name: String,
    problem: String,
}

impl Config {
    /// Checks the command line.
    ///
    /// # Errors
    /// Every value that is missing or wrong.
    pub(crate) fn from_command_line(line: CommandLine) -> Result<Self, Vec<ConfigError>> {
        Self::from_words(line.command.unwrap_or(Command::Serve), line.words)
    }

    #[allow(clippy::too_many_lines, reason = "each setting is checked once, in one place")]
    fn from_words(command: Command, words: Words) -> Result<Self, Vec<ConfigError>> {
        let mut errors = vec![];
        let mut check = |name: &str, result: Result<(), String>| {
            if let Err(problem) = result {
                errors.push(ConfigError { name: name.to_owned(), problem });
            }
        };
        let listen = address(&words.listen);
        let metrics_listen = words.metrics_listen.as_deref().map(address).transpose();
        let stream_replicas = words.stream_replicas.as_deref().map(replicas).transpose();
        let database = words.database_url.as_deref().map(database).transpose();
        let log = match words.log.as_str() {
            "text" => Ok(LogForm::Text),
            "json" => Ok(LogForm::Json),
            other => Err(format!("is '{other}': give text or json")),
        };
        let admin = match (words.admin_email, words.admin_password) {
            (Some(email), Some(password)) => Ok(Some(Admin { email, password })),
            (None, None) => Ok(None),
            (Some(_), None) => Err("is given without BAEUM_ADMIN_PASSWORD (--admin-password): give both or none"),
            (None, Some(_)) => Err("is missing beside BAEUM_ADMIN_PASSWORD: give both or none"),
        };
        let clock_offset = clock_offset(&words.clock_offset_seconds);
        check("BAEUM_LISTEN (--listen)", listen.as_ref().map(drop).map_err(Clone::clone));
        check("BAEUM_DATA (--data)", not_empty(&words.data, "a folder, for instance .baeum"));
        check("DATABASE_URL (--database-url)", database.as_ref().map(drop).map_err(Clone::clone));
        check("NATS_URL (--nats-url)", words.nats_url.as_deref().map_or(Ok(()), nats));
        check("BAEUM_STREAM (--stream)", stream(&words.stream));
        let many = stream_replicas.as_ref().map(drop).map_err(Clone::clone);
        check("BAEUM_STREAM_REPLICAS (--stream-replicas)", many);
        let metrics = metrics_listen.as_ref().map(drop).map_err(Clone::clone);
        check("BAEUM_METRICS_LISTEN (--metrics-listen)", metrics);
        let has_database = words.database_url.is_some() || words.shards.is_some();
        let shards = match (&words.shards, &database) {
            (Some(file), _) => shards::load(file.as_ref()),
            (None, Ok(database)) => Ok(vec![ShardConfig::only(database.clone(), words.stream.clone())]),
            (None, Err(_)) => Ok(vec![]),
        };
        let shards = shards.unwrap_or_else(|mistakes| {
            for mistake in mistakes {
                check("BAEUM_SHARDS (--shards)", Err(mistake));
            }
            vec![]
        });
        let shards = match &words.shard {
            Some(number) if !shards.is_empty() => chosen(shards, number).unwrap_or_else(|problem| {
                check("BAEUM_SHARD (--shard)", Err(problem));
                vec![]
            }),
            _ => shards,
        };
        check("BAEUM_LOG (--log)", log.as_ref().map(drop).map_err(Clone::clone));
        check("BAEUM_LOG_LEVEL (--log-level)", log_level(&words.log_level));
        let catalog = words.catalog.as_deref().map_or(Ok(()), |it| not_empty(it, "a folder with *.toml files"));
        check("BAEUM_CATALOG (--catalog)", catalog);
        let recommender = words.recommender.as_deref().map_or(Ok(()), |it| not_empty(it, "a file"));
        check("BAEUM_RECOMMENDER (--recommender)", recommender);
        let offset_is_right = clock_offset.as_ref().map(drop).map_err(Clone::clone);
        check("BAEUM_CLOCK_OFFSET_SECONDS (--clock-offset-seconds)", offset_is_right);
        let travels = match (words.clock.as_str(), &clock_offset) {
            ("real", _) => Ok(false),
            ("travel", Ok(offset)) if !offset.is_zero() => {
                Err("is travel beside BAEUM_CLOCK_OFFSET_SECONDS: a clock that stands is not wrong".to_owned())
            }
            ("travel", _) => Ok(true),
            (other, _) => Err(format!("is '{other}': give real or travel")),
        };
        check("BAEUM_CLOCK (--clock)", travels.as_ref().map(drop).map_err(Clone::clone));
        check("BAEUM_ADMIN_EMAIL (--admin-email)", admin.as_ref().map(drop).map_err(ToString::to_string));
        let seal = words.seal.checked(|name, problem| check(name, Err(problem)));
        let gateway = words.gateway.checked(|name, problem| check(name, Err(problem)));
        let billing = words.billing.checked(|name, problem| check(name, Err(problem)));
        let carrier = words.carrier.checked(|name, problem| check(name, Err(problem)));
        let serving = words.serving.checked(|name, problem| check(name, Err(problem)));
        let key_file = words.key_file.as_deref().map_or(Ok(()), |it| not_empty(it, "a file"));
        check("BAEUM_KEY_FILE (--key-file)", key_file);
        let notification = NotificationConfig::from_words(words.notification, &mut check);
        check(&format!("the role '{}'", command.name()), servers(&command, has_database, words.nats_url.is_some()));
        // It is of interest only once all else is right.
        if errors.is_empty()
            && has_database
            && words.key_file.is_none()
            && matches!(command, Command::Serve | Command::Api | Command::Process)
        {
            let problem = "is not set: names and texts of people are sealed by keys that you keep apart from the database. Make \
                           the file once with `baeum keys create --key-file FILE`, and give it to every server";
            errors.push(ConfigError { name: "BAEUM_KEY_FILE (--key-file)".to_owned(), problem: problem.to_owned() });
        }
        let values = (listen, stream_replicas, metrics_listen, log, admin, clock_offset, travels);
        if let (
            (Ok(listen), Ok(stream_replicas), Ok(metrics_listen), Ok(log), Ok(admin), Ok(clock_offset), Ok(travels)),
            true,
        ) = (values, errors.is_empty())
        {
            Ok(Self {
                command,
                listen,
                data: words.data.into(),
                key_file: words.key_file.map(Into::into),
                shards,
                nats_url: words.nats_url,
                stream_replicas,
                metrics_listen,
                log,
                log_level: words.log_level,
                catalog: words.catalog.map(Into::into),
                recommender: words.recommender.map(Into::into),
                speech_model: words.speech_model,
                evaluators: words.evaluators,
                meaning_model: words.meaning_model,
                admin,
                clock_offset,
                travels,
                seal,
                notification,
                gateway,
                billing,
                carrier,
                serving,
            })
        } else {
            Err(errors)
        }
    }
}

impl Config {
    /// Whether the database lives in this process.
    pub(crate) fn is_embedded(&self) -> bool {
        self.shards.iter().all(|shard| shard.database.is_none())
    }
}

/// The one of these shards that has this number.
fn chosen(shards: Vec<ShardConfig>, number: &str) -> Result<Vec<ShardConfig>, String> {
    let known = shards.iter().map(|it| it.number.to_string()).collect::<Vec<_>>().join(", ");
    let found: Vec<_> = shards.into_iter().filter(|it| it.number.to_string() == number).collect();
    if found.is_empty() { Err(format!("is '{number}': choose one of {known}")) } else { Ok(found) }
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Api => "api",
            Self::Relay => "relay",
            Self::Project => "project",
            Self::Process => "process",
            Self::Migrate => "migrate",
            Self::Replay(_) => "replay",
            Self::Sandbox(_) => "sandbox",
            Self::Query(_) => "query",
            Self::Recommend(_) => "recommend",
            Self::Projections { .. } => "projections",
            Self::Export(_) => "export",
            Self::Import(_) => "import",
            Self::Subject(_) => "subject",
            Self::Keys(_) => "keys",
            Self::Notifications { .. } => "notifications",
            Self::Clock(_) => "clock",
            Self::Demo(_) => "demo",
            Self::Calibrate(_) => "calibrate",
            Self::Mastery(_) => "mastery",
            Self::Models(_) => "models",
            Self::Reviews(_) => "reviews",
            Self::Irt(_) => "irt",
            Self::Seal => "seal",
            Self::Audit(_) => "audit",
        }
    }
}

/// A process of one role shares its servers with others, so it needs real ones.
fn servers(command: &Command, database: bool, nats: bool) -> Result<(), String> {
    if *command == Command::Seal && !database {
        let why =
            "seals the log that other processes write and needs DATABASE_URL, which is not set; 'baeum serve' does not";
        return Err(why.to_owned());
    }
    if !matches!(command, Command::Api | Command::Relay | Command::Project | Command::Process) || (database && nats) {
        return Ok(());
    }
    let missing = match (database, nats) {
        (false, false) => "DATABASE_URL and NATS_URL, which are not set",
        (false, true) => "DATABASE_URL, which is not set",
        _ => "NATS_URL, which is not set",
    };
    Err(format!("shares a database and a broker with other processes and needs {missing}; 'baeum serve' needs neither"))
}

/// A century at most, so that no moment leaves the range of the clock.
fn clock_offset(seconds: &str) -> Result<TimeDelta, String> {
    let number = seconds.parse::<i64>().ok().filter(|it| it.abs() <= 100 * 366 * 86_400);
    number.map(TimeDelta::seconds).ok_or_else(|| {
        format!("is '{seconds}': give seconds, for instance -3600, for a drill with a wrong clock; else leave it out")
    })
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("is '{text}': give an address and a port, for instance 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080")
    })
}

/// An even number of replicas bears the loss of no more servers than one less does.
fn replicas(text: &str) -> Result<usize, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        "5" => Ok(5),
        _ => Err(format!("is '{text}': give 1, 3 or 5, no more than the cluster has servers")),
    }
}

fn not_empty(text: &str, right: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err(format!("is empty: give {right}, or leave it out")) } else { Ok(()) }
}

/// The URL is not repeated: it may hold a password.
pub(crate) fn database(url: &str) -> Result<PgConnectOptions, String> {
    const RIGHT: &str = "give postgres://user:password@host:5432/database, or leave it out for the embedded database";
    if url.is_empty() {
        return Err(format!("is empty: {RIGHT}"));
    }
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(format!("does not start with postgres:// or postgresql://: {RIGHT}"));
    }
    PgConnectOptions::from_str(url).map_err(|error| format!("cannot be read ({error}): {RIGHT}"))
}

fn nats(url: &str) -> Result<(), String> {
    const RIGHT: &str = "give nats://host:4222 or tls://host:4222, or leave it out to run as one process";
    if url.is_empty() {
        return Err(format!("is empty: {RIGHT}"));
    }
    if !url.split(',').all(|it| it.trim().starts_with("nats://") || it.trim().starts_with("tls://")) {
        return Err(format!("does not start with nats:// or tls://: {RIGHT}"));
    }
    baeum_eventlog::nats::check_url(url).map_err(|error| format!("cannot be read ({error}): {RIGHT}"))
}

pub(crate) fn stream(name: &str) -> Result<(), String> {
    let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if fits { Ok(()) } else { Err(format!("is '{name}': use letters, digits, '-' and '_', for instance events")) }
}

/// A bare word that is no level would be taken for a module, and everything else would be silent.
fn log_level(filter: &str) -> Result<(), String> {
    const RIGHT: &str =
        "give off, error, warn, info, debug or trace, or levels by module such as info,baeum_eventlog=debug";
    let is_level = |word: &str| !word.is_empty() && word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    let wrong = filter.split(',').map(str::trim).find(|it| !it.contains(['=', '[']) && !is_level(it));
    match (wrong, tracing_subscriber::EnvFilter::try_new(filter)) {
        (Some(word), _) => Err(format!("has '{word}', which is no level: {RIGHT}")),
        (None, Err(error)) => Err(format!("is '{filter}' ({error}): {RIGHT}")),
        (None, Ok(_)) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(line: &[&str]) -> Result<Config, Vec<String>> {
        // The environment of a test may name a database, which is not served without keys.
        let words = ["baeum", "--key-file", "keys.toml"].iter().chain(line);
        let line = CommandLine::try_parse_from(words).expect("words that clap knows");
        Config::from_command_line(line).map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    fn mistakes(line: &[&str]) -> Vec<String> {
        config(line).err().expect("a mistake")
    }

    #[test]
    fn a_password_is_not_repeated() {
        for url in ["postgres://u:hunter2@host:port/db", "mysql://u:hunter2@host/db", "nats://u:hunter2@"] {
            for flag in ["--database-url", "--nats-url"] {
                let told = mistakes(&[flag, url]).join("\n");
                assert!(!told.contains("hunter2"), "{told}");
            }
        }
    }

    #[test]
    fn several_servers_of_a_cluster_may_be_named() {
        assert_eq!(nats("nats://one:4222,nats://two:4222, tls://three"), Ok(()));
        for wrong in ["nats://one:4222,two:4222", "nats://one:4222,", "nats://one:port,nats://two"] {
            assert!(nats(wrong).is_err(), "{wrong} must be refused");
        }
    }

    #[test]
    fn a_stream_has_an_odd_number_of_replicas() {
        assert_eq!(config(&["--stream-replicas", "3"]).expect("right").stream_replicas, Some(3));
        assert_eq!(config(&[]).expect("right").stream_replicas, None);
        for wrong in ["0", "2", "7", "many", ""] {
            let told = mistakes(&["--stream-replicas", wrong]).join("\n");
            assert!(told.starts_with("BAEUM_STREAM_REPLICAS (--stream-replicas) is '"), "{told}");
        }
    }

    #[test]
    fn an_evaluator_has_time_threads_and_room_for_at_least_one() {
        let right = config(&["--evaluator-patience-ms", "50", "--evaluator-threads", "3", "--evaluator-queue", "9"]);
        let ServingConfig { patience, settings } = right.expect("right").serving;
        assert_eq!((patience.as_millis(), settings.threads.get(), settings.queue.get()), (50, 3, 9));
        let unset = config(&[]).expect("right").serving;
        assert_eq!((unset.patience.as_millis(), unset.settings.queue.get()), (2_000, 256));
        let zero = ["--evaluator-patience-ms", "0", "--evaluator-threads", "0", "--evaluator-queue", "0"];
        assert_eq!(mistakes(&zero).len(), 3, "{:?}", mistakes(&zero));
    }

    #[test]
    fn meanings_are_compared_only_where_a_model_is_given() {
        assert_eq!(config(&[]).expect("right").meaning_model, None);
        assert_eq!(config(&["--meaning-model", "minilm"]).expect("right").meaning_model, Some("minilm".into()));
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let told = mistakes(&["--log", "xml", "--stream", "a.b", "--listen", "here"]);
        assert_eq!(told.len(), 3, "{told:?}");
    }

    #[test]
    fn flags_are_accepted_on_both_sides_of_the_subcommand() {
        for line in [["--stream", "other", "migrate"], ["migrate", "--stream", "other"]] {
            let config = config(&line).expect("right");
            assert_eq!((config.shards[0].stream.as_str(), config.command), ("other", Command::Migrate));
        }
    }

    #[test]
    fn a_log_level_with_a_typing_mistake_is_found() {
        for right in ["info", "warn,baeum_eventlog=debug", "OFF"] {
            assert_eq!(log_level(right), Ok(()), "{right}");
        }
        for wrong in ["inof", "", "info,", "baeum=loud"] {
            assert!(log_level(wrong).is_err(), "{wrong} must be refused");
        }
    }
}
