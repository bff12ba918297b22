//! A user: their roles, learning preferences, goal and consents.
//!
//! Life cycle: registered, then changed in any order. Invariants: preferences name two different languages;
//! a goal lies between 5 and 240 minutes a day; the emotion-care consent names the policy that was agreed to.
//! Names, e-mail addresses and passwords are no events: they live in the credential store, where they can be erased.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::locale::{Country, Language, TimeZone};
use crate::{
    decider::{Decider, DomainEvent},
    ids::{Topic, UserId},
};

/// What a user may do.
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
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Learns, and reaches their own data only.
    Learner,
    /// Reads the progress of learners.
    Instructor,
    /// Reads read models and history of everyone, changes nothing.
    Analyst,
    /// Inspects the log.
    Auditor,
    /// Grants roles and operates the platform.
    Admin,
}

/// How and what someone wants to learn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preferences {
    /// Language in which explanations are given.
    pub native_language: Language,
    /// Language that is learned.
    pub target_language: Language,
    /// Where titles to watch must be available.
    pub country: Country,
    /// Decides which day an activity counts for.
    pub time_zone: TimeZone,
    /// Topics to learn with, at most 10.
    pub interests: BTreeSet<Topic>,
}

/// What can have happened to a user.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// An account was opened.
    UserRegistered {
        /// The new user.
        user_id: UserId,
        /// Roles from the start.
        roles: BTreeSet<Role>,
        /// First preferences.
        preferences: Preferences,
    },
    /// The learning preferences were set.
    LearningPreferencesSet {
        /// All of them, as they now are.
        preferences: Preferences,
    },
    /// A daily goal was set.
    GoalSet {
        /// Minutes of learning a day, 5 to 240.
        daily_minutes: u16,
    },
    /// The learner agreed that emotion states are derived from their activity.
    EmotionCareConsentGiven {
        /// The policy text that was agreed to, for instance `2026-01`.
        policy_version: String,
    },
    /// The learner took that agreement back.
    EmotionCareConsentWithdrawn {},
    /// A role was granted.
    RoleGranted {
        /// The role.
        role: Role,
    },
    /// A role was taken away.
    RoleRevoked {
        /// The role.
        role: Role,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A user, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Set once registered.
    pub profile: Option<Profile>,
}

/// What a registered user has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The user.
    pub user_id: UserId,
    /// What they may do.
    pub roles: BTreeSet<Role>,
    /// How they want to learn.
    pub preferences: Preferences,
    /// Minutes a day, if set.
    pub daily_minutes: Option<u16>,
    /// The policy agreed to, while the consent stands.
    pub emotion_care_policy: Option<String>,
}

/// What can be asked of a user.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Open the account.
    Register {
        /// The new user.
        user_id: UserId,
        /// Roles from the start.
        roles: BTreeSet<Role>,
        /// First preferences.
        preferences: Preferences,
    },
    /// Set any of preferences, goal and consent; what is `None` stays as it is.
    Change {
        /// New preferences.
        preferences: Option<Preferences>,
        /// New daily goal in minutes.
        daily_minutes: Option<u16>,
        /// `Some(Some(policy))` gives the emotion-care consent, `Some(None)` withdraws it.
        emotion_care_policy: Option<Option<String>>,
    },
    /// Grant a role.
    GrantRole {
        /// The role.
        role: Role,
    },
    /// Take a role away.
    RevokeRole {
        /// The role.
        role: Role,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such user.
    #[error("this user is not registered: register first")]
    NotRegistered,
    /// The account is already open, with other data.
    #[error("user {0} is already registered: sign in instead")]
    AlreadyRegistered(UserId),
    /// The two languages are the same.
    #[error("native and target language are both '{0}': choose two different languages")]
    SameLanguages(Language),
    /// Too many interests.
    #[error("{0} interests are given, at most 10 are allowed: choose the most important ones")]
    TooManyInterests(usize),
    /// The goal is out of range.
    #[error("a daily goal of {0} minutes is out of range: choose 5 to 240")]
    GoalOutOfRange(u16),
    /// A policy version that names nothing.
    #[error("the consent names no policy version: give the version that was shown, for instance '2026-01'")]
    NoPolicyVersion,
    /// A user must keep a role.
    #[error("'{0}' is the only role of this user: grant another role first")]
    LastRole(Role),
}

