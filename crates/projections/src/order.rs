//! Which events of a projection must stay in order among themselves.
//!
//! Events of one key are taken in one after the other, in the order of the log; events of different keys may be taken in
//! beside each other, by different workers. An event that cannot be taken in makes the later ones of its key wait.

use std::{borrow::Cow, fmt};

use baeum_domain::{AnyEvent, Recorded};
use baeum_eventlog::{LogError, RawPayload, StoredPayload, decode, decode_raw, relay};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};

/// Into how many partitions the keys of a projection are divided. It never changes: cursors are kept by partition.
pub const PARTITIONS: u32 = relay::PARTITIONS;

/// Which events must stay in order among themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those of one aggregate.
    ByAggregate,
    /// Those whose body names the same value in this field; an event without it goes by its aggregate.
    ByField(&'static str),
    /// All of them: there is one partition, and an event that cannot be taken in stops them all.
    Total,
}

impl Order {
    /// The key of a stored event.
    pub fn key<'a>(&self, event: &'a Recorded<impl Stored>) -> Cow<'a, str> {
        let named = match self {
            Self::Total => return Cow::Borrowed(""),
            Self::ByAggregate => None,
            Self::ByField(field) => event.payload.field(field),
        };
        named.unwrap_or(Cow::Borrowed(&event.aggregate_id))
    }

    /// The partition of a key, below [`Order::partitions`].
    pub fn partition(&self, key: &str) -> u32 {
        if *self == Self::Total { 0 } else { relay::partition(key) }
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> u32 {
        if *self == Self::Total { 1 } else { PARTITIONS }
    }
}

/// The stored form of an event, as a tree or as text.
pub trait Stored: Clone {
    /// The text in this field of its body.
    fn field(&self, name: &str) -> Option<Cow<'_, str>>;

    /// Reads it as the domain knows it today.
    ///
    /// # Errors
    /// When this build cannot read it.
    fn decode(event: Recorded<Self>) -> Result<Recorded<AnyEvent>, LogError>;
}

impl Stored for StoredPayload {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        self.as_object()?.values().next()?.get(name)?.as_str().map(Cow::Borrowed)
    }

    fn decode(event: Recorded<Self>) -> Result<Recorded<AnyEvent>, LogError> {
        decode(event)
    }
}

impl Stored for RawPayload {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut found = None;
        // What stands behind the field is not read, which the parser takes for a mistake.
        let _ = Search { name, in_body: false, found: &mut found }
            .deserialize(&mut serde_json::Deserializer::from_str(self.get()));
        found
    }

    fn decode(event: Recorded<Self>) -> Result<Recorded<AnyEvent>, LogError> {
        decode_raw(event)
    }
}

/// Finds the text in a field of the body, which is the first value of an object.
struct Search<'s, 'de> {
    name: &'s str,
    in_body: bool,
    found: &'s mut Option<Cow<'de, str>>,
}

impl<'de> DeserializeSeed<'de> for Search<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Search<'_, 'de> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if !self.in_body {
            if map.next_key::<IgnoredAny>()?.is_some() {
                map.next_value_seed(Search { in_body: true, ..self })?;
            }
            return Ok(());
        }
        while let Some(Text(field)) = map.next_key()? {
            if field == self.name {
                let Text(value) = map.next_value()?;
                *self.found = Some(value);
                return Ok(());
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// A text, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use serde_json::json;
    use uuid::Uuid;

    #[test]
    fn an_event_goes_by_the_field_it_names_and_else_by_its_aggregate() {
        let event = |payload| Recorded {
            position: 1,
            event_id: Uuid::nil(),
            aggregate_type: "lesson".to_owned(),
            aggregate_id: "a lesson".to_owned(),
            sequence: 1,
            event_type: "LessonStarted".to_owned(),
            event_version: 1,
            tenant: "main".to_owned(),
            actor: "test".to_owned(),
            correlation_id: Uuid::nil(),
            causation_id: Uuid::nil(),
            recorded_at: DateTime::UNIX_EPOCH,
            payload,
        };
        let named = event(json!({ "LessonStarted": { "learner_id": "a learner" } }));
        let nameless = event(json!({ "LessonStarted": {} }));
        let order = Order::ByField("learner_id");
        assert_eq!((order.key(&named), order.key(&nameless)), ("a learner".into(), "a lesson".into()));
        let as_text = |event: &Recorded<StoredPayload>| {
            event.clone().map(|it| RawPayload::from(serde_json::value::to_raw_value(&it).expect("JSON")))
        };
        assert_eq!(
            (order.key(&as_text(&named)), order.key(&as_text(&nameless))),
            (order.key(&named), order.key(&nameless))
        );
        assert_eq!(Order::ByAggregate.key(&named), "a lesson");
        assert_eq!((Order::Total.key(&named), Order::Total.partitions()), ("".into(), 1));
        assert!(order.partition("a learner") < order.partitions());
    }
}
