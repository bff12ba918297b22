//! What each learner is like, as a vector, and how far it has moved from day to day.
//!
//! | part | from | before any evidence |
//! |---|---|---|
//! | ability | the latest level test, in logits | 0 |
//! | mastery of each of the four skills | the learner's progress, 0 to 1 | 0.5 |
//! | taste: a weight for each topic | clips that were watched and reactions to recommendations | no topics |
//!
//! A clip that was watched to the end moves the taste a tenth of the way to its topics, one that was left half of that; a
//! recommendation that was finished or opened moves it alike. Weights add up to at most 1: the rest is what is not known yet.
//!
//! A day is that of the recording, in UTC. How far the vector moved is a Euclidean distance in which a third of a logit, a
//! mastery of 0.11 and a taste of 0.11 weigh the same (ability is divided by 3): it says that something changed, not whether
//! for the better.
//!
//! How a learner seems to feel is no part of it: that is derived with their consent only, and shown to nobody else.

use std::{collections::BTreeMap, sync::Arc};

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    assessment::assessment::{Assessment, Event as AssessmentEvent},
    catalog::Catalog,
    ids::{Topic, UserId},
    learning::lesson::{Event as LessonEvent, Lesson},
    level::Skill,
    progress::progress::{Event as ProgressEvent, Progress},
    recommendation::{
        recommending::Content,
        taste::{Event as TasteEvent, Reaction, Taste},
    },
};
use chrono::{DateTime, NaiveDate, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::{Models, Order, Personal, Projection, ProjectionError, row};

/// The skills, in the order of the column `mastery`.
pub const SKILLS: [Skill; 4] = [Skill::Reading, Skill::Listening, Skill::Writing, Skill::Speaking];

/// How far a clip that was watched to the end moves the taste to its topics.
const STEP: f64 = 0.1;
/// What is left of a step where a clip was not watched to the end, or a recommendation opened only.
const HALF: f64 = 0.5;
/// Logits that weigh as much as a mastery of 1.
const ABILITY_SCALE: f64 = 3.0;

/// A learner's vector with its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnerVector {
    /// Whose.
    pub learner_id: UserId,
    /// In logits; 0 before the first level test.
    pub ability: f64,
    /// Of [`SKILLS`], in their order, each 0 to 1.
    pub mastery: Vec<f64>,
    /// Topics that there is a weight of, sorted.
    pub topics: Vec<String>,
    /// Their weights, together at most 1.
    pub weights: Vec<f64>,
    /// The end of the latest 365 days that moved it, the oldest first.
    pub days: Vec<VectorDay>,
    /// When it moved last.
    pub at: DateTime<Utc>,
    /// Position of the last event that moved it.
    pub position: i64,
}

/// The vector at the end of a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VectorDay {
    /// The day, in UTC.
    pub day: NaiveDate,
    /// As above.
    pub ability: f64,
    /// As above.
    pub mastery: Vec<f64>,
    /// As above.
    pub topics: Vec<String>,
    /// As above.
    pub weights: Vec<f64>,
    /// How far it is from the day before that moved it, 0 on the first.
    pub since_previous: f64,
    /// How far it is from the first day.
    pub since_first: f64,
}

/// A learner's vector; `None` before anything is known.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, learner: UserId) -> Result<Option<LearnerVector>, sqlx::Error> {
    let sql = "SELECT to_jsonb(v) || jsonb_build_object('days', coalesce((
            SELECT jsonb_agg(to_jsonb(t) ORDER BY t.day) FROM (
                SELECT * FROM learner_vector_days d WHERE d.learner_id = v.learner_id
                ORDER BY d.day DESC LIMIT 365) t), '[]'))
        FROM learner_vectors v WHERE v.learner_id = $1";
    row::find(db, sql, learner.0).await
}

/// Keeps `learner_vectors`.
pub struct LearnerVectors {
    catalog: Arc<Catalog>,
}

impl LearnerVectors {
    /// With the topics of the catalogue of `models`.
    pub fn new(models: &Models) -> Self {
        Self { catalog: models.catalog.clone() }
    }

    fn topics(&self, content: &Content) -> &[Topic] {
        match content {
            Content::Title(id) => self.catalog.titles.get(id).map_or(&[], |title| &title.topics),
            Content::Clip(id) => self.catalog.clips.get(id).map_or(&[], |clip| &clip.topics),
        }
    }

    /// Whose vector an event moves, and how.
    fn movement(&self, event: &AnyEvent) -> Option<(UserId, Movement)> {
        match event {
            AnyEvent::Assessment(AssessmentEvent::LevelAssessed { learner_id, report, .. }) => {
                Some((*learner_id, Movement::Ability(report.ability.theta)))
            }
            AnyEvent::Progress(ProgressEvent::ProgressUpdated { learner_id, mastery, .. }) => {
                let known = mastery.iter().map(|(skill, mastery)| (*skill, mastery.expected)).collect();
                Some((*learner_id, Movement::Mastery(known)))
            }
            AnyEvent::Lesson(LessonEvent::ShortClipConsumed { learner_id, clip_id, to_the_end, .. }) => {
                let content = Content::Clip(clip_id.clone());
                self.towards(*learner_id, &content, if *to_the_end { 1.0 } else { HALF })
            }
            AnyEvent::Taste(TasteEvent::RecommendationReacted { learner_id, content, reaction, .. }) => {
                match reaction {
                    Reaction::Dismissed => None,
                    Reaction::Opened => self.towards(*learner_id, content, HALF),
                    Reaction::Finished => self.towards(*learner_id, content, 1.0),
                }
            }
            _ => None,
        }
    }

