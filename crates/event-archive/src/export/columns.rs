//! The Parquet form: a column for each attribute of an event.

use std::{fs::File, io::BufWriter, path::Path, sync::Arc};

use chrono::{DateTime, Utc};
use event_runtime::RecordedEvent;
use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type},
    errors::{ParquetError, Result as ParquetResult},
    file::{
        properties::WriterProperties,
        reader::{FileReader as _, SerializedFileReader},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    record::{Row, RowAccessor as _},
    schema::parser::parse_message_type,
};

use crate::{ArchiveError, digest::Digesting, manifest::version_of};

/// Rows of a row group: what a reader takes into memory at once.
const ROWS: usize = 2_000;

/// The columns, in the order in which they are written.
const SCHEMA: &str = "
message event {
    required binary id (STRING);
    required binary type (STRING);
    optional int32 type_version;
    required binary service (STRING);
    required int32 partition;
    required int64 sequence;
    required binary aggregate_type (STRING);
    required binary aggregate_id (STRING);
    required int64 aggregate_version;
    required int64 time (TIMESTAMP(MICROS,true));
    optional binary actor (STRING);
    optional binary correlation_id (STRING);
    optional binary causation_id (STRING);
    optional binary traceparent (STRING);
    required binary data (STRING);
}";

/// The columns that a proof needs.
const FACTS: &str = "
message event {
    required binary type (STRING);
    required binary service (STRING);
    required int32 partition;
    required int64 sequence;
    required int64 time (TIMESTAMP(MICROS,true));
}";

/// What a proof needs to know of an event.
#[derive(Debug, PartialEq)]
pub(crate) struct Facts {
    pub(crate) event_type: String,
    pub(crate) service: String,
    pub(crate) partition: u64,
    pub(crate) sequence: u64,
    pub(crate) time: DateTime<Utc>,
}

/// Writes events; the number of bytes, and their SHA-256.
pub(super) fn write(
    file: &mut File,
    path: &Path,
    events: &[RecordedEvent],
) -> Result<(u64, String), ArchiveError> {
    let mut output = Digesting::new(BufWriter::new(file));
    write_groups(&mut output, events).map_err(ArchiveError::parquet(path))?;
    std::io::Write::flush(&mut output).map_err(ArchiveError::file(path))?;
    let (_, bytes, sha256) = output.finish();
    Ok((bytes, sha256))
}

fn write_groups(
    output: &mut (impl std::io::Write + Send),
    events: &[RecordedEvent],
) -> ParquetResult<()> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by("peerlink event-archive".to_owned())
        .build();
    let mut writer = SerializedFileWriter::new(output, schema, Arc::new(properties))?;
    for rows in events.chunks(ROWS) {
        let mut group = writer.next_row_group()?;
        write_rows(&mut group, rows)?;
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

/// Writes the columns of [`SCHEMA`], in its order.
fn write_rows<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[RecordedEvent],
) -> ParquetResult<()> {
    texts(group, rows, |row| row.id.to_string())?;
    texts(group, rows, |row| row.raw.event_type.clone())?;
    optional::<Int32Type, _>(group, rows, |row| {
        version_of(&row.raw.event_type).and_then(|version| i32::try_from(version).ok())
    })?;
    texts(group, rows, |row| row.service.to_string())?;
    required::<Int32Type, _>(group, rows, |row| i32::from(row.partition))?;
    required::<Int64Type, _>(group, rows, |row| {
        row.sequence.and_then(|sequence| i64::try_from(sequence).ok()).unwrap_or(0)
    })?;
    texts(group, rows, |row| row.aggregate_type.clone())?;
    texts(group, rows, |row| row.aggregate_id.to_string())?;
    required::<Int64Type, _>(group, rows, |row| row.aggregate_version.0)?;
    required::<Int64Type, _>(group, rows, |row| row.occurred_at.timestamp_micros())?;
    optional_texts(group, rows, |row| row.metadata.actor.map(|id| id.to_string()))?;
    optional_texts(group, rows, |row| row.metadata.correlation_id.map(|id| id.to_string()))?;
    optional_texts(group, rows, |row| row.metadata.causation_id.map(|id| id.to_string()))?;
    optional_texts(group, rows, |row| row.metadata.traceparent.clone())?;
    texts(group, rows, |row| row.raw.data.to_string())
}

fn texts<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[RecordedEvent],
    value: impl Fn(&RecordedEvent) -> String,
) -> ParquetResult<()> {
    required::<ByteArrayType, _>(group, rows, |row| ByteArray::from(value(row).into_bytes()))
}

fn optional_texts<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[RecordedEvent],
    value: impl Fn(&RecordedEvent) -> Option<String>,
) -> ParquetResult<()> {
    optional::<ByteArrayType, _>(group, rows, |row| {
        value(row).map(|text| ByteArray::from(text.into_bytes()))
    })
}

fn required<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[RecordedEvent],
    value: impl Fn(&RecordedEvent) -> T::T,
) -> ParquetResult<()> {
    let values: Vec<T::T> = rows.iter().map(value).collect();
    column::<T, W>(group, &values, None)
}

fn optional<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[RecordedEvent],
    value: impl Fn(&RecordedEvent) -> Option<T::T>,
) -> ParquetResult<()> {
    let values: Vec<Option<T::T>> = rows.iter().map(value).collect();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    column::<T, W>(group, &values, Some(&levels))
}

fn column<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> ParquetResult<()> {
    let mut column = group
        .next_column()?
        .ok_or_else(|| ParquetError::General("more values than columns".to_owned()))?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

/// Reads a file, event by event.
pub(crate) fn read(path: &Path, mut each: impl FnMut(Facts)) -> Result<(), ArchiveError> {
    let file = File::open(path).map_err(ArchiveError::file(path))?;
    let reader = SerializedFileReader::new(file).map_err(ArchiveError::parquet(path))?;
    let schema = parse_message_type(FACTS).map_err(ArchiveError::parquet(path))?;
    for row in reader.get_row_iter(Some(schema)).map_err(ArchiveError::parquet(path))? {
        each(row.and_then(|row| facts(&row)).map_err(ArchiveError::parquet(path))?);
    }
    Ok(())
}

fn facts(row: &Row) -> ParquetResult<Facts> {
    let unsigned = |number: i64| {
        u64::try_from(number).map_err(|error| ParquetError::External(Box::new(error)))
    };
    let time = DateTime::from_timestamp_micros(row.get_timestamp_micros(4)?)
        .ok_or_else(|| ParquetError::General("a time beyond all times".to_owned()))?;
    Ok(Facts {
        event_type: row.get_string(0)?.clone(),
        service: row.get_string(1)?.clone(),
        partition: unsigned(i64::from(row.get_int(2)?))?,
        sequence: unsigned(row.get_long(3)?)?,
        time,
    })
}
