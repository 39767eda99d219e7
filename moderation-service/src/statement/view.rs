//! What was decided against somebody.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use service_kit::Limit;
use shared_schemas::UserId;
use uuid::Uuid;

use crate::case::{priority::NO_REACH, view::CaseRow};

/// The cases in which content of an author was removed, latest removal first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn of_author(
    connection: &impl ConnectionTrait,
    author: UserId,
    after: (DateTime<Utc>, Uuid),
    limit: Limit,
) -> Result<Vec<CaseRow>, DbErr> {
    let ((before, before_id), fetch) = (after, limit.fetch());
    CaseRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT c.*, 0::bigint AS reach, c.urgency * {NO_REACH}::bigint AS priority
           FROM moderation_case c
           WHERE c.author_id = {author} AND c.removed_at IS NOT NULL AND (c.removed_at, c.id) < ({before}, {before_id})
           ORDER BY c.removed_at DESC, c.id DESC LIMIT {fetch}"
    ))
    .all(connection)
    .await
}
