//! Which columns an event has: derived from its published schema.
//!
//! Every field of the body is a column; objects are structs, arrays are lists; an object of one of several shapes has the
//! fields of all of them. What can be of several types, or has keys that the schema does not know, is JSON text, as
//! everything nested is in CSV.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, TimeUnit};
use serde_json::Value;

/// How deep schemas are followed; a type that holds itself is JSON text from there on.
const DEEPEST: u32 = 16;

/// The shape of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// A value of one type.
    Plain(DataType),
    /// JSON text of whatever it is.
    Json,
    /// An object of which the fields are known.
    Struct(Vec<(String, Shape)>),
    /// An array.
    List(Box<Shape>),
}

/// A moment in microseconds, as all moments of an export are.
pub(super) fn moment() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl Shape {
    /// The shape that a JSON Schema (draft 2020-12) describes.
    pub(super) fn of(schema: &Value) -> Self {
        Self::within(schema, schema.get("$defs").unwrap_or(&Value::Null), 0)
    }

    fn within(schema: &Value, definitions: &Value, depth: u32) -> Self {
        if depth > DEEPEST {
            return Self::Json;
        }
        let follow = |schema| Self::within(schema, definitions, depth + 1);
        if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|it| it.strip_prefix("#/$defs/")) {
            return definitions.get(name).map_or(Self::Json, follow);
        }
        if let Some(choices) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            let shapes = choices.iter().filter(|it| it["type"] != "null").map(follow);
            return shapes.reduce(Self::merged).unwrap_or(Self::Json);
        }
        let types = match &schema["type"] {
            Value::String(one) => vec![one.as_str()],
            Value::Array(some) => some.iter().filter_map(Value::as_str).filter(|it| *it != "null").collect(),
            _ => vec![],
        };
        let format = schema["format"].as_str().unwrap_or_default();
        match types[..] {
            ["string"] => Self::Plain(match format {
                "date-time" => moment(),
                "date" => DataType::Date32,
                _ => DataType::Utf8,
            }),
            ["boolean"] => Self::Plain(DataType::Boolean),
            ["number"] => Self::Plain(DataType::Float64),
            ["integer"] => Self::Plain(match format {
                "uint8" | "int8" | "uint16" | "int16" | "int32" => DataType::Int32,
                "uint64" => DataType::UInt64,
                _ => DataType::Int64,
            }),
            ["array"] if schema["items"].is_object() => Self::List(Box::new(follow(&schema["items"]))),
            ["object"] => match schema["properties"].as_object() {
                Some(fields) if !fields.is_empty() => {
                    Self::Struct(fields.iter().map(|(name, field)| (name.clone(), follow(field))).collect())
                }
                _ => Self::Json,
            },
            _ => Self::Json,
        }
    }

    /// What can be either: objects have the fields of both.
    fn merged(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Struct(mut fields), Self::Struct(others)) => {
                for (name, shape) in others {
                    match fields.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, known)) => *known = std::mem::replace(known, Self::Json).merged(shape),
                        None => fields.push((name, shape)),
                    }
                }
                Self::Struct(fields)
            }
            _ => Self::Json,
        }
    }

    /// The same with JSON text for everything nested.
    pub(super) fn flat(self) -> Self {
        match self {
            Self::Struct(_) | Self::List(_) => Self::Json,
            plain => plain,
        }
    }

    /// The type of its column.
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Plain(kind) => kind.clone(),
            Self::Json => DataType::Utf8,
            Self::Struct(fields) => DataType::Struct(fields_of(fields)),
            Self::List(item) => DataType::List(Arc::new(Field::new("item", item.data_type(), true))),
        }
    }

    /// Whether some of it is JSON text.
    pub(super) fn has_json(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Json => true,
            Self::Struct(fields) => fields.iter().any(|(_, field)| field.has_json()),
            Self::List(item) => item.has_json(),
        }
    }

    /// Makes text of what is to be JSON text.
    pub(super) fn fit(&self, value: &mut Value) {
        match (self, value) {
            (Self::Plain(_), _) | (_, Value::Null) => {}
            (Self::Json, value) => *value = Value::String(value.to_string()),
            (Self::Struct(fields), Value::Object(object)) => {
                for (name, field) in fields {
                    if let Some(value) = object.get_mut(name) {
                        field.fit(value);
                    }
                }
            }
            (Self::List(item), Value::Array(values)) => values.iter_mut().for_each(|value| item.fit(value)),
            (Self::Struct(_) | Self::List(_), _) => {}
        }
    }
}

