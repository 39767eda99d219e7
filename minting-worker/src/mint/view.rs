//! Mints as they are stored: rows and queries.

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseConnection, DbErr, FromQueryResult, raw_sql};
use serde_json::json;
use shared_schemas::{CommentId, MintId, PostId, UserId, mint::MintState, moderation::Subject};
use uuid::Uuid;

/// The last microsecond of the year 9999.
pub(crate) const END_OF_TIME: i64 = 253_402_300_799_999_999;

const POST: &str = "POST";
const COMMENT: &str = "COMMENT";

/// A mint as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// Its id.
    pub id: MintId,
    /// What is minted.
    pub subject: Subject,
    /// Whose token it will be.
    pub author_id: UserId,
    /// Where it stands.
    pub state: MintState,
    /// When it was first requested.
    pub requested_at: DateTime<Utc>,
    /// When its state changed last.
    pub updated_at: DateTime<Utc>,
}

/// What a list of mints is narrowed to.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Mints of one author.
    pub author_id: Option<UserId>,
    /// Mints in one state.
    pub state: Option<MintState>,
}

#[derive(FromQueryResult)]
struct Row {
    id: MintId,
    subject_kind: String,
    subject_id: Uuid,
    author_id: UserId,
    state: MintState,
    requested_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Listed {
    type Error = DbErr;

    fn try_from(row: Row) -> Result<Self, DbErr> {
        let Row { id, subject_id, author_id, state, requested_at, updated_at, .. } = row;
        let subject = subject(&row.subject_kind, subject_id)?;
        Ok(Self { id, subject, author_id, state, requested_at, updated_at })
    }
}

/// A subject as two columns: its kind and its id.
pub(crate) fn columns(subject: Subject) -> (&'static str, Uuid) {
    match subject {
        Subject::Post(id) => (POST, id.0),
        Subject::Comment(id) => (COMMENT, id.0),
    }
}

/// One mint, of any author or of one.
///
/// # Errors
///
/// [`DbErr`] if the database fails or holds a spelling that this build does not know.
pub async fn find(
    db: &DatabaseConnection,
    id: MintId,
    author_id: Option<UserId>,
) -> Result<Option<Listed>, DbErr> {
    let row = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, subject_kind, subject_id, author_id, state, requested_at, updated_at FROM mint
           WHERE id = {id} AND ({author_id}::uuid IS NULL OR author_id = {author_id})"
    ))
    .one(db)
    .await?;
    row.map(Listed::try_from).transpose()
}

/// Mints, newest first, after a place in the list (microseconds since the Unix epoch, id).
///
/// # Errors
///
/// As [`find`].
pub async fn list(
    db: &DatabaseConnection,
    Filter { author_id, state }: Filter,
    (micros, id): (i64, Uuid),
    limit: i64,
) -> Result<Vec<Listed>, DbErr> {
    let state = state.map(MintState::as_str);
    // A made-up cursor may name any moment; PostgreSQL fails on some of them.
    let before = DateTime::from_timestamp_micros(micros.clamp(0, END_OF_TIME)).unwrap_or_default();
    let rows = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, subject_kind, subject_id, author_id, state, requested_at, updated_at FROM mint
           WHERE (requested_at, id) < ({before}, {id})
             AND ({author_id}::uuid IS NULL OR author_id = {author_id})
             AND ({state}::text IS NULL OR state = {state})
           ORDER BY requested_at DESC, id DESC LIMIT {limit}"
    ))
    .all(db)
    .await?;
    rows.into_iter().map(Listed::try_from).collect()
}

/// Those of some mints that wait for their metadata: what is minted, and whose it will be.
///
/// # Errors
///
/// As [`find`].
pub async fn requested(
    db: &DatabaseConnection,
    ids: &[MintId],
) -> Result<Vec<(MintId, Subject, UserId)>, DbErr> {
    #[derive(FromQueryResult)]
    struct Requested {
        id: MintId,
        subject_kind: String,
        subject_id: Uuid,
        author_id: UserId,
    }
    let ids = json!(ids);
    let rows = Requested::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, subject_kind, subject_id, author_id
           FROM jsonb_array_elements_text({ids}) AS wanted
           JOIN mint ON id = CAST(wanted AS uuid) AND stage = 'REQUESTED'"
    ))
    .all(db)
    .await?;
    rows.into_iter()
        .map(|row| Ok((row.id, subject(&row.subject_kind, row.subject_id)?, row.author_id)))
        .collect()
}

/// A mint that waits for a lane.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its id.
    pub id: MintId,
    /// What is minted.
    pub subject: Subject,
    /// Whose it will be.
    pub owner: String,
    /// What its metadata hashes to.
    pub digest: String,
    /// Since when it waits.
    pub ready_at: DateTime<Utc>,
}

/// A mint that was found on the chain, and is in no slot that somebody watches.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Adopted {
    /// Its id.
    pub id: MintId,
    /// The height of its block.
    pub block: Option<i64>,
    /// The hash of its block.
    pub block_hash: Option<String>,
}

#[derive(FromQueryResult)]
struct WaitingRow {
    id: MintId,
    subject_kind: String,
    subject_id: Uuid,
    owner: Option<String>,
    digest: Option<String>,
    updated_at: DateTime<Utc>,
}

