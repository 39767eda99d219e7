//! The endpoints of reactions.

use chrono::{DateTime, Utc};
use event_runtime::{ExecuteError, Expected, Streams, Version};
use poem_openapi::{
    ApiResponse, Object, OpenApi, Tags,
    param::{Header, Path, Query},
    payload::Json,
    types::Example,
};
use service_kit::{
    Caller, Cursor, ETag, IdempotencyKey, Limit, Page, Problem, example,
    idempotency::{self, Known},
};
use shared_schemas::{PostId, ReactionId, UserId, reaction::ReactionKind};

use super::{
    aggregate::{Given, Reaction, ReactionError},
    view::{self, ReactionRow},
};
use crate::post::mirror::Posts;

/// The endpoints.
pub struct ReactionApi {
    /// The reactions.
    pub reactions: Streams<Reaction>,
    /// What they are about.
    pub posts: Posts,
}

#[derive(Tags)]
enum Tag {
    /// How people feel about posts.
    Reactions,
}

/// How a person feels.
#[derive(Object)]
#[oai(example, deny_unknown_fields)]
struct React {
    /// How.
    kind: ReactionKind,
}

impl Example for React {
    fn example() -> Self {
        Self { kind: ReactionKind::Love }
    }
}

/// How one person feels about one post.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "Reaction")]
pub struct ReactionView {
    /// The reaction; the same for this person and post for ever.
    pub id: ReactionId,
    /// The post.
    pub post_id: PostId,
    /// Who reacted.
    pub user_id: UserId,
    /// How.
    pub kind: ReactionKind,
    /// When it was given, for the last time if it was taken back meanwhile.
    pub created_at: DateTime<Utc>,
    /// When its kind last changed.
    pub updated_at: DateTime<Utc>,
}

impl Example for ReactionView {
    fn example() -> Self {
        let (post_id, user_id) = (PostId(example::id(3)), UserId(example::id(2)));
        Self {
            id: ReactionId::of(user_id, post_id),
            post_id,
            user_id,
            kind: ReactionKind::Love,
            created_at: example::moment(),
            updated_at: example::moment(),
        }
    }
}

