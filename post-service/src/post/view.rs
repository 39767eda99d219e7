//! Every query on posts.

use chrono::{DateTime, Utc};
use event_runtime::Version;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use service_kit::{Cursor, Limit, label::Labels};
use shared_schemas::{
    PostId, UserId,
    post::{Category, PostStatus},
};
use uuid::Uuid;

use crate::{engagement::Totals, token::TokenColumns};

/// A post with its totals.
#[derive(Clone, Debug, FromQueryResult)]
pub struct PostRow {
    /// The post.
    pub id: Uuid,
    /// Who wrote it.
    pub author_id: Uuid,
    /// Its title.
    pub title: String,
    /// Its body.
    pub body: String,
    /// What it is about.
    pub category: Category,
    /// Who may see it.
    pub status: PostStatus,
    /// Whether moderation hid it.
    pub hidden: bool,
    /// Its version.
    pub version: i64,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When its content or status last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was first public.
    pub published_at: Option<DateTime<Utc>>,
    /// Views by others and its author.
    pub views: i64,
    /// Comments that stand.
    pub comments: i64,
    /// Reactions that stand.
    pub reactions: i64,
    /// Worth of the reactions.
    pub feeling: i64,
    /// What everybody is told of its text before they look at it.
    pub labels: Labels,
    /// Its token.
    #[sea_orm(nested)]
    pub token: TokenColumns,
}

impl PostRow {
    /// The version for an `ETag`.
    pub fn version(&self) -> Version {
        Version(self.version)
    }

    /// What people did with it.
    pub fn totals(&self) -> Totals {
        Totals {
            views: self.views,
            comments: self.comments,
            reactions: self.reactions,
            feeling: self.feeling,
        }
    }

    /// Where it stands in a list.
    pub fn cursor(&self) -> Cursor {
        Cursor::after(self.published_at.unwrap_or(self.created_at).timestamp_micros(), self.id)
    }
}

/// What a list of posts is narrowed to.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Who looks.
    pub viewer: UserId,
    /// Posts of one author.
    pub author: Option<UserId>,
    /// Posts of one category.
    pub category: Option<Category>,
    /// Posts in one status; others than POSTED only for the viewer's own.
    pub status: PostStatus,
}

/// One post, if the viewer may see it.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(
    connection: &impl ConnectionTrait,
    id: PostId,
    viewer: UserId,
    sees_hidden: bool,
) -> Result<Option<PostRow>, DbErr> {
    PostRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT p.*, coalesce(e.views, 0) AS views, coalesce(e.comments, 0) AS comments,
                coalesce(e.reactions, 0) AS reactions, coalesce(e.feeling, 0) AS feeling,
                t.state AS token_state, t.token_id, t.cid AS token_cid, t.tx AS token_tx,
                coalesce(l.labels, '[]') AS labels
           FROM post p LEFT JOIN engagement e ON e.post_id = p.id
                       LEFT JOIN token t ON t.post_id = p.id AND t.state <> 'WITHDRAWN'
                       LEFT JOIN LATERAL (
                         SELECT l.labels FROM content_label l
                           WHERE l.subject_id = p.id AND l.subject_version = p.text_version AND l.labels IS NOT NULL
                           ORDER BY l.is_case DESC LIMIT 1) l ON true
           WHERE p.id = {id}
             AND (p.author_id = {viewer} OR (p.status = 'POSTED' AND (NOT p.hidden OR {sees_hidden})))"
    ))
    .one(connection)
    .await
}

/// Posts, newest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(
    connection: &impl ConnectionTrait,
    filter: Filter,
    after: (i64, Uuid),
    limit: Limit,
) -> Result<Vec<PostRow>, DbErr> {
    let Filter { viewer, author, category, status } = filter;
    let (category, status) = (category.map(Category::as_str), status.as_str());
    let ((before, before_id), fetch) = (after, limit.fetch());
    let before = DateTime::from_timestamp_micros(before.max(0)).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let before = before.min(DateTime::from_timestamp(32_503_680_000, 0).unwrap_or(before));
    PostRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT p.*, coalesce(e.views, 0) AS views, coalesce(e.comments, 0) AS comments,
                coalesce(e.reactions, 0) AS reactions, coalesce(e.feeling, 0) AS feeling,
                t.state AS token_state, t.token_id, t.cid AS token_cid, t.tx AS token_tx,
                coalesce(l.labels, '[]') AS labels
           FROM post p LEFT JOIN engagement e ON e.post_id = p.id
                       LEFT JOIN token t ON t.post_id = p.id AND t.state <> 'WITHDRAWN'
                       LEFT JOIN LATERAL (
                         SELECT l.labels FROM content_label l
                           WHERE l.subject_id = p.id AND l.subject_version = p.text_version AND l.labels IS NOT NULL
                           ORDER BY l.is_case DESC LIMIT 1) l ON true
           WHERE p.status = {status}
             AND (p.author_id = {viewer} OR (p.status = 'POSTED' AND NOT p.hidden))
             AND ({author}::uuid IS NULL OR p.author_id = {author})
             AND ({category}::text IS NULL OR p.category = {category})
             AND (coalesce(p.published_at, p.created_at), p.id) < ({before}, {before_id})
           ORDER BY coalesce(p.published_at, p.created_at) DESC, p.id DESC LIMIT {fetch}"
    ))
    .all(connection)
    .await
}
