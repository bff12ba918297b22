//! Whose events an aggregate holds: by this, everything about one person can be found, shown to them and forgotten.
//!
//! Every aggregate has its line in [`whose`]; a test refuses one that has none.

use crate::decider::Decider;

/// Whose events an aggregate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those of the person whose id is the aggregate's.
    Themselves,
    /// Those of the learner whom each event names in `learner_id`.
    Learner,
    /// The books, with some events that name a person in `subscriber`: what is bought and owed. They stay when the person is
    /// forgotten, for the law asks for them; by then the id leads to nobody.
    Subscriber,
    /// What was done with the data of the person whose id is the aggregate's. It stays when they are forgotten: it is
    /// the proof that they were.
    Record,
    /// Nobody's.
    Nobody,
}

/// The field by which events of [`Whose::Learner`] name their learner.
pub const LEARNER_FIELD: &str = "learner_id";

/// The field by which events of [`Whose::Subscriber`] name a person, where they do.
pub const SUBSCRIBER_FIELD: &str = "subscriber";

const TABLE: &[(&str, Whose)] = &[
    (super::user::User::AGGREGATE, Whose::Themselves),
    (super::erasure::Erasure::AGGREGATE, Whose::Record),
    (super::access::Access::AGGREGATE, Whose::Record),
    (crate::assessment::assessment::Assessment::AGGREGATE, Whose::Learner),
    (crate::assessment::item_bank::ItemBank::AGGREGATE, Whose::Nobody),
    (crate::progress::knowledge_tracing::KnowledgeTracing::AGGREGATE, Whose::Nobody),
    (crate::learning::curriculum::Curriculum::AGGREGATE, Whose::Themselves),
    (crate::learning::evaluator_deployment::EvaluatorDeployment::AGGREGATE, Whose::Nobody),
    (crate::learning::shadow_evaluation::ShadowEvaluation::AGGREGATE, Whose::Learner),
    (crate::learning::import::Import::AGGREGATE, Whose::Nobody),
    (crate::learning::imported_attempt::ImportedAttempt::AGGREGATE, Whose::Learner),
    (crate::learning::lesson::Lesson::AGGREGATE, Whose::Learner),
    (crate::progress::progress::Progress::AGGREGATE, Whose::Themselves),
    (crate::recommendation::recommendation::Recommendation::AGGREGATE, Whose::Learner),
    (crate::notification::notification::Notification::AGGREGATE, Whose::Learner),
    (crate::notification::preferences::NotificationPreferences::AGGREGATE, Whose::Themselves),
    // A partner system's, sealed under a key of the webhook's own.
    (crate::notification::webhooks::Webhooks::AGGREGATE, Whose::Nobody),
    (crate::review::deck::Deck::AGGREGATE, Whose::Themselves),
    (crate::recommendation::taste::Taste::AGGREGATE, Whose::Themselves),
    (crate::operations::parked_stream::ParkedStream::AGGREGATE, Whose::Nobody),
    (crate::kit::sku::Assortment::AGGREGATE, Whose::Nobody),
    (crate::kit::stock::Stock::AGGREGATE, Whose::Nobody),
    (crate::kit::plan::KitPlan::AGGREGATE, Whose::Nobody),
    (crate::kit::kit::Kit::AGGREGATE, Whose::Learner),
    (crate::kit::address::DeliveryAddress::AGGREGATE, Whose::Themselves),
    (crate::operations::simulated_clock::SimulatedClock::AGGREGATE, Whose::Nobody),
    (crate::subscription::billing_account::BillingAccount::AGGREGATE, Whose::Themselves),
    (crate::subscription::coupon::Coupon::AGGREGATE, Whose::Nobody),
    (crate::subscription::credits::CreditBalance::AGGREGATE, Whose::Subscriber),
    (crate::subscription::invoice::Invoice::AGGREGATE, Whose::Subscriber),
    // Payments and refunds name invoices and payments only.
    (crate::subscription::payment::Payment::AGGREGATE, Whose::Nobody),
    (crate::subscription::plan::Plan::AGGREGATE, Whose::Nobody),
    (crate::subscription::refund::Refund::AGGREGATE, Whose::Nobody),
    (crate::subscription::subscription::Subscription::AGGREGATE, Whose::Subscriber),
];

/// Whose events the aggregates of this type hold; nobody's for a type that this build does not know.
pub fn whose(aggregate_type: &str) -> Whose {
    TABLE.iter().find(|(name, _)| *name == aggregate_type).map_or(Whose::Nobody, |(_, whose)| *whose)
}

/// The types of aggregates that hold events of this kind.
pub fn types_of(kind: Whose) -> Vec<&'static str> {
    TABLE.iter().filter(|(_, whose)| *whose == kind).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::any::AGGREGATES;

    #[test]
    fn every_aggregate_says_whose_events_it_holds() {
        for info in AGGREGATES {
            let known = TABLE.iter().any(|(name, _)| *name == info.aggregate);
            assert!(known, "say in identity/subject.rs whose events the aggregate '{}' holds", info.aggregate);
        }
        assert_eq!(TABLE.len(), AGGREGATES.len(), "an aggregate is there that is none");
    }

    #[test]
    fn the_books_of_a_person_begin_with_an_event_that_names_them() {
        let first = ["SubscriptionStarted", "InvoiceIssued", "AllowanceGranted", "CreditPurchaseBilled"];
        let mut found = 0;
        for info in AGGREGATES.iter().filter(|info| whose(info.aggregate) == Whose::Subscriber) {
            for (name, _, schema) in info.event_schemas().into_iter().filter(|(name, ..)| first.contains(name)) {
                let required = schema["required"].as_array().cloned().unwrap_or_default();
                assert!(required.iter().any(|it| it == SUBSCRIBER_FIELD), "{name} does not name its subscriber");
                found += 1;
            }
        }
        assert_eq!(found, first.len());
    }

    #[test]
    fn every_event_of_a_learner_names_them() {
        for info in AGGREGATES.iter().filter(|info| whose(info.aggregate) == Whose::Learner) {
            for (name, _, schema) in info.event_schemas() {
                let required = schema["required"].as_array().cloned().unwrap_or_default();
                assert!(required.iter().any(|it| it == LEARNER_FIELD), "{name} does not name its learner");
            }
        }
    }
}
