//! Rows of a file, read one after the other in bounded memory.
//!
//! What is wrong with a row is told with its line, and the rest goes on. A row of more than [`LONGEST`] bytes is left
//! out without being kept: one quote too many makes a row of all that follows.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use super::{ImportError, jsonl::Jsonl, spec::Format};
use csv_core::ReadRecordResult;

/// How long a row may be, in bytes.
pub(super) const LONGEST: usize = 1024 * 1024;
/// How many fields it may have.
const MOST_FIELDS: usize = 2_000;

/// A row: the fields of the columns that were asked for, in their order; an empty one is none.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) fields: Vec<Option<String>>,
}

/// Why a row is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reject {
    pub(super) line: u64,
    pub(super) reason: String,
}

/// The rows of a file.
pub(super) enum Records {
    Csv(Box<Csv>),
    Jsonl(Jsonl),
}

impl Records {
    /// Opens a file. Its columns are looked for at once where it has a header.
    pub(super) fn open(path: &Path, format: Format, delimiter: u8, columns: &[String]) -> Result<Self, ImportError> {
        let unreadable = |error| ImportError::Read { path: path.display().to_string(), error };
        let mut input: Input = BufReader::with_capacity(256 * 1024, Counted(0, File::open(path).map_err(unreadable)?));
        skip_mark(&mut input).map_err(|problem| match problem {
            Mark::Unreadable(error) => unreadable(error),
            Mark::Utf16 => ImportError::Header {
                path: path.display().to_string(),
                problem: "the file is UTF-16: save it as UTF-8".to_owned(),
            },
        })?;
        match format {
            Format::Csv => Csv::open(input, delimiter, columns, path).map(|csv| Self::Csv(Box::new(csv))),
            Format::Jsonl => Ok(Self::Jsonl(Jsonl::new(input, columns.to_vec()))),
        }
    }

    /// How many bytes of the file were read.
    pub(super) fn bytes(&self) -> u64 {
        let input = match self {
            Self::Csv(csv) => &csv.input,
            Self::Jsonl(jsonl) => jsonl.input(),
        };
        input.get_ref().0
    }

    /// The next row, if there is one.
    pub(super) fn next(&mut self) -> io::Result<Option<Result<Row, Reject>>> {
        match self {
            Self::Csv(csv) => csv.next(),
            Self::Jsonl(jsonl) => jsonl.next(),
        }
    }
}

pub(super) type Input = BufReader<Counted>;

/// A file of which the bytes are counted that were read.
pub(super) struct Counted(u64, File);

impl io::Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = io::Read::read(&mut self.1, buffer)?;
        self.0 += read as u64;
        Ok(read)
    }
}

enum Mark {
    Unreadable(io::Error),
    Utf16,
}

/// Passes over a byte order mark.
fn skip_mark(input: &mut Input) -> Result<(), Mark> {
    let start = input.fill_buf().map_err(Mark::Unreadable)?;
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Err(Mark::Utf16);
    }
    if start.starts_with(&[0xef, 0xbb, 0xbf]) {
        input.consume(3);
    }
    Ok(())
}

/// Comma-separated values (RFC 4180) with a header.
pub(super) struct Csv {
    input: Input,
    reader: csv_core::Reader,
    /// Line breaks passed so far.
    breaks: u64,
    /// Where in a row the columns are that were asked for.
    places: Vec<usize>,
    width: usize,
    output: Vec<u8>,
    ends: Vec<usize>,
}

/// A row of which all bytes are known.
enum Read {
    End,
    Fields(usize),
    TooLong,
}

impl Csv {
    fn open(input: Input, delimiter: u8, columns: &[String], path: &Path) -> Result<Self, ImportError> {
        let header = |problem| ImportError::Header { path: path.display().to_string(), problem };
        let mut csv = Self {
            input,
            reader: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            breaks: 0,
            places: vec![],
            width: 0,
            output: vec![0; 8 * 1024],
            ends: vec![0; 64],
        };
        let read = csv.read().map_err(|error| ImportError::Read { path: path.display().to_string(), error })?;
        let Read::Fields(width) = read.1 else {
            return Err(header("there is no header: the first line names the columns".into()));
        };
        let names: Vec<String> = (0..width)
            .map(|at| Ok(std::str::from_utf8(csv.field(at))?.trim().to_owned()))
            .collect::<Result<_, std::str::Utf8Error>>()
            .map_err(|_| header("the header is not UTF-8: save the file as UTF-8".into()))?;
        for column in columns {
            let mut places = names.iter().enumerate().filter(|(_, name)| *name == column).map(|(place, _)| place);
            match (places.next(), places.next()) {
                (Some(place), None) => csv.places.push(place),
                (Some(_), Some(_)) => return Err(header(format!("the column '{column}' is there twice: rename one"))),
                (None, _) => {
                    return Err(header(format!("there is no column '{column}': there are {}", names.join(", "))));
                }
            }
        }
        csv.width = width;
        Ok(csv)
    }