    fn towards(&self, learner: UserId, content: &Content, share: f64) -> Option<(UserId, Movement)> {
        let topics: Vec<String> = self.topics(content).iter().map(ToString::to_string).collect();
        (!topics.is_empty()).then_some((learner, Movement::Taste(topics, STEP * share)))
    }
}

/// What moves a vector.
enum Movement {
    Ability(f64),
    Mastery(BTreeMap<Skill, f64>),
    Taste(Vec<String>, f64),
}

/// A vector as it is kept.
#[derive(Clone, Debug, FromRow, PartialEq)]
struct Vector {
    ability: f64,
    mastery: Vec<f64>,
    topics: Vec<String>,
    weights: Vec<f64>,
}

impl Default for Vector {
    fn default() -> Self {
        Self { ability: 0.0, mastery: vec![0.5; SKILLS.len()], topics: vec![], weights: vec![] }
    }
}

impl Vector {
    fn moved(mut self, movement: Movement) -> Self {
        match movement {
            Movement::Ability(theta) => self.ability = theta,
            Movement::Mastery(known) => {
                for (of, skill) in self.mastery.iter_mut().zip(SKILLS) {
                    *of = known.get(&skill).copied().unwrap_or(*of);
                }
            }
            Movement::Taste(topics, step) => {
                let mut taste: BTreeMap<String, f64> = self.topics.into_iter().zip(self.weights).collect();
                for weight in taste.values_mut() {
                    *weight *= 1.0 - step;
                }
                let each = step / f64::from(u32::try_from(topics.len()).unwrap_or(u32::MAX));
                for topic in topics {
                    *taste.entry(topic).or_default() += each;
                }
                (self.topics, self.weights) = taste.into_iter().unzip();
            }
        }
        self
    }

    fn distance(&self, other: &Self) -> f64 {
        let square = |difference: f64| difference * difference;
        let ability = square((self.ability - other.ability) / ABILITY_SCALE);
        let mastery: f64 = self.mastery.iter().zip(&other.mastery).map(|(here, there)| square(here - there)).sum();
        let of = |vector: &Self| -> BTreeMap<String, f64> {
            vector.topics.iter().cloned().zip(vector.weights.iter().copied()).collect()
        };
        let (mut here, there) = (of(self), of(other));
        for (topic, weight) in there {
            *here.entry(topic).or_default() -= weight;
        }
        (ability + mastery + here.into_values().map(square).sum::<f64>()).sqrt()
    }
}

impl Projection for LearnerVectors {
    fn name(&self) -> &'static str {
        "learner_vectors"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["learner_vectors", "learner_vector_days"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[
            Personal::Rows { table: "learner_vector_days", of: "learner_id = $1" },
            Personal::Rows { table: "learner_vectors", of: "learner_id = $1" },
        ]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        matches!(aggregate_type, Assessment::AGGREGATE | Progress::AGGREGATE | Lesson::AGGREGATE | Taste::AGGREGATE)
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
            match self.movement(&event.payload) {
                Some((learner, movement)) => apply(db, event, learner, movement).await,
                None => Ok(()),
            }
        })
    }
}