/// Mints that wait for a lane: first those of this lane's share, the oldest first.
///
/// # Errors
///
/// As [`find`].
pub async fn waiting(
    db: &DatabaseConnection,
    limit: usize,
    (share, of): (usize, usize),
) -> Result<Vec<Waiting>, DbErr> {
    let (share, of) = (i64::try_from(share).unwrap_or(0), i64::try_from(of).unwrap_or(1).max(1));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // Each in the order of the index, so that a long line costs no more than a short one.
    let rows = WaitingRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT * FROM (
           (SELECT id, subject_kind, subject_id, owner, digest, updated_at, 0 AS turn FROM mint
              WHERE stage = 'PINNED' AND abs(CAST(hashtext(CAST(id AS text)) AS bigint)) % {of} = {share}
              ORDER BY updated_at, id LIMIT {limit})
           UNION ALL
           (SELECT id, subject_kind, subject_id, owner, digest, updated_at, 1 AS turn FROM mint
              WHERE {of} > 1 AND stage = 'PINNED' AND abs(CAST(hashtext(CAST(id AS text)) AS bigint)) % {of} <> {share}
              ORDER BY updated_at, id LIMIT {limit})) waiting
           ORDER BY turn, updated_at, id LIMIT {limit}"
    ))
    .all(db)
    .await?;
    let waiting = |row: WaitingRow| {
        let subject = subject(&row.subject_kind, row.subject_id)?;
        let (owner, digest) = (row.owner.unwrap_or_default(), row.digest.unwrap_or_default());
        Ok(Waiting { id: row.id, subject, owner, digest, ready_at: row.updated_at })
    };
    rows.into_iter().map(waiting).collect()
}

/// Mints that were found on the chain, and are in no slot that is not final.
///
/// # Errors
///
/// As [`find`].
pub async fn adopted(db: &DatabaseConnection) -> Result<Vec<Adopted>, DbErr> {
    Adopted::find_by_statement(raw_sql!(
        Postgres,
        "SELECT m.id, m.block, m.block_hash FROM mint m
           WHERE m.stage = 'MINED' AND NOT EXISTS (
             SELECT 1 FROM lane_item i
               JOIN lane_slot s ON (s.lane, s.chain_id, s.nonce) = (i.lane, i.chain_id, i.nonce)
               WHERE i.mint_id = m.id AND s.state IN ('SIGNED', 'BROADCAST', 'MINED'))
           LIMIT 200"
    ))
    .all(db)
    .await
}

/// The subject of two columns.
///
/// # Errors
///
/// [`DbErr::Type`] if the kind is none that this build knows.
pub(crate) fn subject(kind: &str, id: Uuid) -> Result<Subject, DbErr> {
    match kind {
        POST => Ok(Subject::Post(PostId(id))),
        COMMENT => Ok(Subject::Comment(CommentId(id))),
        kind => Err(DbErr::Type(format!("`{kind}` is no kind of subject"))),
    }
}

/// A mint as it is recorded, to be compared with the chain.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its id.
    pub id: MintId,
    /// What is minted.
    pub subject: Subject,
    /// How far it is.
    pub stage: String,
    /// What its metadata hashes to.
    pub digest: Option<String>,
    /// The height of its block.
    pub block: Option<i64>,
    /// A transaction that mints it is not final.
    pub in_flight: bool,
}

impl Recorded {
    /// Whether it is recorded as in a block.
    pub fn is_minted(&self) -> bool {
        matches!(self.stage.as_str(), "MINED" | "FINAL")
    }
}

#[derive(FromQueryResult)]
struct RecordedRow {
    id: MintId,
    subject_kind: String,
    subject_id: Uuid,
    stage: String,
    digest: Option<String>,
    block: Option<i64>,
    in_flight: bool,
}

/// Mints by id, after one of them.
///
/// # Errors
///
/// As [`find`].
pub async fn page(
    db: &DatabaseConnection,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Recorded>, DbErr> {
    let rows = RecordedRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT m.id, m.subject_kind, m.subject_id, m.stage, m.digest, m.block, EXISTS (
             SELECT 1 FROM lane_item i
               JOIN lane_slot s ON (s.lane, s.chain_id, s.nonce) = (i.lane, i.chain_id, i.nonce)
               WHERE i.mint_id = m.id AND s.state IN ('SIGNED', 'BROADCAST', 'MINED')) AS in_flight
           FROM mint m WHERE m.id > {after} ORDER BY m.id LIMIT {limit}"
    ))
    .all(db)
    .await?;
    let recorded = |row: RecordedRow| {
        let subject = subject(&row.subject_kind, row.subject_id)?;
        let RecordedRow { id, stage, digest, block, in_flight, .. } = row;
        Ok(Recorded { id, subject, stage, digest, block, in_flight })
    };
    rows.into_iter().map(recorded).collect()
}

/// How many mints wait for a lane, and how many were given up.
///
/// # Errors
///
/// As [`find`].
pub async fn backlog(db: &DatabaseConnection) -> Result<(i64, i64), DbErr> {
    #[derive(FromQueryResult)]
    struct Counts {
        waiting: i64,
        parked: i64,
    }
    let row = Counts::find_by_statement(raw_sql!(
        Postgres,
        "SELECT count(*) FILTER (WHERE stage = 'PINNED') AS waiting, count(*) FILTER (WHERE stage = 'PARKED') AS parked
           FROM mint WHERE stage IN ('PINNED', 'PARKED')"
    ))
    .one(db)
    .await?;
    Ok(row.map_or((0, 0), |row| (row.waiting, row.parked)))
}
