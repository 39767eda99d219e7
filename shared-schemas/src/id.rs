//! Typed ids. An id names one aggregate and is never a bare [`Uuid`] across a function boundary.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::{Timestamp, Uuid};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "http", derive(poem_openapi::NewType))]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[cfg_attr(feature = "sql", derive(sea_orm::DeriveValueType))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id: `UUIDv7` (RFC 9562 §5.7) of the given moment, with random lower bits.
            pub fn new(now: DateTime<Utc>) -> Self {
                Self(time_ordered(now))
            }

            /// The id that belongs to a natural key: `UUIDv5` (RFC 9562 §5.5) over `parts`.
            ///
            /// The same parts always give the same id, so that what may exist only once cannot be created twice.
            pub fn derive(parts: &[&[u8]]) -> Self {
                Self(name_based(stringify!($name), parts))
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        // SeaORM asks this of every primary key; a UUID has no such form.
        #[cfg(feature = "sql")]
        impl sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }
    )+};
}

// Append-only, alphabetical.
ids! {
    /// Identifies a batch of judgements that are changed together.
    BatchId,
    /// Identifies a moderation case.
    CaseId,
    /// Identifies the clearance of a post or comment; derived from its subject.
    ClearanceId,
    /// Identifies a comment.
    CommentId,
    /// Identifies the connection of two users; derived from the pair.
    ConnectionId,
    /// Identifies one recorded event.
    EventId,
    /// Identifies what signs mints: derived from a chain and a signer's address.
    LaneId,
    /// Identifies the mint of a post or comment; derived from its subject.
    MintId,
    /// Identifies a notification.
    NotificationId,
    /// Identifies a post.
    PostId,
    /// Identifies the reaction of one person to one post; derived from the two.
    ReactionId,
    /// Identifies a sanction of a person.
    SanctionId,
    /// Identifies a signed-in session.
    SessionId,
    /// Identifies a key that signs access tokens; the `kid` of those tokens.
    SigningKeyId,
    /// Identifies a user.
    UserId,
    /// Identifies the view of one post by one person in one hour; derived from the three.
    ViewId,
}

/// The namespace of derived ids. Changing it would orphan every stream that has one.
const NAMESPACE: Uuid = Uuid::from_u128(0x5dc1_7f0e_6c0b_4f6f_9b7c_36a1_70ee_b3d2);

fn time_ordered(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(uuid::NoContext, seconds, now.timestamp_subsec_nanos()))
}

fn name_based(kind: &str, parts: &[&[u8]]) -> Uuid {
    // Length-prefixed, so that ("ab", "c") and ("a", "bc") differ.
    let mut name = kind.as_bytes().to_vec();
    for part in parts {
        name.extend_from_slice(&(part.len() as u64).to_be_bytes());
        name.extend_from_slice(part);
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

impl ConnectionId {
    /// The connection of two users, whoever of them asked.
    pub fn between(one: UserId, other: UserId) -> Self {
        let (low, high) = if one <= other { (one, other) } else { (other, one) };
        Self::derive(&[low.0.as_bytes(), high.0.as_bytes()])
    }
}

impl ClearanceId {
    /// The one clearance that a post or comment has.
    pub fn of(subject: &crate::moderation::Subject) -> Self {
        Self::derive(&[subject.as_bytes()])
    }
}

impl ReactionId {
    /// The one reaction that a person can have to a post.
    pub fn of(user: UserId, post: PostId) -> Self {
        Self::derive(&[user.0.as_bytes(), post.0.as_bytes()])
    }
}

impl ViewId {
    /// The one view that counts for a person, a post and an hour.
    ///
    /// `hour` is the number of whole hours since the Unix epoch.
    pub fn of(viewer: UserId, post: PostId, hour: i64) -> Self {
        Self::derive(&[viewer.0.as_bytes(), post.0.as_bytes(), &hour.to_be_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_later_moments_sort_later() {
        let early = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let late = DateTime::from_timestamp(1_700_000_001, 0).unwrap();

        assert!(PostId::new(early) < PostId::new(late));
        assert_ne!(PostId::new(early), PostId::new(early));
    }

    #[test]
    fn a_connection_has_one_id_from_both_ends() {
        let (a, b) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));

        assert_eq!(ConnectionId::between(a, b), ConnectionId::between(b, a));
        assert_ne!(ConnectionId::between(a, b), ConnectionId::between(a, a));
    }

    #[test]
    fn a_view_counts_once_an_hour() {
        let (user, post) = (UserId(Uuid::from_u128(1)), PostId(Uuid::from_u128(2)));

        assert_eq!(ViewId::of(user, post, 7), ViewId::of(user, post, 7));
        assert_ne!(ViewId::of(user, post, 7), ViewId::of(user, post, 8));
    }
}
