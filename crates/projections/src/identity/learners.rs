//! The profile of each user: what they chose, and the level that they last showed.

use std::collections::BTreeSet;

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    assessment::assessment::{Assessment, Event as AssessmentEvent},
    identity::{
        locale::{Country, Language, TimeZone},
        user::{Event, Preferences, Role, User},
    },
    ids::{Topic, UserId},
    level::Cefr,
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{Order, Personal, Projection, ProjectionError, projection::aggregate_id, row};

/// A user as others may read them. Names and addresses are not here: they live in the credential store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learner {
    /// The user.
    pub user_id: UserId,
    /// What they may do.
    pub roles: BTreeSet<Role>,
    /// Language in which explanations are given.
    pub native_language: Language,
    /// Language that is learned.
    pub target_language: Language,
    /// Where titles to watch must be available.
    pub country: Country,
    /// Decides which day an activity counts for.
    pub time_zone: TimeZone,
    /// Topics to learn with.
    pub interests: BTreeSet<Topic>,
    /// The daily goal in minutes, 5 to 240, if set.
    pub daily_minutes: Option<u16>,
    /// The emotion-care policy agreed to, while the consent stands.
    pub emotion_care_policy: Option<String>,
    /// The band of the latest finished level test.
    pub level: Option<Cefr>,
    /// The ability of the latest finished level test, in logits; 0 is the middle of the population.
    pub theta: Option<f64>,
    /// Standard error of theta, in logits.
    pub standard_error: Option<f64>,
    /// When that test was finished.
    pub assessed_at: Option<DateTime<Utc>>,
    /// When the account was opened.
    pub registered_at: DateTime<Utc>,
    /// Sequence of the user's own stream: what If-Match names.
    pub version: i64,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// The profile of a user.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, user: UserId) -> Result<Option<Learner>, sqlx::Error> {
    row::find(db, "SELECT to_jsonb(l) FROM learners l WHERE user_id = $1", user.0).await
}

/// Keeps `learners`.
pub struct Learners;

impl Projection for Learners {
    fn name(&self) -> &'static str {
        "learners"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["learners"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Rows { table: "learners", of: "user_id = $1" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        matches!(aggregate_type, User::AGGREGATE | Assessment::AGGREGATE)
    }

    fn order(&self) -> Order {
        Order::ByField("learner_id")
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            match &event.payload {
                AnyEvent::User(change) => apply_user(db, event, change).await,
                AnyEvent::Assessment(AssessmentEvent::LevelAssessed { learner_id, report, .. }) => {
                    sqlx::query(
                        "UPDATE learners SET level = $2, theta = $3, standard_error = $4, assessed_at = $5,
                                             position = $6
                         WHERE user_id = $1",
                    )
                    .bind(learner_id.0)
                    .bind(report.band.to_string())
                    .bind(report.ability.theta)
                    .bind(report.ability.standard_error)
                    .bind(event.recorded_at)
                    .bind(event.position)
                    .execute(db)
                    .await?;
                    Ok(())
                }
                _ => Ok(()),
            }
        })
    }
}

