//! Why a projection could not be made again. The live tables are as they were in every case.

use sea_orm::DbErr;

use crate::ApplyError;

/// Why a projection could not be made again.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The database failed.
    #[error("the database failed")]
    Storage(#[from] DbErr),
    /// Redis failed.
    #[error("redis failed")]
    Redis(#[from] fred::error::Error),
    /// What a producer announced of its streams cannot be read.
    #[error("the layout of the streams cannot be read")]
    Layout(#[from] crate::layout::AnnounceError),
    /// An event that is in effect cannot be applied again.
    #[error("event {event_id} of {aggregate_type} {aggregate_id} cannot be applied")]
    Apply {
        /// The event.
        event_id: uuid::Uuid,
        /// The kind of its aggregate.
        aggregate_type: String,
        /// The aggregate.
        aggregate_id: uuid::Uuid,
        /// Why.
        #[source]
        source: ApplyError,
    },
    /// An entry of a stream that took effect cannot be read.
    #[error("entry {sequence} of {stream} cannot be read")]
    Unreadable {
        /// The stream.
        stream: String,
        /// Its place there.
        sequence: u64,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A part of the history cannot be had.
    #[error("{stream} does not give the events after {after}")]
    Gap {
        /// The stream.
        stream: String,
        /// The last event that it did give.
        after: u64,
    },
    /// There is no schema for shadow tables, and the role may not make one.
    #[error(
        "schema {schema} is missing and cannot be made: provision the database anew (deploy/postgres/init.sql)"
    )]
    NoShadowSchema {
        /// Its name.
        schema: String,
        /// What the database said.
        #[source]
        source: DbErr,
    },
    /// Something hangs on a table that would not survive an exchange.
    #[error("{table} cannot be exchanged: {obstacle}")]
    Unsupported {
        /// The table.
        table: String,
        /// What stands in the way.
        obstacle: String,
    },
    /// A migration changed a table while it was being made again.
    #[error("{table} was changed meanwhile")]
    Changed {
        /// The table.
        table: String,
    },
    /// The group's watermarks were lowered while it was being replayed.
    #[error("the consumer group was set back meanwhile")]
    Rewound,
    /// Another run took the shadow tables away, since the lock on them was lost.
    #[error("another run took over")]
    Overtaken,
    /// The projection writes to a table that it does not name, which a replay must not.
    #[error("the projection writes to {table}, which is not among its tables")]
    WritesElsewhere {
        /// The table.
        table: String,
    },
    /// Readers or writers kept the tables locked.
    #[error("the tables could not be locked for the exchange in {attempts} attempts")]
    Locked {
        /// How often it was tried.
        attempts: u32,
    },
    /// The projection is being rebuilt or audited elsewhere.
    #[error("the projection is being rebuilt or audited")]
    Busy,
}
