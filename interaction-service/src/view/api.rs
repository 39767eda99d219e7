//! The endpoints of views.

use chrono::{DateTime, Utc};
use event_runtime::{ExecuteError, Expected, Streams};
use poem_openapi::{Object, OpenApi, Tags, param::Path, payload::Json, types::Example};
use service_kit::{Caller, Problem, example};
use shared_schemas::PostId;

use super::aggregate::{Hour, Seen, View, ViewError};
use crate::post::mirror::Posts;

/// The endpoints.
pub struct ViewApi {
    /// The views.
    pub views: Streams<View>,
    /// What is seen.
    pub posts: Posts,
}

#[derive(Tags)]
enum Tag {
    /// That people see posts.
    Views,
}

/// Whether a view counted.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "View")]
pub struct ViewView {
    /// The post.
    pub post_id: PostId,
    /// Whether this request is the first of its person, post and hour.
    pub counted: bool,
    /// The start of the hour (UTC).
    pub hour: DateTime<Utc>,
}

impl Example for ViewView {
    fn example() -> Self {
        Self { post_id: PostId(example::id(3)), counted: true, hour: example::moment() }
    }
}

#[OpenApi(tag = "Tag::Views")]
impl ViewApi {
    /// Count a view
    ///
    /// Says that the caller sees a post. It counts once per person, post and hour, so repeating the request is safe. A muted
    /// account counts too: it may read. A post that was published a moment ago is waited for. Fails with 400 for a malformed
    /// id, 401 without a token, and 404 if there is no such post or the caller may not see it.
    #[oai(path = "/:post_id/view", method = "post", operation_id = "countView")]
    async fn count_view(
        &self,
        caller: Caller,
        /// The post.
        post_id: Path<PostId>,
    ) -> Result<Json<ViewView>, Problem> {
        self.count(&caller, post_id.0).await
    }

    /// Count a view by reading
    ///
    /// As `countView`, for pages that can only follow links. Fails with 400 for a malformed id, 401 without a token, and 404
    /// if there is no such post or the caller may not see it.
    #[oai(path = "/:post_id/view", method = "get", operation_id = "countViewByReading")]
    async fn count_view_by_reading(
        &self,
        caller: Caller,
        /// The post.
        post_id: Path<PostId>,
    ) -> Result<Json<ViewView>, Problem> {
        self.count(&caller, post_id.0).await
    }
}

impl ViewApi {
    async fn count(&self, caller: &Caller, post_id: PostId) -> Result<Json<ViewView>, Problem> {
        let post = self.posts.visible(post_id, caller).await?;
        let hour = Hour::of(self.views.store().clock().now());
        let seen = Seen {
            post_id,
            post_author_id: post.author_id,
            category: post.category,
            viewer_id: caller.user_id(),
            hour,
        };
        let decided = self
            .views
            .execute(seen.id(), Expected::New, &caller.metadata(), |view| view.count(seen))
            .await;
        let counted = match decided {
            Ok(_) => true,
            Err(
                ExecuteError::VersionConflict { .. }
                | ExecuteError::Refused(ViewError::AlreadyCounted),
            ) => false,
            Err(error) => return Err(error.into()),
        };
        Ok(Json(ViewView { post_id, counted, hour: hour.start() }))
    }
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::AlreadyCounted => Self::conflict("already-counted", error.to_string()),
        }
    }
}