async fn apply(
    db: &mut PgConnection,
    event: &Recorded<AnyEvent>,
    learner: UserId,
    movement: Movement,
) -> Result<(), ProjectionError> {
    let day = event.recorded_at.date_naive();
    let known: Option<Vector> =
        sqlx::query_as("SELECT ability, mastery, topics, weights FROM learner_vectors WHERE learner_id = $1")
            .bind(learner.0)
            .fetch_optional(&mut *db)
            .await?;
    // The clock of another process may be a little behind: what comes late belongs to the latest day there is.
    let latest: Option<NaiveDate> =
        sqlx::query_scalar("SELECT max(day) FROM learner_vector_days WHERE learner_id = $1")
            .bind(learner.0)
            .fetch_one(&mut *db)
            .await?;
    let day = latest.map_or(day, |latest| day.max(latest));
    let earlier: Vec<Vector> = sqlx::query_as(
        "(SELECT ability, mastery, topics, weights FROM learner_vector_days
          WHERE learner_id = $1 AND day < $2 ORDER BY day DESC LIMIT 1)
         UNION ALL
         (SELECT ability, mastery, topics, weights FROM learner_vector_days
          WHERE learner_id = $1 AND day < $2 ORDER BY day LIMIT 1)",
    )
    .bind(learner.0)
    .bind(day)
    .fetch_all(&mut *db)
    .await?;
    let vector = known.unwrap_or_default().moved(movement);
    let far = |from: Option<&Vector>| from.map_or(0.0, |from| vector.distance(from));
    sqlx::query(
        "INSERT INTO learner_vectors (learner_id, ability, mastery, topics, weights, at, position)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (learner_id) DO UPDATE
         SET ability = excluded.ability, mastery = excluded.mastery, topics = excluded.topics,
             weights = excluded.weights, at = excluded.at, position = excluded.position",
    )
    .bind(learner.0)
    .bind(vector.ability)
    .bind(&vector.mastery)
    .bind(&vector.topics)
    .bind(&vector.weights)
    .bind(event.recorded_at)
    .bind(event.position)
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "INSERT INTO learner_vector_days (learner_id, day, ability, mastery, topics, weights, since_previous,
                                          since_first, position)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (learner_id, day) DO UPDATE
         SET ability = excluded.ability, mastery = excluded.mastery, topics = excluded.topics,
             weights = excluded.weights, since_previous = excluded.since_previous,
             since_first = excluded.since_first, position = excluded.position",
    )
    .bind(learner.0)
    .bind(day)
    .bind(vector.ability)
    .bind(&vector.mastery)
    .bind(&vector.topics)
    .bind(&vector.weights)
    .bind(far(earlier.first()))
    .bind(far(earlier.last()))
    .bind(event.position)
    .execute(&mut *db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use baeum_domain::{ids::RecommendationId, progress::knowledge_tracing::UNFITTED, recommendation::taste::Command};
    use uuid::Uuid;

    use super::*;
    use crate::testing::{LEARNER, World, in_a_world};

    async fn shown(world: &World) -> LearnerVector {
        world.project().await;
        find(&world.pool, LEARNER).await.expect("a database").expect("a vector")
    }

    async fn react(world: &World, recommendation: u128, reaction: Reaction) -> i64 {
        let react = Command::React {
            learner_id: LEARNER,
            recommendation_id: RecommendationId(Uuid::from_u128(recommendation)),
            content: Content::Clip("cafe".parse().expect("a clip id")),
            reaction,
        };
        world.execute::<Taste>(LEARNER.0, react).await
    }

    #[tokio::test]
    async fn test_lessons_and_reactions_move_the_vector_each_in_its_part() {
        in_a_world(async |world| {
            world.start_sitting(10, 1).await;
            world.answer(10, "one", true, "two").await;
            world.observe(1, 1.0).await;
            world.start_lesson(20, "2026-03-01").await;
            world.watch(20, 21, 60_000, "2026-03-01").await;
            let first = shown(world).await;
            assert_eq!((first.ability, first.topics.as_slice()), (0.7, &["food".to_owned(), "work".to_owned()][..]));
            assert_eq!(first.weights, [0.05, 0.05]);
            let writing = UNFITTED.right(UNFITTED.next(UNFITTED.after(UNFITTED.initial, 1.0)));
            assert!((first.mastery[2] - writing).abs() < 1e-12 && first.mastery[0].to_bits() == 0.5_f64.to_bits());
            assert_eq!((first.days.len(), first.days[0].since_previous, first.days[0].since_first), (1, 0.0, 0.0));

            react(world, 1, Reaction::Dismissed).await;
            assert_eq!(shown(world).await, first, "what was sent away says little of what is liked");
            world.clock.set("2026-03-05T10:00:00Z");
            let finished = react(world, 2, Reaction::Finished).await;
            let later = shown(world).await;
            assert_eq!((later.position, later.days.len()), (finished, 2));
            let moved = 2.0_f64.sqrt() * 0.045;
            assert!((later.weights[0] - 0.095).abs() < 1e-12, "{later:?}");
            assert!((later.days[1].since_previous - moved).abs() < 1e-12, "{later:?}");
            assert_eq!(later.days[1].since_first.to_bits(), later.days[1].since_previous.to_bits());
        })
        .await;
    }

    #[test]
    fn a_distance_is_that_between_the_parts_that_differ() {
        let start = Vector::default();
        let abler = start.clone().moved(Movement::Ability(3.0));
        assert!((start.distance(&abler) - 1.0).abs() < 1e-12);
        let fond = abler.clone().moved(Movement::Taste(vec!["food".into()], 0.6));
        assert!((abler.distance(&fond) - 0.6).abs() < 1e-12 && (fond.distance(&abler) - 0.6).abs() < 1e-12);
        assert!(fond.distance(&fond).abs() < 1e-12);
    }

    #[test]
    fn weights_never_add_up_to_more_than_1() {
        let mut vector = Vector::default();
        for at in 0..500 {
            vector = vector.moved(Movement::Taste(vec![format!("topic-{}", at % 7), "food".into()], STEP));
            assert!(vector.weights.iter().sum::<f64>() <= 1.0 + 1e-12);
            assert!(vector.topics.is_sorted() && vector.topics.len() == vector.weights.len());
        }
    }
}
