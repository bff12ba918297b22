//! Every event of every aggregate, as one type: what readers of the whole log see.

use schemars::Schema;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use strum::VariantNames;

use crate::decider::{Decider, DomainEvent};

macro_rules! aggregates {
    ($($(#[$doc:meta])* $name:ident($aggregate:ty)),+ $(,)?) => {
        /// An event of any aggregate.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant, reason = "events are read once and matched at once")]
        pub enum AnyEvent {
            $($(#[$doc])* $name(<$aggregate as Decider>::Event),)+
        }

        /// Every aggregate that writes to the log.
        pub const AGGREGATES: &[AggregateInfo] = &[
            $(AggregateInfo {
                aggregate: <$aggregate as Decider>::AGGREGATE,
                context: <$aggregate as Decider>::CONTEXT,
                event_types: <<$aggregate as Decider>::Event as VariantNames>::VARIANTS,
                current_version: <<$aggregate as Decider>::Event as DomainEvent>::current_version,
                upcast: <$aggregate as Decider>::upcast,
                schema: || schemars::generate::SchemaSettings::draft2020_12()
                    .into_generator().into_root_schema_for::<<$aggregate as Decider>::Event>(),
            }),+
        ];

        impl AnyEvent {
            /// Reads a stored payload of the present version, or gives `None` for an aggregate that is not known.
            ///
            /// # Errors
            /// When the payload does not have the shape of the event.
            pub fn from_stored<'de, D>(aggregate_type: &str, payload: D) -> Result<Option<Self>, D::Error>
            where
                D: Deserializer<'de>,
            {
                $(if aggregate_type == <$aggregate as Decider>::AGGREGATE {
                    return Deserialize::deserialize(payload).map(|event| Some(Self::$name(event)));
                })+
                Ok(None)
            }

            /// The name of the event.
            pub fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$name(event) => event.event_type(),)+
                }
            }

            /// The text in this field of its body, where it has one.
            pub fn field(&self, name: &str) -> Option<String> {
                let stored = match self {
                    $(Self::$name(event) => serde_json::to_value(event),)+
                };
                stored.ok()?.as_object()?.values().next()?.get(name)?.as_str().map(ToOwned::to_owned)
            }

            /// The type of the aggregate that it belongs to.
            pub fn aggregate_type(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => <$aggregate as Decider>::AGGREGATE,)+
                }
            }
        }

        $(impl From<<$aggregate as Decider>::Event> for AnyEvent {
            fn from(event: <$aggregate as Decider>::Event) -> Self {
                Self::$name(event)
            }
        })+
    };
}

aggregates! {
    /// Of a user.
    User(crate::identity::user::User),
    /// Of the erasure of a person.
    Erasure(crate::identity::erasure::Erasure),
    /// Of accesses to a person's data.
    Access(crate::identity::access::Access),
    /// Of a sitting of the level test.
    Assessment(crate::assessment::assessment::Assessment),
    /// Of the calibrations of the level test's items.
    ItemBank(crate::assessment::item_bank::ItemBank),
    /// Of what is supposed of how learners come to know skills.
    KnowledgeTracing(crate::progress::knowledge_tracing::KnowledgeTracing),
    /// Of a curriculum.
    Curriculum(crate::learning::curriculum::Curriculum),
    /// Of a lesson.
    Lesson(crate::learning::lesson::Lesson),
    /// Of which evaluator answers whom.
    EvaluatorDeployment(crate::learning::evaluator_deployment::EvaluatorDeployment),
    /// Of what a model in the shadow says of an attempt.
    ShadowEvaluation(crate::learning::shadow_evaluation::ShadowEvaluation),
    /// Of a learner's progress.
    Progress(crate::progress::progress::Progress),
    /// Of a learner's cards.
    Deck(crate::review::deck::Deck),
    /// Of a recommendation.
    Recommendation(crate::recommendation::recommendation::Recommendation),
    /// Of a learner's reactions to what was recommended.
    Taste(crate::recommendation::taste::Taste),
    /// Of an import of attempts of another system.
    Import(crate::learning::import::Import),
    /// Of an attempt that was made in another system.
    ImportedAttempt(crate::learning::imported_attempt::ImportedAttempt),
    /// Of an operator's deeds about a stream that was parked.
    ParkedStream(crate::operations::parked_stream::ParkedStream),
    /// Of the clock of a platform on which time is travelled.
    SimulatedClock(crate::operations::simulated_clock::SimulatedClock),
    /// Of a plan.
    Plan(crate::subscription::plan::Plan),
    /// Of a coupon.
    Coupon(crate::subscription::coupon::Coupon),
    /// Of a subscription.
    Subscription(crate::subscription::subscription::Subscription),
    /// Of an invoice.
    Invoice(crate::subscription::invoice::Invoice),
    /// Of a payment.
    Payment(crate::subscription::payment::Payment),
    /// Of a refund.
    Refund(crate::subscription::refund::Refund),
    /// Of a subscriber's usage credits.
    CreditBalance(crate::subscription::credits::CreditBalance),
    /// Of a notification.
    Notification(crate::notification::notification::Notification),
    /// Of what a person wants to be notified of.
    NotificationPreferences(crate::notification::preferences::NotificationPreferences),
    /// Of the webhooks of a tenant.
    Webhooks(crate::notification::webhooks::Webhooks),
    /// Of the SKUs that kits are made of.
    Assortment(crate::kit::sku::Assortment),
    /// Of the stock of a SKU.
    Stock(crate::kit::stock::Stock),
    /// Of the kits of a plan.
    KitPlan(crate::kit::plan::KitPlan),
    /// Of a learning kit.
    Kit(crate::kit::kit::Kit),
    /// Of where a learner's kits go.
    DeliveryAddress(crate::kit::address::DeliveryAddress),
    /// Of what a subscriber pays with.
    BillingAccount(crate::subscription::billing_account::BillingAccount),
}

