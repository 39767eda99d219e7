//! What is remembered of posts and comments: rows and statements.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, raw_sql};
use shared_schemas::{CaseId, CommentId, PostId, UserId, moderation::Subject, post::Category};
use uuid::Uuid;

use super::standing::Standing;
use crate::mint::view::columns;

/// What is known of a post or comment.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Content {
    /// Whose it is.
    pub author_id: UserId,
    /// The author shows it to everybody.
    pub published: bool,
    /// Moderation shows it to nobody else.
    pub hidden: bool,
    /// The version of its aggregate that carried the text.
    pub version: Option<i64>,
    /// What it is about.
    pub category: Option<Category>,
    /// Posts have one.
    pub title: Option<String>,
    /// `None` when it was deleted.
    pub body: Option<String>,
    /// What the author said about this one.
    pub wish: Option<bool>,
    /// When it went public last.
    pub published_at: Option<DateTime<Utc>>,
    /// When its text changed last.
    pub text_at: Option<DateTime<Utc>>,
}

/// A text that an event carried.
pub(super) struct Text<'a> {
    pub(super) version: i64,
    pub(super) category: Option<Category>,
    pub(super) title: Option<&'a str>,
    pub(super) body: &'a str,
    pub(super) at: DateTime<Utc>,
}

impl Content {
    pub(super) fn standing(&self) -> Standing {
        let Self { author_id, published, hidden, .. } = *self;
        Standing { author_id, published, hidden }
    }
}

/// What is known of a post or comment.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(db: &impl ConnectionTrait, subject: Subject) -> Result<Option<Content>, DbErr> {
    let (kind, id) = columns(subject);
    Content::find_by_statement(raw_sql!(
        Postgres,
        "SELECT author_id, published, hidden, version, category, title, body, wish, published_at, text_at
           FROM content WHERE kind = {kind} AND id = {id}"
    ))
    .one(db)
    .await
}

/// As [`find`], and nobody else decides about it until the transaction ends.
pub(super) async fn hold(
    txn: &DatabaseTransaction,
    subject: Subject,
) -> Result<Option<Content>, DbErr> {
    let (kind, id) = columns(subject);
    txn.execute_raw(raw_sql!(
        Postgres,
        "SELECT 1 FROM content WHERE kind = {kind} AND id = {id} FOR UPDATE"
    ))
    .await?;
    find(txn, subject).await
}

/// Remembers where it stands.
pub(super) async fn remember(
    txn: &DatabaseTransaction,
    subject: Subject,
    standing: Standing,
) -> Result<(), DbErr> {
    let (kind, id) = columns(subject);
    let Standing { author_id, published, hidden } = standing;
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO content (kind, id, author_id, published, hidden)
           VALUES ({kind}, {id}, {author_id}, {published}, {hidden})
           ON CONFLICT ON CONSTRAINT content_pkey
             DO UPDATE SET published = EXCLUDED.published, hidden = EXCLUDED.hidden"
    ))
    .await?;
    Ok(())
}

/// Remembers a text.
pub(super) async fn write(
    txn: &DatabaseTransaction,
    subject: Subject,
    text: Text<'_>,
) -> Result<(), DbErr> {
    let (kind, id) = columns(subject);
    let Text { version, category, title, body, at } = text;
    let category = category.map(Category::as_str);
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE content SET version = {version}, category = COALESCE({category}, category), title = {title}, body = {body},
             text_at = {at}
           WHERE kind = {kind} AND id = {id}"
    ))
    .await?;
    Ok(())
}

/// Remembers that it went public, and what its author said of a token then.
pub(super) async fn publish(
    txn: &DatabaseTransaction,
    subject: Subject,
    wish: Option<bool>,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let (kind, id) = columns(subject);
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE content SET published_at = {at}, wish = COALESCE({wish}, wish) WHERE kind = {kind} AND id = {id}"
    ))
    .await?;
    Ok(())
}

/// Forgets the text of what was deleted.
pub(super) async fn forget(txn: &DatabaseTransaction, subject: Subject) -> Result<(), DbErr> {
    let (kind, id) = columns(subject);
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE content SET title = NULL, body = NULL, due_at = NULL WHERE kind = {kind} AND id = {id}"
    ))
    .await?;
    Ok(())
}

