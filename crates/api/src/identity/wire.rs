//! What a profile looks like on the wire.

use baeum_domain::identity::user::{Preferences, Profile};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::{mirror, texts};

mirror! {
    /// What a user may do.
    #[serde(rename_all = "snake_case")]
    Role = baeum_domain::identity::user::Role { Learner, Instructor, Analyst, Auditor, Admin }
}

/// The consent to emotion care.
#[derive(Serialize, ToSchema)]
pub(crate) struct Consent {
    /// The policy that was agreed to.
    pub(crate) policy_version: String,
}

/// A profile as its owner set it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProfileAnswer {
    /// The user.
    pub(crate) user_id: uuid::Uuid,
    /// What they may do.
    pub(crate) roles: Vec<Role>,
    /// Language of explanations (ISO 639-1).
    pub(crate) native_language: String,
    /// Language that is learned (ISO 639-1).
    pub(crate) target_language: String,
    /// Where titles must be available (ISO 3166-1 alpha-2).
    pub(crate) country: String,
    /// Decides which day an activity counts for (IANA).
    pub(crate) time_zone: String,
    /// Topics to learn with.
    pub(crate) interests: Vec<String>,
    /// Minutes of learning a day, where set.
    pub(crate) daily_goal_minutes: Option<u16>,
    /// The consent to emotion care, while it stands.
    pub(crate) emotion_care_consent: Option<Consent>,
}

impl From<Profile> for ProfileAnswer {
    fn from(profile: Profile) -> Self {
        let Preferences { native_language, target_language, country, time_zone, interests } = profile.preferences;
        Self {
            user_id: profile.user_id.0,
            roles: profile.roles.into_iter().map(Into::into).collect(),
            native_language: native_language.into(),
            target_language: target_language.into(),
            country: country.into(),
            time_zone: time_zone.into(),
            interests: texts(interests),
            daily_goal_minutes: profile.daily_minutes,
            emotion_care_consent: profile.emotion_care_policy.map(|policy_version| Consent { policy_version }),
        }
    }
}