async fn apply_user(db: &mut PgConnection, event: &Recorded<AnyEvent>, change: &Event) -> Result<(), ProjectionError> {
    let user = aggregate_id(event)?;
    match change {
        Event::UserRegistered { roles, preferences, .. } => {
            sqlx::query(
                "INSERT INTO learners (user_id, roles, native_language, target_language, country, time_zone, interests,
                                       registered_at, version, position)
                 VALUES ($1, $2, '', '', '', '', '{}', $3, $4, $5)",
            )
            .bind(user)
            .bind(roles.iter().map(ToString::to_string).collect::<Vec<_>>())
            .bind(event.recorded_at)
            .bind(event.sequence)
            .bind(event.position)
            .execute(&mut *db)
            .await?;
            set_preferences(db, user, preferences).await?;
        }
        Event::LearningPreferencesSet { preferences } => set_preferences(db, user, preferences).await?,
        Event::GoalSet { daily_minutes } => {
            sqlx::query("UPDATE learners SET daily_minutes = $2 WHERE user_id = $1")
                .bind(user)
                .bind(i32::from(*daily_minutes))
                .execute(&mut *db)
                .await?;
        }
        Event::EmotionCareConsentGiven { policy_version } => {
            set_policy(db, user, Some(policy_version)).await?;
        }
        Event::EmotionCareConsentWithdrawn {} => set_policy(db, user, None).await?,
        Event::RoleGranted { role } => {
            change_roles(db, user, *role, "array_append(array_remove(roles, $2), $2)").await?;
        }
        Event::RoleRevoked { role } => change_roles(db, user, *role, "array_remove(roles, $2)").await?,
        // Whatever else happens moves the version on.
        _ => {}
    }
    sqlx::query("UPDATE learners SET version = $2, position = $3 WHERE user_id = $1")
        .bind(user)
        .bind(event.sequence)
        .bind(event.position)
        .execute(db)
        .await?;
    Ok(())
}

async fn set_preferences(db: &mut PgConnection, user: Uuid, preferences: &Preferences) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE learners SET native_language = $2, target_language = $3, country = $4, time_zone = $5, interests = $6
         WHERE user_id = $1",
    )
    .bind(user)
    .bind(preferences.native_language.as_str())
    .bind(preferences.target_language.as_str())
    .bind(preferences.country.as_str())
    .bind(preferences.time_zone.as_str())
    .bind(preferences.interests.iter().map(Topic::as_str).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(())
}

async fn set_policy(db: &mut PgConnection, user: Uuid, policy: Option<&String>) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE learners SET emotion_care_policy = $2 WHERE user_id = $1")
        .bind(user)
        .bind(policy)
        .execute(db)
        .await?;
    Ok(())
}

async fn change_roles(db: &mut PgConnection, user: Uuid, role: Role, roles: &str) -> Result<(), sqlx::Error> {
    sqlx::query(&format!("UPDATE learners SET roles = {roles} WHERE user_id = $1"))
        .bind(user)
        .bind(role.to_string())
        .execute(db)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use baeum_domain::identity::user::Command;

    use super::*;
    use crate::testing::{LEARNER, in_a_world, preferences};

    #[tokio::test]
    async fn a_profile_shows_what_was_chosen_last_and_the_latest_level() {
        in_a_world(async |world| {
            world.register().await;
            let change = Command::Change {
                preferences: Some(preferences("Europe/Paris")),
                daily_minutes: Some(25),
                emotion_care_policy: Some(Some("2026-01".into())),
            };
            world.execute::<User>(LEARNER.0, change).await;
            world.execute::<User>(LEARNER.0, Command::GrantRole { role: Role::Analyst }).await;
            world.execute::<User>(LEARNER.0, Command::RevokeRole { role: Role::Learner }).await;
            let changed = world.consent(None).await;
            world.project().await;
            let learner = find(&world.pool, LEARNER).await.expect("a database").expect("a learner");
            assert_eq!(learner.roles, [Role::Analyst].into());
            assert_eq!(learner.time_zone.as_str(), "Europe/Paris");
            assert_eq!(learner.interests, ["travel".parse().expect("a topic")].into());
            assert_eq!((learner.daily_minutes, learner.emotion_care_policy), (Some(25), None));
            assert_eq!((learner.level, learner.version, learner.position), (None, 7, changed));

            world.start_sitting(10, 1).await;
            let assessed = world.answer(10, "one", true, "two").await;
            world.project().await;
            let learner = find(&world.pool, LEARNER).await.expect("a database").expect("a learner");
            assert_eq!((learner.level, learner.theta), (Some(Cefr::B2), Some(0.7)));
            assert_eq!((learner.version, learner.position), (7, assessed));
        })
        .await;
    }

    #[tokio::test]
    async fn nobody_is_found_before_they_register() {
        in_a_world(async |world| {
            assert_eq!(find(&world.pool, LEARNER).await.expect("a database"), None);
        })
        .await;
    }
}
