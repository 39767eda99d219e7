//! Every query on versions.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, raw_sql};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::{
    aggregate::VersionId,
    band::{Band, FlagRate, WINDOW},
    files::{FileHash, FileName},
};

/// A version as it is stored.
#[derive(Clone, Debug, FromQueryResult)]
pub struct VersionRow {
    /// Which one.
    pub id: String,
    /// PROPOSED, SHADOW, ACTIVE, RETIRED or `ROLLED_BACK`.
    pub state: String,
    /// [`FileHash`] by [`FileName`].
    pub files: Value,
    /// What it is for.
    pub note: Option<String>,
    /// Who brought it.
    pub proposed_by: Option<Uuid>,
    /// When.
    pub proposed_at: DateTime<Utc>,
    /// Since when it is in shadow.
    pub shadow_since: Option<DateTime<Utc>>,
    /// Whether only some instances judge by it.
    pub shadow_apart: bool,
    /// Who promoted it last.
    pub promoted_by: Option<Uuid>,
    /// When.
    pub promoted_at: Option<DateTime<Utc>>,
    /// Why by force.
    pub forced: Option<String>,
    /// A [`Band`].
    pub band: Option<Value>,
    /// When it was taken back.
    pub rolled_back_at: Option<DateTime<Utc>>,
    /// By whom.
    pub rolled_back_by: Option<Uuid>,
    /// Why.
    pub rolled_back_because: Option<String>,
}

#[derive(FromQueryResult)]
struct Counts {
    flagged: i64,
    judged: i64,
}

impl From<Counts> for FlagRate {
    fn from(counts: Counts) -> Self {
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        Self { flagged: count(counts.flagged), judged: count(counts.judged) }
    }
}

/// Keeps the active version what it is until the transaction ends. Any number of transactions may hold it.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn hold(txn: &DatabaseTransaction) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(
        Postgres,
        "SELECT pg_advisory_xact_lock_shared(hashtext('peerlink.analyser_version.' || current_schema()))"
    ))
    .await?;
    Ok(())
}

/// Waits until nobody [holds](hold) the active version, and lets nobody hold it until the transaction ends.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn seize(txn: &DatabaseTransaction) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(
        Postgres,
        "SELECT pg_advisory_xact_lock(hashtext('peerlink.analyser_version.' || current_schema()))"
    ))
    .await?;
    Ok(())
}

/// The active version; `None` for the one that each program was built with.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn active(connection: &impl ConnectionTrait) -> Result<Option<VersionId>, DbErr> {
    let row = connection
        .query_one_raw(raw_sql!(Postgres, "SELECT id FROM analyser_version WHERE state = 'ACTIVE'"))
        .await?;
    row.map(|row| id(&row.try_get::<String>("", "id")?)).transpose()
}

/// All versions, newest first; at most 100.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(connection: &impl ConnectionTrait) -> Result<Vec<VersionRow>, DbErr> {
    VersionRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT * FROM analyser_version ORDER BY proposed_at DESC, id LIMIT 100"
    ))
    .all(connection)
    .await
}

/// One version.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(
    connection: &impl ConnectionTrait,
    id: &VersionId,
) -> Result<Option<VersionRow>, DbErr> {
    let id = id.as_str();
    VersionRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT * FROM analyser_version WHERE id = {id}"
    ))
    .one(connection)
    .await
}

/// The files of a version by their hashes.
///
/// # Errors
///
/// [`DbErr`] if the database fails, or there is no such version.
pub async fn hashes(
    connection: &impl ConnectionTrait,
    id: &VersionId,
) -> Result<BTreeMap<FileName, FileHash>, DbErr> {
    let row = find(connection, id).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound(format!("analyser version {id}")))?;
    decoded(row.files)
}

/// The contents of a file by its hash.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn file(
    connection: &impl ConnectionTrait,
    sha256: &str,
) -> Result<Option<Vec<u8>>, DbErr> {
    let row = connection
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT content FROM analyser_file WHERE sha256 = {sha256}"
        ))
        .await?;
    row.map(|row| row.try_get("", "content")).transpose()
}

/// What the last judgements by the active version came to, since it was promoted.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn flag_rate(
    connection: &impl ConnectionTrait,
    id: &VersionId,
    since: Option<DateTime<Utc>>,
) -> Result<FlagRate, DbErr> {
    let (id, window) = (id.as_str(), i64::from(WINDOW));
    let counts = Counts::find_by_statement(raw_sql!(
        Postgres,
        "SELECT count(*) AS judged, count(*) FILTER (WHERE flagged) AS flagged FROM (
           SELECT flagged FROM screening_figure
             WHERE version_id = {id} AND judged_at >= coalesce({since}::timestamptz, '-infinity')
             ORDER BY judged_at DESC, subject_id LIMIT {window}) AS last_ones"
    ))
    .one(connection)
    .await?;
    Ok(counts.map(FlagRate::from).unwrap_or_default())
}

/// What a version came to in shadow, in all.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn shadow_rate(
    connection: &impl ConnectionTrait,
    id: &VersionId,
) -> Result<FlagRate, DbErr> {
    let id = id.as_str();
    let counts = Counts::find_by_statement(raw_sql!(
        Postgres,
        "SELECT count(*) AS judged, count(*) FILTER (WHERE verdict <> 'ALLOW') AS flagged
           FROM shadow_judgement WHERE version_id = {id}"
    ))
    .one(connection)
    .await?;
    Ok(counts.map(FlagRate::from).unwrap_or_default())
}

/// A version that is watched: its band, and since when it is active.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn watched(
    connection: &impl ConnectionTrait,
) -> Result<Option<(VersionId, Band, DateTime<Utc>)>, DbErr> {
    let row = VersionRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT * FROM analyser_version WHERE state = 'ACTIVE' AND band IS NOT NULL"
    ))
    .one(connection)
    .await?;
    let Some(VersionRow { id: found, band: Some(band), promoted_at: Some(at), .. }) = row else {
        return Ok(None);
    };
    Ok(Some((id(&found)?, decoded(band)?, at)))
}

/// A version as its column spells it.
pub(super) fn id(column: &str) -> Result<VersionId, DbErr> {
    column.parse().map_err(|error: super::aggregate::NoVersionId| DbErr::Type(error.to_string()))
}

/// What a column of JSON says.
pub(super) fn decoded<T: DeserializeOwned>(column: Value) -> Result<T, DbErr> {
    serde_json::from_value(column).map_err(|error| DbErr::Json(error.to_string()))
}
