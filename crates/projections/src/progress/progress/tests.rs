use baeum_domain::{
    Sealed,
    assessment::{
        assessment::{Event as AssessmentEvent, StopReason},
        testing::{Ability, LevelReport},
    },
    ids::{AttemptId, LessonId, ViewingId},
    learning::{lesson::Event as LessonEvent, planning::TaskKind},
    progress::progress::{Event as ProgressEvent, Mastery},
};
use baeum_eventlog::begin;
use uuid::Uuid;

use super::*;
use crate::testing::{LEARNER, World, date, in_a_world, plan, verdict};

async fn shown(world: &World) -> LearnerProgress {
    world.project().await;
    find(&world.pool, LEARNER).await.expect("a database").expect("progress")
}

#[tokio::test]
async fn a_streak_counts_days_in_a_row_and_begins_anew_after_a_gap() {
    in_a_world(async |world| {
        world.start_lesson(20, "2026-02-27").await;
        world.watch(20, 1, 1000, "2026-02-27").await;
        world.watch(20, 2, 1000, "2026-02-28").await;
        world.watch(20, 3, 1000, "2026-03-01").await;
        let streak = shown(world).await.streak;
        assert_eq!((streak.current, streak.longest, streak.last_active_on), (3, 3, Some(date("2026-03-01"))));
        assert_eq!((streak.on(date("2026-03-02")), streak.on(date("2026-03-03"))), (3, 0));

        world.watch(20, 4, 1000, "2026-03-03").await;
        // Seen from the west, the day before comes again.
        world.watch(20, 5, 1000, "2026-03-02").await;
        let streak = shown(world).await.streak;
        assert_eq!((streak.current, streak.longest, streak.last_active_on), (1, 3, Some(date("2026-03-03"))));
    })
    .await;
}

#[tokio::test]
async fn work_counts_for_the_learners_own_day() {
    in_a_world(async |world| {
        world.start_lesson(20, "2026-03-01").await;
        world.watch(20, 1, 30_000, "2026-03-01").await;
        world.attempt(20, 2, 0.4).await;
        world.watch(20, 3, 60_000, "2026-03-02").await;
        // It names no day: its lesson is in the second by now.
        world.attempt(20, 4, 0.8).await;
        let completed = world.complete(20, "2026-03-02").await;
        let progress = shown(world).await;
        let days: Vec<_> =
            progress.days.iter().map(|d| (d.date, d.active_ms, d.clips, d.attempts, d.lessons)).collect();
        assert_eq!(days, [(date("2026-03-01"), 35_000, 1, 1, 0), (date("2026-03-02"), 65_000, 1, 1, 1)]);
        assert_eq!((progress.active_ms, progress.clips, progress.attempts), (100_000, 2, 2));
        assert_eq!((progress.lessons_started, progress.lessons_completed), (1, 1));
        assert!((progress.mean_score.expect("two scores") - 0.6).abs() < 1e-12);
        assert_eq!(progress.position, completed);
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM progress_lessons")
            .fetch_one(&world.pool)
            .await
            .expect("a database");
        assert_eq!(open, 0);
    })
    .await;
}

