use super::*;
use crate::{ids::ExperimentId, learning::planning::*, learning::speech::Fluency, level::Cefr, spec::given};
use uuid::Uuid;

const LEARNER: UserId = UserId(Uuid::from_u128(1));
const LESSON: LessonId = LessonId(Uuid::from_u128(2));

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 1).expect("a valid date")
}

fn plan() -> LessonPlan {
    LessonPlan {
        level: Cefr::B1,
        clips: vec![PlannedClip { clip_id: clip("cafe"), duration_ms: 60_000, segments: 10 }],
        tasks: vec![PlannedTask {
            task_id: task("cafe-w1"),
            clip_id: clip("cafe"),
            kind: TaskKind::Writing,
            focus: "articles".parse().expect("a valid focus"),
            min_words: 3,
        }],
        required_attempts: 1,
    }
}

fn clip(name: &str) -> ClipId {
    name.parse().expect("a valid clip id")
}

fn task(name: &str) -> TaskId {
    name.parse().expect("a valid task id")
}

fn started() -> Event {
    Event::LessonStarted { lesson_id: LESSON, learner_id: LEARNER, plan: plan(), local_date: today() }
}

fn consume(watched_ms: u32, speed_percent: u16, repeats: Vec<SegmentRepeat>) -> Command {
    Command::ConsumeClip {
        viewing_id: ViewingId(Uuid::from_u128(3)),
        clip_id: clip("cafe"),
        watched_ms,
        speed_percent,
        repeats,
        local_date: today(),
    }
}

fn consumed(watched_ms: u32, speed_percent: u16, repeats: u32, to_the_end: bool) -> Event {
    Event::ShortClipConsumed {
        lesson_id: LESSON,
        learner_id: LEARNER,
        clip_id: clip("cafe"),
        viewing_id: ViewingId(Uuid::from_u128(3)),
        watched_ms,
        speed_percent,
        repeats,
        to_the_end,
        local_date: today(),
    }
}

fn verdict(score: f64) -> Verdict {
    Verdict { score, spans: vec![], model_id: "test".into(), weights_hash: "00".into(), latency_us: 5, meaning: None }
}

fn answer() -> Sealed {
    Sealed { key_id: Uuid::from_u128(9), nonce: "bm9uY2U=".into(), ciphertext: "dGV4dA==".into() }
}

fn submit(attempt: u128, name: &str, words: u32) -> Command {
    Command::SubmitAttempt {
        attempt_id: AttemptId(Uuid::from_u128(attempt)),
        task_id: task(name),
        kind: TaskKind::Writing,
        answer: answer(),
        words,
        duration_ms: Some(1000),
        evaluation: Evaluation::Given(verdict(0.8)),
        assignment: None,
    }
}

fn submitted(attempt: u128, ordinal: u32) -> [Event; 2] {
    [
        Event::AttemptSubmitted {
            lesson_id: LESSON,
            learner_id: LEARNER,
            attempt_id: AttemptId(Uuid::from_u128(attempt)),
            task_id: task("cafe-w1"),
            kind: TaskKind::Writing,
            ordinal,
            answer: answer(),
            words: 5,
            duration_ms: Some(1000),
        },
        Event::EvaluationCompleted {
            lesson_id: LESSON,
            learner_id: LEARNER,
            attempt_id: AttemptId(Uuid::from_u128(attempt)),
            task_id: task("cafe-w1"),
            skill: Skill::Writing,
            focus: "articles".parse().expect("a valid focus"),
            verdict: verdict(0.8),
            passed: true,
            assignment: None,
        },
    ]
}

#[test]
fn nothing_happens_in_a_lesson_that_was_not_started() {
    given::<Lesson>([]).when(submit(1, "cafe-w1", 5)).then_refused("never started");
    given::<Lesson>([]).when(consume(1000, 100, vec![])).then_refused("never started");
    given::<Lesson>([]).when(Command::Complete { local_date: today() }).then_refused("never started");
}

