//! What is remembered of posts and comments: rows and statements.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, raw_sql};
use serde_json::{Value, json};
use shared_schemas::{CaseId, UserId, moderation::Subject, post::Category};
use uuid::Uuid;

use super::standing::Standing;
use crate::mint::view::{columns, subject};

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
    /// When to decide about it again, if ever.
    pub due_at: Option<DateTime<Utc>>,
}

/// As it is stored: with its key.
#[derive(FromQueryResult)]
struct Row {
    kind: String,
    id: Uuid,
    #[sea_orm(nested)]
    content: Content,
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
        "SELECT author_id, published, hidden, version, category, title, body, wish, published_at, text_at, due_at
           FROM content WHERE kind = {kind} AND id = {id}"
    ))
    .one(db)
    .await
}

/// Subjects as a statement takes them: an array of objects with `kind` and `id`.
fn keys<'a>(subjects: impl IntoIterator<Item = &'a Subject>) -> Value {
    let key = |subject: &Subject| {
        let (kind, id) = columns(*subject);
        json!({ "kind": kind, "id": id })
    };
    subjects.into_iter().map(key).collect()
}

/// What is known of some posts and comments. Those that were never heard of are left out.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find_all<'a>(
    db: &impl ConnectionTrait,
    subjects: impl IntoIterator<Item = &'a Subject>,
) -> Result<HashMap<Subject, Content>, DbErr> {
    let keys = keys(subjects);
    // One by one: the planner takes any list for a hundred, for which it would rather read all of a table of thousands.
    let rows = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT found.* FROM jsonb_to_recordset({keys}) AS key (kind text, id uuid)
           CROSS JOIN LATERAL (
             SELECT c.kind, c.id, author_id, published, hidden, version, category, title, body, wish, published_at, text_at,
                    due_at
               FROM content c WHERE (c.kind, c.id) = (key.kind, key.id) OFFSET 0) AS found"
    ))
    .all(db)
    .await?;
    contents(rows)
}

fn contents(rows: Vec<Row>) -> Result<HashMap<Subject, Content>, DbErr> {
    rows.into_iter().map(|row| Ok((subject(&row.kind, row.id)?, row.content))).collect()
}

/// As [`find_all`], and nobody else decides about them until the transaction ends.
pub(super) async fn hold_all<'a>(
    txn: &DatabaseTransaction,
    subjects: impl IntoIterator<Item = &'a Subject>,
) -> Result<HashMap<Subject, Content>, DbErr> {
    let keys = keys(subjects);
    // In one order everywhere, so that two of them never wait for each other in a circle.
    let rows = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT held.* FROM (
             SELECT key.kind, key.id FROM jsonb_to_recordset({keys}) AS key (kind text, id uuid) ORDER BY 1, 2) AS key
           CROSS JOIN LATERAL (
             SELECT c.kind, c.id, author_id, published, hidden, version, category, title, body, wish, published_at, text_at,
                    due_at
               FROM content c WHERE (c.kind, c.id) = (key.kind, key.id) FOR UPDATE) AS held"
    ))
    .all(txn)
    .await?;
    contents(rows)
}