impl Decider for User {
    const AGGREGATE: &'static str = "user";
    const CONTEXT: &'static str = "identity";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match (command, &self.profile) {
            (Command::Register { user_id, roles, preferences }, None) => {
                check_preferences(&preferences)?;
                Ok(vec![Event::UserRegistered { user_id, roles, preferences }])
            }
            (Command::Register { user_id, .. }, Some(profile)) if profile.user_id == user_id => Ok(vec![]),
            (Command::Register { .. }, Some(profile)) => Err(Error::AlreadyRegistered(profile.user_id)),
            (_, None) => Err(Error::NotRegistered),
            (Command::Change { preferences, daily_minutes, emotion_care_policy }, Some(profile)) => {
                change(profile, preferences, daily_minutes, emotion_care_policy)
            }
            (Command::GrantRole { role }, Some(profile)) if profile.roles.contains(&role) => Ok(vec![]),
            (Command::GrantRole { role }, Some(_)) => Ok(vec![Event::RoleGranted { role }]),
            (Command::RevokeRole { role }, Some(profile)) if !profile.roles.contains(&role) => Ok(vec![]),
            (Command::RevokeRole { role }, Some(profile)) if profile.roles.len() == 1 => Err(Error::LastRole(role)),
            (Command::RevokeRole { role }, Some(_)) => Ok(vec![Event::RoleRevoked { role }]),
        }
    }

    fn evolve(&mut self, event: &Event) {
        if let Event::UserRegistered { user_id, roles, preferences } = event {
            self.profile = Some(Profile {
                user_id: *user_id,
                roles: roles.clone(),
                preferences: preferences.clone(),
                daily_minutes: None,
                emotion_care_policy: None,
            });
            return;
        }
        let Some(profile) = &mut self.profile else { return };
        match event {
            Event::UserRegistered { .. } => {}
            Event::LearningPreferencesSet { preferences } => profile.preferences = preferences.clone(),
            Event::GoalSet { daily_minutes } => profile.daily_minutes = Some(*daily_minutes),
            Event::EmotionCareConsentGiven { policy_version } => {
                profile.emotion_care_policy = Some(policy_version.clone());
            }
            Event::EmotionCareConsentWithdrawn {} => profile.emotion_care_policy = None,
            Event::RoleGranted { role } => {
                profile.roles.insert(*role);
            }
            Event::RoleRevoked { role } => {
                profile.roles.remove(role);
            }
        }
    }
}

fn check_preferences(preferences: &Preferences) -> Result<(), Error> {
    if preferences.native_language == preferences.target_language {
        return Err(Error::SameLanguages(preferences.native_language.clone()));
    }
    if preferences.interests.len() > 10 {
        return Err(Error::TooManyInterests(preferences.interests.len()));
    }
    Ok(())
}

fn change(
    profile: &Profile,
    preferences: Option<Preferences>,
    daily_minutes: Option<u16>,
    emotion_care_policy: Option<Option<String>>,
) -> Result<Vec<Event>, Error> {
    let mut events = vec![];
    if let Some(preferences) = preferences.filter(|new| *new != profile.preferences) {
        check_preferences(&preferences)?;
        events.push(Event::LearningPreferencesSet { preferences });
    }
    if let Some(daily_minutes) = daily_minutes.filter(|new| Some(*new) != profile.daily_minutes) {
        if !(5..=240).contains(&daily_minutes) {
            return Err(Error::GoalOutOfRange(daily_minutes));
        }
        events.push(Event::GoalSet { daily_minutes });
    }
    match emotion_care_policy {
        Some(new) if new == profile.emotion_care_policy => {}
        Some(Some(policy_version)) => {
            if policy_version.trim().is_empty() || policy_version.len() > 40 {
                return Err(Error::NoPolicyVersion);
            }
            events.push(Event::EmotionCareConsentGiven { policy_version });
        }
        Some(None) => events.push(Event::EmotionCareConsentWithdrawn {}),
        None => {}
    }
    Ok(events)
}