impl From<ReactionRow> for ReactionView {
    fn from(row: ReactionRow) -> Self {
        Self {
            id: row.id,
            post_id: row.post_id,
            user_id: row.user_id,
            kind: row.kind,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What an `Idempotency-Key` remembers: a reaction that is given again is not at its first version.
#[derive(Object)]
struct Answer {
    reaction: ReactionView,
    version: i64,
}

#[derive(ApiResponse)]
enum Added {
    /// The reaction stands.
    #[oai(status = 201)]
    Reaction(
        Json<ReactionView>,
        /// Its version, for the next `If-Match`.
        #[oai(header = "ETag")]
        ETag,
    ),
}

#[derive(ApiResponse)]
enum Found {
    /// The reaction.
    #[oai(status = 200)]
    Reaction(
        Json<ReactionView>,
        /// Its version, for the next `If-Match`.
        #[oai(header = "ETag")]
        ETag,
    ),
}

impl From<ReactionRow> for Found {
    fn from(row: ReactionRow) -> Self {
        let version = row.version;
        Self::Reaction(Json(row.into()), version.into())
    }
}

#[derive(ApiResponse)]
enum Deleted {
    /// The reaction is gone.
    #[oai(status = 204)]
    Gone,
}

#[OpenApi(tag = "Tag::Reactions")]
impl ReactionApi {
    /// React to a post
    ///
    /// There is one reaction per person and post; after it was taken back, it can be given again. With an `Idempotency-Key`,
    /// repeating the request returns the first answer. A post that was published a moment ago is waited for. Fails with 400
    /// for a malformed request, 401 without a token, 403 while muted, 404 if there is no such post or the caller may not see
    /// it, 409 if the caller has already reacted, and 422 for a key that was used for another request.
    #[oai(path = "/:post_id/post-reactions", method = "post", operation_id = "addReaction")]
    async fn add_reaction(
        &self,
        caller: Caller,
        /// The post.
        post_id: Path<PostId>,
        /// Makes the request safe to repeat.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        request: Json<React>,
    ) -> Result<Added, Problem> {
        caller.may_write()?;
        let post = self.posts.visible(post_id.0, &caller).await?;
        let given = Given {
            post_id: post_id.0,
            post_author_id: post.author_id,
            category: post.category,
            user_id: caller.user_id(),
            kind: request.kind,
        };
        // Two first reactions of one person can meet. The loser finds the winner's when it looks again.
        for _ in 0..2 {
            if let Some(added) = self.add(&caller, key.0.as_ref(), &request.0, &given).await? {
                return Ok(added);
            }
        }
        Err(ReactionError::AlreadyReacted.into())
    }

    /// List the reactions to a post
    ///
    /// Newest first, of one kind or of all. Fails with 400 for a malformed parameter, 401 without a token, and 404 if there
    /// is no such post or the caller may not see it.
    #[oai(path = "/:post_id/post-reactions", method = "get", operation_id = "listReactions")]
    async fn list_reactions(
        &self,
        caller: Caller,
        /// The post.
        post_id: Path<PostId>,
        /// Reactions of this kind only.
        kind: Query<Option<ReactionKind>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<ReactionView>>, Problem> {
        let limit = Limit::parse(limit.0)?;
        let before = Cursor::position_or_start(cursor.0.as_ref())?;
        self.posts.visible(post_id.0, &caller).await?;
        let db = self.reactions.store().db();
        let rows = view::list(db, post_id.0, kind.0, before, limit).await?;
        Ok(Json(Page::of(rows, limit, ReactionRow::cursor, ReactionView::from)))
    }

    /// Read a reaction
    ///
    /// Fails with 400 for a malformed id, 401 without a token, and 404 if there is no such reaction or the caller may not see
    /// its post.
    #[oai(path = "/post-reactions/:reaction_id", method = "get", operation_id = "getReaction")]
    async fn get_reaction(
        &self,
        caller: Caller,
        /// The reaction.
        reaction_id: Path<ReactionId>,
    ) -> Result<Found, Problem> {
        Ok(self.visible(reaction_id.0, &caller).await?.into())
    }

    /// Change a reaction
    ///
    /// Repeating the present kind changes nothing. Fails with 400 for a malformed request, 401 without a token, 403 for anyone
    /// but the person who reacted and while muted, 404 if there is no such reaction or the caller may not see its post, and
    /// 412 if it is not at the version that `If-Match` names.
    #[oai(path = "/post-reactions/:reaction_id", method = "put", operation_id = "changeReaction")]
    async fn change_reaction(
        &self,
        caller: Caller,
        /// The reaction.
        reaction_id: Path<ReactionId>,
        /// The version to change.
        #[oai(name = "If-Match")]
        if_match: Header<Option<ETag>>,
        request: Json<React>,
    ) -> Result<Found, Problem> {
        caller.may_write()?;
        let expected = ETag::expected_or_any(if_match.0.as_ref())?;
        let reaction = self.visible(reaction_id.0, &caller).await?;
        self.posts.visible(reaction.post_id, &caller).await?;

        let work = self.reactions.store().begin().await?;
        self.reactions
            .execute_in(&work, reaction.id, expected, &caller.metadata(), |reaction| {
                reaction.change(caller.user_id(), request.kind)
            })
            .await?;
        let changed = view::find(work.txn(), reaction.id).await?.ok_or(ReactionError::NotFound)?;
        work.commit().await?;
        Ok(changed.into())
    }

    /// Take a reaction back
    ///
    /// The person who reacted may do so even when the post is closed. Fails with 400 for a malformed id, 401 without a token,
    /// 403 for anyone but the person who reacted and while muted, 404 if there is no such reaction (any more) or the caller
    /// may not see its post, and 412 if it is not at the version that `If-Match` names.
    #[oai(
        path = "/post-reactions/:reaction_id",
        method = "delete",
        operation_id = "deleteReaction"
    )]
    async fn delete_reaction(
        &self,
        caller: Caller,
        /// The reaction.
        reaction_id: Path<ReactionId>,
        /// The version to delete.
        #[oai(name = "If-Match")]
        if_match: Header<Option<ETag>>,
    ) -> Result<Deleted, Problem> {
        caller.may_write()?;
        let expected = ETag::expected_or_any(if_match.0.as_ref())?;
        let reaction = self.visible(reaction_id.0, &caller).await?;
        self.reactions
            .execute(reaction.id, expected, &caller.metadata(), |reaction| {
                reaction.remove(caller.user_id())
            })
            .await?;
        Ok(Deleted::Gone)
    }
}

impl ReactionApi {
    /// Adds a reaction; `None` if another first one came in between, and nothing was decided.
    async fn add(
        &self,
        caller: &Caller,
        key: Option<&IdempotencyKey>,
        request: &React,
        given: &Given,
    ) -> Result<Option<Added>, Problem> {
        let (user, post) = (caller.user_id(), given.post_id);
        let work = self.reactions.store().begin().await?;
        let known =
            idempotency::lookup(&work, user, key, &format!("addReaction {post}"), request).await?;
        let once = match known {
            Known::Answered(Answer { reaction, version }) => {
                return Ok(Some(Added::Reaction(Json(reaction), Version(version).into())));
            }
            Known::New(once) => Some(once),
            Known::Unkeyed => None,
        };

        let id = ReactionId::of(user, post);
        let decided = self
            .reactions
            .execute_in(&work, id, Expected::Any, &caller.metadata(), |reaction| {
                reaction.add(*given)
            })
            .await;
        let version = match decided {
            Ok(version) => version,
            Err(ExecuteError::VersionConflict { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let row = view::find(work.txn(), id).await?.ok_or(ReactionError::NotFound)?;
        let answer = Answer { reaction: row.into(), version: version.0 };
        if let Some(once) = once {
            once.remember(&work, &answer).await?;
        }
        work.commit().await?;
        Ok(Some(Added::Reaction(Json(answer.reaction), version.into())))
    }

    /// A reaction that the caller may see: always one's own, otherwise those to a post that is visible.
    async fn visible(&self, id: ReactionId, caller: &Caller) -> Result<ReactionRow, Problem> {
        let found = view::find(self.reactions.store().db(), id).await?;
        let reaction = found.ok_or(ReactionError::NotFound)?;
        if reaction.user_id != caller.user_id() {
            self.posts.visible(reaction.post_id, caller).await?;
        }
        Ok(reaction)
    }
}

impl From<ReactionError> for Problem {
    fn from(error: ReactionError) -> Self {
        match error {
            ReactionError::NotFound => Self::not_found("reaction"),
            ReactionError::NotOwner => Self::forbidden("not-owner", error.to_string()),
            ReactionError::AlreadyReacted => Self::conflict("already-reacted", error.to_string()),
        }
    }
}
