//! Every query on reactions.

use chrono::{DateTime, Utc};
use event_runtime::Version;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, QueryResult, raw_sql};
use service_kit::{Cursor, Limit};
use shared_schemas::{PostId, ReactionId, UserId, reaction::ReactionKind};
use uuid::Uuid;

/// A reaction as it stands.
#[derive(Clone, Debug)]
pub struct ReactionRow {
    /// The reaction.
    pub id: ReactionId,
    /// The post.
    pub post_id: PostId,
    /// Who reacted.
    pub user_id: UserId,
    /// How.
    pub kind: ReactionKind,
    /// Its version.
    pub version: Version,
    /// When it was given.
    pub created_at: DateTime<Utc>,
    /// When its kind last changed.
    pub updated_at: DateTime<Utc>,
}

impl ReactionRow {
    /// Where it stands in a list.
    pub fn cursor(&self) -> Cursor {
        Cursor::after(self.created_at.timestamp_micros(), self.id.0)
    }
}

impl FromQueryResult for ReactionRow {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            id: row.try_get(prefix, "id")?,
            post_id: row.try_get(prefix, "post_id")?,
            user_id: row.try_get(prefix, "user_id")?,
            kind: row.try_get(prefix, "kind")?,
            version: Version(row.try_get(prefix, "version")?),
            created_at: row.try_get(prefix, "created_at")?,
            updated_at: row.try_get(prefix, "updated_at")?,
        })
    }
}

/// One reaction.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(
    connection: &impl ConnectionTrait,
    id: ReactionId,
) -> Result<Option<ReactionRow>, DbErr> {
    ReactionRow::find_by_statement(raw_sql!(Postgres, "SELECT * FROM reaction WHERE id = {id}"))
        .one(connection)
        .await
}

/// The reactions to a post, newest first, of one kind or of all.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(
    connection: &impl ConnectionTrait,
    post_id: PostId,
    kind: Option<ReactionKind>,
    (before, before_id): (i64, Uuid),
    limit: Limit,
) -> Result<Vec<ReactionRow>, DbErr> {
    // A made-up cursor can name a moment that PostgreSQL cannot keep.
    let before = DateTime::from_timestamp_micros(before.max(0)).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let (kind, fetch) = (kind.map(ReactionKind::as_str), limit.fetch());
    ReactionRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT * FROM reaction
           WHERE post_id = {post_id} AND kind = coalesce({kind}::text, kind)
             AND (created_at, id) < ({before}, {before_id})
           ORDER BY created_at DESC, id DESC LIMIT {fetch}"
    ))
    .all(connection)
    .await
}
