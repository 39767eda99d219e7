//! The endpoints of comments.

use chrono::{DateTime, Utc};
use event_runtime::{Expected, Streams, Version};
use poem_openapi::{
    ApiResponse, Object, OpenApi, Tags,
    param::{Header, Path, Query},
    payload::Json,
    types::Example,
};
use sea_orm::ConnectionTrait;
use service_kit::{
    Caller, Cursor, ETag, IdempotencyKey, Limit, Page, Problem, example,
    idempotency::{self, Known},
};
use shared_schemas::{CommentId, PostId, UserId, moderation::ContentLabel};

use super::{
    aggregate::{Body, Comment, CommentError, Draft},
    view::{self, CommentRow},
};
use crate::{
    post::mirror::{Posts, moderates},
    token::ShownToken,
};

/// The endpoints.
pub struct CommentApi {
    /// The comments.
    pub comments: Streams<Comment>,
    /// What they are about.
    pub posts: Posts,
}

#[derive(Tags)]
enum Tag {
    /// What people say about posts.
    Comments,
}

/// A new comment.
#[derive(Object)]
#[oai(example, deny_unknown_fields)]
struct AddComment {
    /// Plain text, 1 to 2 000 characters.
    #[oai(validator(min_length = 1, max_length = 2000))]
    body: String,
    /// The comment it answers, on the same post.
    #[oai(skip_serializing_if_is_none)]
    parent_id: Option<CommentId>,
    /// Whether the author wants a token of it, within what the author lets be minted at all.
    #[oai(skip_serializing_if_is_none)]
    mint: Option<bool>,
}

impl Example for AddComment {
    fn example() -> Self {
        Self {
            body: "Mine took three days, and was worth it.".to_owned(),
            parent_id: None,
            mint: None,
        }
    }
}

/// The new text of a comment.
#[derive(Object)]
#[oai(example, deny_unknown_fields)]
struct EditComment {
    /// Plain text, 1 to 2 000 characters.
    #[oai(validator(min_length = 1, max_length = 2000))]
    body: String,
}

impl Example for EditComment {
    fn example() -> Self {
        Self { body: "Mine took four days, and was worth it.".to_owned() }
    }
}

/// A comment on a post.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "Comment")]
pub struct CommentView {
    /// The comment.
    pub id: CommentId,
    /// The post.
    pub post_id: PostId,
    /// Who wrote it.
    pub author_id: UserId,
    /// The comment it answers.
    #[oai(skip_serializing_if_is_none)]
    pub parent_id: Option<CommentId>,
    /// Plain text.
    pub body: String,
    /// Whether a moderation decision hides it from everybody but its author and moderators.
    pub hidden: bool,
    /// Direct answers that are neither hidden nor deleted.
    pub total_replies: i64,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When its text last changed.
    pub updated_at: DateTime<Utc>,
    /// What everybody is told before they look at it, as moderation says of this very text; none while it says nothing.
    #[oai(default)]
    pub labels: Vec<ContentLabel>,
    /// Its token, if its author wanted one.
    #[oai(skip_serializing_if_is_none)]
    pub token: Option<ShownToken>,
}

impl Example for CommentView {
    fn example() -> Self {
        Self {
            id: CommentId(example::id(4)),
            post_id: PostId(example::id(3)),
            author_id: UserId(example::id(2)),
            parent_id: None,
            body: AddComment::example().body,
            hidden: false,
            total_replies: 2,
            created_at: example::moment(),
            updated_at: example::moment(),
            labels: vec![ContentLabel::Spoiler],
            token: None,
        }
    }
}

impl From<CommentRow> for CommentView {
    fn from(row: CommentRow) -> Self {
        Self {
            id: row.id,
            post_id: row.post_id,
            author_id: row.author_id,
            parent_id: row.parent_id,
            body: row.body,
            hidden: row.hidden,
            total_replies: row.total_replies,
            created_at: row.created_at,
            updated_at: row.updated_at,
            labels: row.labels.shown(),
            token: row.token.shown(),
        }
    }
}

#[derive(ApiResponse)]
enum Added {
    /// The comment exists.
    #[oai(status = 201)]
    Comment(
        Json<CommentView>,
        /// Its version, for the next `If-Match`.
        #[oai(header = "ETag")]
        ETag,
    ),
}

