//! The tables of read models, each in a file.

use baeum_eventlog::EventLog;
use baeum_projections::{Projection, extract::Extract};
use chrono::{DateTime, Utc};

use super::{
    ExportError,
    encoder::{Encoder, Format},
    manifest::ModelFile,
    shape::{Shape, of_column},
    table,
    target::Target,
};

/// How many rows are read at a time.
const PAGE: u32 = 10_000;
/// How much of a table is held in memory before a group of rows is ended.
const BUDGET: usize = 128 * 1024 * 1024;

/// Writes the tables of a read model aside, all as they are at one moment.
pub(super) async fn write(
    log: &EventLog,
    projection: &dyn Projection,
    target: &Target,
    format: Format,
    now: DateTime<Utc>,
) -> Result<Vec<ModelFile>, ExportError> {
    let mut extract = Extract::begin(log.pool(), projection).await?;
    let position = extract.position.unwrap_or(log.floor());
    let mut files = vec![];
    for name in projection.tables() {
        let columns = extract.columns(name).await?;
        extract.open(name, &columns).await?;
        let shape = |kind: &str| {
            let shape = of_column(kind);
            if format == Format::Csv { shape.flat() } else { shape }
        };
        let columns: Vec<(String, Shape)> =
            columns.iter().map(|column| (column.name.clone(), shape(&column.kind))).collect();
        let path = format!("models/{}/{name}.{format}", projection.name());
        let mut sink = target.create(&path).await?;
        let mut encoder = Encoder::new(format, table::schema_of(&columns))?;
        let (mut rows, mut bytes) = (0, 0);
        loop {
            let page = extract.page(PAGE).await?;
            // A table without rows has a file all the same, with its columns.
            if page.is_empty() && rows > 0 {
                break;
            }
            let batch = table::rows(&columns, &page)
                .map_err(|error| ExportError::Encode(format!("the table {name}: {error}")))?;
            encoder.write(&batch)?;
            if encoder.held() > BUDGET {
                encoder.flush()?;
            }
            let ready = encoder.take();
            bytes += ready.len();
            sink.write(&ready)?;
            sink.wait().await?;
            rows += page.len();
            if page.is_empty() {
                break;
            }
        }
        let last = encoder.finish()?;
        bytes += last.len();
        sink.write(&last)?;
        sink.finish().await?;
        files.push(ModelFile {
            path,
            projection: projection.name().to_owned(),
            table: (*name).to_owned(),
            rows: rows as u64,
            bytes: bytes as u64,
            position,
            exported_at: now,
        });
    }
    extract.end().await?;
    Ok(files)
}
