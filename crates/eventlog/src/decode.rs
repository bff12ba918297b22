//! From the stored form of an event to its type, lifting older versions on the way.

use baeum_domain::{AnyEvent, Decider, DomainEvent as _, Recorded, any::AggregateInfo};
use serde_json::{Map, Value};

use crate::{RawPayload, error::LogError};

/// What is known of a stored event without its payload: enough to read that, and to name it in an error.
#[derive(Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) position: i64,
    pub(crate) aggregate_type: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) version: u16,
}

/// Reads a stored event as the domain knows it today.
///
/// # Errors
/// [`LogError::Unreadable`] for an aggregate, event type or version that this build does not know, or for a payload
/// that has not the shape of its version.
pub fn decode(event: Recorded<Value>) -> Result<Recorded<AnyEvent>, LogError> {
    let stored = Stored::of(&event);
    let lifted = stored.lift(event.payload.clone())?;
    match AnyEvent::from_stored(stored.aggregate_type, lifted) {
        Ok(Some(payload)) => Ok(event.map(|_| payload)),
        Ok(None) => Err(stored.unknown_aggregate()),
        Err(error) => Err(stored.unreadable(error.to_string())),
    }
}

/// Reads a stored event without making a JSON tree of it, which the present version needs none of.
///
/// # Errors
/// As [`decode`].
pub fn decode_raw(event: Recorded<RawPayload>) -> Result<Recorded<AnyEvent>, LogError> {
    let info = AggregateInfo::of(&event.aggregate_type);
    if info.and_then(|it| (it.current_version)(&event.event_type)) == Some(event.event_version)
        && let Ok(Some(payload)) = AnyEvent::from_stored(&event.aggregate_type, &*event.payload)
    {
        return Ok(event.map(|_| payload));
    }
    let payload = serde_json::from_str(event.payload.get());
    let payload = payload.map_err(|error| Stored::of(&event).unreadable(error.to_string()))?;
    decode(event.map(|_| payload))
}

impl<'a> Stored<'a> {
    pub(crate) fn of<P>(event: &'a Recorded<P>) -> Self {
        Self {
            position: event.position,
            aggregate_type: &event.aggregate_type,
            event_type: &event.event_type,
            version: event.event_version,
        }
    }

    /// Reads the payload as an event of `D`, at once where it is of the present version.
    pub(crate) fn read<D: Decider>(self, payload: &str) -> Result<D::Event, LogError> {
        if D::Event::current_version(self.event_type) == Some(self.version)
            && let Ok(event) = serde_json::from_str(payload)
        {
            return Ok(event);
        }
        let wrong = |error: serde_json::Error| self.unreadable(error.to_string());
        let tree = serde_json::from_str(payload).map_err(wrong)?;
        serde_json::from_value(self.lift(tree)?).map_err(wrong)
    }

    /// Lifts a payload to the version that this build writes.
    fn lift(self, payload: Value) -> Result<Value, LogError> {
        let Some(info) = AggregateInfo::of(self.aggregate_type) else { return Err(self.unknown_aggregate()) };
        let Some(current) = (info.current_version)(self.event_type) else {
            return Err(self.unreadable("the event type is not known: upgrade".into()));
        };
        if self.version == current {
            return Ok(payload);
        }
        if self.version > current {
            return Err(self.unreadable(format!("this build knows it up to version {current}: upgrade")));
        }
        let mut body = match payload {
            Value::Object(mut tagged) => tagged.remove(self.event_type),
            _ => None,
        }
        .ok_or_else(|| self.unreadable("its payload does not carry its name".into()))?;
        for version in self.version..current {
            body = (info.upcast)(self.event_type, version, &body)
                .ok_or_else(|| self.unreadable(format!("there is no upcaster from version {version}")))?;
        }
        Ok(Value::Object(Map::from_iter([(self.event_type.to_owned(), body)])))
    }

    fn unknown_aggregate(self) -> LogError {
        self.unreadable(format!("the aggregate '{}' is not known: upgrade", self.aggregate_type))
    }

    fn unreadable(self, reason: String) -> LogError {
        LogError::Unreadable {
            position: self.position,
            event_type: self.event_type.to_owned(),
            version: self.version,
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    fn stored(event_type: &str, event_version: u16, payload: Value) -> Recorded<Value> {
        Recorded {
            position: 42,
            event_id: Uuid::nil(),
            aggregate_type: "user".into(),
            aggregate_id: "u1".into(),
            sequence: 1,
            event_type: event_type.into(),
            event_version,
            tenant: "main".into(),
            actor: "u1".into(),
            correlation_id: Uuid::nil(),
            causation_id: Uuid::nil(),
            recorded_at: chrono::DateTime::UNIX_EPOCH,
            payload,
        }
    }

    #[test]
    fn an_event_of_the_present_version_is_read() {
        let event = decode(stored("GoalSet", 1, json!({ "GoalSet": { "daily_minutes": 20 } }))).expect("readable");
        assert_eq!(event.payload.event_type(), "GoalSet");
    }

    #[test]
    fn an_event_from_the_future_names_its_position_and_what_to_do() {
        let error = decode(stored("GoalSet", 9, json!({ "GoalSet": {} }))).expect_err("too new");
        assert_eq!(
            error.to_string(),
            "event GoalSet version 9 at position 42 cannot be read by this build: \
             this build knows it up to version 1: upgrade"
        );
        assert!(decode(stored("GoalFlown", 1, json!({ "GoalFlown": {} }))).is_err());
    }

    #[test]
    fn an_event_reads_the_same_with_and_without_a_tree() {
        for (event_type, version, payload) in [
            ("GoalSet", 1, json!({ "GoalSet": { "daily_minutes": 20 } })),
            ("GoalSet", 1, json!({ "GoalSet": { "daily_minutes": "x" } })),
            ("GoalSet", 9, json!({ "GoalSet": {} })),
            ("GoalFlown", 1, json!({ "GoalFlown": {} })),
        ] {
            let event = stored(event_type, version, payload);
            let raw = serde_json::value::to_raw_value(&event.payload).expect("JSON");
            let (raw, tree) = (decode_raw(event.clone().map(|_| raw)), decode(event));
            assert_eq!(raw.map_err(|it| it.to_string()), tree.map_err(|it| it.to_string()));
        }
    }

    #[test]
    fn a_payload_of_another_shape_is_an_error_and_no_panic() {
        for payload in [json!(null), json!([]), json!({ "GoalSet": { "daily_minutes": "x" } }), json!({ "Other": {} })]
        {
            assert!(decode(stored("GoalSet", 1, payload)).is_err());
        }
    }
}