/// Sample values for tests and documentation.
pub mod samples {
    use super::{BTreeSet, Event, Preferences, Role, UserId};
    use uuid::Uuid;

    /// Preferences of a Korean learner of English.
    ///
    /// # Panics
    /// Never: the values are valid.
    pub fn preferences() -> Preferences {
        Preferences {
            native_language: "ko".parse().expect("valid"),
            target_language: "en".parse().expect("valid"),
            country: "KR".parse().expect("valid"),
            time_zone: "Asia/Seoul".parse().expect("valid"),
            interests: ["travel", "romance"].iter().map(|topic| topic.parse().expect("valid")).collect(),
        }
    }

    /// A learner's registration.
    pub fn registered() -> Event {
        Event::UserRegistered {
            user_id: UserId(Uuid::from_u128(1)),
            roles: BTreeSet::from([Role::Learner]),
            preferences: preferences(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{samples::*, *};
    use crate::spec::given;
    use uuid::Uuid;

    fn register() -> Command {
        Command::Register {
            user_id: UserId(Uuid::from_u128(1)),
            roles: BTreeSet::from([Role::Learner]),
            preferences: preferences(),
        }
    }

    fn change_nothing() -> (Option<Preferences>, Option<u16>, Option<Option<String>>) {
        (None, None, None)
    }

    #[test]
    fn a_new_user_is_registered_once() {
        given::<User>([]).when(register()).then([registered()]);
    }

    #[test]
    fn the_two_languages_must_differ() {
        let mut same = preferences();
        same.native_language = same.target_language.clone();
        let (_, daily_minutes, emotion_care_policy) = change_nothing();
        given::<User>([registered()])
            .when(Command::Change { preferences: Some(same), daily_minutes, emotion_care_policy })
            .then_refused("both 'en'");
    }

    #[test]
    fn goal_and_consent_change_together() {
        given::<User>([registered()])
            .when(Command::Change {
                preferences: None,
                daily_minutes: Some(20),
                emotion_care_policy: Some(Some("2026-01".into())),
            })
            .then([
                Event::GoalSet { daily_minutes: 20 },
                Event::EmotionCareConsentGiven { policy_version: "2026-01".into() },
            ]);
    }

    #[test]
    fn a_goal_out_of_range_is_refused_whole() {
        given::<User>([registered()])
            .when(Command::Change {
                preferences: None,
                daily_minutes: Some(4),
                emotion_care_policy: Some(Some("2026-01".into())),
            })
            .then_refused("choose 5 to 240");
    }

    #[test]
    fn consent_can_be_withdrawn() {
        given::<User>([registered(), Event::EmotionCareConsentGiven { policy_version: "2026-01".into() }])
            .when(Command::Change { preferences: None, daily_minutes: None, emotion_care_policy: Some(None) })
            .then([Event::EmotionCareConsentWithdrawn {}]);
    }

    #[test]
    fn nobody_is_changed_before_they_register() {
        given::<User>([]).when(Command::GrantRole { role: Role::Admin }).then_refused("register first");
    }

    #[test]
    fn the_last_role_cannot_be_revoked() {
        given::<User>([registered()]).when(Command::RevokeRole { role: Role::Learner }).then_refused("only role");
        given::<User>([registered(), Event::RoleGranted { role: Role::Auditor }])
            .when(Command::RevokeRole { role: Role::Learner })
            .then([Event::RoleRevoked { role: Role::Learner }]);
    }
}
