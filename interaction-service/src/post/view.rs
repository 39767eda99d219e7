//! The query on the mirror of posts.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, QueryResult, raw_sql};
use shared_schemas::PostId;

use super::mirror::Post;

impl FromQueryResult for Post {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        let (archived, hidden): (bool, bool) =
            (row.try_get(prefix, "archived")?, row.try_get(prefix, "hidden")?);
        Ok(Self {
            author_id: row.try_get(prefix, "author_id")?,
            category: row.try_get(prefix, "category")?,
            open: !archived && !hidden,
            deleted: row.try_get(prefix, "deleted")?,
        })
    }
}

/// A post, if it was ever public.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(db: &impl ConnectionTrait, id: PostId) -> Result<Option<Post>, DbErr> {
    Post::find_by_statement(raw_sql!(
        Postgres,
        "SELECT author_id, category, archived, hidden, deleted FROM post WHERE id = {id}"
    ))
    .one(db)
    .await
}
