//! That a post was seen. Recorded by interaction-service.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Event, PostId, Service, UserId, post::Category};

/// A fact about one view; its id is [`ViewId::of`](crate::ViewId::of) the person, the post and the hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum ViewEvent {
    /// A person saw a post for the first time in this hour.
    #[serde(rename = "view.counted.v1")]
    Counted {
        /// The post.
        post_id: PostId,
        /// Who wrote the post.
        post_author_id: UserId,
        /// What the post is about.
        category: Category,
        /// Who saw it.
        viewer_id: UserId,
        /// The start of the hour.
        hour: DateTime<Utc>,
    },
}

impl Event for ViewEvent {
    const CATEGORY: &'static str = "view";
    const SERVICE: Service = Service::Interaction;
}