/// When to decide about it again, if ever.
pub(super) async fn postpone(
    txn: &DatabaseTransaction,
    subject: Subject,
    due_at: Option<DateTime<Utc>>,
) -> Result<(), DbErr> {
    let (kind, id) = columns(subject);
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE content SET due_at = {due_at} WHERE kind = {kind} AND id = {id}"
    ))
    .await?;
    Ok(())
}

/// Decides again about everything of an author, as soon as can be.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn wake_author(
    txn: &DatabaseTransaction,
    author_id: UserId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE content SET due_at = {now} WHERE author_id = {author_id} AND body IS NOT NULL"
    ))
    .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Due {
    kind: String,
    id: Uuid,
}

/// Takes what has been due for longest; nobody else takes it until the transaction ends.
pub(super) async fn take_due(
    txn: &DatabaseTransaction,
    now: DateTime<Utc>,
) -> Result<Option<Subject>, DbErr> {
    let due = Due::find_by_statement(raw_sql!(
        Postgres,
        "SELECT kind, id FROM content WHERE due_at <= {now} ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED"
    ))
    .one(txn)
    .await?;
    Ok(due.map(|Due { kind, id }| {
        if kind == "POST" { Subject::Post(PostId(id)) } else { Subject::Comment(CommentId(id)) }
    }))
}

/// What a case says of content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judgement {
    /// The version that the case is about, where that is said.
    pub(super) version: Option<i64>,
    /// It is open, or decided against the content.
    pub(super) blocks: bool,
    /// It is decided to delete.
    pub(super) deletes: bool,
    /// A person, or a batch of an administrator, left or restored the content.
    pub(super) clears: bool,
}

/// Remembers what a case says of content.
pub(super) async fn judge(
    txn: &DatabaseTransaction,
    case_id: CaseId,
    subject: Subject,
    judgement: Judgement,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let (kind, id) = columns(subject);
    let Judgement { version, blocks, deletes, clears } = judgement;
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO verdict AS v (case_id, kind, id, version, blocks, deleted, cleared, decided_at)
           VALUES ({case_id}, {kind}, {id}, {version}, {blocks}, {deletes}, {clears}, {at})
           ON CONFLICT ON CONSTRAINT verdict_pkey DO UPDATE
             SET version = COALESCE(EXCLUDED.version, v.version), blocks = EXCLUDED.blocks,
                 deleted = v.deleted OR EXCLUDED.deleted, cleared = EXCLUDED.cleared, decided_at = EXCLUDED.decided_at"
    ))
    .await?;
    Ok(())
}

/// Remembers the newest version that moderation found nothing against.
pub(super) async fn clear(
    txn: &DatabaseTransaction,
    subject: Subject,
    version: i64,
) -> Result<(), DbErr> {
    let (kind, id) = columns(subject);
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO clearance AS c (kind, id, version) VALUES ({kind}, {id}, {version})
           ON CONFLICT ON CONSTRAINT clearance_pkey DO UPDATE SET version = GREATEST(c.version, EXCLUDED.version)"
    ))
    .await?;
    Ok(())
}

/// Whether moderation has said of exactly this version that it may stand: by screening, or by a person who decided its case.
pub(super) async fn is_cleared(
    txn: &DatabaseTransaction,
    subject: Subject,
    version: i64,
) -> Result<bool, DbErr> {
    let (kind, id) = columns(subject);
    let row = txn.query_one_raw(raw_sql!(
        Postgres,
        "SELECT 1 AS cleared WHERE EXISTS (
             SELECT 1 FROM clearance WHERE kind = {kind} AND id = {id} AND version = {version})
           OR EXISTS (
             SELECT 1 FROM verdict WHERE kind = {kind} AND id = {id} AND version = {version} AND cleared)"
    ));
    Ok(row.await?.is_some())
}

/// What moderation has to say of content now.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub struct Verdict {
    /// A case about it is open, or was decided against it.
    pub blocks: bool,
    /// A case about it was decided to delete, at whatever time.
    pub deleted: bool,
}

/// What moderation has to say of content now.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn verdict(db: &impl ConnectionTrait, subject: Subject) -> Result<Verdict, DbErr> {
    let (kind, id) = columns(subject);
    let verdict = Verdict::find_by_statement(raw_sql!(
        Postgres,
        "SELECT COALESCE(bool_or(blocks), false) AS blocks, COALESCE(bool_or(deleted), false) AS deleted
           FROM verdict WHERE kind = {kind} AND id = {id}"
    ))
    .one(db)
    .await?;
    Ok(verdict.unwrap_or(Verdict { blocks: false, deleted: false }))
}
