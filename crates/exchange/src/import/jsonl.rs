//! JSON Lines: an object a line, its values found by their paths.

use std::io::{self, BufRead as _, Read as _};

use serde_json::Value;

use super::records::{Input, LONGEST, Reject, Row, present, too_long};

/// JSON objects, one a line.
pub(super) struct Jsonl {
    input: Input,
    line: u64,
    columns: Vec<String>,
}

impl Jsonl {
    pub(super) fn new(input: Input, columns: Vec<String>) -> Self {
        Self { input, line: 0, columns }
    }

    pub(super) fn input(&self) -> &Input {
        &self.input
    }

    /// The next row, if there is one.
    pub(super) fn next(&mut self) -> io::Result<Option<Result<Row, Reject>>> {
        let mut bytes = vec![];
        loop {
            bytes.clear();
            self.line += 1;
            let read = (&mut self.input).take(LONGEST as u64 + 1).read_until(b'\n', &mut bytes)?;
            if read == 0 {
                return Ok(None);
            }
            if bytes.len() > LONGEST && !bytes.ends_with(b"\n") {
                self.pass_line()?;
                return Ok(Some(Err(Reject { line: self.line, reason: too_long() })));
            }
            if !bytes.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        let line = self.line;
        let fields = serde_json::from_slice::<Value>(&bytes)
            .map_err(|error| format!("the line is no JSON: {error}"))
            .and_then(|value| if value.is_object() { Ok(value) } else { Err("the line is no JSON object".to_owned()) })
            .and_then(|value| self.columns.iter().map(|column| field(&value, column)).collect());
        Ok(Some(fields.map(|fields| Row { line, fields }).map_err(|reason| Reject { line, reason })))
    }

    fn pass_line(&mut self) -> io::Result<()> {
        loop {
            let input = self.input.fill_buf()?;
            let (length, ends) = match input.iter().position(|it| *it == b'\n') {
                Some(at) => (at + 1, true),
                None => (input.len(), input.is_empty()),
            };
            self.input.consume(length);
            if ends {
                return Ok(());
            }
        }
    }
}

/// The value at a path such as `result.score`, as text.
fn field(value: &Value, path: &str) -> Result<Option<String>, String> {
    let found = value.get(path).or_else(|| path.split('.').try_fold(value, |value, name| value.get(name)));
    match found {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(present(text)),
        Some(Value::Bool(truth)) => Ok(Some(truth.to_string())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::Array(_) | Value::Object(_)) => Err(format!("{path}: the value is no text, number or truth value")),
    }
}
