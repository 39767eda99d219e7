//! Exporting: stretch by stretch, each finished before it is seen.
//!
//! The first run writes down what it is going to export, up to the heads of that moment. Then it takes stretches of at most
//! [`STRETCH_EVENTS`] events of one partition, writes one file per day of each, and notes the stretch in a journal once its
//! files are safe. Whoever comes after a kill or a full disk reads the journal and goes on; what was not noted is made again.
//! The manifest comes last and replaces the journal.

mod columns;
mod directory;
mod journal;
mod pace;
mod stretch;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use event_runtime::{
    Clock, History,
    history::{Cursor, Filter},
};
use serde::{Deserialize, Serialize};
use shared_schemas::Service;

pub(crate) use columns::{Facts, read};
pub(crate) use directory::files;

use self::{
    directory::Directory,
    journal::{Journal, Plan, PlannedPartition, Stretch},
    pace::Pace,
};
use crate::{ArchiveError, FORMAT_VERSION, Manifest, PartitionEntry, manifest::type_entries};

/// Events of a stretch, which is what one interruption can cost.
pub const STRETCH_EVENTS: u32 = 10_000;

/// The form of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One CloudEvents document per line.
    Jsonl,
    /// Apache Parquet, compressed with Snappy: a column per attribute, the payload as JSON text.
    Parquet,
}

impl Format {
    /// The end of the names of such files, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
        }
    }
}

/// What to export, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The form of the files.
    pub format: Format,
    /// Which events.
    pub filter: Filter,
    /// Where to begin, at most one per service: the [`cursors`](Manifest::cursors) of the last export to continue it. A service
    /// without one is exported from its first event.
    pub after: Vec<Cursor>,
    /// Events per second that are read from the store at most; 0 for as many as there are.
    pub events_per_second: u32,
    /// Events per stretch, 1 to [`STRETCH_EVENTS`].
    pub stretch_events: u32,
}

impl Options {
    /// Everything, in this form, as fast as possible.
    pub fn all(format: Format) -> Self {
        Self {
            format,
            filter: Filter::default(),
            after: Vec::new(),
            events_per_second: 0,
            stretch_events: STRETCH_EVENTS,
        }
    }
}

/// How far an export has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Sequence numbers to look at, in all partitions.
    pub total: u64,
    /// Sequence numbers looked at, with those of earlier runs.
    pub done: u64,
    /// Events written, with those of earlier runs.
    pub events: u64,
    /// Files finished, with those of earlier runs.
    pub files: u64,
    /// Since this run began.
    pub elapsed: Duration,
    /// How long the rest will take at the speed of this run; `None` while that is unknown.
    pub remaining: Option<Duration>,
}

/// A finished export.
#[derive(Clone, Debug)]
pub struct Exported {
    /// What the archive holds.
    pub manifest: Manifest,
    /// SHA-256 of `manifest.json`, in hexadecimal: keep it elsewhere, it covers everything.
    pub manifest_sha256: String,
}

/// Exports what is published now into `directory`, which is made if it is not there; continues if an export with the same
/// options began there, and returns at once if it is finished.
///
/// `report` is called after every stretch and every page of events, from the task that exports.
///
/// # Errors
///
/// [`ArchiveError`]; call again to continue once the cause is gone. No unfinished file has a name that a reader would take.
pub async fn export(
    sources: &[History],
    directory: &Path,
    options: &Options,
    clock: &Clock,
    mut report: impl FnMut(&Progress) + Send,
) -> Result<Exported, ArchiveError> {
    let directory = Arc::new(Directory::open(directory)?);
    if let Some(manifest) = directory.manifest()? {
        return finished(&directory, manifest, sources, options);
    }
    let plan = plan(sources, options, clock).await?;
    let (journal, stretches) = Journal::open(&directory, &plan)?;
    let journal = Arc::new(journal);
    directory.forget_unfinished(&stretches)?;

    let mut run = Run::new(journal.plan(), &stretches);
    let mut pace = Pace::new(options.events_per_second);
    let mut done = stretches;
    for planned in journal.plan().partitions.clone() {
        let Some(history) = sources.iter().find(|one| one.service() == planned.service) else {
            return Err(ArchiveError::Occupied {
                directory: directory.path().to_owned(),
                what: "an export of other services",
            });
        };
        let mut after = last_of(&done, &planned).unwrap_or(planned.after);
        while after < planned.up_to {
            let whole =
                stretch::read(history, &planned, after, options, &mut pace, |events, at| {
                    report(&run.progress(events, at));
                })
                .await?;
            let stretch = {
                let (directory, journal) = (Arc::clone(&directory), Arc::clone(&journal));
                let format = options.format;
                tokio::task::spawn_blocking(move || {
                    let stretch = stretch::write(&directory, whole, format)?;
                    journal.note(&stretch)?;
                    Ok::<_, ArchiveError>(stretch)
                })
                .await??
            };
            after = stretch.up_to;
            run.add(&stretch);
            report(&run.progress(0, 0));
            done.push(stretch);
        }
    }
    let manifest = manifest(journal.plan(), done, clock);
    directory.finish(&manifest)?;
    let manifest_sha256 = manifest.sha256()?;
    Ok(Exported { manifest, manifest_sha256 })
}

