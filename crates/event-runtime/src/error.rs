//! How the runtime fails, and what a failure asks for: to try again, or to set the event aside.

use std::{any::Any, error::Error};

use sea_orm::{DbErr, RuntimeErr};
use shared_schemas::DecodeError;

use crate::{Version, layout::AnnounceError};

/// Why a command recorded nothing.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<R> {
    /// The aggregate refused.
    #[error(transparent)]
    Refused(R),
    /// The aggregate is not where the caller expected it.
    #[error("the aggregate is at version {actual}", actual = actual.0)]
    VersionConflict {
        /// Where it is.
        actual: Version,
    },
    /// The aggregate holds an event newer than this build, which must not decide on half the truth.
    #[error(
        "aggregate {aggregate_type} {aggregate_id} holds an event newer than this build: {event_type}"
    )]
    UnknownEvent {
        /// The kind of aggregate.
        aggregate_type: &'static str,
        /// Which one.
        aggregate_id: uuid::Uuid,
        /// The wire name nobody knows.
        event_type: String,
    },
    /// The store failed.
    #[error("the event store failed")]
    Storage(#[from] DbErr),
    /// A stored event could not be read.
    #[error("a stored event could not be read")]
    Decode(#[from] DecodeError),
    /// A new event could not be written.
    #[error("an event could not be encoded")]
    Encode(#[from] serde_json::Error),
}

/// Why the runtime itself could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The service's database failed.
    #[error("the database failed")]
    Storage(#[from] DbErr),
    /// Redis failed.
    #[error("redis failed")]
    Redis(#[from] fred::error::Error),
    /// A stored event could not be written to the wire.
    #[error("an event could not be encoded")]
    Encode(#[from] serde_json::Error),
    /// The layout of the streams could not be read or announced.
    #[error("the layout of the streams is unknown")]
    Layout(#[source] serde_json::Error),
    /// Redis knows a later generation of streams than the store: the database was restored to a moment in the past.
    #[error(
        "generation {announced} of the streams is announced and the store is at {stored}: the store was restored to the past"
    )]
    StoreBehindLayout {
        /// The generation that is announced.
        announced: u32,
        /// The store's.
        stored: u32,
    },
    /// Redis removes any key it likes when its memory is short, and so would lose events at random.
    #[error(
        "redis evicts streams (maxmemory-policy is {policy}); do `CONFIG SET maxmemory-policy noeviction`"
    )]
    Evicts {
        /// What it is set to.
        policy: String,
    },
    /// The stream is ahead of the store: the database was restored to a moment in the past.
    #[error(
        "stream {key} is at {stream} and the store at {store}: the store was restored to the past"
    )]
    StoreBehindStream {
        /// The stream.
        key: String,
        /// Its last sequence number.
        stream: u64,
        /// The store's.
        store: u64,
    },
    /// A consumer group has read what the store has never published: the database was restored to a moment in the past, and
    /// Redis has lost the streams.
    #[error(
        "{group} has read partition {partition} up to {read} of generation {epoch} and the store is at {store} of {stored_epoch}: the store was restored to the past"
    )]
    StoreBehindReader {
        /// The group.
        group: String,
        /// The partition.
        partition: u16,
        /// The generation of streams that the group reads.
        epoch: u32,
        /// Its watermark there.
        read: u64,
        /// The store's generation.
        stored_epoch: u32,
        /// The last sequence number of the store.
        store: u64,
    },
    /// The stream ends with another event than the store has at that place: one of them belongs to another past.
    #[error("stream {key} and store hold different events at {sequence}")]
    StoreDiverged {
        /// The stream.
        key: String,
        /// Where they differ.
        sequence: u64,
    },
}

impl RuntimeError {
    /// Whether the store and what was published of it are different histories, which only an operator can settle.
    pub fn is_diverged(&self) -> bool {
        matches!(
            self,
            Self::StoreBehindStream { .. }
                | Self::StoreBehindReader { .. }
                | Self::StoreDiverged { .. }
                | Self::StoreBehindLayout { .. }
        )
    }

    /// Whether Redis refused a command for want of memory.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Redis(cause) if cause.details().contains("OOM command not allowed"))
    }

    /// What failed, in a word: a label of `events_publish_errors_total`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Storage(_) => "database",
            Self::Redis(_) if self.is_out_of_memory() => "out_of_memory",
            Self::Redis(_) => "redis",
            Self::Encode(_) | Self::Layout(_) => "encode",
            Self::StoreBehindStream { .. }
            | Self::StoreBehindReader { .. }
            | Self::StoreDiverged { .. }
            | Self::StoreBehindLayout { .. } => "diverged",
            Self::Evicts { .. } => "configuration",
        }
    }
}

