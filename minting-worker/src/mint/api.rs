//! Mints over HTTP.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Enum, Object, OpenApi, Tags,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use sea_orm::DatabaseConnection;
use service_kit::{Caller, Cursor, Limit, Page, Problem, example};
use shared_schemas::{MintId, PostId, UserId, mint::MintState, moderation::Subject, user::Role};
use uuid::Uuid;

use super::view::{self, Filter, Listed};

#[derive(Tags)]
enum Tag {
    /// Posts and comments on their way to becoming tokens.
    Mints,
}

/// What can be minted.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "MintSubjectKind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubjectKind {
    /// A post.
    Post,
    /// A comment.
    Comment,
}

/// What is minted.
#[derive(Clone, Debug, Object)]
#[oai(rename = "MintSubject")]
pub struct ShownSubject {
    /// What kind of thing.
    pub kind: SubjectKind,
    /// Which one.
    pub id: Uuid,
}

impl From<Subject> for ShownSubject {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::Post(id) => Self { kind: SubjectKind::Post, id: id.0 },
            Subject::Comment(id) => Self { kind: SubjectKind::Comment, id: id.0 },
        }
    }
}

/// The mint of a post or comment.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "Mint")]
pub struct ShownMint {
    /// Its id, which follows from its subject.
    pub id: MintId,
    /// What is minted.
    pub subject: ShownSubject,
    /// Whose token it will be.
    pub author_id: UserId,
    /// Where it stands.
    pub state: MintState,
    /// When it was first requested.
    pub requested_at: DateTime<Utc>,
    /// When its state changed last.
    pub updated_at: DateTime<Utc>,
}

impl From<Listed> for ShownMint {
    fn from(listed: Listed) -> Self {
        let Listed { id, subject, author_id, state, requested_at, updated_at } = listed;
        Self { id, subject: subject.into(), author_id, state, requested_at, updated_at }
    }
}

impl Example for ShownMint {
    fn example() -> Self {
        let subject = Subject::Post(PostId(example::id(3)));
        let at = example::moment();
        Self::from(Listed {
            id: MintId::of(subject),
            subject,
            author_id: UserId(example::id(1)),
            state: MintState::ReadyForMinting,
            requested_at: at,
            updated_at: at,
        })
    }
}

/// The endpoints of mints.
pub struct MintApi {
    db: DatabaseConnection,
}

#[OpenApi(tag = "Tag::Mints")]
impl MintApi {
    /// List mints
    ///
    /// The caller's own, newest first, in one state or in all; moderators and administrators see everybody's. Fails with 400
    /// for a limit, a cursor or a state that is not valid, and 401 without a token.
    #[oai(path = "/mints", method = "get", operation_id = "listMints")]
    async fn list_mints(
        &self,
        caller: Caller,
        /// Only mints that stand here.
        state: Query<Option<MintState>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<ShownMint>>, Problem> {
        let limit = Limit::parse(limit.0)?;
        let after = Cursor::position_or_start(cursor.0.as_ref())?;
        let filter = Filter { author_id: visible_author(&caller), state: state.0 };
        let rows = view::list(&self.db, filter, after, limit.fetch()).await?;
        let place =
            |row: &Listed| Cursor::after(row.requested_at.timestamp_micros(), row.id.into());
        Ok(Json(Page::of(rows, limit, place, ShownMint::from)))
    }

    /// Read a mint
    ///
    /// Fails with 400 for a malformed id, 401 without a token, and 404 if there is no such mint or it is somebody else's and
    /// the caller is neither a moderator nor an administrator.
    #[oai(path = "/mints/:mint_id", method = "get", operation_id = "getMint")]
    async fn get_mint(
        &self,
        caller: Caller,
        mint_id: Path<MintId>,
    ) -> Result<Json<ShownMint>, Problem> {
        let mint = view::find(&self.db, mint_id.0, visible_author(&caller)).await?;
        mint.map(|mint| Json(mint.into())).ok_or_else(|| Problem::not_found("mint"))
    }
}

impl MintApi {
    /// The endpoints over a database.
    pub fn new(db: DatabaseConnection) -> Self {
        Self { db }
    }
}

/// Whose mints somebody may see; everybody's when `None`.
fn visible_author(caller: &Caller) -> Option<UserId> {
    let sees_all = caller.has(Role::Moderator) || caller.has(Role::Admin);
    (!sees_all).then(|| caller.user_id())
}
