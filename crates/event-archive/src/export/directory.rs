//! The directory of an archive: files appear in it whole or not at all.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::journal::Stretch;
use crate::{ArchiveError, MANIFEST, Manifest};

/// Held while an export runs.
const LOCK: &str = ".export.lock";

/// What is planned and done, while the export is unfinished.
const JOURNAL: &str = ".export.journal";

/// The end of the names of files that are being written; their beginning is a dot.
const PARTIAL: &str = ".partial";

/// The beginning of the names of the directories of days.
pub(crate) const DATE: &str = "date=";

/// A directory that one process exports into.
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory if it is not there, and keeps others out.
    pub(super) fn open(path: &Path) -> Result<Self, ArchiveError> {
        fs::create_dir_all(path).map_err(ArchiveError::file(path))?;
        let file = path.join(LOCK);
        let lock = File::create(&file).map_err(ArchiveError::file(&file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(ArchiveError::Busy(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(ArchiveError::file(&file)(error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    /// The manifest, if the export is finished.
    pub(super) fn manifest(&self) -> Result<Option<Manifest>, ArchiveError> {
        match Manifest::read(&self.path) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(ArchiveError::Unfinished(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A new export begins in an empty directory: what is there would look like a part of it.
    pub(super) fn refuse_what_is_not_ours(&self) -> Result<(), ArchiveError> {
        for entry in fs::read_dir(&self.path).map_err(ArchiveError::file(&self.path))? {
            let name = entry.map_err(ArchiveError::file(&self.path))?.file_name();
            if name != LOCK && !is_partial(&name) {
                let directory = self.path.clone();
                return Err(ArchiveError::Occupied { directory, what: "other files" });
            }
        }
        Ok(())
    }

    /// Removes what an interrupted run left behind without noting it.
    pub(super) fn forget_unfinished(&self, done: &[Stretch]) -> Result<(), ArchiveError> {
        let noted: BTreeSet<PathBuf> = done
            .iter()
            .flat_map(|stretch| &stretch.files)
            .map(|file| self.path.join(&file.path))
            .collect();
        for file in files(&self.path)? {
            if !noted.contains(&file) {
                fs::remove_file(&file).map_err(ArchiveError::file(&file))?;
            }
        }
        Ok(())
    }

    /// Writes a file that appears whole or not at all, and stays when the power fails.
    pub(super) fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.put_with(path, |file, path| file.write_all(bytes).map_err(ArchiveError::file(path)))
    }

    /// As [`put`](Self::put), with a function that writes; what it returns is returned.
    pub(super) fn put_with<T>(
        &self,
        path: &Path,
        write: impl FnOnce(&mut File, &Path) -> Result<T, ArchiveError>,
    ) -> Result<T, ArchiveError> {
        let parent = path.parent().unwrap_or(&self.path);
        if !parent.exists() {
            fs::create_dir_all(parent).map_err(ArchiveError::file(parent))?;
            sync_directory(&self.path)?;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let partial = parent.join(format!(".{name}{PARTIAL}"));
        let written: Result<T, ArchiveError> = (|| {
            let mut file = File::create(&partial).map_err(ArchiveError::file(&partial))?;
            let result = write(&mut file, path)?;
            file.sync_all().map_err(ArchiveError::file(path))?;
            fs::rename(&partial, path).map_err(ArchiveError::file(path))?;
            Ok(result)
        })();
        if written.is_err() {
            // Frees the space at once; if even that fails, the next run tries again.
            drop(fs::remove_file(&partial));
        }
        let result = written?;
        sync_directory(parent)?;
        Ok(result)
    }

    /// Makes the directory an archive.
    pub(super) fn finish(&self, manifest: &Manifest) -> Result<(), ArchiveError> {
        self.put(&self.path.join(MANIFEST), manifest.text()?.as_bytes())?;
        let journal = self.journal();
        match fs::remove_file(&journal) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ArchiveError::file(&journal)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Everything in the directories of days, finished or not, in alphabetical order.
pub(crate) fn files(archive: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    let mut files = Vec::new();
    for day in fs::read_dir(archive).map_err(ArchiveError::file(archive))? {
        let day = day.map_err(ArchiveError::file(archive))?.path();
        let is_day = day.file_name().is_some_and(|name| name.to_string_lossy().starts_with(DATE));
        if !is_day {
            continue;
        }
        for file in fs::read_dir(&day).map_err(ArchiveError::file(&day))? {
            files.push(file.map_err(ArchiveError::file(&day))?.path());
        }
    }
    files.sort();
    Ok(files)
}

fn is_partial(name: &OsStr) -> bool {
    name.to_string_lossy().ends_with(PARTIAL)
}

/// Makes the names in a directory stay when the power fails.
fn sync_directory(path: &Path) -> Result<(), ArchiveError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(ArchiveError::file(path))
}
