//! Rows as Arrow sees them: the envelope and the body of events, and the rows of read models.

use std::sync::Arc;

use arrow_array::{
    Array as _, ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow_json::ReaderBuilder;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use baeum_domain::{Recorded, any::AGGREGATES};
use baeum_eventlog::RawPayload;
use serde_json::{Map, Value};

use super::shape::{Shape, fields_of, moment};

/// The columns that every event has, before those of its body.
pub(super) const ENVELOPE: [&str; 11] = [
    "position",
    "event_id",
    "tenant",
    "aggregate_type",
    "aggregate_id",
    "sequence",
    "version",
    "actor",
    "correlation_id",
    "causation_id",
    "recorded_at",
];
/// The parts of the path that readers make columns of.
const OF_PATH: [&str; 2] = ["event_type", "date"];

/// The table of an event type.
pub(super) struct EventTable {
    event_type: String,
    /// The version that the columns are of; none where this build does not know the event, whose body is then one column
    /// of JSON text, `payload`.
    version: Option<u16>,
    upcast: fn(&str, u16, &Value) -> Option<Value>,
    body: Vec<(String, Shape)>,
    pub(super) schema: SchemaRef,
    has_json: bool,
}

impl EventTable {
    /// The table of an event type; with JSON text for everything nested where it is to be flat.
    pub(super) fn of(event_type: &str, flat: bool) -> Self {
        let info = AGGREGATES.iter().find(|info| info.event_types.contains(&event_type));
        let schema = info.and_then(|info| info.event_schemas().into_iter().find(|(name, ..)| *name == event_type));
        let (version, body) = match schema.map(|(_, version, schema)| (version, Shape::of(&schema), schema)) {
            Some((version, Shape::Struct(fields), _)) => (Some(version), fields),
            // An event that says nothing but its name.
            Some((version, _, schema)) if schema["properties"].as_object().is_none_or(Map::is_empty) => {
                (Some(version), vec![])
            }
            _ => (None, vec![]),
        };
        let body: Vec<_> =
            body.into_iter().map(|(name, shape)| (name, if flat { shape.flat() } else { shape })).collect();
        let mut fields: Vec<Field> =
            ENVELOPE.iter().map(|name| Field::new(*name, envelope_type(name), false)).collect();
        match version {
            Some(_) => {
                fields.extend(body.iter().map(|(name, shape)| Field::new(column(name), shape.data_type(), true)));
            }
            None => fields.push(Field::new("payload", DataType::Utf8, false)),
        }
        Self {
            event_type: event_type.to_owned(),
            version,
            upcast: info.map_or(|_, _, _| None, |info| info.upcast),
            has_json: body.iter().any(|(_, shape)| shape.has_json()),
            body,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// The table of the events of this type that have another shape than this build knows: `payload` is their body.
    pub(super) fn unknown(event_type: &str) -> Self {
        let mut fields: Vec<Field> =
            ENVELOPE.iter().map(|name| Field::new(*name, envelope_type(name), false)).collect();
        fields.push(Field::new("payload", DataType::Utf8, false));
        Self {
            event_type: event_type.to_owned(),
            version: None,
            upcast: |_, _, _| None,
            body: vec![],
            schema: Arc::new(Schema::new(fields)),
            has_json: false,
        }
    }

    /// Whether an event of this version fits the columns.
    pub(super) fn knows(&self, version: u16) -> bool {
        self.version.is_some_and(|current| version <= current)
    }

    /// Events of this type as columns.
    pub(super) fn batch(&self, events: &[&Recorded<RawPayload>]) -> Result<RecordBatch, ArrowError> {
        let mut columns = envelope(events);
        let Some(current) = self.version else {
            columns.push(Arc::new(StringArray::from_iter_values(events.iter().map(|it| it.payload.get()))));
            return RecordBatch::try_new(self.schema.clone(), columns);
        };
        if !self.body.is_empty() {
            let whole = Field::new(&self.event_type, DataType::Struct(fields_of(&self.body)), true);
            let decoder = ReaderBuilder::new(Arc::new(Schema::new(vec![whole]))).with_batch_size(events.len());
            let mut decoder = decoder.build_decoder()?;
            if !self.has_json && events.iter().all(|event| event.event_version == current) {
                for event in events {
                    decoder.decode(event.payload.get().as_bytes())?;
                }
            } else {
                let bodies = events.iter().map(|event| self.fitted(event, current)).collect::<Result<Vec<_>, _>>()?;
                decoder.serialize(&bodies)?;
            }
            let decoded = decoder.flush()?.filter(|it| it.num_rows() == events.len());
            let decoded = decoded.ok_or_else(|| wrong(&self.event_type, "a body is missing"))?;
            let body = decoded.column(0).as_any().downcast_ref::<StructArray>();
            let body = body.filter(|it| it.null_count() == 0);
            let body = body.ok_or_else(|| wrong(&self.event_type, "a payload does not carry its name"))?;
            columns.extend(body.columns().iter().cloned());
        }
        RecordBatch::try_new(self.schema.clone(), columns)
    }

    /// The payload of an event in the present version, with text where JSON text is wanted.
    fn fitted(&self, event: &Recorded<RawPayload>, current: u16) -> Result<Value, ArrowError> {
        let mut payload: Value =
            serde_json::from_str(event.payload.get()).map_err(|error| wrong(&self.event_type, &error.to_string()))?;
        let mut body = payload.get_mut(&self.event_type).map(Value::take);
        for version in event.event_version..current {
            body = body.and_then(|body| (self.upcast)(&self.event_type, version, &body));
        }
        let mut body =
            body.ok_or_else(|| wrong(&self.event_type, "a payload cannot be lifted to the present version"))?;
        if let Value::Object(fields) = &mut body {
            for (name, shape) in &self.body {
                if let Some(value) = fields.get_mut(name) {
                    shape.fit(value);
                }
            }
        }
        Ok(Value::Object(Map::from_iter([(self.event_type.clone(), body)])))
    }
}

fn wrong(event_type: &str, problem: &str) -> ArrowError {
    ArrowError::JsonError(format!("{event_type}: {problem}"))
}

/// The name of the column of a field: one that an envelope or path has already is told apart.
fn column(field: &str) -> String {
    if ENVELOPE.contains(&field) || OF_PATH.contains(&field) { format!("body_{field}") } else { field.to_owned() }
}

fn envelope_type(name: &str) -> DataType {
    match name {
        "position" | "sequence" => DataType::Int64,
        "version" => DataType::Int32,
        "recorded_at" => moment(),
        _ => DataType::Utf8,
    }
}

/// In the order of [`ENVELOPE`].
fn envelope(events: &[&Recorded<RawPayload>]) -> Vec<ArrayRef> {
    let text = |value: fn(&Recorded<RawPayload>) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(events.iter().map(|it| value(it))))
    };
    let id = |value: fn(&Recorded<RawPayload>) -> uuid::Uuid| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(events.iter().map(|it| value(it).to_string())))
    };
    let recorded_at =
        TimestampMicrosecondArray::from_iter_values(events.iter().map(|it| it.recorded_at.timestamp_micros()));
    vec![
        Arc::new(Int64Array::from_iter_values(events.iter().map(|it| it.position))),
        id(|it| it.event_id),
        text(|it| &it.tenant),
        text(|it| &it.aggregate_type),
        text(|it| &it.aggregate_id),
        Arc::new(Int64Array::from_iter_values(events.iter().map(|it| it.sequence))),
        Arc::new(Int32Array::from_iter_values(events.iter().map(|it| i32::from(it.event_version)))),
        text(|it| &it.actor),
        id(|it| it.correlation_id),
        id(|it| it.causation_id),
        Arc::new(recorded_at.with_timezone("UTC")),
    ]
}