/// Remembers what is known of posts and comments.
pub(super) async fn save_all(
    txn: &DatabaseTransaction,
    contents: &HashMap<Subject, Content>,
) -> Result<(), DbErr> {
    let row = |(subject, content): (&Subject, &Content)| {
        let (kind, id) = columns(*subject);
        json!({
            "kind": kind, "id": id, "author_id": content.author_id, "published": content.published,
            "hidden": content.hidden, "version": content.version, "category": content.category,
            "title": content.title, "body": content.body, "wish": content.wish,
            "published_at": content.published_at, "text_at": content.text_at, "due_at": content.due_at,
        })
    };
    let rows: Value = contents.iter().map(row).collect();
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO content (kind, id, author_id, published, hidden, version, category, title, body, wish, published_at,
                              text_at, due_at)
           SELECT kind, id, author_id, published, hidden, version, category, title, body, wish, published_at, text_at, due_at
             FROM jsonb_to_recordset({rows})
                    AS row (kind text, id uuid, author_id uuid, published boolean, hidden boolean, version bigint,
                            category text, title text, body text, wish boolean, published_at timestamptz,
                            text_at timestamptz, due_at timestamptz)
           ON CONFLICT ON CONSTRAINT content_pkey DO UPDATE
             SET published = EXCLUDED.published, hidden = EXCLUDED.hidden, version = EXCLUDED.version,
                 category = EXCLUDED.category, title = EXCLUDED.title, body = EXCLUDED.body, wish = EXCLUDED.wish,
                 published_at = EXCLUDED.published_at, text_at = EXCLUDED.text_at, due_at = EXCLUDED.due_at"
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

/// Takes what has been due for longest, at most `limit`; nobody else takes it until the transaction ends.
pub(super) async fn take_due(
    txn: &DatabaseTransaction,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Subject>, DbErr> {
    let due = Due::find_by_statement(raw_sql!(
        Postgres,
        "SELECT kind, id FROM content WHERE due_at <= {now} ORDER BY due_at LIMIT {limit} FOR UPDATE SKIP LOCKED"
    ))
    .all(txn)
    .await?;
    due.into_iter().map(|Due { kind, id }| subject(&kind, id)).collect()
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

/// Remembers the newest versions that moderation found nothing against.
pub(super) async fn clear_all(
    txn: &DatabaseTransaction,
    versions: &HashMap<Subject, i64>,
) -> Result<(), DbErr> {
    if versions.is_empty() {
        return Ok(());
    }
    let row = |(subject, version): (&Subject, &i64)| {
        let (kind, id) = columns(*subject);
        json!({ "kind": kind, "id": id, "version": version })
    };
    let rows: Value = versions.iter().map(row).collect();
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO clearance AS c (kind, id, version)
           SELECT kind, id, version FROM jsonb_to_recordset({rows}) AS row (kind text, id uuid, version bigint)
           ON CONFLICT ON CONSTRAINT clearance_pkey DO UPDATE SET version = GREATEST(c.version, EXCLUDED.version)"
    ))
    .await?;
    Ok(())
}

/// What moderation has to say of a text.
#[derive(Clone, Copy, Debug, Default, FromQueryResult)]
pub(super) struct Moderated {
    /// A case about the content is open, or was decided against it.
    pub(super) blocks: bool,
    /// It has said of exactly this version that it may stand: by screening, or by a person who decided its case.
    pub(super) clears: bool,
}

#[derive(FromQueryResult)]
struct ModeratedRow {
    kind: String,
    id: Uuid,
    #[sea_orm(nested)]
    moderated: Moderated,
}

/// What moderation has to say of some texts as they are now.
pub(super) async fn moderated(
    txn: &DatabaseTransaction,
    contents: &HashMap<Subject, Content>,
) -> Result<HashMap<Subject, Moderated>, DbErr> {
    let row = |(subject, content): (&Subject, &Content)| {
        let (kind, id) = columns(*subject);
        json!({ "kind": kind, "id": id, "version": content.version })
    };
    let rows: Value = contents.iter().map(row).collect();
    // `OFFSET 0` keeps the planner from reading whole tables for what it takes for a hundred texts.
    let rows = ModeratedRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT text.kind, text.id,
                EXISTS (SELECT FROM verdict v
                          WHERE (v.kind, v.id) = (text.kind, text.id) AND v.blocks OFFSET 0) AS blocks,
                EXISTS (SELECT FROM clearance c
                          WHERE (c.kind, c.id, c.version) = (text.kind, text.id, text.version) OFFSET 0)
                  OR EXISTS (SELECT FROM verdict v
                               WHERE (v.kind, v.id, v.version) = (text.kind, text.id, text.version) AND v.cleared
                               OFFSET 0) AS clears
           FROM jsonb_to_recordset({rows}) AS text (kind text, id uuid, version bigint)"
    ))
    .all(txn)
    .await?;
    rows.into_iter().map(|row| Ok((subject(&row.kind, row.id)?, row.moderated))).collect()
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
