//! How many people some content has reached.

use sea_orm::{ConnectionTrait, DbErr, raw_sql};
use shared_schemas::moderation::Subject;

use crate::case::view::columns;

/// The reach of content; that of a comment is that of its post.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn reach(connection: &impl ConnectionTrait, subject: Subject) -> Result<i64, DbErr> {
    let (_, id) = columns(subject);
    let row = connection
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT reach FROM post_reach
               WHERE post_id = coalesce((SELECT post_id FROM published_text WHERE subject_id = {id}), {id})"
        ))
        .await?;
    row.map_or(Ok(0), |row| row.try_get("", "reach"))
}
