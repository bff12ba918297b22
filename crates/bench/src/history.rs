//! Histories of learners, written straight into the log: what millions of commands would have left there.
//!
//! A learner has 200 events: a level test on the first day, a lesson on each of nine more, with clips, attempts, verdicts
//! and the mastery that they give. 500 learners learn at a time, so that each one's events stand 500 positions apart.

use std::{fmt::Write as _, sync::Arc};

use baeum_domain::{
    Decider, DomainEvent, Sealed,
    assessment::{
        assessment::{Assessment, Event as AssessmentEvent, StopReason, StoppingRule},
        testing::{Ability, BandProbability, LevelReport, Selection, SelectionReason, SkillEstimate, Weakness},
    },
    ids::{AssessmentId, AttemptId, ClipId, Focus, LessonId, RecommendationId, TaskId, UserId, ViewingId},
    learning::{
        curriculum::{Curriculum, Event as CurriculumEvent},
        evaluation::{ErrorCategory, ErrorSpan, Verdict},
        lesson::{Event as LessonEvent, Lesson, SegmentRepeat},
        planning::{LessonPlan, PlannedClip, PlannedTask, TaskKind},
    },
    level::{Cefr, Skill},
    progress::progress::{Event as ProgressEvent, Evidence, Mastery, Progress},
    recommendation::recommendation::{Event as RecommendationEvent, Recommendation},
};
use baeum_testing::new_id;
use chrono::{DateTime, Days, TimeDelta, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sqlx::PgPool;
use uuid::Uuid;

use crate::Failure;

const DAYS: i64 = 10;
/// Events of a learner on one day.
const STEPS: i64 = 20;
/// How many learn at a time.
const TOGETHER: i64 = 500;
/// How many connections write.
const WRITERS: usize = 4;
/// How much is sent at a time.
const CHUNK: usize = 256 * 1024;

/// Appends `events` events of new learners to a log that nobody else appends to meanwhile.
pub(crate) async fn write_history(pool: &PgPool, events: i64) -> Result<(), Failure> {
    let head: i64 = sqlx::query_scalar("SELECT position FROM log_head").fetch_one(pool).await?;
    let learners = (events + DAYS * STEPS - 1) / (DAYS * STEPS);
    let story = Arc::new(Story::new(head, learners, head + events)?);
    let sessions = (0..DAYS).flat_map(|day| {
        let groups = (0..learners).step_by(usize::try_from(TOGETHER).expect("a small number"));
        groups.map(move |first| (day, first))
    });
    stream::iter(sessions)
        .map(|(day, first)| {
            let (pool, story) = (pool.clone(), story.clone());
            async move { tokio::spawn(async move { story.write(&pool, day, first).await }).await? }
        })
        .buffer_unordered(WRITERS)
        .try_collect::<()>()
        .await?;
    sqlx::query("UPDATE log_head SET position = $1").bind(head + events).execute(pool).await?;
    Ok(())
}

/// What is the same for all learners.
struct Story {
    /// Makes ids of this call differ from those of others.
    salt: u64,
    head: i64,
    learners: i64,
    /// The last position to write.
    end: i64,
    first_day: DateTime<Utc>,
    plan: LessonPlan,
    focus: Focus,
}

impl Story {
    fn new(head: i64, learners: i64, end: i64) -> Result<Self, Failure> {
        let clips: Vec<ClipId> =
            ["cafe-order", "train-delay", "flat-viewing"].iter().map(|it| it.parse()).collect::<Result<_, _>>()?;
        let focus: Focus = "articles".parse()?;
        let task = |(number, clip): (usize, &ClipId)| {
            let kind = if number % 2 == 0 { TaskKind::Writing } else { TaskKind::Speaking };
            let task_id = format!("{clip}-{number}").parse()?;
            Ok::<_, Failure>(PlannedTask { task_id, clip_id: clip.clone(), kind, focus: focus.clone(), min_words: 8 })
        };
        let tasks = clips.iter().chain(&clips[..1]).enumerate().map(task).collect::<Result<_, _>>()?;
        let clips =
            clips.into_iter().map(|clip_id| PlannedClip { clip_id, duration_ms: 45_000, segments: 8 }).collect();
        let plan = LessonPlan { level: Cefr::B1, clips, tasks, required_attempts: 2 };
        let first_day = "2026-01-05T06:00:00Z".parse()?;
        let salt = u64::from_be_bytes(*new_id().as_bytes().last_chunk().expect("sixteen bytes"));
        Ok(Self { salt, head, learners, end, first_day, plan, focus })
    }

    /// Writes what a group of learners does on one day.
    async fn write(&self, pool: &PgPool, day: i64, first: i64) -> Result<(), Failure> {
        let group = TOGETHER.min(self.learners - first);
        let start = self.head + day * self.learners * STEPS + first * STEPS;
        if start >= self.end {
            return Ok(());
        }
        let mut connection = pool.acquire().await?;
        let mut copy = connection
            .copy_in_raw(
                "COPY events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                              global_position, event_id, tenant, actor, correlation_id, causation_id, recorded_at)
                 FROM STDIN",
            )
            .await?;
        let mut lines = String::with_capacity(CHUNK + 4096);
        for (offset, (step, learner)) in
            (1..).zip((0..STEPS).flat_map(|step| (first..first + group).map(move |learner| (step, learner))))
        {
            let position: i64 = start + offset;
            if position > self.end {
                break;
            }
            Scene { story: self, learner, day, step }.line(&mut lines, position)?;
            if lines.len() >= CHUNK {
                copy.send(lines.as_bytes()).await?;
                lines.clear();
            }
        }
        copy.send(lines.as_bytes()).await?;
        copy.finish().await?;
        Ok(())
    }
}

/// One event of one learner.
struct Scene<'a> {
    story: &'a Story,
    learner: i64,
    day: i64,
    step: i64,
}

