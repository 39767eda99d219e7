//! The endpoints of posts.

use chrono::{DateTime, Utc};
use event_runtime::{Expected, Streams};
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
use shared_schemas::{
    PostId, UserId,
    moderation::ContentLabel,
    post::{Category, PostStatus},
    user::Role,
};

use super::{
    aggregate::{Content, Post, PostError},
    view::{self, Filter, PostRow},
};
use crate::token::ShownToken;

/// The endpoints.
pub struct PostApi {
    /// The posts.
    pub posts: Streams<Post>,
}

#[derive(Tags)]
enum Tag {
    /// Posts and their totals.
    Posts,
}

/// A choice of a closed list.
#[derive(Object)]
#[oai(example)]
struct Choice {
    /// The value to send.
    value: Category,
    /// The value in words.
    label: String,
}

impl Example for Choice {
    fn example() -> Self {
        Self { value: Category::Food, label: Category::Food.label() }
    }
}

/// What an author writes.
#[derive(Object)]
#[oai(example, deny_unknown_fields)]
struct WritePost {
    /// 1 to 200 characters.
    #[oai(validator(min_length = 1, max_length = 200))]
    title: String,
    /// Markdown, 1 to 10 000 characters.
    #[oai(validator(min_length = 1, max_length = 10000))]
    body: String,
    /// What it is about.
    category: Category,
    /// Who may see it: a new post is DRAFT or POSTED.
    #[oai(default = "posted")]
    status: PostStatus,
    /// Whether the author wants a token of it: counts when the post goes public, within what the author lets be minted at all.
    #[oai(skip_serializing_if_is_none)]
    mint: Option<bool>,
}

fn posted() -> PostStatus {
    PostStatus::Posted
}

impl Example for WritePost {
    fn example() -> Self {
        Self {
            title: "Sourdough in a cold kitchen".to_owned(),
            body: "At 16 degrees the dough takes **twice** as long. It is worth it.".to_owned(),
            category: Category::Food,
            status: PostStatus::Posted,
            mint: None,
        }
    }
}

/// A post and what people did with it.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "Post")]
pub struct PostView {
    /// The post.
    pub id: PostId,
    /// Who wrote it.
    pub author_id: UserId,
    /// Its title.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// What it is about.
    pub category: Category,
    /// Who may see it.
    pub status: PostStatus,
    /// Whether a moderation decision hides it from everybody else.
    pub hidden: bool,
    /// Views, one per person and hour.
    pub total_views: i64,
    /// Comments that stand.
    pub total_comments: i64,
    /// Reactions that stand.
    pub total_reactions: i64,
    /// views + 3 · comments + worth of the reactions (LOVE 3, LIKE, JOY and FUNNY 2, SAD 1, ANGRY −1).
    pub score: i64,
    /// 100 · (1 − e^(−score / 100)), 0 to 100.
    pub popularity: f64,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When its content or status last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was first public.
    #[oai(skip_serializing_if_is_none)]
    pub published_at: Option<DateTime<Utc>>,
    /// What everybody is told before they look at it, as moderation says of this very text; none while it says nothing.
    #[oai(default)]
    pub labels: Vec<ContentLabel>,
    /// Its token, if its author wanted one.
    #[oai(skip_serializing_if_is_none)]
    pub token: Option<ShownToken>,
}

impl Example for PostView {
    fn example() -> Self {
        let WritePost { title, body, category, status, .. } = WritePost::example();
        Self {
            id: PostId(example::id(3)),
            author_id: UserId(example::id(1)),
            title,
            body,
            category,
            status,
            hidden: false,
            total_views: 41,
            total_comments: 3,
            total_reactions: 5,
            score: 62,
            popularity: 46.2,
            created_at: example::moment(),
            updated_at: example::moment(),
            published_at: Some(example::moment()),
            labels: vec![ContentLabel::Spoiler],
            token: None,
        }
    }
}

