//! What an archive says of itself: enough to prove that nothing is missing.

use std::{collections::BTreeMap, path::Path};

use chrono::{DateTime, NaiveDate, Utc};
use event_runtime::history::{Cursor, Filter};
use serde::{Deserialize, Serialize};
use shared_schemas::Service;

use crate::{ArchiveError, Format, digest};

/// The file that makes a directory an archive; it is written last.
pub const MANIFEST: &str = "manifest.json";

/// The version of the layout of files and manifest.
pub const FORMAT_VERSION: u32 = 1;

/// What an archive holds. `manifest.json` is its JSON form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`] of the build that wrote it.
    pub format_version: u32,
    /// What is in the archive and what is not, in words.
    pub contents: String,
    /// When the export began: what was published later is not in it.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// The form of the files.
    pub format: Format,
    /// Which events were asked for; nothing in it when all were.
    pub filter: Filter,
    /// Whose events.
    pub services: Vec<Service>,
    /// Events in all files.
    pub count: u64,
    /// Which part of each partition was read.
    pub partitions: Vec<PartitionEntry>,
    /// Every type with its version, and how many events have it, in alphabetical order.
    pub types: Vec<TypeEntry>,
    /// Every file, in the order of services, partitions and sequence numbers.
    pub files: Vec<FileEntry>,
    /// Where the next export begins, for one that continues this one.
    pub cursors: Vec<Cursor>,
}

/// Which part of a partition was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionEntry {
    /// Whose events.
    pub service: Service,
    /// The partition.
    pub partition: u16,
    /// The first sequence number that was looked at.
    pub from_sequence: u64,
    /// The last one; less than the first when there was nothing to read.
    pub to_sequence: u64,
    /// How many events passed the filter.
    pub count: u64,
    /// Whether every number from the first to the last is in the archive. Always so without a filter.
    pub is_dense: bool,
}

/// How many events have a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeEntry {
    /// The wire name, such as `post.published.v1`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The number after its last `v`; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// How many events have it.
    pub count: u64,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Where it lies, below the directory of the archive, with `/` between the parts.
    pub path: String,
    /// Whose events.
    pub service: Service,
    /// Their partition.
    pub partition: u16,
    /// The day on which they happened, in UTC.
    pub date: NaiveDate,
    /// The first sequence number of the stretch that the file belongs to. Files of several days share a stretch.
    pub from_sequence: u64,
    /// The last one.
    pub to_sequence: u64,
    /// Events in the file.
    pub count: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// What [`contents`](Self::contents) says.
    pub(crate) const CONTENTS: &str = "Published events as CloudEvents 1.0. Events that a service keeps to itself, such \
        as drafts and credentials, are not in here. People are named by id only.";

    /// Reads the manifest of an archive.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Unfinished`] without one; [`ArchiveError::FormatVersion`] for another form.
    pub fn read(directory: &Path) -> Result<Self, ArchiveError> {
        #[derive(Deserialize)]
        struct Form {
            format_version: u32,
        }
        let path = directory.join(MANIFEST);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ArchiveError::Unfinished(directory.to_owned()));
            }
            Err(error) => return Err(ArchiveError::file(&path)(error)),
        };
        let what = || path.display().to_string();
        let form: Form = serde_json::from_str(&text).map_err(ArchiveError::json(what()))?;
        if form.format_version != FORMAT_VERSION {
            return Err(ArchiveError::FormatVersion { found: form.format_version });
        }
        serde_json::from_str(&text).map_err(ArchiveError::json(what()))
    }

    /// The text of the file.
    pub(crate) fn text(&self) -> Result<String, ArchiveError> {
        let mut text =
            serde_json::to_string_pretty(self).map_err(ArchiveError::json("the manifest"))?;
        text.push('\n');
        Ok(text)
    }

    /// SHA-256 of the manifest in hexadecimal: the one value to keep somewhere else, since it covers everything.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Json`] if the manifest has no JSON form.
    pub fn sha256(&self) -> Result<String, ArchiveError> {
        Ok(digest::of_bytes(self.text()?.as_bytes()))
    }
}

/// The entries of a tally of types.
pub(crate) fn type_entries(tally: BTreeMap<String, u64>) -> Vec<TypeEntry> {
    tally
        .into_iter()
        .map(|(event_type, count)| TypeEntry {
            version: version_of(&event_type),
            event_type,
            count,
        })
        .collect()
}

/// `2` of `post.published.v2`.
pub(crate) fn version_of(event_type: &str) -> Option<u32> {
    event_type.rsplit_once(".v")?.1.parse().ok()
}
