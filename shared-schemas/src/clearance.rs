//! That nothing speaks against a text. Recorded by moderation-service; the minting worker waits for it.

use serde::{Deserialize, Serialize};

use crate::{
    Event, Service, UserId,
    moderation::{ContentLabel, Subject},
};

/// A fact about one post or comment; its id is [`ClearanceId::of`](crate::ClearanceId::of) the content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum ClearanceEvent {
    /// A version was screened, and neither held for a person nor removed. Of a version that was, the case tells.
    #[serde(rename = "clearance.granted.v1")]
    Granted {
        /// What was screened.
        subject: Subject,
        /// Which version of it: the aggregate version of the event that carried the text.
        subject_version: u64,
        /// Who wrote it.
        author_id: UserId,
        /// What it bears, whatever an earlier version bore.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        labels: Vec<ContentLabel>,
    },
}

impl Event for ClearanceEvent {
    const CATEGORY: &'static str = "clearance";
    const SERVICE: Service = Service::Moderation;
}