#[test]
fn a_recording_is_an_attempt_with_what_was_heard_before_its_evaluation() {
    let mut spoken_plan = plan();
    spoken_plan.tasks[0].kind = TaskKind::Speaking;
    let begun = Event::LessonStarted { lesson_id: LESSON, learner_id: LEARNER, plan: spoken_plan, local_date: today() };
    let fluency = Fluency { syllables_per_second: 3.0, pauses: 1, paused_ms: 400, speaking_ms: 1_000 };
    let spoken = Spoken {
        score: 0.7,
        completeness: 1.0,
        fluency,
        weak: vec![],
        recording_ms: 1_500,
        model_id: "test".into(),
        weights_hash: "00".into(),
        latency_us: 5,
    };
    let record = |words| Command::SubmitRecording {
        attempt_id: AttemptId(Uuid::from_u128(1)),
        task_id: task("cafe-w1"),
        answer: answer(),
        words,
        verdict: verdict(0.8),
        assignment: None,
        spoken: spoken.clone(),
        detail: answer(),
    };
    let [mut attempt, mut evaluated] = submitted(1, 1);
    if let (Event::AttemptSubmitted { kind, .. }, Event::EvaluationCompleted { skill, .. }) =
        (&mut attempt, &mut evaluated)
    {
        (*kind, *skill) = (TaskKind::Speaking, Skill::Speaking);
    }
    let assessed = Event::PronunciationAssessed {
        lesson_id: LESSON,
        learner_id: LEARNER,
        attempt_id: AttemptId(Uuid::from_u128(1)),
        task_id: task("cafe-w1"),
        spoken: spoken.clone(),
        detail: answer(),
    };
    let watched = || [begun.clone(), consumed(60_000, 100, 0, true)];
    given::<Lesson>(watched()).when(record(5)).then([attempt, assessed, evaluated]);
    given::<Lesson>(watched()).when(record(2)).then_refused("at least 3");
    given::<Lesson>([begun.clone()]).when(record(5)).then_refused("watch the clip first");
    given::<Lesson>([started(), consumed(60_000, 100, 0, true)]).when(record(5)).then_refused("writing attempt");
}

#[test]
fn a_viewing_records_repeats_speed_and_whether_it_reached_the_end() {
    let repeat = SegmentRepeat { segment: 4, times: 2 };
    given::<Lesson>([started()]).when(consume(48_000, 120, vec![repeat])).then([
        Event::ClipSegmentRepeated {
            learner_id: LEARNER,
            clip_id: clip("cafe"),
            viewing_id: ViewingId(Uuid::from_u128(3)),
            repeat,
        },
        consumed(48_000, 120, 2, true),
    ]);
    given::<Lesson>([started()]).when(consume(20_000, 100, vec![])).then([consumed(20_000, 100, 0, false)]);
}

#[test]
fn impossible_viewings_are_refused() {
    given::<Lesson>([started()]).when(consume(0, 100, vec![])).then_refused("time watched");
    given::<Lesson>([started()]).when(consume(1000, 1000, vec![])).then_refused("speed");
    let outside = SegmentRepeat { segment: 10, times: 1 };
    given::<Lesson>([started()]).when(consume(1000, 100, vec![outside])).then_refused("not in the clip");
}

#[test]
fn a_task_is_attempted_only_after_its_clip() {
    given::<Lesson>([started()]).when(submit(1, "cafe-w1", 5)).then_refused("watch the clip first");
}

#[test]
fn an_attempt_is_recorded_with_its_verdict() {
    given::<Lesson>([started(), consumed(60_000, 100, 0, true)]).when(submit(1, "cafe-w1", 5)).then(submitted(1, 1));
}

fn arm() -> Assignment {
    Assignment { experiment_id: ExperimentId(Uuid::from_u128(7)), arm: "large".into() }
}

fn defer(attempt: u128) -> Command {
    let mut command = submit(attempt, "cafe-w1", 5);
    if let Command::SubmitAttempt { evaluation, assignment, .. } = &mut command {
        (*evaluation, *assignment) = (Evaluation::Deferred(DeferralReason::Late), Some(arm()));
    }
    command
}

fn deferred(attempt: u128, ordinal: u32) -> [Event; 2] {
    let [submitted, _] = submitted(attempt, ordinal);
    let deferred = Event::EvaluationDeferred {
        lesson_id: LESSON,
        learner_id: LEARNER,
        attempt_id: AttemptId(Uuid::from_u128(attempt)),
        task_id: task("cafe-w1"),
        reason: DeferralReason::Late,
        assignment: Some(arm()),
    };
    [submitted, deferred]
}

fn evaluate(attempt: u128) -> Command {
    let attempt_id = AttemptId(Uuid::from_u128(attempt));
    Command::CompleteEvaluation { attempt_id, verdict: verdict(0.8), assignment: Some(arm()) }
}

