//! The figures of an activity profile.

use poem_openapi::Object;
use sea_orm::FromQueryResult;

/// What a person did and received; what each figure counts is defined in [`activity`](super).
///
/// Also the difference that one event makes, in which a figure may be -1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Object, FromQueryResult)]
#[oai(rename = "ActivityTotals")]
pub struct Totals {
    /// Posts published.
    #[oai(validator(minimum(value = "0")))]
    pub posts: i64,
    /// Comments written.
    #[oai(validator(minimum(value = "0")))]
    pub comments: i64,
    /// Reactions given that stand.
    #[oai(validator(minimum(value = "0")))]
    pub reactions: i64,
    /// Posts viewed, at most once an hour each.
    #[oai(validator(minimum(value = "0")))]
    pub views: i64,
    /// Reactions of others to the person's posts that stand.
    #[oai(validator(minimum(value = "0")))]
    pub reactions_received: i64,
    /// Comments of others on the person's posts.
    #[oai(validator(minimum(value = "0")))]
    pub comments_received: i64,
    /// Views of the person's posts by others.
    #[oai(validator(minimum(value = "0")))]
    pub views_received: i64,
    /// Connections that stand.
    #[oai(validator(minimum(value = "0")))]
    pub connections: i64,
}
