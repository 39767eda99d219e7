//! Mints as they are stored: rows and queries.

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseConnection, DbErr, FromQueryResult, raw_sql};
use shared_schemas::{CommentId, MintId, PostId, UserId, mint::MintState, moderation::Subject};
use uuid::Uuid;

/// The last microsecond of the year 9999.
const END_OF_TIME: i64 = 253_402_300_799_999_999;

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
        let subject = match row.subject_kind.as_str() {
            POST => Subject::Post(PostId(subject_id)),
            COMMENT => Subject::Comment(CommentId(subject_id)),
            kind => return Err(DbErr::Type(format!("`{kind}` is no kind of subject"))),
        };
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
