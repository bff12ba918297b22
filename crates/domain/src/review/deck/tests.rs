use uuid::Uuid;

use super::*;
use crate::spec::given;

const LEARNER: UserId = UserId(Uuid::from_u128(1));

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-03-{text}Z").parse().expect("a moment")
}

fn task(name: &str) -> Front {
    Front::Task { task_id: name.parse().expect("a task id") }
}

fn origin() -> Origin {
    Origin::Lesson { lesson_id: LessonId(Uuid::from_u128(2)) }
}

fn add(fronts: &[Front]) -> Command {
    Command::Add { learner_id: LEARNER, fronts: fronts.to_vec(), origin: origin(), due_at: at("01T09:00:00") }
}

fn added(front: &Front) -> Event {
    let (card_id, front) = (card_of(LEARNER, front), front.clone());
    Event::CardAdded { learner_id: LEARNER, card_id, front, origin: origin(), due_at: at("01T09:00:00") }
}

fn review(number: u128, moment: &str, stability: f64) -> Reviewed {
    Reviewed {
        learner_id: LEARNER,
        card_id: card_of(LEARNER, &task("a")),
        review_id: ReviewId(Uuid::from_u128(number)),
        rating: Rating::Good,
        now: at(moment),
        memory: Memory { stability, difficulty: 5.0 },
        retrievability: None,
        interval_days: 3,
        model_id: "test".into(),
    }
}

fn reviewed(number: u128, moment: &str, elapsed_days: u32, due: &str, parameters_version: u32) -> Event {
    let Reviewed { learner_id, card_id, review_id, rating, memory, model_id, .. } = review(number, moment, 2.0);
    Event::CardReviewed {
        learner_id,
        card_id,
        review_id,
        rating,
        elapsed_days,
        retrievability: None,
        stability: memory.stability,
        difficulty: memory.difficulty,
        reviewed_at: at(moment),
        due_at: at(due),
        model_id,
        parameters_version,
    }
}

fn fit(input_position: i64, first: f64) -> Fit {
    Fit {
        input_position,
        model_id: "test".into(),
        parameters: vec![first, 1.0],
        parameters_hash: first.to_string(),
        reviews: 300,
        log_loss_before: 0.4,
        log_loss_after: 0.3,
    }
}

fn optimize(input_position: i64, first: f64) -> Command {
    Command::Optimize { learner_id: LEARNER, fit: fit(input_position, first) }
}

fn optimized(version: u32, input_position: i64, first: f64) -> Event {
    Event::SchedulerOptimized { learner_id: LEARNER, version, fit: fit(input_position, first) }
}

#[test]
fn cards_are_added_once_whatever_they_come_from() {
    given::<Deck>([]).when(add(&[task("a"), task("a")])).then([added(&task("a"))]);
    given::<Deck>([added(&task("a"))]).when(add(&[task("a"), task("b")])).then([added(&task("b"))]);
    let clip = Front::Clip { clip_id: "a".parse().expect("a clip id") };
    given::<Deck>([added(&task("a"))]).when(add(std::slice::from_ref(&clip))).then([added(&clip)]);
}

#[test]
fn a_deck_that_is_full_takes_no_more() {
    let many: Vec<_> = (0..MOST_CARDS).map(|number| task(&number.to_string())).collect();
    given::<Deck>(many.iter().map(added)).when(add(&[task("one-more")])).then_refused("5000 cards");
}

#[test]
fn a_review_moves_a_card_and_counts_the_days_since_the_last() {
    let first = reviewed(1, "01T10:00:00", 0, "04T10:00:00", 0);
    given::<Deck>([added(&task("a"))]).when(Command::Review(review(1, "01T10:00:00", 2.0))).then([first.clone()]);
    let second = reviewed(2, "06T09:59:59", 4, "09T09:59:59", 0);
    given::<Deck>([added(&task("a")), first]).when(Command::Review(review(2, "06T09:59:59", 2.0))).then([second]);
}

#[test]
fn a_review_that_comes_again_changes_nothing() {
    let first = reviewed(1, "01T10:00:00", 0, "04T10:00:00", 0);
    given::<Deck>([added(&task("a")), first]).when(Command::Review(review(1, "02T10:00:00", 9.0))).then([]);
}

#[test]
fn what_cannot_be_is_refused() {
    given::<Deck>([]).when(Command::Review(review(1, "01T10:00:00", 2.0))).then_refused("no card");
    let first = reviewed(1, "02T10:00:00", 0, "05T10:00:00", 0);
    given::<Deck>([added(&task("a")), first])
        .when(Command::Review(review(2, "01T10:00:00", 2.0)))
        .then_refused("later moment");
    for wrong in [0.0, f64::NAN, f64::INFINITY] {
        given::<Deck>([added(&task("a"))])
            .when(Command::Review(review(1, "01T10:00:00", wrong)))
            .then_refused("memory that is none");
    }
    let far = Reviewed { interval_days: LONGEST_INTERVAL + 1, ..review(1, "01T10:00:00", 2.0) };
    given::<Deck>([added(&task("a"))]).when(Command::Review(far)).then_refused("memory that is none");
}

#[test]
fn later_reviews_name_the_parameters_that_scheduled_them() {
    given::<Deck>([added(&task("a"))]).when(optimize(10, 0.5)).then([optimized(1, 10, 0.5)]);
    given::<Deck>([added(&task("a")), optimized(1, 10, 0.5)]).when(optimize(20, 0.6)).then([optimized(2, 20, 0.6)]);
    given::<Deck>([added(&task("a")), optimized(2, 20, 0.6)])
        .when(Command::Review(review(1, "01T10:00:00", 2.0)))
        .then([reviewed(1, "01T10:00:00", 0, "04T10:00:00", 2)]);
}

#[test]
fn a_fit_is_recorded_once_and_never_goes_back() {
    given::<Deck>([optimized(1, 10, 0.5)]).when(optimize(10, 0.5)).then([]);
    given::<Deck>([optimized(1, 10, 0.5)]).when(optimize(9, 0.6)).then_refused("up to 10 is there");
    given::<Deck>([]).when(optimize(10, f64::NAN)).then_refused("no numbers");
}
