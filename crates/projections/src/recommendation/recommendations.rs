//! The latest recommendation of each learner. Names of titles and clips come from the catalogue, when it is shown.

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    identity::locale::Country,
    ids::{LessonId, RecommendationId, UserId},
    recommendation::{
        recommendation::{Event, Recommendation as Aggregate, WatchOption},
        recommending::{ScoredClip, ScoredTitle},
    },
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, types::Json};

use crate::{Order, Personal, Projection, ProjectionError, row};

/// What was last recommended to a learner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recommendation {
    /// Its id.
    pub recommendation_id: RecommendationId,
    /// For whom.
    pub learner_id: UserId,
    /// After which lesson.
    pub lesson_id: LessonId,
    /// Which recommender chose.
    pub model_id: String,
    /// Titles in the order of places, each with its score (0 to 1), reasons and propensity.
    pub titles: Vec<ScoredTitle>,
    /// Clips in the order of places, each with its score (0 to 1), reasons and propensity.
    pub clips: Vec<ScoredClip>,
    /// The country of the watch options; none until they were found.
    pub country: Option<Country>,
    /// Where to watch the titles.
    pub watch_options: Vec<WatchOption>,
    /// When it was generated.
    pub generated_at: DateTime<Utc>,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// The latest recommendation of a learner.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, learner: UserId) -> Result<Option<Recommendation>, sqlx::Error> {
    row::find(db, "SELECT to_jsonb(r) FROM recommendations r WHERE learner_id = $1", learner.0).await
}

/// Keeps `recommendations`.
pub struct Recommendations;

impl Projection for Recommendations {
    fn name(&self) -> &'static str {
        "recommendations"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["recommendations"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Rows { table: "recommendations", of: "learner_id = $1" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == Aggregate::AGGREGATE
    }

    fn order(&self) -> Order {
        Order::ByField("learner_id")
    }

    fn version(&self) -> u32 {
        2
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            match &event.payload {
                AnyEvent::Recommendation(change) => apply(db, event, change).await,
                _ => Ok(()),
            }
        })
    }
}

async fn apply(db: &mut PgConnection, event: &Recorded<AnyEvent>, change: &Event) -> Result<(), ProjectionError> {
    match change {
        Event::RecommendationGenerated {
            recommendation_id, learner_id, lesson_id, model_id, titles, clips, ..
        } => {
            sqlx::query(
                "INSERT INTO recommendations (learner_id, recommendation_id, lesson_id, model_id, titles, clips,
                                              country, watch_options, generated_at, position)
                 VALUES ($1, $2, $3, $4, $5, $6, NULL, '[]', $7, $8)
                 ON CONFLICT (learner_id) DO UPDATE
                 SET recommendation_id = excluded.recommendation_id, lesson_id = excluded.lesson_id,
                     model_id = excluded.model_id, titles = excluded.titles, clips = excluded.clips, country = NULL,
                     watch_options = '[]', generated_at = excluded.generated_at, position = excluded.position",
            )
            .bind(learner_id.0)
            .bind(recommendation_id.0)
            .bind(lesson_id.0)
            .bind(model_id)
            .bind(Json(titles))
            .bind(Json(clips))
            .bind(event.recorded_at)
            .bind(event.position)
            .execute(db)
            .await?;
        }
        // Where to watch what is no longer recommended is of no use: the id must be that of the latest.
        Event::OttContentSuggested { recommendation_id, learner_id, country, watch_options } => {
            sqlx::query(
                "UPDATE recommendations SET country = $3, watch_options = $4, position = $5
                 WHERE learner_id = $1 AND recommendation_id = $2",
            )
            .bind(learner_id.0)
            .bind(recommendation_id.0)
            .bind(country.as_str())
            .bind(Json(watch_options))
            .bind(event.position)
            .execute(db)
            .await?;
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use baeum_domain::{
        level::Cefr,
        media::title::Offer,
        recommendation::{recommendation::Command, recommending::Reason},
    };
    use uuid::Uuid;

    use super::*;
    use crate::testing::{LEARNER, World, in_a_world};

    async fn generate(world: &World, id: u128, score: f64) -> i64 {
        let generate = Command::Generate {
            recommendation_id: RecommendationId(Uuid::from_u128(id)),
            learner_id: LEARNER,
            lesson_id: LessonId(Uuid::from_u128(20)),
            model_id: "test".into(),
            titles: vec![ScoredTitle {
                title_id: "drama".parse().expect("a title id"),
                score,
                reasons: vec![Reason::Level(Cefr::B2)],
                propensity: Some(0.25),
            }],
            clips: vec![],
            policy: None,
        };
        world.execute::<Aggregate>(Uuid::from_u128(id), generate).await
    }

    async fn suggest(world: &World, id: u128) -> i64 {
        let suggest = Command::Suggest {
            recommendation_id: RecommendationId(Uuid::from_u128(id)),
            country: "KR".parse().expect("a country"),
            watch_options: vec![WatchOption {
                title_id: "drama".parse().expect("a title id"),
                provider: "Somewhere".into(),
                offer: Offer::Free,
                url: "https://example.org".into(),
            }],
        };
        world.execute::<Aggregate>(Uuid::from_u128(id), suggest).await
    }

    #[tokio::test]
    async fn the_latest_recommendation_is_shown_and_where_to_watch_it() {
        in_a_world(async |world| {
            generate(world, 1, 0.5).await;
            suggest(world, 1).await;
            let generated = generate(world, 2, 0.9).await;
            world.project().await;
            let shown = find(&world.pool, LEARNER).await.expect("a database").expect("a recommendation");
            assert_eq!((shown.recommendation_id.0.as_u128(), shown.titles[0].score), (2, 0.9));
            assert_eq!((shown.country, shown.watch_options.len(), shown.position), (None, 0, generated));

            let suggested = suggest(world, 2).await;
            world.project().await;
            let shown = find(&world.pool, LEARNER).await.expect("a database").expect("a recommendation");
            assert_eq!((shown.watch_options[0].provider.as_str(), shown.position), ("Somewhere", suggested));
            assert_eq!(shown.titles[0].reasons, [Reason::Level(Cefr::B2)]);
        })
        .await;
    }
}