impl From<PostRow> for PostView {
    fn from(row: PostRow) -> Self {
        let totals = row.totals();
        Self {
            id: PostId(row.id),
            author_id: UserId(row.author_id),
            category: row.category,
            status: row.status,
            hidden: row.hidden,
            total_views: totals.views,
            total_comments: totals.comments,
            total_reactions: totals.reactions,
            score: totals.score(),
            popularity: totals.popularity(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            published_at: row.published_at,
            labels: row.labels.shown(),
            token: row.token.shown(),
            title: row.title,
            body: row.body,
        }
    }
}

#[derive(ApiResponse)]
enum Created {
    /// The post exists.
    #[oai(status = 201)]
    Post(
        Json<PostView>,
        /// Its version, for the next `If-Match`.
        #[oai(header = "ETag")]
        ETag,
    ),
}

#[derive(ApiResponse)]
enum Found {
    /// The post.
    #[oai(status = 200)]
    Post(
        Json<PostView>,
        /// Its version, for the next `If-Match`.
        #[oai(header = "ETag")]
        ETag,
    ),
}

#[derive(ApiResponse)]
enum Deleted {
    /// The post is gone.
    #[oai(status = 204)]
    Gone,
}

#[OpenApi(tag = "Tag::Posts")]
impl PostApi {
    /// List categories
    ///
    /// What a post can be about. Needs no token and never fails.
    #[oai(path = "/posts/category-choices", method = "get", operation_id = "listCategories")]
    #[expect(clippy::unused_async, reason = "every operation is awaited")]
    async fn list_categories(&self) -> Json<Vec<Choice>> {
        Json(
            Category::ALL
                .iter()
                .map(|category| Choice { value: *category, label: category.label() })
                .collect(),
        )
    }

    /// Write a post
    ///
    /// Publishes it, or keeps it as a draft for its author alone. With an `Idempotency-Key`, repeating the request returns
    /// the first answer. Fails with 400 for a malformed request, 401 without a token, 403 while muted and 422 for a text or a
    /// status that is not acceptable.
    #[oai(path = "/posts", method = "post", operation_id = "createPost")]
    async fn create_post(
        &self,
        caller: Caller,
        #[oai(name = "Idempotency-Key")] key: Header<Option<IdempotencyKey>>,
        request: Json<WritePost>,
    ) -> Result<Created, Problem> {
        caller.may_write()?;
        let content = Content::parse(&request.title, &request.body, request.category)?;
        let store = self.posts.store();
        let work = store.begin().await?;
        let once = match idempotency::lookup(
            &work,
            caller.user_id(),
            key.0.as_ref(),
            "createPost",
            &request.0,
        )
        .await?
        {
            Known::Answered(post) => {
                return Ok(Created::Post(Json(post), event_runtime::Version(1).into()));
            }
            Known::New(once) => Some(once),
            Known::Unkeyed => None,
        };

        let id = PostId::new(store.clock().now());
        let version = self
            .posts
            .execute_in(&work, id, Expected::New, &caller.metadata(), |post| {
                post.create(caller.user_id(), content.clone(), request.status, request.mint)
            })
            .await?;
        let post = self.show(work.txn(), id, &caller).await?;
        if let Some(once) = once {
            once.remember(&work, &post).await?;
        }
        work.commit().await?;
        Ok(Created::Post(Json(post), version.into()))
    }