/// Fields that may all be missing: an older version of an event may not have had them.
pub(super) fn fields_of(fields: &[(String, Shape)]) -> Fields {
    fields.iter().map(|(name, shape)| Field::new(name, shape.data_type(), true)).collect()
}

/// The shape of a column of a read model, by the name that Postgres has for its type.
pub(super) fn of_column(kind: &str) -> Shape {
    match kind {
        "int2" | "int4" => Shape::Plain(DataType::Int32),
        "int8" => Shape::Plain(DataType::Int64),
        "float4" | "float8" => Shape::Plain(DataType::Float64),
        "bool" => Shape::Plain(DataType::Boolean),
        "timestamptz" => Shape::Plain(moment()),
        "date" => Shape::Plain(DataType::Date32),
        "_text" => Shape::List(Box::new(Shape::Plain(DataType::Utf8))),
        "_float8" => Shape::List(Box::new(Shape::Plain(DataType::Float64))),
        // JSON is read as text already; text, uuid and whatever else come as texts.
        _ => Shape::Plain(DataType::Utf8),
    }
}

#[cfg(test)]
mod tests {
    use baeum_domain::any::{AGGREGATES, AggregateInfo};
    use serde_json::json;

    use super::*;

    fn body(event_type: &str) -> Vec<(String, Shape)> {
        let schemas = AGGREGATES.iter().flat_map(AggregateInfo::event_schemas);
        let (.., schema) = schemas.into_iter().find(|(name, ..)| *name == event_type).expect("an event");
        let Shape::Struct(fields) = Shape::of(&schema) else { panic!("{event_type} has fields") };
        fields
    }

    fn column(event_type: &str, name: &str) -> Shape {
        body(event_type).into_iter().find(|(known, _)| known == name).expect("a field").1
    }

    #[test]
    fn columns_have_the_types_of_the_published_schemas() {
        let plain = |kind| Shape::Plain(kind);
        assert_eq!(column("AttemptImported", "occurred_at"), plain(moment()));
        assert_eq!(column("AttemptImported", "skill"), plain(DataType::Utf8));
        assert_eq!(column("AttemptImported", "correct"), plain(DataType::Boolean));
        assert_eq!(column("LessonStarted", "local_date"), plain(DataType::Date32));
        assert_eq!(column("ItemAnswered", "choice"), plain(DataType::Int32));
        let Shape::Struct(verdict) = column("EvaluationCompleted", "verdict") else { panic!("a struct") };
        let spans = &verdict.iter().find(|(name, _)| name == "spans").expect("spans").1;
        assert!(matches!(spans, Shape::List(item) if matches!(&**item, Shape::Struct(_))), "{spans:?}");
        let Shape::Struct(answer) = column("AttemptSubmitted", "answer") else { panic!("a struct") };
        assert_eq!(answer.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), ["ciphertext", "key_id", "nonce"]);
    }

    #[test]
    fn objects_of_several_shapes_have_the_fields_of_all_and_what_is_no_object_is_json_text() {
        let Shape::List(title) = column("RecommendationGenerated", "titles") else { panic!("a list") };
        let Shape::Struct(title) = *title else { panic!("a struct") };
        let reasons = title.into_iter().find(|(name, _)| name == "reasons").expect("reasons").1;
        let kind = ("kind".to_owned(), Shape::Plain(DataType::Utf8));
        assert_eq!(reasons, Shape::List(Box::new(Shape::Struct(vec![kind, ("of".to_owned(), Shape::Json)]))));
        let mut value =
            json!([{ "kind": "level", "of": "A1" }, null, { "kind": "weakness", "of": { "skill": "reading" } }]);
        reasons.fit(&mut value);
        let expected =
            json!([{ "kind": "level", "of": "\"A1\"" }, null, { "kind": "weakness", "of": "{\"skill\":\"reading\"}" }]);
        assert_eq!(value, expected);
        let itself =
            json!({ "$ref": "#/$defs/T", "$defs": { "T": { "type": "array", "items": { "$ref": "#/$defs/T" } } } });
        assert!(Shape::of(&itself).has_json());
    }
}
