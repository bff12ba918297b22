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
        let mut fields: Vec<Field> = ENVELOPE.iter().map(|name| Field::new(*name, envelope_type(name), false)).collect();
        match version {
            Some(_) => fields.extend(body.iter().map(|(name, shape)| Field::new(column(name), shape.data_type(), true))),
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
        let mut fields: Vec<Field> = ENVELOPE.iter().map(|name| Field::new(*name, envelope_type(name), false)).collect();
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
        let mut body = body.ok_or_else(|| wrong(&self.event_type, "a payload cannot be lifted to the present version"))?;
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
    let recorded_at = TimestampMicrosecondArray::from_iter_values(events.iter().map(|it| it.recorded_at.timestamp_micros()));
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
