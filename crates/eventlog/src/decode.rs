//! From the stored form of an event to its type, lifting older versions on the way.

use baeum_domain::{AnyEvent, Recorded, any::AggregateInfo};
use serde_json::{Map, Value};

use crate::{RawPayload, error::LogError};

/// Reads a stored event as the domain knows it today.
///
/// # Errors
/// [`LogError::Unreadable`] for an aggregate, event type or version that this build does not know, or for a payload
/// that has not the shape of its version.
pub fn decode(event: Recorded<Value>) -> Result<Recorded<AnyEvent>, LogError> {
    let (aggregate_type, payload) = (event.aggregate_type.clone(), event.payload.clone());
    let lifted = lift(&event, payload)?;
    match AnyEvent::from_stored(&aggregate_type, lifted) {
        Ok(Some(payload)) => Ok(event.map(|_| payload)),
        Ok(None) => Err(unreadable(&event, format!("the aggregate '{aggregate_type}' is not known: upgrade"))),
        Err(error) => Err(unreadable(&event, error.to_string())),
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
    let payload = payload.map_err(|error| unreadable(&event, error.to_string()))?;
    decode(event.map(|_| payload))
}

/// Lifts a stored payload to the version that this build writes.
pub(crate) fn lift(event: &Recorded<Value>, payload: Value) -> Result<Value, LogError> {
    let Some(info) = AggregateInfo::of(&event.aggregate_type) else {
        return Err(unreadable(event, format!("the aggregate '{}' is not known: upgrade", event.aggregate_type)));
    };
    let Some(current) = (info.current_version)(&event.event_type) else {
        return Err(unreadable(event, "the event type is not known: upgrade".into()));
    };
    if event.event_version == current {
        return Ok(payload);
    }
    if event.event_version > current {
        return Err(unreadable(event, format!("this build knows it up to version {current}: upgrade")));
    }
    let mut body = match payload {
        Value::Object(mut tagged) => tagged.remove(&event.event_type),
        _ => None,
    }
    .ok_or_else(|| unreadable(event, "its payload does not carry its name".into()))?;
    for version in event.event_version..current {
        body = (info.upcast)(&event.event_type, version, &body)
            .ok_or_else(|| unreadable(event, format!("there is no upcaster from version {version}")))?;
    }
    Ok(Value::Object(Map::from_iter([(event.event_type.clone(), body)])))
}

pub(crate) fn unreadable<P>(event: &Recorded<P>, reason: String) -> LogError {
    LogError::Unreadable {
        position: event.position,
        event_type: event.event_type.clone(),
        version: event.event_version,
        reason,
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
