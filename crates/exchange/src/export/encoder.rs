//! Columns as bytes of a file: Parquet, CSV or JSON Lines.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use arrow_array::RecordBatch;
use arrow_json::writer::LineDelimited;
use arrow_schema::SchemaRef;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use serde::{Deserialize, Serialize};

use super::ExportError;

/// How many rows a group of a Parquet file has at most.
const GROUP: usize = 512 * 1024;

/// The form of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::EnumString, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Format {
    /// Apache Parquet with zstd.
    Parquet,
    /// Comma-separated values with a header; what is nested is JSON text.
    Csv,
    /// A JSON object a line.
    Jsonl,
}

/// Bytes that are written on one side and taken on the other.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Vec<u8> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes the bytes of one file.
pub(super) struct Encoder {
    buffer: Buffer,
    writer: Writer,
}

enum Writer {
    Parquet(Box<ArrowWriter<Buffer>>),
    Csv(Box<arrow_csv::Writer<Buffer>>),
    Jsonl(arrow_json::Writer<Buffer, LineDelimited>),
}

impl Encoder {
    pub(super) fn new(format: Format, schema: SchemaRef) -> Result<Self, ExportError> {
        let buffer = Buffer::default();
        let writer = match format {
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(GROUP))
                    .set_created_by(concat!("baeum ", env!("CARGO_PKG_VERSION")).to_owned())
                    .build();
                Writer::Parquet(Box::new(ArrowWriter::try_new(buffer.clone(), schema, Some(properties))?))
            }
            Format::Csv => Writer::Csv(Box::new(arrow_csv::WriterBuilder::new().build(buffer.clone()))),
            Format::Jsonl => {
                let builder = arrow_json::WriterBuilder::new().with_explicit_nulls(true);
                Writer::Jsonl(builder.build(buffer.clone()))
            }
        };
        Ok(Self { buffer, writer })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ExportError> {
        match &mut self.writer {
            Writer::Parquet(writer) => writer.write(batch)?,
            Writer::Csv(writer) => writer.write(batch)?,
            Writer::Jsonl(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    /// How many bytes it holds in memory that [`Encoder::take`] does not give yet.
    pub(super) fn held(&self) -> usize {
        match &self.writer {
            Writer::Parquet(writer) => writer.memory_size(),
            Writer::Csv(_) | Writer::Jsonl(_) => 0,
        }
    }

    /// Ends a group of rows, so that nothing is held.
    pub(super) fn flush(&mut self) -> Result<(), ExportError> {
        if let Writer::Parquet(writer) = &mut self.writer {
            writer.flush()?;
            writer.sync().map_err(|error| ExportError::Encode(error.to_string()))?;
        }
        Ok(())
    }

    /// The bytes that are ready.
    pub(super) fn take(&self) -> Vec<u8> {
        self.buffer.take()
    }

    /// Ends the file, and gives its last bytes.
    pub(super) fn finish(self) -> Result<Vec<u8>, ExportError> {
        match self.writer {
            Writer::Parquet(writer) => drop(writer.close()?),
            Writer::Csv(writer) => drop(writer.into_inner()),
            Writer::Jsonl(mut writer) => writer.finish()?,
        }
        Ok(self.buffer.take())
    }
}