impl From<AnnounceError> for RuntimeError {
    fn from(error: AnnounceError) -> Self {
        match error {
            AnnounceError::Redis(error) => Self::Redis(error),
            AnnounceError::Malformed(error) => Self::Layout(error),
        }
    }
}

/// Why an event was not applied, and what is to become of it.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Something outside the event failed: wait and try again, in order.
    #[error("not now")]
    Retry(#[source] Box<dyn Error + Send + Sync>),
    /// This event cannot be applied: set it and its aggregate aside, go on with the others.
    #[error("rejected: {reason}")]
    Reject {
        /// Why, in a word: `undecodable`, `unknown_version`, `refused`, `storage`, `panic`.
        reason: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl ApplyError {
    /// Whether the database or Redis failed under the handler, rather than the handler at its event: waiting for it does not
    /// count as an attempt.
    pub fn is_infrastructure(&self) -> bool {
        let Self::Retry(source) = self else { return false };
        let mut cause: Option<&(dyn Error + 'static)> = Some(&**source);
        while let Some(error) = cause {
            if error.is::<NotYet>() {
                return true;
            }
            if let Some(error) = error.downcast_ref::<DbErr>() {
                // A statement that takes too long may do so for ever, with this event.
                return is_transient(error) && state(error).as_deref() != Some(QUERY_CANCELED);
            }
            if error.is::<fred::error::Error>() {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// Something that this event needs is not there yet and surely will be: it waits in its place, and waiting does not count
    /// as an attempt.
    pub fn not_yet(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Retry(Box::new(NotYet(source.into())))
    }

    /// Sets the event aside for a reason of the handler's own.
    pub fn reject(reason: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Reject { reason, source: source.into() }
    }
}

/// What an event waits for.
#[derive(Debug, thiserror::Error)]
#[error("the event waits")]
struct NotYet(#[source] Box<dyn Error + Send + Sync>);

impl From<DbErr> for ApplyError {
    fn from(error: DbErr) -> Self {
        if is_transient(&error) {
            Self::Retry(Box::new(error))
        } else {
            Self::Reject { reason: "storage", source: Box::new(error) }
        }
    }
}

impl From<DecodeError> for ApplyError {
    fn from(error: DecodeError) -> Self {
        let reason = match error {
            DecodeError::UnknownVersion { .. } => "unknown_version",
            DecodeError::Malformed { .. } => "undecodable",
        };
        Self::Reject { reason, source: Box::new(error) }
    }
}

impl<R: Error + Send + Sync + 'static> From<ExecuteError<R>> for ApplyError {
    fn from(error: ExecuteError<R>) -> Self {
        match error {
            ExecuteError::Storage(error) => error.into(),
            ExecuteError::VersionConflict { .. } => Self::Retry(Box::new(error)),
            ExecuteError::Refused(_)
            | ExecuteError::UnknownEvent { .. }
            | ExecuteError::Decode(_)
            | ExecuteError::Encode(_) => {
                Self::Reject { reason: "refused", source: Box::new(error) }
            }
        }
    }
}

/// The statement was cancelled, by its time limit or by an administrator.
const QUERY_CANCELED: &str = "57014";

/// The SQLSTATE of an error that the server reported.
fn state(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return None;
    };
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Whether the same statement may succeed later, with nothing changed but time.
pub fn is_transient(error: &DbErr) -> bool {
    if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) {
        return true;
    }
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    match error.as_database_error() {
        Some(error) => error.code().is_some_and(|code| is_transient_state(&code)),
        // Without a word from the server the connection is what failed, unless a row did not decode.
        None => !matches!(
            **error,
            sea_orm::SqlxError::ColumnDecode { .. }
                | sea_orm::SqlxError::Decode(_)
                | sea_orm::SqlxError::Encode(_)
                | sea_orm::SqlxError::ColumnNotFound(_)
                | sea_orm::SqlxError::TypeNotFound { .. }
        ),
    }
}

/// What the server calls the error, if it was the server that spoke (PostgreSQL appendix A).
pub(crate) fn sql_state(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return None;
    };
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

/// SQLSTATE classes that speak of the server's state, not of the statement (PostgreSQL appendix A).
fn is_transient_state(code: &str) -> bool {
    // Connection, rollback (serialisation, deadlock), resources, operator (shutdown, cancel), not in prerequisite state
    // by lock timeout, idle transaction ended, read-only while failing over.
    ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class))
        || ["55P03", "25P03", "25006"].contains(&code)
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

/// The whole chain of causes on one line, for a row or a log field that people read.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
