//! The ways by which a notification reaches a person.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A way to reach a person.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Channel {
    /// The inbox of the application.
    InApp,
    /// E-mail.
    Email,
    /// A push message to the person's devices.
    Push,
}

impl Channel {
    /// Whether it may ring at the person's bedside, so that it keeps to quiet hours. The inbox waits to be opened.
    pub fn disturbs(self) -> bool {
        self != Self::InApp
    }
}