    fn next(&mut self) -> io::Result<Option<Result<Row, Reject>>> {
        let (line, read) = self.read()?;
        let reject = |reason| Ok(Some(Err(Reject { line, reason })));
        match read {
            Read::End => Ok(None),
            Read::TooLong => reject(too_long()),
            Read::Fields(width) if width != self.width => {
                reject(format!("the row has {width} fields, the header {}", self.width))
            }
            Read::Fields(_) => {
                let mut fields = Vec::with_capacity(self.places.len());
                for place in &self.places {
                    match std::str::from_utf8(self.field(*place)) {
                        Ok(text) => fields.push(present(text)),
                        Err(_) => return reject("the row is not UTF-8".to_owned()),
                    }
                }
                Ok(Some(Ok(Row { line, fields })))
            }
        }
    }

    /// Reads a row into `output` and `ends`; gives the line on which it begins.
    fn read(&mut self) -> io::Result<(u64, Read)> {
        // Line ends before a row are of no row; passed over here, so that the line is right.
        loop {
            let input = self.input.fill_buf()?;
            let passed = input.iter().take_while(|it| matches!(it, b'\r' | b'\n')).count();
            self.breaks += count_breaks(&input[..passed]);
            let more = passed > 0;
            self.input.consume(passed);
            if !more {
                break;
            }
        }
        let line = self.breaks + 1;
        let (mut written, mut ended, mut too_long) = (0, 0, false);
        loop {
            let input = self.input.fill_buf()?;
            let (result, read, wrote, fields) =
                self.reader.read_record(input, &mut self.output[written..], &mut self.ends[ended..]);
            self.breaks += count_breaks(&input[..read]);
            self.input.consume(read);
            written += wrote;
            ended += fields;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.output.len() < LONGEST && !too_long => {
                    self.output.resize((self.output.len() * 4).min(LONGEST), 0);
                }
                ReadRecordResult::OutputEndsFull if self.ends.len() < MOST_FIELDS && !too_long => {
                    self.ends.resize((self.ends.len() * 4).min(MOST_FIELDS), 0);
                }
                // What does not fit is read to its end and forgotten.
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    (written, ended, too_long) = (0, 0, true);
                }
                ReadRecordResult::Record if too_long => return Ok((line, Read::TooLong)),
                ReadRecordResult::Record => return Ok((line, Read::Fields(ended))),
                ReadRecordResult::End => return Ok((line, if too_long { Read::TooLong } else { Read::End })),
            }
        }
    }

    /// The bytes of a field of the row that was read.
    fn field(&self, place: usize) -> &[u8] {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.output[start..self.ends[place]]
    }
}

