//! What some content says now.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use shared_schemas::{UserId, moderation::Subject};
use uuid::Uuid;

use crate::case::view::columns;

/// Content that everybody can see.
#[derive(Clone, Debug, FromQueryResult)]
pub struct PublishedRow {
    /// The version of the event that carried the text.
    pub subject_version: i64,
    /// Who wrote it.
    author_id: Uuid,
    /// The whole text; of a post the title, a line feed and the body.
    pub text: String,
}

impl PublishedRow {
    /// Who wrote it.
    pub fn author_id(&self) -> UserId {
        UserId(self.author_id)
    }
}

/// Some content, unless it is gone or hidden.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(
    connection: &impl ConnectionTrait,
    subject: Subject,
) -> Result<Option<PublishedRow>, DbErr> {
    let (kind, id) = columns(subject);
    PublishedRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT subject_version, author_id, text FROM published_text
           WHERE subject_id = {id} AND subject_kind = {kind} AND NOT hidden"
    ))
    .one(connection)
    .await
}
