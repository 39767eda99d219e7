//! Notifications as they are stored: rows and queries.

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, FromQueryResult, raw_sql,
};
use serde_json::Value;
use shared_schemas::{
    CaseId, CommentId, MintId, NotificationId, PostId, UserId,
    moderation::{ModerationReason, Subject},
    notification::{About, NotificationKind, NotificationState},
};
use uuid::Uuid;

/// The last microsecond of the year 9999.
const END_OF_TIME: i64 = 253_402_300_799_999_999;

/// A notification of a person's list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its id.
    pub id: NotificationId,
    /// What kind of thing it tells.
    pub kind: NotificationKind,
    /// How far it has come.
    pub state: NotificationState,
    /// What it is about.
    pub about: About,
    /// The spelling of an outcome.
    pub detail: Option<String>,
    /// Why moderation decided it, if it did.
    pub why: Option<Why>,
    /// When it was generated.
    pub created_at: DateTime<Utc>,
    /// When the person saw it.
    pub viewed_at: Option<DateTime<Utc>>,
}

/// Why moderation decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// Worst first.
    pub reasons: Vec<ModerationReason>,
    /// Whether the policy decided, without a person.
    pub automated: bool,
}

#[derive(FromQueryResult)]
struct Row {
    id: NotificationId,
    kind: NotificationKind,
    state: NotificationState,
    user_id: Option<UserId>,
    post_id: Option<PostId>,
    comment_id: Option<CommentId>,
    case_id: Option<CaseId>,
    detail: Option<String>,
    reasons: Option<Value>,
    automated: Option<bool>,
    created_at: DateTime<Utc>,
    viewed_at: Option<DateTime<Utc>>,
}

impl From<Row> for Listed {
    fn from(row: Row) -> Self {
        let Row {
            id,
            kind,
            state,
            user_id,
            post_id,
            comment_id,
            case_id,
            detail,
            reasons,
            automated,
            created_at,
            viewed_at,
        } = row;
        // A reason from the future is left out: what remains is still true.
        let reasons = reasons.and_then(|reasons| serde_json::from_value(reasons).ok());
        let why = reasons.zip(automated).map(|(reasons, automated)| Why { reasons, automated });
        let about = About { user_id, post_id, comment_id, case_id };
        Self { id, kind, state, about, detail, why, created_at, viewed_at }
    }
}

/// The notifications of a person, newest first, after a place in the list (microseconds since the Unix epoch, id).
///
/// # Errors
///
/// [`DbErr`] if the database fails or holds a spelling that this build does not know.
pub async fn list(
    db: &DatabaseConnection,
    recipient_id: UserId,
    state: Option<NotificationState>,
    (micros, id): (i64, Uuid),
    limit: i64,
) -> Result<Vec<Listed>, DbErr> {
    let state = state.map(NotificationState::as_str);
    // A made-up cursor may name any moment; PostgreSQL fails on some of them.
    let before = DateTime::from_timestamp_micros(micros.clamp(0, END_OF_TIME)).unwrap_or_default();
    let rows = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, kind, state, user_id, post_id, comment_id, n.case_id, detail, reasons, automated, created_at, viewed_at
           FROM notification n LEFT JOIN case_reason r ON r.case_id = n.case_id
           WHERE recipient_id = {recipient_id} AND (created_at, id) < ({before}, {id})
             AND ({state}::text IS NULL OR state = {state})
           ORDER BY created_at DESC, id DESC LIMIT {limit}"
    ))
    .all(db)
    .await?;
    Ok(rows.into_iter().map(Listed::from).collect())
}

#[derive(FromQueryResult)]
#[expect(clippy::struct_field_names, reason = "they are the columns")]
struct MintRow {
    author_id: UserId,
    post_id: Option<PostId>,
    comment_id: Option<CommentId>,
}

/// Remembers whose mint it is and of what.
pub(super) async fn remember_mint(
    txn: &DatabaseTransaction,
    id: MintId,
    author_id: UserId,
    subject: Subject,
) -> Result<(), DbErr> {
    let (post_id, comment_id) = match subject {
        Subject::Post(id) => (Some(id), None),
        Subject::Comment(id) => (None, Some(id)),
    };
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO mint (id, author_id, post_id, comment_id) VALUES ({id}, {author_id}, {post_id}, {comment_id})
           ON CONFLICT ON CONSTRAINT mint_pkey DO NOTHING"
    ))
    .await?;
    Ok(())
}

/// Whose mint it is and of what.
pub(super) async fn mint(
    txn: &DatabaseTransaction,
    id: MintId,
) -> Result<Option<(UserId, About)>, DbErr> {
    let row = MintRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT author_id, post_id, comment_id FROM mint WHERE id = {id}"
    ))
    .one(txn)
    .await?;
    Ok(row.map(|MintRow { author_id, post_id, comment_id }| {
        (author_id, About { post_id, comment_id, ..About::default() })
    }))
}
