//! Why something about an archive failed.

use std::{
    io,
    path::{Path, PathBuf},
};

use sea_orm::DbErr;

/// Why something about an archive failed. Nothing that was finished is lost: the same call continues.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Store(#[from] DbErr),
    /// A file cannot be read or written: no space, no permission.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A Parquet file cannot be written or read.
    #[error("{}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// Something has no JSON form, or is no JSON of ours.
    #[error("{what}")]
    Json {
        /// What was written or read.
        what: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The directory holds something else.
    #[error("{} holds {what}; choose an empty directory, or the same options to continue", directory.display())]
    Occupied {
        /// The directory.
        directory: PathBuf,
        /// What it holds.
        what: &'static str,
    },
    /// Another process exports into the directory.
    #[error("another process exports into {}", .0.display())]
    Busy(PathBuf),
    /// There is no manifest.
    #[error("{} has no manifest: it is no archive, or its export has not finished", .0.display())]
    Unfinished(PathBuf),
    /// The manifest has another form.
    #[error("the archive has format version {found}; this build reads {}", crate::FORMAT_VERSION)]
    FormatVersion {
        /// The version in the manifest.
        found: u32,
    },
    /// Redis does not take the replayed events.
    #[error("redis does not take the events")]
    Redis(#[from] fred::error::Error),
    /// The receiver of a replay takes no more.
    #[error("the receiver takes no more")]
    Receiver(#[source] io::Error),
    /// A thread that writes files panicked.
    #[error("writing was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl ArchiveError {
    /// For `map_err`: names the file that an I/O error is about.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    /// For `map_err`: names the Parquet file that an error is about.
    pub(crate) fn parquet(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> Self {
        let path = path.to_owned();
        move |source| Self::Parquet { path, source }
    }

    /// For `map_err`: says what has no JSON form.
    pub(crate) fn json(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> Self {
        let what = what.into();
        move |source| Self::Json { what, source }
    }
}