#[derive(ApiResponse)]
enum Found {
    /// The comment.
    #[oai(status = 200)]
    Comment(
        Json<CommentView>,
        /// Its version, for the next `If-Match`.
        #[oai(header = "ETag")]
        ETag,
    ),
}

impl From<CommentRow> for Found {
    fn from(row: CommentRow) -> Self {
        let version = row.version();
        Self::Comment(Json(row.into()), version.into())
    }
}

#[derive(ApiResponse)]
enum Deleted {
    /// The comment is gone.
    #[oai(status = 204)]
    Gone,
}

#[OpenApi(tag = "Tag::Comments")]
impl CommentApi {
    /// Comment on a post
    ///
    /// Adds a comment, or an answer to another comment on the same post. With an `Idempotency-Key`, repeating the request
    /// returns the first answer. A post that was published a moment ago is waited for. Fails with 400 for a malformed request,
    /// 401 without a token, 403 while muted, 404 if there is no such post or the caller may not see it, and 422 for a text
    /// that is not acceptable, for a parent that is not on this post, and for a key that was used for another request.
    #[oai(path = "/:post_id/comments", method = "post", operation_id = "addComment")]
    async fn add_comment(
        &self,
        caller: Caller,
        /// The post.
        post_id: Path<PostId>,
        /// Makes the request safe to repeat.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        request: Json<AddComment>,
    ) -> Result<Added, Problem> {
        caller.may_write()?;
        let body = Body::parse(&request.body)?;
        // Outside the transaction: waiting for a post must not hold a connection.
        let post = self.posts.visible(post_id.0, &caller).await?;

        let store = self.comments.store();
        let work = store.begin().await?;
        let (user, operation) = (caller.user_id(), format!("addComment {}", post_id.0));
        let known = idempotency::lookup(&work, user, key.0.as_ref(), &operation, &request.0);
        let once = match known.await? {
            // A comment that was just added is at its first version.
            Known::Answered(comment) => {
                return Ok(Added::Comment(Json(comment), Version(1).into()));
            }
            Known::New(once) => Some(once),
            Known::Unkeyed => None,
        };

        let draft = Draft {
            post_id: post_id.0,
            post_author_id: post.author_id,
            category: post.category,
            author_id: user,
            parent: parent(work.txn(), post_id.0, request.parent_id).await?,
            body,
            mint: request.mint,
        };
        let id = CommentId::new(store.clock().now());
        let version = self
            .comments
            .execute_in(&work, id, Expected::New, &caller.metadata(), |comment| {
                comment.add(draft.clone())
            })
            .await?;
        let added = view::find(work.txn(), id).await?.ok_or(CommentError::NotFound)?;
        let added = CommentView::from(added);
        if let Some(once) = once {
            once.remember(&work, &added).await?;
        }
        work.commit().await?;
        Ok(Added::Comment(Json(added), version.into()))
    }

