//! Changing one's profile: name, preferences, goal and consent.

use std::{collections::BTreeSet, sync::Arc};

use baeum_domain::{
    identity::{
        locale::{Country, Language, TimeZone},
        user::{self, Preferences, Profile, Role, User},
    },
    ids::{Topic, UserId},
    text,
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};
use serde::{Deserialize, Serialize};

use super::{Error, credentials};
use crate::{Commands, Request, vault::VaultError};

/// What is to change; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProfileChange {
    /// What the user wants to be called.
    pub display_name: Option<String>,
    /// Language of explanations.
    pub native_language: Option<Language>,
    /// Language that is learned.
    pub target_language: Option<Language>,
    /// Where titles must be available.
    pub country: Option<Country>,
    /// Decides which day an activity counts for.
    pub time_zone: Option<TimeZone>,
    /// Topics to learn with.
    pub interests: Option<BTreeSet<Topic>>,
    /// Minutes of learning a day.
    pub daily_minutes: Option<u16>,
    /// `Some(Some(policy))` gives the emotion-care consent, `Some(None)` withdraws it.
    pub emotion_care_policy: Option<Option<String>>,
}

/// The answer to a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// The profile as it now is.
    pub profile: Option<Profile>,
}

impl Commands {
    /// Changes the profile of `user_id`, who must be the caller, unless the caller is an administrator.
    ///
    /// # Errors
    /// Wrong input, someone else's profile, an unknown user, or a failing store.
    pub async fn change_profile(
        &self,
        request: &Request,
        user_id: UserId,
        change: ProfileChange,
    ) -> Result<Outcome<Changed>, ExecuteError<Error>> {
        if request.caller.user_id != user_id && !request.caller.has_any(&[Role::Admin]) {
            return Err(ExecuteError::Refused(Error::NotYours(user_id)));
        }
        self.refuse_erased(user_id).map_err(ExecuteError::Refused)?;
        let context = request.context(self.clock());
        // A name that was changed again since must not come back.
        if change.display_name.is_some()
            && let Some(outcome) = self.log.recall(&context).await?
        {
            return Ok(outcome);
        }
        let change = &change;
        self.log
            .execute::<User, _, Error, _>(
                &context,
                &user_id.to_string(),
                |loaded: Loaded<User>| self.prepare_change(&request.caller.tenant, loaded.state, change),
                |user, _| Changed { profile: user.profile.clone() },
            )
            .await
    }

    /// Refuses what would be done to a person who was forgotten.
    pub(super) fn refuse_erased(&self, user_id: UserId) -> Result<(), Error> {
        if self.log.erased().contains(user_id) { Err(VaultError::Erased(user_id).into()) } else { Ok(()) }
    }

    async fn prepare_change(
        &self,
        tenant: &str,
        user: Arc<User>,
        change: &ProfileChange,
    ) -> Result<user::Command, Error> {
        let profile = user.profile.as_ref().ok_or(user::Error::NotRegistered)?;
        let known = profile.preferences.clone();
        let preferences = Preferences {
            native_language: change.native_language.clone().unwrap_or(known.native_language),
            target_language: change.target_language.clone().unwrap_or(known.target_language),
            country: change.country.clone().unwrap_or(known.country),
            time_zone: change.time_zone.clone().unwrap_or(known.time_zone),
            interests: change.interests.clone().unwrap_or(known.interests),
        };
        if change.interests.is_some() {
            self.check_interests(&preferences)?;
        }
        if let Some(display_name) = &change.display_name {
            let display_name = text::check(display_name, 80).map_err(Error::DisplayName)?;
            credentials::rename(&self.vault, tenant, profile.user_id, display_name).await?;
        }
        Ok(user::Command::Change {
            preferences: Some(preferences),
            daily_minutes: change.daily_minutes,
            emotion_care_policy: change.emotion_care_policy.clone(),
        })
    }
}
