//! Published events outside of the system: exported to files that prove their completeness, and replayed to whoever asks.
//!
//! - [`export()`] writes JSON lines or Parquet, continues after a kill or a full disk, and ends with a [`Manifest`].
//! - [`verify()`] reads everything again and says what is missing, changed or too much.
//! - [`replay()`] plays events at the speed at which they happened, or any other, to a [`Sink`].
//!
//! Only published events are seen. What a service keeps to itself (drafts, credentials) has no place in a partition and is in
//! no archive. Events name people by id and never by name or address: an archive holds nothing that the deletion of an
//! account would have to reach, as long as the ids of deleted accounts may be kept.

mod digest;
mod error;
pub mod export;
mod manifest;
pub mod replay;
pub mod verify;

pub use error::ArchiveError;
pub use export::{Exported, Format, Options, Progress, export};
pub use manifest::{FORMAT_VERSION, FileEntry, MANIFEST, Manifest, PartitionEntry, TypeEntry};
pub use replay::{Replay, Sink, Speed, replay};
pub use verify::{Finding, Verification, verify};
