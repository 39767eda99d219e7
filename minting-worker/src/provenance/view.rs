//! The token of content, as this service recorded it.

use sea_orm::{DatabaseConnection, DbErr, FromQueryResult, raw_sql};
use shared_schemas::{CommentId, MintId, PostId, mint::MintState, moderation::Subject};
use uuid::Uuid;

/// A token that was seen in a block once.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct Token {
    pub(super) id: MintId,
    subject_kind: String,
    subject_id: Uuid,
    pub(super) state: MintState,
    pub(super) cid: String,
    pub(super) owner: String,
    pub(super) tx_hash: String,
    pub(super) block: Option<i64>,
    pub(super) block_hash: Option<String>,
}

impl Token {
    pub(super) fn subject(&self) -> Subject {
        if self.subject_kind == "POST" {
            Subject::Post(PostId(self.subject_id))
        } else {
            Subject::Comment(CommentId(self.subject_id))
        }
    }
}

/// The token of a post or comment; `None` if no transaction for it was ever signed.
pub(super) async fn token(db: &DatabaseConnection, id: Uuid) -> Result<Option<Token>, DbErr> {
    Token::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, subject_kind, subject_id, state, cid, owner, tx_hash, block, block_hash FROM mint
           WHERE subject_id = {id} AND cid IS NOT NULL AND owner IS NOT NULL AND tx_hash IS NOT NULL"
    ))
    .one(db)
    .await
}
