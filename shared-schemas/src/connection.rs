//! What can happen between two people. Recorded by auth-service.

use serde::{Deserialize, Serialize};

use crate::{Event, Service, UserId};

/// A fact about the connection of two users; its id is [`ConnectionId::between`](crate::ConnectionId::between) the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum ConnectionEvent {
    /// One person connected with another; it holds in both directions.
    #[serde(rename = "connection.established.v1")]
    Established {
        /// Who asked.
        initiator_id: UserId,
        /// Who was asked.
        other_id: UserId,
    },
    /// One of the two ended it.
    #[serde(rename = "connection.ended.v1")]
    Ended {
        /// Who ended it.
        ended_by: UserId,
        /// The other one.
        other_id: UserId,
    },
}

impl Event for ConnectionEvent {
    const CATEGORY: &'static str = "connection";
    const SERVICE: Service = Service::Auth;
}