fn evaluated_later(attempt: u128) -> Event {
    let [_, mut evaluated] = submitted(attempt, 1);
    if let Event::EvaluationCompleted { assignment, .. } = &mut evaluated {
        *assignment = Some(arm());
    }
    evaluated
}

#[test]
fn an_attempt_whose_evaluation_is_deferred_is_evaluated_once_and_says_by_which_arm() {
    let watched = [started(), consumed(60_000, 100, 0, true)];
    given::<Lesson>(watched.clone()).when(defer(1)).then(deferred(1, 1));
    let waiting = watched.into_iter().chain(deferred(1, 1));
    given::<Lesson>(waiting.clone()).when(evaluate(1)).then([evaluated_later(1)]);
    given::<Lesson>(waiting.clone().chain([evaluated_later(1)])).when(evaluate(1)).then([]);
    given::<Lesson>(waiting).when(evaluate(2)).then_refused("has no attempt");
}

#[test]
fn a_lesson_is_not_completed_while_the_verdicts_that_it_needs_are_missing() {
    let waiting = [started(), consumed(60_000, 100, 0, true)].into_iter().chain(deferred(1, 1));
    let complete = || Command::Complete { local_date: today() };
    given::<Lesson>(waiting.clone()).when(complete()).then_refused("1 attempts that wait for their evaluation");
    given::<Lesson>(waiting.clone().chain(submitted(2, 2))).when(complete()).then([Event::LessonCompleted {
        lesson_id: LESSON,
        learner_id: LEARNER,
        clips: 1,
        attempts: 1,
        mean_score: 0.8,
        active_ms: 62_000,
        local_date: today(),
    }]);
    let abandoned = Event::LessonAbandoned { lesson_id: LESSON, learner_id: LEARNER };
    given::<Lesson>(waiting.chain([abandoned])).when(evaluate(1)).then([evaluated_later(1)]);
}

#[test]
fn attempts_that_wait_count_towards_the_limit_of_a_task() {
    let mut history = vec![started(), consumed(60_000, 100, 0, true)];
    for n in 1..=MAX_ATTEMPTS_PER_TASK {
        history.extend(deferred(u128::from(n), n));
    }
    given::<Lesson>(history).when(defer(99)).then_refused("which is the limit");
}

#[test]
fn a_learner_disputes_each_part_of_a_verdict_once() {
    use super::super::evaluation::{ErrorCategory, ErrorSpan};
    let [attempt, mut evaluated] = submitted(1, 1);
    if let Event::EvaluationCompleted { verdict, .. } = &mut evaluated {
        let category = ErrorCategory::Article;
        verdict.spans = vec![ErrorSpan { start: 0, end: 3, category, confidence: 0.9, suggestion: None }];
    }
    let history = vec![started(), consumed(60_000, 100, 0, true), attempt, evaluated];
    let attempt_id = AttemptId(Uuid::from_u128(1));
    let dispute = |span, kind| Command::DisputeEvaluation(Dispute { attempt_id, span, kind });
    let disputed = |span, kind| {
        let (lesson_id, learner_id) = (LESSON, LEARNER);
        Event::EvaluationDisputed { lesson_id, learner_id, attempt_id, span, kind }
    };
    let (mark, missed, score) = (DisputeKind::FalseMark, DisputeKind::MissedMistake, DisputeKind::Score);
    let given_them = || given::<Lesson>(history.clone());
    given_them().when(dispute(Some(0), mark)).then([disputed(Some(0), mark)]);
    given_them().when(dispute(None, missed)).then([disputed(None, missed)]);
    given_them().when(dispute(Some(1), mark)).then_refused("there is no span 1");
    given_them().when(dispute(None, mark)).then_refused("names the span");
    given_them().when(dispute(Some(0), score)).then_refused("names none");
    let again = || given::<Lesson>(history.iter().cloned().chain([disputed(None, missed)]));
    again().when(dispute(None, score)).then_refused("on another ground");
    again().when(dispute(Some(0), mark)).then([disputed(Some(0), mark)]);
    let ended = Event::LessonAbandoned { lesson_id: LESSON, learner_id: LEARNER };
    given::<Lesson>(history.iter().cloned().chain([ended])).when(dispute(None, score)).then([disputed(None, score)]);
    let waiting = [started(), consumed(60_000, 100, 0, true)].into_iter().chain(deferred(1, 1));
    given::<Lesson>(waiting.clone()).when(dispute(None, score)).then_refused("no verdict yet");
    given::<Lesson>([started()]).when(dispute(None, score)).then_refused("has no attempt");
}