/// An event as it is stored.
struct Told {
    kind: &'static str,
    aggregate_id: Uuid,
    sequence: i64,
    name: &'static str,
    version: u16,
    payload: String,
}

impl Told {
    fn of<D: Decider>(aggregate_id: Uuid, sequence: i64, event: &D::Event) -> Result<Self, Failure> {
        let payload = serde_json::to_string(event)?;
        // `COPY` reads a backslash as the begin of an escape.
        let payload = if payload.contains('\\') { payload.replace('\\', "\\\\") } else { payload };
        let name = event.event_type();
        let version = D::Event::current_version(name).unwrap_or(1);
        Ok(Self { kind: D::AGGREGATE, aggregate_id, sequence, name, version, payload })
    }
}

/// What an id names: it goes into it, so that ids differ.
#[derive(Clone, Copy)]
enum Names {
    Learner,
    Sitting,
    Lesson,
    Recommendation,
    Viewing,
    Attempt,
    Event,
    Command,
}

impl Scene<'_> {
    fn line(&self, lines: &mut String, position: i64) -> Result<(), Failure> {
        let Told { kind, aggregate_id, sequence, name, version, payload } = self.told()?;
        let (actor, id, command) =
            (self.id(Names::Learner, 0), self.id(Names::Event, self.step), self.id(Names::Command, self.step));
        let at = self.at().to_rfc3339();
        writeln!(
            lines,
            "{kind}\t{aggregate_id}\t{sequence}\t{name}\t{version}\t{payload}\t\
             {{\"actor\": \"{actor}\", \"causation_id\": \"{command}\", \"correlation_id\": \"{command}\"}}\t\
             {position}\t{id}\tmain\t{actor}\t{command}\t{command}\t{at}"
        )?;
        Ok(())
    }

    fn told(&self) -> Result<Told, Failure> {
        if self.day == 0 { self.test() } else { self.lesson() }
    }

    /// The day of the level test: eight items.
    fn test(&self) -> Result<Told, Failure> {
        let assessment_id = AssessmentId(self.id(Names::Sitting, 0));
        let ordinal = u32::try_from((self.step + 1) / 2).unwrap_or(0);
        let ability = Ability { theta: self.spread(self.step) * 3.0 - 1.5, standard_error: 0.5 };
        let item = || format!("reading-{ordinal}").parse().expect("a valid item id");
        let event = match self.step {
            0 => AssessmentEvent::AssessmentStarted {
                assessment_id,
                learner_id: self.learner_id(),
                rule: StoppingRule::default(),
            },
            17 => AssessmentEvent::LevelAssessed {
                assessment_id,
                learner_id: self.learner_id(),
                report: self.report(ability),
                items: 8,
                reason: StopReason::StandardError,
            },
            18 => return self.progress(1, "LevelAssessed", Skill::Reading),
            19 => {
                let event = CurriculumEvent::CurriculumAssigned {
                    learner_id: self.learner_id(),
                    assessment_id,
                    level: Cefr::B1,
                    weaknesses: self.report(ability).weaknesses,
                };
                return Told::of::<Curriculum>(self.learner_id().0, 1, &event);
            }
            step if step % 2 == 1 => AssessmentEvent::ItemAdministered {
                learner_id: self.learner_id(),
                ordinal,
                selection: Selection {
                    item: item(),
                    skill: Skill::Reading,
                    theta: ability.theta,
                    information: 0.4,
                    reason: SelectionReason::Information { rank: 1, drawn_from: 3, held_back: 2 },
                },
            },
            _ => AssessmentEvent::ItemAnswered {
                learner_id: self.learner_id(),
                item: item(),
                ordinal,
                choice: 1,
                correct: ability.theta > 0.0,
                response_ms: Some(6_000),
                before: ability,
                after: ability,
            },
        };
        Told::of::<Assessment>(assessment_id.0, self.step + 1, &event)
    }

    /// The day of a lesson: three clips, four attempts.
    fn lesson(&self) -> Result<Told, Failure> {
        let lesson_id = LessonId(self.id(Names::Lesson, 0));
        let (sequence, event) = match self.step {
            0 => {
                let started = LessonEvent::LessonStarted {
                    lesson_id,
                    learner_id: self.learner_id(),
                    plan: self.story.plan.clone(),
                    local_date: self.at().date_naive(),
                };
                (1, started)
            }
            1 => (2, self.repeated(0)),
            2 => (3, self.watched(lesson_id, 0)),
            3 => (4, self.submitted(lesson_id, 0)),
            4 => (5, self.evaluated(lesson_id, 0)),
            6 => (6, self.watched(lesson_id, 1)),
            7 => (7, self.submitted(lesson_id, 1)),
            8 => (8, self.evaluated(lesson_id, 1)),
            10 => (9, self.repeated(2)),
            11 => (10, self.watched(lesson_id, 2)),
            12 => (11, self.submitted(lesson_id, 2)),
            13 => (12, self.evaluated(lesson_id, 2)),
            15 => (13, self.submitted(lesson_id, 3)),
            16 => (14, self.evaluated(lesson_id, 3)),
            18 => {
                let completed = LessonEvent::LessonCompleted {
                    lesson_id,
                    learner_id: self.learner_id(),
                    clips: 3,
                    attempts: 4,
                    mean_score: self.score(1),
                    active_ms: 260_000,
                    local_date: self.at().date_naive(),
                };
                (15, completed)
            }
            19 => {
                let recommendation_id = RecommendationId(self.id(Names::Recommendation, 0));
                let generated = RecommendationEvent::RecommendationGenerated {
                    recommendation_id,
                    learner_id: self.learner_id(),
                    lesson_id,
                    model_id: "content-1".into(),
                    titles: vec![],
                    clips: vec![],
                    policy: None,
                };
                return Told::of::<Recommendation>(recommendation_id.0, 1, &generated);
            }
            step => {
                let attempt = [5, 9, 14, 17].into_iter().position(|it| it == step).unwrap_or(0);
                let sequence = 2 + 4 * (self.day - 1) + i64::try_from(attempt).unwrap_or(0);
                let skill = self.story.plan.tasks[attempt].kind.skill();
                return self.progress(sequence, "EvaluationCompleted", skill);
            }
        };
        Told::of::<Lesson>(lesson_id.0, sequence, &event)
    }

    fn repeated(&self, clip: usize) -> LessonEvent {
        LessonEvent::ClipSegmentRepeated {
            learner_id: self.learner_id(),
            clip_id: self.story.plan.clips[clip].clip_id.clone(),
            viewing_id: ViewingId(self.id(Names::Viewing, self.step)),
            repeat: SegmentRepeat { segment: 3, times: 2 },
        }
    }

    fn watched(&self, lesson_id: LessonId, clip: usize) -> LessonEvent {
        LessonEvent::ShortClipConsumed {
            lesson_id,
            learner_id: self.learner_id(),
            clip_id: self.story.plan.clips[clip].clip_id.clone(),
            viewing_id: ViewingId(self.id(Names::Viewing, self.step)),
            watched_ms: 45_000,
            speed_percent: 100,
            repeats: 2,
            to_the_end: true,
            local_date: self.at().date_naive(),
        }
    }

    fn submitted(&self, lesson_id: LessonId, task: usize) -> LessonEvent {
        LessonEvent::AttemptSubmitted {
            lesson_id,
            learner_id: self.learner_id(),
            attempt_id: AttemptId(self.id(Names::Attempt, i64::try_from(task).unwrap_or(0))),
            task_id: self.task(task),
            kind: self.story.plan.tasks[task].kind,
            ordinal: 1,
            answer: Sealed {
                key_id: self.id(Names::Learner, 1),
                nonce: "cXVpZXRseSByYW5kb20gYnl0ZXMgaGVy".into(),
                ciphertext: "WWVzdGVyZGF5IG15IGZyaWVuZCBoYXZlIGdpdmUgbWUgYSBvbGQgdW1icmVsbGEgYmVjYXVzZSB0aGUgcmFpbg"
                    .into(),
            },
            words: 16,
            duration_ms: Some(30_000),
        }
    }

    fn evaluated(&self, lesson_id: LessonId, task: usize) -> LessonEvent {
        let score = self.score(i64::try_from(task).unwrap_or(0));
        let span = ErrorSpan {
            start: 20,
            end: 24,
            category: ErrorCategory::Agreement,
            confidence: 0.91,
            suggestion: Some("has".into()),
        };
        LessonEvent::EvaluationCompleted {
            lesson_id,
            learner_id: self.learner_id(),
            attempt_id: AttemptId(self.id(Names::Attempt, i64::try_from(task).unwrap_or(0))),
            task_id: self.task(task),
            skill: self.story.plan.tasks[task].kind.skill(),
            focus: self.story.focus.clone(),
            verdict: Verdict {
                score,
                spans: vec![span],
                model_id: "error-detector-1".into(),
                weights_hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
                latency_us: 1_480,
                meaning: None,
            },
            passed: score >= 0.6,
            assignment: None,
        }
    }

    fn progress(&self, sequence: i64, source_type: &str, skill: Skill) -> Result<Told, Failure> {
        let outcome = self.score(sequence);
        let evidence = Evidence { skill, focus: Some(self.story.focus.clone()), outcome, weight: 1.0 };
        let event = ProgressEvent::ProgressUpdated {
            learner_id: self.learner_id(),
            source_position: self.story.head + sequence,
            source_type: source_type.into(),
            evidence: vec![evidence],
            mastery: [(skill, Mastery { known: outcome, expected: 0.25 + 0.6 * outcome })].into(),
            tracing_version: 0,
        };
        Told::of::<Progress>(self.learner_id().0, sequence, &event)
    }

    fn report(&self, ability: Ability) -> LevelReport {
        let weak = Weakness { skill: Skill::Reading, focus: self.story.focus.clone() };
        let skills = vec![SkillEstimate { skill: Skill::Reading, ability, answered: 8, correct: 5 }];
        let band = Cefr::from_theta(ability.theta);
        let bands = vec![BandProbability { band, probability: 1.0 }];
        LevelReport { ability, band, bands, skills, weaknesses: vec![weak], model: None }
    }

    fn task(&self, task: usize) -> TaskId {
        self.story.plan.tasks[task].task_id.clone()
    }

    fn learner_id(&self) -> UserId {
        UserId(self.id(Names::Learner, 0))
    }

    fn score(&self, which: i64) -> f64 {
        0.3 + 0.7 * self.spread(which)
    }

    /// A number from 0 to 1 that looks random.
    fn spread(&self, which: i64) -> f64 {
        let mixed = mix(self.story.salt ^ number(self.learner) << 20 ^ number(self.day * 64 + which));
        f64::from(u32::try_from(mixed >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }

    /// When it happened: groups one after the other, a quarter of an hour for a session.
    fn at(&self) -> DateTime<Utc> {
        self.session() + TimeDelta::seconds(self.step * 45)
    }

    /// When the session began.
    fn session(&self) -> DateTime<Utc> {
        let day = u64::try_from(self.day).unwrap_or(0);
        // Every ninth learner leaves a day out, and with it ends a streak.
        let day = if self.learner % 9 == 0 && day > 5 { day + 1 } else { day };
        let begins = self.learner / TOGETHER % 50 * 900;
        self.story.first_day + Days::new(day) + TimeDelta::seconds(begins)
    }

    /// As ids are made: ordered by time, different beyond.
    fn id(&self, names: Names, which: i64) -> Uuid {
        let (at, day) = match names {
            Names::Learner => (self.story.first_day, 0),
            _ => (self.session(), self.day),
        };
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
        let what = (number(self.learner) << 24) ^ number(day << 16) ^ ((names as u64) << 8) ^ number(which);
        let low = mix(self.story.salt.wrapping_add(what));
        let high = (millis << 16) | 0x7000 | (mix(low) & 0x0fff);
        Uuid::from_u64_pair(high, (low >> 2) | 1 << 63)
    }
}

fn number(it: i64) -> u64 {
    it.unsigned_abs()
}

/// SplitMix64's finaliser: a bijection without visible order.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use baeum_eventlog::{EventLog, Options, decode_raw};
    use baeum_testing::{TestClock, TestDatabase};

    use super::*;

    #[tokio::test]
    async fn histories_are_dense_and_can_be_read() {
        let database = TestDatabase::create().await;
        write_history(&database.pool, 1_234).await.expect("written");
        write_history(&database.pool, 4_000).await.expect("written again");
        let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
        let log = EventLog::open(database.pool.clone(), clock, None, Options::default()).await.expect("a log");
        assert_eq!(log.head().await.expect("a head"), 5_234);
        let events = log.read_raw(0, 10_000).await.expect("events");
        assert!(events.iter().map(|event| event.position).eq(1..=5_234));
        for event in events {
            decode_raw(event).expect("readable");
        }
        let broken: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT max(sequence) - count(*) AS holes FROM events
                                   GROUP BY aggregate_type, aggregate_id) s WHERE holes <> 0",
        )
        .fetch_one(&database.pool)
        .await
        .expect("a count");
        assert_eq!(broken, 0);
    }
}
