//! What an audit found. It names rows by their keys and columns by their names; what stands in them it never says.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many rows of a table an audit names.
pub const NAMED_ROWS: i64 = 10;

/// What an audit of one projection found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditReport {
    /// The projection: a category, or a consumer group.
    pub projection: String,
    /// When the compared moment was.
    pub audited_at: DateTime<Utc>,
    /// How long it took, in seconds; most of it is waiting, so that others are not disturbed.
    pub seconds: f64,
    /// How many events were replayed.
    pub events: u64,
    /// How many rows they come to.
    pub rows: u64,
    /// Tables that say something else than the events, none if all is well.
    pub drift: Vec<TableDrift>,
}

impl AuditReport {
    /// How many rows are not what the events say.
    pub fn drift_rows(&self) -> u64 {
        self.drift.iter().map(|table| table.different + table.missing + table.extra).sum()
    }
}

/// How a table differs from what the events say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDrift {
    /// The table.
    pub table: String,
    /// Rows that say something else.
    pub different: u64,
    /// Rows that should be there.
    pub missing: u64,
    /// Rows that should not.
    pub extra: u64,
    /// The first of them, at most [`NAMED_ROWS`].
    pub rows: Vec<DriftRow>,
}

/// A row that is not what the events say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftRow {
    /// What is wrong.
    pub kind: DriftKind,
    /// The primary key, by column. Of a table whose key does not follow from the events that of the row as it is, and null
    /// for a row that is not there.
    pub key: Value,
    /// The columns that differ, where rows can be told apart by their key.
    pub columns: Vec<String>,
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// It says something else.
    Different,
    /// It should be there.
    Missing,
    /// It should not.
    Extra,
}

/// Why an audit came to no result.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It is being rebuilt or audited elsewhere, or a rebuild came in between.
    #[error("the projection is being rebuilt or audited")]
    Busy,
    /// The process stops.
    #[error("the process stops")]
    Stopped,
    /// The events could not be replayed.
    #[error("the events could not be replayed")]
    Replay(#[from] crate::rebuild::RebuildError),
}

impl From<sea_orm::DbErr> for AuditError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Replay(error.into())
    }
}
