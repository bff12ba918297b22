//! The first administrator, without whom nobody could grant a role.

use std::{collections::BTreeSet, fs, io, path::Path};

use baeum_commands::{
    Caller, Commands, ExecuteError, Request,
    identity::{Error, register::Registration},
};
use baeum_domain::{
    Entropy,
    identity::user::{Preferences, Role},
    ids::UserId,
};
use uuid::Uuid;

use crate::{config::Admin, entropy::SystemEntropy, private_file};

/// Address of the administrator of an embedded installation.
const ADDRESS: &str = "admin@baeum.local";
/// Name of the file in the data folder that holds its password.
const FILE: &str = "admin-password";

/// Why there is no administrator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// The password file cannot be read or written.
    #[error("the administrator's password file {path} cannot be used: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The account was refused.
    #[error("BAEUM_ADMIN_EMAIL, BAEUM_ADMIN_PASSWORD: {0}")]
    Register(#[from] ExecuteError<Error>),
}

/// The administrator of an embedded installation: its password is made once and kept in a file that only its owner can
/// read.
///
/// # Errors
/// When the file cannot be read or written.
pub(crate) fn of_data_folder(data: &Path) -> Result<Admin, AdminError> {
    let path = data.join(FILE);
    let unusable = |error| AdminError::File { path: path.display().to_string(), error };
    let password = match fs::read_to_string(&path) {
        Ok(text) => text.trim().to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let password = random_password();
            private_file::write_new(&path, &format!("{password}\n")).map_err(unusable)?;
            password
        }
        Err(error) => return Err(unusable(error)),
    };
    Ok(Admin { email: ADDRESS.to_owned(), password })
}

/// Where the password of an embedded installation's administrator is, and its address.
pub(crate) fn hint(data: &Path) -> (&'static str, String) {
    (ADDRESS, data.join(FILE).display().to_string())
}

/// Registers the administrator of a tenant where nobody has their address.
///
/// # Errors
/// When address or password are refused, or the log fails.
pub(crate) async fn ensure(commands: &Commands, tenant: &str, admin: Admin) -> Result<(), AdminError> {
    let request = Request {
        caller: Caller { tenant: tenant.to_owned(), user_id: UserId(Uuid::nil()), roles: BTreeSet::new() },
        idempotency: None,
        expected_sequence: None,
        correlation_id: commands.log().clock().new_id(),
    };
    let registration = Registration {
        email: admin.email,
        password: admin.password,
        display_name: "Administrator".to_owned(),
        preferences: preferences(),
        roles: BTreeSet::from([Role::Admin]),
    };
    match commands.register(&request, registration).await {
        Ok(_) => tracing::info!(tenant, "the administrator was registered"),
        Err(ExecuteError::Refused(Error::EmailTaken)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn preferences() -> Preferences {
    Preferences {
        native_language: "ko".parse().expect("a valid language"),
        target_language: "en".parse().expect("a valid language"),
        country: "KR".parse().expect("a valid country"),
        time_zone: "UTC".parse().expect("a valid time zone"),
        interests: BTreeSet::new(),
    }
}

/// 24 letters and digits: 120 bits.
fn random_password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 24];
    SystemEntropy.fill(&mut bytes);
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}