    /// List the comments on a post
    ///
    /// Newest first: all of them, or the answers to one comment. Deleted and hidden ones are left out; answers to them are
    /// not. Fails with 400 for a malformed parameter, 401 without a token, and 404 if there is no such post or the caller may
    /// not see it.
    #[oai(path = "/:post_id/comments", method = "get", operation_id = "listComments")]
    async fn list_comments(
        &self,
        caller: Caller,
        /// The post.
        post_id: Path<PostId>,
        /// Direct answers to this comment only.
        parent_id: Query<Option<CommentId>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<CommentView>>, Problem> {
        let limit = Limit::parse(limit.0)?;
        let (_, before) = Cursor::position_or_start(cursor.0.as_ref())?;
        self.posts.visible(post_id.0, &caller).await?;
        let db = self.comments.store().db();
        let rows = view::list(db, post_id.0, parent_id.0, before, limit).await?;
        Ok(Json(Page::of(rows, limit, CommentRow::cursor, CommentView::from)))
    }

    /// Read a comment
    ///
    /// A hidden comment is read by its author and by moderators. Fails with 400 for a malformed id, 401 without a token, and
    /// 404 if there is no such comment or the caller may not see it or its post.
    #[oai(path = "/comments/:comment_id", method = "get", operation_id = "getComment")]
    async fn get_comment(
        &self,
        caller: Caller,
        /// The comment.
        comment_id: Path<CommentId>,
    ) -> Result<Found, Problem> {
        Ok(self.visible(comment_id.0, &caller).await?.into())
    }

    /// Edit a comment
    ///
    /// Replaces the text; repeating the present one changes nothing. Fails with 400 for a malformed request, 401 without a
    /// token, 403 for anyone but the author and while muted, 404 if there is no such comment or the caller may not see it or
    /// its post, 412 if it is not at the version that `If-Match` names, and 422 for a text that is not acceptable.
    #[oai(path = "/comments/:comment_id", method = "put", operation_id = "editComment")]
    async fn edit_comment(
        &self,
        caller: Caller,
        /// The comment.
        comment_id: Path<CommentId>,
        /// The version to change.
        #[oai(name = "If-Match")]
        if_match: Header<Option<ETag>>,
        request: Json<EditComment>,
    ) -> Result<Found, Problem> {
        caller.may_write()?;
        let expected = ETag::expected_or_any(if_match.0.as_ref())?;
        let body = Body::parse(&request.body)?;
        let comment = self.visible(comment_id.0, &caller).await?;
        self.posts.visible(comment.post_id, &caller).await?;

        let work = self.comments.store().begin().await?;
        self.comments
            .execute_in(&work, comment.id, expected, &caller.metadata(), |comment| {
                comment.edit(caller.user_id(), body.clone())
            })
            .await?;
        let edited = view::find(work.txn(), comment.id).await?.ok_or(CommentError::NotFound)?;
        work.commit().await?;
        Ok(edited.into())
    }

    /// Delete a comment
    ///
    /// Answers to it stay. Its author may delete it even when its post is closed. Fails with 400 for a malformed id, 401
    /// without a token, 403 for anyone but the author and while muted, 404 if there is no such comment (any more) or the
    /// caller may not see it, and 412 if it is not at the version that `If-Match` names.
    #[oai(path = "/comments/:comment_id", method = "delete", operation_id = "deleteComment")]
    async fn delete_comment(
        &self,
        caller: Caller,
        /// The comment.
        comment_id: Path<CommentId>,
        /// The version to delete.
        #[oai(name = "If-Match")]
        if_match: Header<Option<ETag>>,
    ) -> Result<Deleted, Problem> {
        caller.may_write()?;
        let expected = ETag::expected_or_any(if_match.0.as_ref())?;
        let comment = self.visible(comment_id.0, &caller).await?;
        self.comments
            .execute(comment.id, expected, &caller.metadata(), |comment| {
                comment.delete(caller.user_id())
            })
            .await?;
        Ok(Deleted::Gone)
    }
}

impl CommentApi {
    /// A comment that the caller may see: always one's own, otherwise what is not hidden on a post that is visible.
    async fn visible(&self, id: CommentId, caller: &Caller) -> Result<CommentRow, Problem> {
        let found = view::find(self.comments.store().db(), id).await?;
        let comment = found.ok_or(CommentError::NotFound)?;
        if comment.author_id == caller.user_id() {
            return Ok(comment);
        }
        if comment.hidden && !moderates(caller) {
            return Err(CommentError::NotFound.into());
        }
        self.posts.visible(comment.post_id, caller).await?;
        Ok(comment)
    }
}

/// The comment that is answered, and its author.
async fn parent(
    connection: &impl ConnectionTrait,
    post_id: PostId,
    parent_id: Option<CommentId>,
) -> Result<Option<(CommentId, UserId)>, Problem> {
    let Some(parent_id) = parent_id else { return Ok(None) };
    view::find(connection, parent_id)
        .await?
        .filter(|parent| parent.post_id == post_id && !parent.hidden)
        .map(|parent| Some((parent.id, parent.author_id)))
        .ok_or_else(|| CommentError::UnknownParent.into())
}

impl From<CommentError> for Problem {
    fn from(error: CommentError) -> Self {
        match error {
            CommentError::NotFound => Self::not_found("comment"),
            CommentError::NotAuthor => Self::forbidden("not-author", error.to_string()),
            CommentError::Exists => Self::conflict("comment-exists", error.to_string()),
            CommentError::Body(_) => Self::unprocessable("invalid-body", error.to_string()),
            CommentError::UnknownParent => Self::unprocessable("unknown-parent", error.to_string()),
        }
    }
}