/// What readers of the log know of an aggregate.
#[derive(Clone, Copy)]
pub struct AggregateInfo {
    /// Its type in the log.
    pub aggregate: &'static str,
    /// Its context.
    pub context: &'static str,
    /// The names of its events.
    pub event_types: &'static [&'static str],
    /// The version that this build writes of an event type.
    pub current_version: fn(&str) -> Option<u16>,
    /// Lifts an older payload by one version.
    pub upcast: fn(&str, u16, &Value) -> Option<Value>,
    schema: fn() -> Schema,
}

impl AggregateInfo {
    /// The aggregate of this type.
    pub fn of(aggregate_type: &str) -> Option<&'static Self> {
        AGGREGATES.iter().find(|info| info.aggregate == aggregate_type)
    }

    /// JSON Schemas (draft 2020-12) of the bodies of its events, in the order of [`Self::event_types`]: name, version,
    /// schema.
    pub fn event_schemas(&self) -> Vec<(&'static str, u16, Value)> {
        let root = (self.schema)().to_value();
        let definitions = root.get("$defs").cloned().unwrap_or_else(|| json!({}));
        let variants = root.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut schemas = vec![];
        for name in self.event_types {
            let found = variants.iter().find_map(|variant| {
                let mut body = variant.get("properties")?.get(*name)?.clone();
                if let (Some(body), Some(description)) = (body.as_object_mut(), variant.get("description")) {
                    body.insert("description".into(), description.clone());
                }
                Some(body)
            });
            let Some(mut body) = found else { continue };
            let version = (self.current_version)(name).unwrap_or(1);
            if let Some(object) = body.as_object_mut() {
                object.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
                object.insert("title".into(), json!(name));
                let used = used_definitions(&Value::Object(object.clone()), &definitions);
                if !used.is_empty() {
                    object.insert("$defs".into(), Value::Object(used));
                }
            }
            schemas.push((*name, version, body));
        }
        schemas
    }
}

/// The definitions that `schema` refers to, directly or through others.
fn used_definitions(schema: &Value, definitions: &Value) -> serde_json::Map<String, Value> {
    let mut used = serde_json::Map::new();
    let mut open = vec![schema.clone()];
    while let Some(next) = open.pop() {
        match next {
            Value::Object(object) => {
                let target = object.get("$ref").and_then(Value::as_str).and_then(|it| it.strip_prefix("#/$defs/"));
                if let Some(name) = target
                    && !used.contains_key(name)
                    && let Some(definition) = definitions.get(name)
                {
                    used.insert(name.to_owned(), definition.clone());
                    open.push(definition.clone());
                }
                open.extend(object.into_iter().map(|(_, value)| value));
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    used.sort_keys();
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_schema_and_a_name_of_its_own() {
        let mut names = Vec::<&str>::new();
        for info in AGGREGATES {
            assert_eq!(info.event_schemas().len(), info.event_types.len(), "schemas of {}", info.aggregate);
            names.extend(info.event_types);
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "two events share a name");
    }

    #[test]
    fn a_stored_event_is_read_by_its_aggregate() {
        let stored = json!({ "EmotionCareConsentWithdrawn": {} });
        let event = AnyEvent::from_stored("user", stored).expect("well formed").expect("a known aggregate");
        assert_eq!((event.aggregate_type(), event.event_type()), ("user", "EmotionCareConsentWithdrawn"));
        assert_eq!(event.field("policy_version"), None);
        let stored = json!({ "EmotionCareConsentGiven": { "policy_version": "2026-01" } });
        let event = AnyEvent::from_stored("user", stored).expect("well formed").expect("a known aggregate");
        assert_eq!(event.field("policy_version").as_deref(), Some("2026-01"));
        assert_eq!(AnyEvent::from_stored("spaceship", json!({})).expect("not read at all"), None);
    }
}