/// The rows of a read model, JSON objects, as columns.
pub(super) fn rows(columns: &[(String, Shape)], rows: &[String]) -> Result<RecordBatch, ArrowError> {
    let schema = schema_of(columns);
    let decoder = ReaderBuilder::new(schema.clone()).with_batch_size(rows.len().max(1));
    let mut decoder = decoder.build_decoder()?;
    if columns.iter().any(|(_, shape)| shape.has_json()) {
        let mut values = vec![];
        for row in rows {
            let mut row: Value = serde_json::from_str(row).map_err(|error| ArrowError::JsonError(error.to_string()))?;
            Shape::Struct(columns.to_vec()).fit(&mut row);
            values.push(row);
        }
        decoder.serialize(&values)?;
    } else {
        for row in rows {
            decoder.decode(row.as_bytes())?;
        }
    }
    Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(schema)))
}

/// The schema of such rows.
pub(super) fn schema_of(columns: &[(String, Shape)]) -> SchemaRef {
    Arc::new(Schema::new(fields_of(columns)))
}

#[cfg(test)]
mod tests {
    use baeum_domain::any::AggregateInfo;
    use chrono::DateTime;
    use serde_json::{json, value::RawValue};
    use uuid::Uuid;

    use super::*;

    /// A value of a schema, with or without what may be missing.
    fn sample(schema: &Value, definitions: &Value, whole: bool) -> Value {
        if let Some(name) = schema["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/")) {
            return sample(&definitions[name], definitions, whole);
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            let choice = choices.iter().find(|it| (it["type"] == "null") != whole).unwrap_or(&choices[0]);
            return sample(choice, definitions, whole);
        }
        if let Some(words) = schema["enum"].as_array() {
            return words[0].clone();
        }
        let kind = match &schema["type"] {
            Value::Array(_) if !whole => return Value::Null,
            Value::Array(kinds) => kinds.iter().find(|it| *it != "null").expect("a type"),
            kind => kind,
        };
        match kind.as_str().expect("a type") {
            "string" => match schema["format"].as_str() {
                Some("uuid") => json!(Uuid::from_u128(7)),
                Some("date-time") => json!("2026-03-01T09:00:00.000001Z"),
                Some("date") => json!("2026-03-01"),
                _ => json!("a \"text\""),
            },
            "null" => Value::Null,
            "boolean" => json!(true),
            "number" => json!(0.25),
            "integer" => json!(3),
            "array" if whole => json!([sample(&schema["items"], definitions, whole)]),
            "array" => json!([]),
            "object" => {
                let fields = schema["properties"].as_object().into_iter().flatten();
                fields.map(|(name, field)| (name.clone(), sample(field, definitions, whole))).collect()
            }
            other => panic!("a schema of {other}"),
        }
    }

    fn recorded(event_type: &str, event_version: u16, payload: &Value) -> Recorded<RawPayload> {
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
            recorded_at: DateTime::UNIX_EPOCH,
            payload: RawValue::from_string(payload.to_string()).expect("JSON"),
        }
    }

    #[test]
    fn every_published_event_fits_its_columns() {
        for (name, version, schema) in AGGREGATES.iter().flat_map(AggregateInfo::event_schemas) {
            for flat in [false, true] {
                let table = EventTable::of(name, flat);
                let bodies = [true, false].map(|whole| sample(&schema, &schema["$defs"], whole));
                let events = bodies.clone().map(|body| recorded(name, version, &json!({ name: body })));
                let batch = table.batch(&events.iter().collect::<Vec<_>>()).unwrap_or_else(|it| panic!("{name}: {it}"));
                assert_eq!(batch.num_rows(), 2, "{name}");
                for (field, value) in bodies[0].as_object().expect("a body") {
                    let column = batch.column_by_name(&column(field)).unwrap_or_else(|| panic!("{name}.{field}"));
                    assert!(value.is_null() || !column.is_null(0), "{name}.{field} is lost");
                    let nested = matches!(column.data_type(), DataType::Struct(_) | DataType::List(_));
                    assert!(!(flat && nested), "{name}.{field} is nested");
                }
            }
        }
    }

    #[test]
    fn fields_that_are_called_as_an_envelopes_are_told_apart() {
        let table = EventTable::of("ParkedStreamRetried", false);
        let names: Vec<_> = table.schema.fields().iter().skip(ENVELOPE.len()).map(|it| it.name().as_str()).collect();
        assert_eq!(names, ["attempts", "key", "body_position", "projection"]);
    }

    #[test]
    fn a_body_of_another_shape_is_an_error() {
        let table = EventTable::of("GoalSet", false);
        for payload in
            [json!({ "GoalSet": { "daily_minutes": "many" } }), json!({ "Other": {} }), json!(null), json!(7)]
        {
            let event = recorded("GoalSet", 1, &payload);
            assert!(table.batch(&[&event]).is_err(), "{payload}");
        }
    }
}
