//! Proving that an archive is whole: everything is read again, nothing that the manifest says is believed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Component, Path},
};

use serde::Serialize;
use shared_schemas::{Service, envelope::Envelope};

use crate::{
    ArchiveError, FileEntry, Format, Manifest, PartitionEntry, digest,
    export::{self, Facts},
};

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// Files that were read.
    pub files: u64,
    /// Events in them.
    pub events: u64,
    /// What is wrong; empty if the archive is whole.
    pub findings: Vec<Finding>,
    /// SHA-256 of `manifest.json` in hexadecimal, to compare with the one that was kept elsewhere.
    pub manifest_sha256: String,
}

impl Verification {
    /// Whether nothing is missing, changed or too much.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Something that is wrong with an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// A file of the manifest is not there, or its name leads elsewhere.
    Missing {
        /// The file.
        path: String,
    },
    /// A file has other bytes than were written.
    Changed {
        /// The file.
        path: String,
    },
    /// A file is not in the manifest.
    Unlisted {
        /// The file.
        path: String,
    },
    /// A file holds something that is no event, or an event that does not belong there.
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// There are more or fewer events than the manifest says.
    Count {
        /// Of what: a file, a partition, a type, the whole.
        of: String,
        /// What the manifest says.
        said: u64,
        /// What is there.
        found: u64,
    },
    /// Sequence numbers are not there, although every event was exported.
    Hole {
        /// Whose events.
        service: Service,
        /// The partition.
        partition: u16,
        /// The first number that is not there.
        from_sequence: u64,
        /// The last one in a row.
        to_sequence: u64,
    },
    /// A sequence number is there twice.
    Repeated {
        /// Whose events.
        service: Service,
        /// The partition.
        partition: u16,
        /// The number.
        sequence: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { path } => write!(f, "{path} is missing"),
            Self::Changed { path } => write!(f, "{path} was changed after it was written"),
            Self::Unlisted { path } => write!(f, "{path} is not in the manifest"),
            Self::Unreadable { path, reason } => write!(f, "{path}: {reason}"),
            Self::Count { of, said, found } => {
                write!(f, "{of}: {said} events according to the manifest, {found} found")
            }
            Self::Hole { service, partition, from_sequence, to_sequence } => {
                write!(
                    f,
                    "{service} partition {partition}: {from_sequence} to {to_sequence} are missing"
                )
            }
            Self::Repeated { service, partition, sequence } => {
                write!(f, "{service} partition {partition}: {sequence} is there twice")
            }
        }
    }
}

/// Reads a whole archive again. Blocks: call it from a thread that may.
///
/// # Errors
///
/// [`ArchiveError::Unfinished`] without a manifest; [`ArchiveError::FormatVersion`] or [`ArchiveError::Json`] if it cannot be read;
/// [`ArchiveError::File`] if the system refuses to read what is there. What is wrong with the files is a [`Finding`].
pub fn verify(directory: &Path) -> Result<Verification, ArchiveError> {
    let manifest = Manifest::read(directory)?;
    let manifest_sha256 = digest::of_file(&directory.join(crate::MANIFEST))?;
    let mut proof = Proof::default();
    proof.look_for_unlisted(directory, &manifest)?;
    for partition in &manifest.partitions {
        proof.partition(directory, &manifest, partition)?;
    }
    let told: BTreeSet<(Service, u16)> =
        manifest.partitions.iter().map(|one| (one.service, one.partition)).collect();
    for file in manifest.files.iter().filter(|file| !told.contains(&(file.service, file.partition)))
    {
        let reason = "its partition is not in the manifest".to_owned();
        proof.findings.push(Finding::Unreadable { path: file.path.clone(), reason });
    }
    proof.types(&manifest);
    proof.count("the archive", manifest.count, proof.events);
    Ok(Verification {
        files: proof.files,
        events: proof.events,
        findings: proof.findings,
        manifest_sha256,
    })
}

#[derive(Default)]
struct Proof {
    files: u64,
    events: u64,
    types: BTreeMap<String, u64>,
    findings: Vec<Finding>,
}

impl Proof {
    fn count(&mut self, of: &str, said: u64, found: u64) {
        if said != found {
            self.findings.push(Finding::Count { of: of.to_owned(), said, found });
        }
    }

    fn look_for_unlisted(
        &mut self,
        directory: &Path,
        manifest: &Manifest,
    ) -> Result<(), ArchiveError> {
        let listed: BTreeSet<&str> = manifest.files.iter().map(|file| &*file.path).collect();
        for file in export::files(directory)? {
            let path = file.strip_prefix(directory).unwrap_or(&file).to_string_lossy().into_owned();
            if !listed.contains(&*path) {
                self.findings.push(Finding::Unlisted { path });
            }
        }
        Ok(())
    }