#[test]
fn a_new_reader_lifts_an_evaluation_of_version_1_to_one_without_experiment_and_meaning() {
    let [_, evaluated] = submitted(1, 1);
    let mut stored = serde_json::to_value(&evaluated).expect("an event is JSON");
    let body = stored["EvaluationCompleted"].as_object_mut().expect("an object");
    body.remove("assignment");
    let fields: Vec<_> = body["verdict"].as_object().expect("an object").keys().cloned().collect();
    assert_eq!(fields, ["latency_us", "model_id", "score", "spans", "weights_hash"], "as in version 1");
    let body = Value::Object(body.clone());
    let lifted = Lesson::upcast("EvaluationCompleted", 1, &body).expect("an upcaster");
    let read: Event = serde_json::from_value(serde_json::json!({ "EvaluationCompleted": lifted })).expect("version 2");
    assert_eq!(read, evaluated);
    assert!(matches!(read, Event::EvaluationCompleted { verdict: Verdict { meaning: None, .. }, .. }));
    assert_eq!(Lesson::upcast("EvaluationCompleted", 2, &body), None);
}

#[test]
fn a_meaning_is_kept_with_its_verdict_and_decides_nothing() {
    use super::super::evaluation::{Meaning, ModelRef};
    for (score, similarity) in [(0.2, 1.0), (0.8, -1.0)] {
        let model = ModelRef { model_id: "meaning".into(), weights_hash: "11".into() };
        let meaning = Some(Meaning { similarity, reference: 1, model });
        let found = Verdict { meaning, ..verdict(score) };
        let (mut command, [attempt, mut evaluated]) = (submit(1, "cafe-w1", 5), submitted(1, 1));
        if let Command::SubmitAttempt { evaluation, .. } = &mut command {
            *evaluation = Evaluation::Given(found.clone());
        }
        if let Event::EvaluationCompleted { verdict, passed, .. } = &mut evaluated {
            (*verdict, *passed) = (found, score > PASS_SCORE);
        }
        let stored = serde_json::to_value(&evaluated).expect("an event is JSON");
        assert_eq!(serde_json::from_value::<Event>(stored).expect("an event"), evaluated);
        given::<Lesson>([started(), consumed(60_000, 100, 0, true)]).when(command).then([attempt, evaluated]);
    }
}

#[test]
fn short_answers_and_unknown_tasks_are_refused() {
    let history = [started(), consumed(60_000, 100, 0, true)];
    given::<Lesson>(history.clone()).when(submit(1, "cafe-w1", 2)).then_refused("at least 3");
    given::<Lesson>(history).when(submit(1, "other", 5)).then_refused("not part of lesson");
}

#[test]
fn a_task_can_be_attempted_a_bounded_number_of_times() {
    let mut history = vec![started(), consumed(60_000, 100, 0, true)];
    for n in 1..=MAX_ATTEMPTS_PER_TASK {
        history.extend(submitted(u128::from(n), n));
    }
    given::<Lesson>(history).when(submit(99, "cafe-w1", 5)).then_refused("which is the limit");
}

#[test]
fn a_lesson_is_completed_only_when_its_work_is_done() {
    given::<Lesson>([started()])
        .when(Command::Complete { local_date: today() })
        .then_refused("1 clips to watch, 1 tasks to attempt");
    let mut history = vec![started(), consumed(60_000, 100, 0, true)];
    history.extend(submitted(1, 1));
    given::<Lesson>(history).when(Command::Complete { local_date: today() }).then([Event::LessonCompleted {
        lesson_id: LESSON,
        learner_id: LEARNER,
        clips: 1,
        attempts: 1,
        mean_score: 0.8,
        active_ms: 61_000,
        local_date: today(),
    }]);
}

#[test]
fn an_ended_lesson_takes_nothing_more() {
    let abandoned = Event::LessonAbandoned { lesson_id: LESSON, learner_id: LEARNER };
    given::<Lesson>([started()]).when(Command::Abandon).then([abandoned.clone()]);
    given::<Lesson>([started(), abandoned.clone()]).when(consume(1000, 100, vec![])).then_refused("has ended");
    given::<Lesson>([started(), abandoned]).when(Command::Complete { local_date: today() }).then_refused("has ended");
}
