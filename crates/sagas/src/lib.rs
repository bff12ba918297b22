//! Processes (sagas): what follows from an event in another aggregate.
//!
//! A process reads the log in order. Its reaction to an event is pure; the new state of the instance, the commands to
//! send and the cursor commit in one transaction. Commands are then sent with an id that derives from their cause, and
//! the log answers a repeated id with what it stored, so that a crash between any two steps resumes and no step takes
//! effect twice.

pub mod kit;
pub mod learning;
pub mod notification;
mod process;
pub mod progress;
pub mod review;
mod runner;
mod store;
pub mod subscription;
mod travel;

pub use process::{Effect, Erased, Process};
pub use runner::run;
pub use store::{at_rest, forget, has_passed, next_timer, vacuum};
pub use travel::{TOGETHER, TravelError, travel};

/// Every process, a line each.
pub fn registry() -> Vec<Erased> {
    vec![
        Erased::of::<learning::curriculum_assignment::CurriculumAssignment>(),
        Erased::of::<learning::deferred_evaluation::DeferredEvaluation>(),
        Erased::of::<learning::lesson_completion::LessonCompletion>(),
        Erased::of::<learning::shadow_evaluation::ShadowEvaluation>(),
        Erased::of::<notification::congratulation::Congratulation>(),
        Erased::of::<notification::receipt::Receipt>(),
        Erased::of::<notification::reminder::Reminder>(),
        Erased::of::<notification::subscription_notice::SubscriptionNotice>(),
        Erased::of::<progress::progress_tracking::ProgressTracking>(),
        Erased::of::<subscription::renewal::Renewal>(),
        Erased::of::<subscription::collection::Collection>(),
        Erased::of::<subscription::charging::Charging>(),
        Erased::of::<subscription::refunding::Refunding>(),
        Erased::of::<subscription::evaluation_charging::EvaluationCharging>(),
        Erased::of::<kit::kit_delivery::KitDelivery>(),
        Erased::of::<kit::stock_expiry::StockExpiry>(),
        Erased::of::<review::card_making::CardMaking>(),
    ]
}
