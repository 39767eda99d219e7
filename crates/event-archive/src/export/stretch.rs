//! One stretch of a partition: read into memory, then written day by day.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use chrono::NaiveDate;
use event_runtime::{History, RecordedEvent, history::SequenceRange};
use shared_schemas::Service;

use super::{
    Format, Options, STRETCH_EVENTS, columns,
    directory::{DATE, Directory},
    journal::{PlannedPartition, Stretch},
    pace::Pace,
};
use crate::{ArchiveError, FileEntry, digest::Digesting};

/// Events per page. It decides where stretches end, so it must be the same in the run that continues another.
const PAGE: u16 = 500;

/// Bytes of payload in memory, roughly, after which a stretch ends early.
const STRETCH_BYTES: usize = 32 * 1024 * 1024;

/// Sequence numbers after which a stretch ends, so that a filter that leaves nearly all of them out loses no more.
const STRETCH_NUMBERS: u64 = 1_000_000;

/// The events of a stretch.
pub(super) struct Read {
    service: Service,
    partition: u16,
    after: u64,
    up_to: u64,
    events: Vec<RecordedEvent>,
}

/// Reads the stretch after a sequence number; `report` hears how many events and sequence numbers it holds so far.
pub(super) async fn read(
    history: &History,
    planned: &PlannedPartition,
    after: u64,
    options: &Options,
    limit: &mut Pace,
    mut report: impl FnMut(u64, u64) + Send,
) -> Result<Read, ArchiveError> {
    let PlannedPartition { service, partition, .. } = *planned;
    let most = options.stretch_events.clamp(1, STRETCH_EVENTS) as usize;
    let mut read = Read { service, partition, after, up_to: after, events: Vec::new() };
    let mut bytes = 0;
    while read.up_to < planned.up_to
        && read.events.len() < most
        && bytes < STRETCH_BYTES
        && read.up_to - after < STRETCH_NUMBERS
    {
        let room = u16::try_from(most - read.events.len()).unwrap_or(PAGE).min(PAGE);
        let range = SequenceRange { partition, after: read.up_to, up_to: planned.up_to };
        let page = history.page(range, &options.filter, room).await?;
        read.up_to = page.scanned_to;
        bytes += page.events.iter().map(size).sum::<usize>();
        let count = page.events.len() as u64;
        read.events.extend(page.events);
        report(read.events.len() as u64, read.up_to - after);
        limit.take(count).await;
    }
    Ok(read)
}

/// Bytes of an event in memory, roughly: the texts of its payload and a fixed part.
fn size(event: &RecordedEvent) -> usize {
    fn of(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::String(text) => 32 + text.len(),
            serde_json::Value::Array(items) => 32 + items.iter().map(of).sum::<usize>(),
            serde_json::Value::Object(fields) => {
                fields.iter().map(|(name, value)| 64 + name.len() + of(value)).sum()
            }
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
                32
            }
        }
    }
    512 + of(&event.raw.data)
}

/// Writes a file for each day of a stretch.
pub(super) fn write(
    directory: &Directory,
    read: Read,
    format: Format,
) -> Result<Stretch, ArchiveError> {
    let Read { service, partition, after, up_to, events } = read;
    let mut types = BTreeMap::new();
    let mut days: BTreeMap<NaiveDate, Vec<RecordedEvent>> = BTreeMap::new();
    for event in events {
        *types.entry(event.raw.event_type.clone()).or_insert(0) += 1;
        days.entry(event.occurred_at.date_naive()).or_default().push(event);
    }
    let mut files = Vec::with_capacity(days.len());
    for (date, events) in days {
        let (first, extension) = (after + 1, format.extension());
        let path =
            format!("{DATE}{date}/{service}-p{partition}-{first:012}-{up_to:012}.{extension}");
        let (bytes, sha256) =
            directory.put_with(&directory.path().join(&path), |file, path| match format {
                Format::Jsonl => write_lines(file, path, &events),
                Format::Parquet => columns::write(file, path, &events),
            })?;
        let count = events.len() as u64;
        let (from_sequence, to_sequence) = (first, up_to);
        files.push(FileEntry {
            path,
            service,
            partition,
            date,
            from_sequence,
            to_sequence,
            count,
            bytes,
            sha256,
        });
    }
    Ok(Stretch { service, partition, after, up_to, types, files })
}

fn write_lines(
    file: &mut File,
    path: &Path,
    events: &[RecordedEvent],
) -> Result<(u64, String), ArchiveError> {
    let mut writer = Digesting::new(BufWriter::new(file));
    for event in events {
        let mut line = serde_json::to_vec(&event.envelope())
            .map_err(ArchiveError::json(format!("event {}", event.id)))?;
        line.push(b'\n');
        writer.write_all(&line).map_err(ArchiveError::file(path))?;
    }
    writer.flush().map_err(ArchiveError::file(path))?;
    let (_, bytes, sha256) = writer.finish();
    Ok((bytes, sha256))
}
