//! What is remembered of posts and comments: rows and statements.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, raw_sql};
use shared_schemas::{UserId, moderation::Subject};

use super::standing::Standing;
use crate::mint::view::columns;

#[derive(FromQueryResult)]
struct Row {
    author_id: UserId,
    published: bool,
    hidden: bool,
}

/// What is known of a post or comment.
pub(super) async fn standing(
    txn: &DatabaseTransaction,
    subject: Subject,
) -> Result<Option<Standing>, DbErr> {
    let (kind, id) = columns(subject);
    let row = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT author_id, published, hidden FROM content WHERE kind = {kind} AND id = {id}"
    ))
    .one(txn)
    .await?;
    Ok(row.map(|Row { author_id, published, hidden }| Standing { author_id, published, hidden }))
}

/// Remembers it.
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