    /// List posts
    ///
    /// Public posts, newest first; with `status`, the caller's own drafts or archived posts. Fails with 400 for a malformed
    /// parameter and 401 without a token.
    #[oai(path = "/posts", method = "get", operation_id = "listPosts")]
    async fn list_posts(
        &self,
        caller: Caller,
        /// Posts of this person only.
        author_id: Query<Option<UserId>>,
        /// Posts of this category only.
        category: Query<Option<Category>>,
        /// Posts in this status; others than POSTED are the caller's own.
        status: Query<Option<PostStatus>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<PostView>>, Problem> {
        let limit = Limit::parse(limit.0)?;
        let filter = Filter {
            viewer: caller.user_id(),
            author: author_id.0,
            category: category.0,
            status: status.0.unwrap_or(PostStatus::Posted),
        };
        let after = Cursor::position_or_start(cursor.0.as_ref())?;
        let rows = view::list(self.posts.store().db(), filter, after, limit).await?;
        Ok(Json(Page::of(rows, limit, PostRow::cursor, PostView::from)))
    }

    /// Read a post
    ///
    /// Fails with 400 for a malformed id, 401 without a token, and 404 if there is no such post or only its author may see it.
    #[oai(path = "/posts/:post_id", method = "get", operation_id = "getPost")]
    async fn get_post(&self, caller: Caller, post_id: Path<PostId>) -> Result<Found, Problem> {
        let row = self.find(self.posts.store().db(), post_id.0, &caller).await?;
        let version = row.version();
        Ok(Found::Post(Json(row.into()), version.into()))
    }

    /// Change a post
    ///
    /// Replaces title, body, category and status; repeating what holds changes nothing. A draft can be published, a public
    /// post archived, an archived one published again. Fails with 400 for a malformed request, 401 without a token, 403 for
    /// anyone but the author, 404 if there is no such post, 409 for a step a post cannot take, 412 if it is not at the version
    /// of `If-Match` and 422 for a text that is not acceptable.
    #[oai(path = "/posts/:post_id", method = "put", operation_id = "updatePost")]
    async fn update_post(
        &self,
        caller: Caller,
        post_id: Path<PostId>,
        #[oai(name = "If-Match")] if_match: Header<Option<ETag>>,
        request: Json<WritePost>,
    ) -> Result<Found, Problem> {
        caller.may_write()?;
        let content = Content::parse(&request.title, &request.body, request.category)?;
        let expected = ETag::expected_or_any(if_match.0.as_ref())?;
        let version = self
            .posts
            .execute(post_id.0, expected, &caller.metadata(), |post| {
                post.replace(caller.user_id(), content.clone(), request.status, request.mint)
            })
            .await?;
        let post = self.show(self.posts.store().db(), post_id.0, &caller).await?;
        Ok(Found::Post(Json(post), version.into()))
    }

    /// Delete a post
    ///
    /// For good. Fails with 400 for a malformed id, 401 without a token, 403 for anyone but the author, 404 if there is no such
    /// post and 412 if it is not at the version of `If-Match`.
    #[oai(path = "/posts/:post_id", method = "delete", operation_id = "deletePost")]
    async fn delete_post(
        &self,
        caller: Caller,
        post_id: Path<PostId>,
        #[oai(name = "If-Match")] if_match: Header<Option<ETag>>,
    ) -> Result<Deleted, Problem> {
        caller.may_write()?;
        let expected = ETag::expected_or_any(if_match.0.as_ref())?;
        self.posts
            .execute(post_id.0, expected, &caller.metadata(), |post| post.delete(caller.user_id()))
            .await?;
        Ok(Deleted::Gone)
    }
}

impl PostApi {
    async fn find(
        &self,
        connection: &impl sea_orm::ConnectionTrait,
        id: PostId,
        caller: &Caller,
    ) -> Result<PostRow, Problem> {
        let sees_hidden = caller.has(Role::Moderator) || caller.has(Role::Admin);
        let row = view::find(connection, id, caller.user_id(), sees_hidden).await?;
        row.ok_or_else(|| PostError::NotFound.into())
    }

    async fn show(
        &self,
        connection: &impl sea_orm::ConnectionTrait,
        id: PostId,
        caller: &Caller,
    ) -> Result<PostView, Problem> {
        Ok(self.find(connection, id, caller).await?.into())
    }
}

impl From<PostError> for Problem {
    fn from(error: PostError) -> Self {
        match &error {
            PostError::NotFound => Self::not_found("post"),
            PostError::NotAuthor => Self::forbidden("not-author", error.to_string()),
            PostError::AlreadyPublic | PostError::NeverPublic => {
                Self::conflict("post-status", error.to_string())
            }
            PostError::Exists => Self::conflict("post-exists", error.to_string()),
            PostError::Title(_) => Self::unprocessable("invalid-title", error.to_string()),
            PostError::Body(_) => Self::unprocessable("invalid-body", error.to_string()),
        }
    }
}
