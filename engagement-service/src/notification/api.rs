//! Notifications over HTTP.

use chrono::{DateTime, Utc};
use event_runtime::{Expected, Streams};
use poem_openapi::{
    ApiResponse, Object, OpenApi, Tags,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use sea_orm::DatabaseConnection;
use service_kit::{Caller, Cursor, Limit, Page, Problem, example};
use shared_schemas::{
    CaseId, CommentId, NotificationId, PostId, UserId,
    notification::{NotificationKind, NotificationState},
};
use uuid::Uuid;

use super::{
    aggregate::{Notification, NotificationError},
    message::message,
    view::{self, Listed},
};

#[derive(Tags)]
enum Tag {
    /// What people are told.
    Notifications,
}

/// What a notification is about.
#[derive(Clone, Debug, Object)]
#[oai(rename = "NotificationAbout")]
pub struct About {
    /// The person whose act it was.
    #[oai(skip_serializing_if_is_none)]
    pub user_id: Option<UserId>,
    /// The post.
    #[oai(skip_serializing_if_is_none)]
    pub post_id: Option<PostId>,
    /// The comment.
    #[oai(skip_serializing_if_is_none)]
    pub comment_id: Option<CommentId>,
    /// The moderation case.
    #[oai(skip_serializing_if_is_none)]
    pub case_id: Option<CaseId>,
}

/// Something that the caller is told.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "Notification")]
pub struct ShownNotification {
    /// Its id.
    pub id: NotificationId,
    /// What kind of thing it tells.
    pub kind: NotificationKind,
    /// How far it has come.
    pub state: NotificationState,
    /// What it says, in English.
    pub message: String,
    /// What it is about.
    pub about: About,
    /// When it was generated.
    pub created_at: DateTime<Utc>,
    /// When the caller saw it.
    #[oai(skip_serializing_if_is_none)]
    pub viewed_at: Option<DateTime<Utc>>,
}

impl From<Listed> for ShownNotification {
    fn from(listed: Listed) -> Self {
        let message = message(&listed);
        let shared_schemas::notification::About { user_id, post_id, comment_id, case_id } =
            listed.about;
        Self {
            id: listed.id,
            kind: listed.kind,
            state: listed.state,
            message,
            about: About { user_id, post_id, comment_id, case_id },
            created_at: listed.created_at,
            viewed_at: listed.viewed_at,
        }
    }
}

impl Example for ShownNotification {
    fn example() -> Self {
        Self::from(Listed {
            id: NotificationId(Uuid::from_u128(0x2f3a_9d64_0c5e_5b0a_9f4b_7d1c_33aa_0001)),
            kind: NotificationKind::PostReactionReceived,
            state: NotificationState::Generated,
            about: shared_schemas::notification::About {
                user_id: Some(UserId(example::id(1))),
                post_id: Some(PostId(example::id(3))),
                ..shared_schemas::notification::About::default()
            },
            detail: None,
            why: None,
            created_at: example::moment(),
            viewed_at: None,
        })
    }
}

/// How marking a notification as viewed is answered.
#[derive(ApiResponse)]
enum ViewedResponse {
    /// It is viewed.
    #[oai(status = 204)]
    Viewed,
}

impl From<NotificationError> for Problem {
    fn from(error: NotificationError) -> Self {
        match error {
            NotificationError::NotFound => Self::not_found("notification"),
        }
    }
}

/// The endpoints of notifications.
pub struct NotificationApi {
    db: DatabaseConnection,
    notifications: Streams<Notification>,
}

#[OpenApi(tag = "Tag::Notifications")]
impl NotificationApi {
    /// List my notifications
    ///
    /// Newest first, of one state or of all. They follow what happens within a moment, not at once. Fails with 400 for a
    /// limit, a cursor or a state that is not valid, and 401 without a token.
    #[oai(path = "/me/notifications", method = "get", operation_id = "listMyNotifications")]
    async fn list(
        &self,
        caller: Caller,
        /// Only notifications that have come this far.
        state: Query<Option<NotificationState>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<ShownNotification>>, Problem> {
        let limit = Limit::parse(limit.0)?;
        let after = Cursor::position_or_start(cursor.0.as_ref())?;
        let rows = view::list(&self.db, caller.user_id(), state.0, after, limit.fetch()).await?;
        let place = |row: &Listed| Cursor::after(row.created_at.timestamp_micros(), row.id.into());
        Ok(Json(Page::of(rows, limit, place, ShownNotification::from)))
    }

    /// Mark a notification as viewed
    ///
    /// Repeating it changes nothing. Fails with 400 for a malformed id, 401 without a token, 403 while the account is muted,
    /// and 404 unless it is a notification of the caller's own.
    #[oai(
        path = "/me/notifications/:notification_id/viewed",
        method = "post",
        operation_id = "markNotificationViewed"
    )]
    async fn view(
        &self,
        caller: Caller,
        notification_id: Path<NotificationId>,
    ) -> Result<ViewedResponse, Problem> {
        caller.may_write()?;
        let viewer = caller.user_id();
        self.notifications
            .execute(notification_id.0, Expected::Any, &caller.metadata(), |notification| {
                notification.view(viewer)
            })
            .await?;
        Ok(ViewedResponse::Viewed)
    }
}

impl NotificationApi {
    /// The endpoints over a database and its notifications.
    pub fn new(db: DatabaseConnection, notifications: Streams<Notification>) -> Self {
        Self { db, notifications }
    }
}
