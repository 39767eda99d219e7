//! Every query on comments.

use chrono::{DateTime, Utc};
use event_runtime::Version;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use service_kit::{Cursor, Limit, label::Labels};
use shared_schemas::{CommentId, PostId, UserId};
use uuid::Uuid;

use crate::token::TokenColumns;

/// A comment as it stands.
#[derive(Clone, Debug, FromQueryResult)]
pub struct CommentRow {
    /// The comment.
    pub id: CommentId,
    /// The post.
    pub post_id: PostId,
    /// Who wrote it.
    pub author_id: UserId,
    /// The comment it answers.
    pub parent_id: Option<CommentId>,
    /// What it says.
    pub body: String,
    /// Whether moderation hid it.
    pub hidden: bool,
    /// Direct answers that are neither hidden nor deleted.
    pub total_replies: i64,
    /// Its version.
    pub version: i64,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When its text last changed.
    pub updated_at: DateTime<Utc>,
    /// What everybody is told of its text before they look at it.
    pub labels: Labels,
    /// Its token.
    #[sea_orm(nested)]
    pub token: TokenColumns,
}

impl CommentRow {
    /// The version for an `ETag`.
    pub fn version(&self) -> Version {
        Version(self.version)
    }

    /// Where it stands in a list.
    pub fn cursor(&self) -> Cursor {
        Cursor::after(0, self.id.0)
    }
}

/// One comment, hidden or not.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(
    connection: &impl ConnectionTrait,
    id: CommentId,
) -> Result<Option<CommentRow>, DbErr> {
    CommentRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT c.*, t.state AS token_state, t.token_id, t.cid AS token_cid, t.tx AS token_tx,
                coalesce(l.labels, '[]') AS labels
           FROM comment c LEFT JOIN token t ON t.comment_id = c.id AND t.state <> 'WITHDRAWN'
                LEFT JOIN LATERAL (
                  SELECT l.labels FROM content_label l
                    WHERE l.subject_id = c.id AND l.subject_version = c.text_version AND l.labels IS NOT NULL
                    ORDER BY l.is_case DESC LIMIT 1) l ON true
           WHERE c.id = {id}"
    ))
    .one(connection)
    .await
}

/// The comments on a post that are not hidden, newest first; with `parent_id`, the answers to one comment.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(
    connection: &impl ConnectionTrait,
    post_id: PostId,
    parent_id: Option<CommentId>,
    before: Uuid,
    limit: Limit,
) -> Result<Vec<CommentRow>, DbErr> {
    let fetch = limit.fetch();
    // Two statements: each has an index of its own.
    let query = match parent_id {
        None => raw_sql!(
            Postgres,
            "SELECT c.*, t.state AS token_state, t.token_id, t.cid AS token_cid, t.tx AS token_tx,
                    coalesce(l.labels, '[]') AS labels
               FROM comment c LEFT JOIN token t ON t.comment_id = c.id AND t.state <> 'WITHDRAWN'
                    LEFT JOIN LATERAL (
                      SELECT l.labels FROM content_label l
                        WHERE l.subject_id = c.id AND l.subject_version = c.text_version AND l.labels IS NOT NULL
                        ORDER BY l.is_case DESC LIMIT 1) l ON true
               WHERE c.post_id = {post_id} AND NOT c.hidden AND c.id < {before}
               ORDER BY c.id DESC LIMIT {fetch}"
        ),
        Some(parent_id) => raw_sql!(
            Postgres,
            "SELECT c.*, t.state AS token_state, t.token_id, t.cid AS token_cid, t.tx AS token_tx,
                    coalesce(l.labels, '[]') AS labels
               FROM comment c LEFT JOIN token t ON t.comment_id = c.id AND t.state <> 'WITHDRAWN'
                    LEFT JOIN LATERAL (
                      SELECT l.labels FROM content_label l
                        WHERE l.subject_id = c.id AND l.subject_version = c.text_version AND l.labels IS NOT NULL
                        ORDER BY l.is_case DESC LIMIT 1) l ON true
               WHERE c.parent_id = {parent_id} AND c.post_id = {post_id} AND NOT c.hidden AND c.id < {before}
               ORDER BY c.id DESC LIMIT {fetch}"
        ),
    };
    CommentRow::find_by_statement(query).all(connection).await
}
