//! What an unfinished export is going to do, and what of it is done.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::Write as _,
    path::PathBuf,
};

use chrono::{DateTime, Utc};
use event_runtime::history::Filter;
use serde::{Deserialize, Serialize};
use shared_schemas::Service;

use super::{Format, directory::Directory};
use crate::{ArchiveError, FileEntry};

/// What an export is going to do; fixed when it first begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) format_version: u32,
    pub(super) started_at: DateTime<Utc>,
    pub(super) format: Format,
    pub(super) filter: Filter,
    /// In the order of services and partitions.
    pub(super) partitions: Vec<PlannedPartition>,
}

/// Which part of a partition is to be exported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PlannedPartition {
    pub(super) service: Service,
    pub(super) partition: u16,
    pub(super) after: u64,
    pub(super) up_to: u64,
}

/// A finished part of a partition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stretch {
    pub(super) service: Service,
    pub(super) partition: u16,
    pub(super) after: u64,
    pub(super) up_to: u64,
    pub(super) types: BTreeMap<String, u64>,
    pub(super) files: Vec<FileEntry>,
}

impl Stretch {
    /// Events in it.
    pub(super) fn count(&self) -> u64 {
        self.files.iter().map(|file| file.count).sum()
    }
}

impl Plan {
    /// Whether a plan made now would export the same, as far as an older one went.
    fn continues(&self, older: &Self) -> bool {
        let services = |plan: &Self| -> BTreeSet<Service> {
            plan.partitions.iter().map(|one| one.service).collect()
        };
        // Partitions may have been added meanwhile; they are for the next export.
        let begins_there = older.partitions.iter().all(|old| {
            self.partitions.iter().any(|new| {
                (new.service, new.partition, new.after) == (old.service, old.partition, old.after)
            })
        });
        self.format_version == older.format_version
            && self.format == older.format
            && self.filter == older.filter
            && services(self) == services(older)
            && begins_there
    }
}

/// The journal of an unfinished export: one JSON document per line, the plan first.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    plan: Plan,
}

impl Journal {
    /// Continues the journal of a directory, or begins one with `plan`; also returns what is done.
    pub(super) fn open(
        directory: &Directory,
        plan: &Plan,
    ) -> Result<(Self, Vec<Stretch>), ArchiveError> {
        let path = directory.journal();
        if !path.exists() {
            directory.refuse_what_is_not_ours()?;
            let line = line(plan)?;
            directory.put(&path, line.as_bytes())?;
        }
        let text = std::fs::read_to_string(&path).map_err(ArchiveError::file(&path))?;
        let mut whole = 0;
        let mut lines = Vec::new();
        // The last line is torn if the process or the disk ended in the middle of it.
        for line in text.split_inclusive('\n').take_while(|line| line.ends_with('\n')) {
            whole += line.len() as u64;
            lines.push(line);
        }
        let mut lines = lines.into_iter();
        let what = || path.display().to_string();
        let older: Plan = serde_json::from_str(lines.next().unwrap_or_default())
            .map_err(ArchiveError::json(what()))?;
        if !plan.continues(&older) {
            return Err(ArchiveError::Occupied {
                directory: directory.path().to_owned(),
                what: "an unfinished export with other options",
            });
        }
        let stretches = lines
            .map(|line| serde_json::from_str(line).map_err(ArchiveError::json(what())))
            .collect::<Result<Vec<Stretch>, _>>()?;
        let file =
            OpenOptions::new().append(true).open(&path).map_err(ArchiveError::file(&path))?;
        file.set_len(whole).map_err(ArchiveError::file(&path))?;
        Ok((Self { path, file, plan: older }, stretches))
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Notes that a stretch is finished, for good.
    pub(super) fn note(&self, stretch: &Stretch) -> Result<(), ArchiveError> {
        let line = line(stretch)?;
        (&self.file)
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(ArchiveError::file(&self.path))
    }
}

fn line(value: &impl Serialize) -> Result<String, ArchiveError> {
    let mut line = serde_json::to_string(value).map_err(ArchiveError::json("the journal"))?;
    line.push('\n');
    Ok(line)
}
