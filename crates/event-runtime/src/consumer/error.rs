//! Why an owner has to begin again.

use sea_orm::DbErr;

use crate::rules::Gap;

/// Why an owner has to begin again from its watermark, or to give up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnerError {
    #[error("redis failed")]
    Redis(#[from] fred::error::Error),
    #[error("the database failed")]
    Storage(#[from] DbErr),
    #[error("sequence {} came where {} was due", .0.found, .0.expected)]
    Gap(Gap),
    /// The stream has events after the watermark, and reading gave none of them.
    #[error("nothing was delivered between {watermark} and {head}")]
    Undelivered { watermark: u64, head: u64 },
    /// A newer owner is at work: this one has no business here any more.
    #[error("the lease belongs to another process")]
    Fenced,
    #[error("a lane ended without a result")]
    Lane(#[from] tokio::task::JoinError),
}