/// What is there to export now, in the order in which it is exported.
async fn plan(sources: &[History], options: &Options, clock: &Clock) -> Result<Plan, ArchiveError> {
    let mut partitions = Vec::new();
    for history in sources {
        let service = history.service();
        let begin = options.after.iter().find(|cursor| cursor.service() == service);
        for head in history.heads().await? {
            let after = begin.map_or(0, |cursor| cursor.read_to(head.partition));
            let up_to = head.sequence.max(after);
            let partition = head.partition;
            partitions.push(PlannedPartition { service, partition, after, up_to });
        }
    }
    partitions.sort_by_key(|one| (one.service, one.partition));
    Ok(Plan {
        format_version: FORMAT_VERSION,
        started_at: clock.now(),
        format: options.format,
        filter: options.filter.clone(),
        partitions,
    })
}

/// An archive that is finished, if it is the one that was asked for.
fn finished(
    directory: &Directory,
    manifest: Manifest,
    sources: &[History],
    options: &Options,
) -> Result<Exported, ArchiveError> {
    let mut services: Vec<Service> = sources.iter().map(History::service).collect();
    services.sort_unstable();
    let begins_there = manifest.partitions.iter().all(|one| {
        let begin = options.after.iter().find(|cursor| cursor.service() == one.service);
        one.from_sequence == begin.map_or(0, |cursor| cursor.read_to(one.partition)) + 1
    });
    let is_the_same = manifest.format == options.format
        && manifest.filter == options.filter
        && manifest.services == services
        && begins_there;
    if !is_the_same {
        return Err(ArchiveError::Occupied {
            directory: directory.path().to_owned(),
            what: "a finished archive with other options",
        });
    }
    let manifest_sha256 = manifest.sha256()?;
    Ok(Exported { manifest, manifest_sha256 })
}

/// Where the last finished stretch of a partition ended.
fn last_of(done: &[Stretch], planned: &PlannedPartition) -> Option<u64> {
    done.iter()
        .filter(|one| (one.service, one.partition) == (planned.service, planned.partition))
        .map(|one| one.up_to)
        .max()
}

fn manifest(plan: &Plan, done: Vec<Stretch>, clock: &Clock) -> Manifest {
    let mut services: Vec<Service> = plan.partitions.iter().map(|one| one.service).collect();
    services.dedup();
    let mut types = BTreeMap::new();
    for (event_type, count) in done.iter().flat_map(|stretch| &stretch.types) {
        *types.entry(event_type.clone()).or_insert(0) += count;
    }
    let partitions: Vec<PartitionEntry> = plan
        .partitions
        .iter()
        .map(|one| {
            let of_it = |stretch: &&Stretch| {
                (stretch.service, stretch.partition) == (one.service, one.partition)
            };
            let count = done.iter().filter(of_it).map(Stretch::count).sum();
            PartitionEntry {
                service: one.service,
                partition: one.partition,
                from_sequence: one.after + 1,
                to_sequence: one.up_to,
                count,
                is_dense: count == one.up_to - one.after,
            }
        })
        .collect();
    let cursors = services.iter().map(|service| {
        let mut cursor = Cursor::start(*service);
        for one in plan.partitions.iter().filter(|one| one.service == *service) {
            cursor.advance(one.partition, one.up_to);
        }
        cursor
    });
    Manifest {
        format_version: FORMAT_VERSION,
        contents: Manifest::CONTENTS.to_owned(),
        started_at: plan.started_at,
        finished_at: clock.now(),
        format: plan.format,
        filter: plan.filter.clone(),
        count: partitions.iter().map(|one| one.count).sum(),
        cursors: cursors.collect(),
        services,
        partitions,
        types: type_entries(types),
        files: done.into_iter().flat_map(|stretch| stretch.files).collect(),
    }
}

/// What this run and those before it have done.
struct Run {
    started: Instant,
    total: u64,
    before: u64,
    done: u64,
    events: u64,
    files: u64,
}

impl Run {
    fn new(plan: &Plan, done: &[Stretch]) -> Self {
        let total = plan.partitions.iter().map(|one| one.up_to - one.after).sum();
        let mut run =
            Self { started: Instant::now(), total, before: 0, done: 0, events: 0, files: 0 };
        for stretch in done {
            run.add(stretch);
        }
        run.before = run.done;
        run
    }

    fn add(&mut self, stretch: &Stretch) {
        self.done += stretch.up_to - stretch.after;
        self.events += stretch.count();
        self.files += stretch.files.len() as u64;
    }

    /// With `events` and `scanned` of the stretch in hand.
    fn progress(&self, events: u64, scanned: u64) -> Progress {
        let done = self.done + scanned;
        let elapsed = self.started.elapsed();
        let here = u32::try_from(done - self.before).unwrap_or(u32::MAX);
        let rest = u32::try_from(self.total - done).unwrap_or(u32::MAX);
        let remaining = (here > 0).then(|| elapsed.mul_f64(f64::from(rest) / f64::from(here)));
        Progress {
            total: self.total,
            done,
            events: self.events + events,
            files: self.files,
            elapsed,
            remaining,
        }
    }
}