    /// Every file of a partition, and that its numbers are all there, stretch by stretch: memory holds one stretch.
    fn partition(
        &mut self,
        directory: &Path,
        manifest: &Manifest,
        partition: &PartitionEntry,
    ) -> Result<(), ArchiveError> {
        let mut stretches: BTreeMap<(u64, u64), Vec<&FileEntry>> = BTreeMap::new();
        for file in &manifest.files {
            if (file.service, file.partition) == (partition.service, partition.partition) {
                stretches.entry((file.from_sequence, file.to_sequence)).or_default().push(file);
            }
        }
        let before = self.events;
        let mut next = partition.from_sequence;
        // Without a filter density is a fact about the store, whatever the manifest says of itself.
        let must_be_dense = manifest.filter.is_empty() || partition.is_dense;
        for ((from, to), files) in stretches {
            let mut numbers = Vec::new();
            for file in files {
                self.file(directory, manifest.format, file, &mut numbers)?;
            }
            numbers.sort_unstable();
            let mut expected = if must_be_dense { next } else { from.max(next) };
            for number in numbers {
                if number < expected {
                    self.findings.push(Finding::Repeated {
                        service: partition.service,
                        partition: partition.partition,
                        sequence: number,
                    });
                    continue;
                }
                if must_be_dense {
                    self.hole(partition, expected, number - 1);
                }
                expected = number + 1;
            }
            if must_be_dense {
                self.hole(partition, expected, to);
            }
            next = expected.max(to + 1);
        }
        if must_be_dense {
            self.hole(partition, next, partition.to_sequence);
        }
        let found = self.events - before;
        let of = format!("{} partition {}", partition.service, partition.partition);
        self.count(&of, partition.count, found);
        Ok(())
    }

    fn hole(&mut self, partition: &PartitionEntry, from_sequence: u64, to_sequence: u64) {
        if from_sequence <= to_sequence {
            self.findings.push(Finding::Hole {
                service: partition.service,
                partition: partition.partition,
                from_sequence,
                to_sequence,
            });
        }
    }

    fn file(
        &mut self,
        directory: &Path,
        format: Format,
        entry: &FileEntry,
        numbers: &mut Vec<u64>,
    ) -> Result<(), ArchiveError> {
        let path = directory.join(&entry.path);
        let stays_inside =
            Path::new(&entry.path).components().all(|part| matches!(part, Component::Normal(_)));
        if !stays_inside || !path.is_file() {
            self.findings.push(Finding::Missing { path: entry.path.clone() });
            return Ok(());
        }
        self.files += 1;
        if digest::of_file(&path)? != entry.sha256 {
            self.findings.push(Finding::Changed { path: entry.path.clone() });
        }
        let before = self.events;
        let read = match format {
            Format::Jsonl => read_lines(&path, |facts| self.event(entry, facts, numbers)),
            Format::Parquet => export::read(&path, |facts| self.event(entry, facts, numbers)),
        };
        if let Err(error) = read {
            let reason = event_runtime::error::chain(&error);
            self.findings.push(Finding::Unreadable { path: entry.path.clone(), reason });
        }
        let found = self.events - before;
        self.count(&entry.path, entry.count, found);
        Ok(())
    }

    fn event(&mut self, entry: &FileEntry, facts: Facts, numbers: &mut Vec<u64>) {
        self.events += 1;
        let belongs = facts.service == entry.service.as_str()
            && facts.partition == u64::from(entry.partition)
            && facts.time.date_naive() == entry.date
            && (entry.from_sequence..=entry.to_sequence).contains(&facts.sequence);
        if !belongs {
            let reason = format!(
                "{} partition {} number {} of {} does not belong here",
                facts.service, facts.partition, facts.sequence, facts.time
            );
            self.findings.push(Finding::Unreadable { path: entry.path.clone(), reason });
        }
        numbers.push(facts.sequence);
        *self.types.entry(facts.event_type).or_insert(0) += 1;
    }

    fn types(&mut self, manifest: &Manifest) {
        let mut found = std::mem::take(&mut self.types);
        for said in &manifest.types {
            let found = found.remove(&said.event_type).unwrap_or(0);
            self.count(&said.event_type, said.count, found);
        }
        for (event_type, found) in found {
            self.count(&event_type, 0, found);
        }
    }
}

fn read_lines(path: &Path, mut each: impl FnMut(Facts)) -> Result<(), ArchiveError> {
    let file = File::open(path).map_err(ArchiveError::file(path))?;
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(ArchiveError::file(path))?;
        let envelope: Envelope = serde_json::from_str(&line)
            .map_err(ArchiveError::json(format!("line {} is no event", at + 1)))?;
        let service = envelope.source.rsplit('/').next().unwrap_or_default().to_owned();
        each(Facts {
            event_type: envelope.event_type,
            service,
            partition: u64::from(envelope.partition),
            sequence: envelope.sequence.unwrap_or(0),
            time: envelope.time,
        });
    }
    Ok(())
}