pub(super) fn present(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn count_breaks(bytes: &[u8]) -> u64 {
    bytes.iter().map(|it| u64::from(*it == b'\n')).sum()
}

pub(super) fn too_long() -> String {
    format!("the row is longer than {LONGEST} bytes or {MOST_FIELDS} fields: is there a quote too many?")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(format: Format, content: &[u8], columns: &[&str]) -> Vec<Result<Row, Reject>> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), content).expect("written");
        let columns: Vec<String> = columns.iter().map(|it| (*it).to_owned()).collect();
        let mut records = Records::open(file.path(), format, b',', &columns).expect("it opens");
        std::iter::from_fn(|| records.next().expect("readable")).collect()
    }

    fn refused(content: &[u8], columns: &[&str]) -> String {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), content).expect("written");
        let columns: Vec<String> = columns.iter().map(|it| (*it).to_owned()).collect();
        Records::open(file.path(), Format::Csv, b',', &columns).err().expect("it is refused").to_string()
    }

    #[allow(clippy::unnecessary_wraps, reason = "it is compared with what was read")]
    fn row(line: u64, fields: &[&str]) -> Result<Row, Reject> {
        Ok(Row { line, fields: fields.iter().map(|it| present(it)).collect() })
    }

    #[test]
    fn quotes_line_ends_and_a_byte_order_mark_are_read_as_spreadsheets_write_them() {
        let content = "\u{feff}id,text,by\r\n1,\"a, \"\"b\"\"\r\nc\",mina\r\n\r\n2,,jun\r\n3,\"x\",end";
        let expected = [row(2, &["mina", "a, \"b\"\r\nc"]), row(5, &["jun", ""]), row(6, &["end", "x"])];
        assert_eq!(rows(Format::Csv, content.as_bytes(), &["by", "text"]), expected);
    }

    #[test]
    fn a_row_of_another_width_or_no_text_is_left_out_and_the_rest_goes_on() {
        let content = b"id,by\n1\n2,mina\n3,jun,4\n\xff,bo\n5,kim\n";
        let told = rows(Format::Csv, content, &["by", "id"]);
        assert_eq!(told[0], Err(Reject { line: 2, reason: "the row has 1 fields, the header 2".into() }));
        assert_eq!(told[1], row(3, &["mina", "2"]));
        assert_eq!(told[2], Err(Reject { line: 4, reason: "the row has 3 fields, the header 2".into() }));
        assert_eq!(told[3], Err(Reject { line: 5, reason: "the row is not UTF-8".into() }));
        assert_eq!(told[4], row(6, &["kim", "5"]));
    }

    #[test]
    fn a_row_of_ten_megabytes_is_left_out_without_being_kept() {
        let long = "x".repeat(10 * LONGEST);
        let csv = rows(Format::Csv, format!("id,by\n1,{long}\n2,mina\n").as_bytes(), &["by"]);
        assert_eq!(
            csv[0].as_ref().map_err(|it| (it.line, it.reason.contains("is there a quote too many"))),
            Err((2, true))
        );
        assert_eq!(csv[1], row(3, &["mina"]));
        let jsonl = rows(Format::Jsonl, format!("{{\"by\": \"{long}\"}}\n{{\"by\": \"mina\"}}").as_bytes(), &["by"]);
        assert_eq!(jsonl[0].as_ref().map_err(|it| it.line), Err(1));
        assert_eq!(jsonl[1], row(2, &["mina"]));
    }

    #[test]
    fn a_quote_that_is_never_closed_costs_the_rows_after_it_and_is_told_with_its_line() {
        let content = format!("id,by\n1,mina\n2,\"jun\n{}", "3,bo\n".repeat(LONGEST / 4));
        let told = rows(Format::Csv, content.as_bytes(), &["by"]);
        assert_eq!((told.len(), told[1].as_ref().map_err(|it| it.line)), (2, Err(3)));
    }

    #[test]
    fn a_header_must_have_each_column_once() {
        assert!(refused(b"id,at\n", &["by"]).ends_with("there is no column 'by': there are id, at"));
        assert!(refused(b"id,by,by\n", &["by"]).ends_with("the column 'by' is there twice: rename one"));
        assert!(refused(b"", &["by"]).contains("there is no header"));
        assert!(refused(b"\xff\xfei\0d\0", &["id"]).ends_with("the file is UTF-16: save it as UTF-8"));
    }

    #[test]
    fn values_of_json_are_found_by_their_path() {
        let content = br#"{"actor": {"id": 7}, "result": {"score": 0.5, "ok": true, "note": null}, "a.b": "dot"}

[1]
{"actor": [1]}
{"actor": "#;
        let told = rows(Format::Jsonl, content, &["actor.id", "result.score", "result.ok", "result.note", "a.b"]);
        assert_eq!(told[0], row(1, &["7", "0.5", "true", "", "dot"]));
        assert_eq!(told[1], Err(Reject { line: 3, reason: "the line is no JSON object".into() }));
        assert_eq!(told[2], row(4, &["", "", "", "", ""]));
        assert_eq!(
            told[3].as_ref().map_err(|it| (it.line, it.reason.starts_with("the line is no JSON: "))),
            Err((5, true))
        );
        let nested = rows(Format::Jsonl, br#"{"actor": {"id": [1]}}"#, &["actor.id"]);
        assert!(nested[0].as_ref().is_err_and(|it| it.reason.starts_with("actor.id: ")), "{nested:?}");
    }

    proptest! {
        #[test]
        fn whatever_a_field_holds_is_read_back(texts in prop::collection::vec("[^\u{0}]{0,20}", 1..20)) {
            let mut writer = csv::Writer::from_writer(vec![]);
            writer.write_record(["id", "text"]).expect("written");
            for (at, text) in texts.iter().enumerate() {
                writer.write_record([&at.to_string(), text]).expect("written");
            }
            let read = rows(Format::Csv, &writer.into_inner().expect("flushed"), &["id", "text"]);
            prop_assert_eq!(read.len(), texts.len());
            for (read, text) in read.into_iter().zip(&texts) {
                prop_assert_eq!(&read.expect("a row").fields[1], &present(text));
            }
        }

        #[test]
        fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut content = b"id,by\n".to_vec();
            content.extend(&bytes);
            rows(Format::Csv, &content, &["by"]);
            if !bytes.starts_with(&[0xff, 0xfe]) && !bytes.starts_with(&[0xfe, 0xff]) {
                rows(Format::Jsonl, &bytes, &["by"]);
            }
        }
    }
}