#[tokio::test]
async fn mastery_and_levels_are_shown_with_their_history() {
    in_a_world(async |world| {
        world.start_sitting(10, 1).await;
        let assessed = world.answer(10, "one", true, "two").await;
        let positions = [world.observe(1, 1.0).await, world.observe(2, 1.0).await];
        let progress = shown(world).await;
        let levels: Vec<_> = progress.levels.iter().map(|it| (it.band, it.theta, it.position)).collect();
        assert_eq!(levels, [(Cefr::B2, 0.7, assessed)]);
        let history: Vec<_> = progress.history.iter().map(|it| (it.skill, it.position)).collect();
        assert_eq!(history, [(Skill::Writing, positions[0]), (Skill::Writing, positions[1])]);
        // Right: .34 / .49 of knowing, a little forgotten and a little learned; then a right answer or a guess.
        assert!((progress.history[0].mastery - (0.25 + 0.6 * (0.88 * 34.0 / 49.0 + 0.1))).abs() < 1e-12);
        assert_eq!(progress.mastery, [(Skill::Writing, progress.history[1].mastery)].into());
        assert_eq!((progress.mean_score, progress.streak.current, progress.position), (None, 0, positions[1]));
    })
    .await;
}

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.roll(1 << 31)).expect("31 bits")) / f64::from(1_u32 << 31)
    }

    fn date(&mut self) -> NaiveDate {
        date("2026-03-01") + chrono::Days::new(self.roll(6))
    }

    /// An event of one of four learners, whose lessons need not begin before they end.
    fn event(&mut self, position: i64) -> Recorded<AnyEvent> {
        let learner_id = UserId(Uuid::from_u128(self.roll(4).into()));
        let lesson_id = LessonId(Uuid::from_u128(u128::from(self.roll(3)) + 10 * learner_id.0.as_u128()));
        let mut aggregate_id = lesson_id.0;
        let lesson = match self.roll(9) {
            0 => LessonEvent::LessonStarted { lesson_id, learner_id, plan: plan(), local_date: self.date() },
            1 => LessonEvent::ShortClipConsumed {
                lesson_id,
                learner_id,
                clip_id: "cafe".parse().expect("a clip id"),
                viewing_id: ViewingId(Uuid::nil()),
                watched_ms: 1000,
                speed_percent: 100,
                repeats: 0,
                to_the_end: true,
                local_date: self.date(),
            },
            2 | 3 => LessonEvent::AttemptSubmitted {
                lesson_id,
                learner_id,
                attempt_id: AttemptId(Uuid::nil()),
                task_id: "cafe-w1".parse().expect("a task id"),
                kind: TaskKind::Writing,
                ordinal: 1,
                answer: Sealed { key_id: Uuid::nil(), nonce: String::new(), ciphertext: String::new() },
                words: 7,
                duration_ms: Some(10),
            },
            4 => LessonEvent::EvaluationCompleted {
                lesson_id,
                learner_id,
                attempt_id: AttemptId(Uuid::nil()),
                task_id: "cafe-w1".parse().expect("a task id"),
                skill: Skill::Writing,
                focus: "articles".parse().expect("a focus"),
                verdict: verdict(self.fraction()),
                passed: true,
                assignment: None,
            },
            5 => LessonEvent::LessonCompleted {
                lesson_id,
                learner_id,
                clips: 1,
                attempts: 1,
                mean_score: 0.5,
                active_ms: 1,
                local_date: self.date(),
            },
            6 => LessonEvent::LessonAbandoned { lesson_id, learner_id },
            other => {
                aggregate_id = learner_id.0;
                let payload = self.other(other, learner_id);
                return recorded(position, aggregate_id, payload);
            }
        };
        recorded(position, aggregate_id, lesson.into())
    }

    fn other(&mut self, which: u64, learner_id: UserId) -> AnyEvent {
        if which == 7 {
            let mut known = || Mastery { known: self.fraction(), expected: self.fraction() };
            let mastery = [(Skill::Writing, known()), (Skill::Reading, known())].into();
            let source_type = "EvaluationCompleted".to_owned();
            let (evidence, tracing_version) = (vec![], 0);
            ProgressEvent::ProgressUpdated {
                learner_id,
                source_position: 1,
                source_type,
                evidence,
                mastery,
                tracing_version,
            }
            .into()
        } else {
            let ability = Ability { theta: self.fraction(), standard_error: self.fraction() };
            AssessmentEvent::LevelAssessed {
                assessment_id: AssessmentId(Uuid::nil()),
                learner_id,
                report: LevelReport {
                    ability,
                    band: Cefr::B1,
                    bands: vec![],
                    skills: vec![],
                    weaknesses: vec![],
                    model: None,
                },
                items: 1,
                reason: StopReason::Length,
            }
            .into()
        }
    }
}

fn recorded(position: i64, aggregate_id: Uuid, payload: AnyEvent) -> Recorded<AnyEvent> {
    Recorded {
        position,
        event_id: Uuid::nil(),
        aggregate_type: payload.aggregate_type().to_owned(),
        aggregate_id: aggregate_id.to_string(),
        sequence: position,
        event_type: payload.event_type().to_owned(),
        event_version: 1,
        tenant: "main".to_owned(),
        actor: "test".to_owned(),
        correlation_id: Uuid::nil(),
        causation_id: Uuid::nil(),
        recorded_at: "2026-03-04T05:06:07.123456Z".parse().expect("a moment"),
        payload,
    }
}

/// Every row, after which the tables are empty again.
async fn take_rows(db: &mut PgConnection) -> Vec<String> {
    let mut rows = vec![];
    for table in Progress.tables() {
        let sql = format!("SELECT '{table} ' || to_jsonb(t)::text AS line FROM {table} t ORDER BY line");
        let found: Vec<String> = sqlx::query_scalar(&sql).fetch_all(&mut *db).await.expect("a table");
        rows.extend(found);
        sqlx::query(&format!("TRUNCATE {table}")).execute(&mut *db).await.expect("an empty table");
    }
    rows
}

#[tokio::test]
async fn pages_of_any_size_give_the_rows_that_one_event_after_the_other_gives() {
    in_a_world(async |world| {
        // Never committed, and so never waited for the disk.
        let mut db = begin(&world.pool).await.expect("a connection");
        for seed in 0..12 {
            let mut dice = Dice(seed);
            let events: Vec<_> = (1..=250).map(|position| dice.event(position)).collect();
            for event in &events {
                Progress.apply(&mut db, event).await.expect("it goes in");
            }
            let one_by_one = take_rows(&mut db).await;
            for table in Progress.tables() {
                assert!(one_by_one.iter().any(|row| row.starts_with(table)), "seed {seed} leaves {table} empty");
            }
            let mut rest = &events[..];
            while !rest.is_empty() {
                let size = usize::try_from(dice.roll(80)).expect("small") + 1;
                let (page, later) = rest.split_at(size.min(rest.len()));
                Progress.apply_all(&mut db, page).await.expect("they go in");
                rest = later;
            }
            assert_eq!(take_rows(&mut db).await, one_by_one, "seed {seed}");
        }
    })
    .await;
}
