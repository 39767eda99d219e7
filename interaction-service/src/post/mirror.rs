//! Who may see a post, and waiting for one that is so new that its event is still under way.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::Clock;
use sea_orm::{DatabaseConnection, DbErr};
use service_kit::{Caller, Problem};
use shared_schemas::{PostId, UserId, post::Category, user::Role};
use tokio::time::{Instant, sleep};

use super::view;

/// How old an unknown post may be for its event to be still under way. An id from a clock that is a little ahead counts
/// as new; one from the far future was made up.
const NEW: TimeDelta = TimeDelta::seconds(10);

/// How long a request waits for a new post.
const PATIENCE: Duration = Duration::from_secs(2);

/// The first pause between two looks; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// A post that was public once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    /// Who wrote it.
    pub author_id: UserId,
    /// What it is about.
    pub category: Category,
    /// Neither archived nor hidden.
    pub open: bool,
    /// Gone for everybody.
    pub deleted: bool,
}

impl Post {
    /// Whether somebody may see the post and what was said about it: everybody while it is open, afterwards its author and
    /// those who moderate, and nobody once it is deleted.
    pub fn is_visible_to(&self, person: UserId, moderates: bool) -> bool {
        !self.deleted && (self.open || self.author_id == person || moderates)
    }
}

/// The posts that this service knows.
#[derive(Clone)]
pub struct Posts {
    db: DatabaseConnection,
    clock: Clock,
}

impl Posts {
    /// The posts in the mirror of this database.
    pub fn new(db: DatabaseConnection, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// A post that the caller may see. The event of a post that was published a moment ago may still be under way: it is
    /// waited for up to two seconds, so that whoever has just published can go on at once.
    ///
    /// # Errors
    ///
    /// 404 if there is none; 500 or 503 if the database fails.
    pub async fn visible(&self, id: PostId, caller: &Caller) -> Result<Post, Problem> {
        let post = self.known(id).await?;
        post.filter(|post| post.is_visible_to(caller.user_id(), moderates(caller)))
            .ok_or_else(|| Problem::not_found("post"))
    }

    async fn known(&self, id: PostId) -> Result<Option<Post>, DbErr> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let found = view::find(&self.db, id).await?;
            if found.is_some() || Instant::now() >= deadline || !is_new(id, self.clock.now()) {
                return Ok(found);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Whether somebody sees what is hidden from others.
pub(crate) fn moderates(caller: &Caller) -> bool {
    caller.has(Role::Moderator) || caller.has(Role::Admin)
}

/// Whether a post with this id was made a moment ago, by the time in its `UUIDv7` (RFC 9562 §5.7).
fn is_new(id: PostId, now: DateTime<Utc>) -> bool {
    if id.0.get_version_num() != 7 {
        return false;
    }
    let made = id.0.get_timestamp().and_then(|made| {
        let (seconds, nanos) = made.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
    });
    made.is_some_and(|made| (now - made).abs() < NEW)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const AUTHOR: UserId = UserId(Uuid::from_u128(1));
    const OTHER: UserId = UserId(Uuid::from_u128(2));

    fn post(open: bool, deleted: bool) -> Post {
        Post { author_id: AUTHOR, category: Category::Food, open, deleted }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn an_open_post_is_visible_to_everybody() {
        assert!(post(true, false).is_visible_to(OTHER, false));
    }

    #[test]
    fn a_closed_post_is_visible_to_its_author_and_to_moderators() {
        let closed = post(false, false);

        assert!(closed.is_visible_to(AUTHOR, false));
        assert!(closed.is_visible_to(OTHER, true));
        assert!(!closed.is_visible_to(OTHER, false));
    }

    #[test]
    fn a_deleted_post_is_visible_to_nobody() {
        assert!(!post(true, true).is_visible_to(AUTHOR, true));
    }

    #[test]
    fn an_id_is_new_for_ten_seconds() {
        let id = PostId::new(at(0));

        assert!(is_new(id, at(0)));
        assert!(is_new(id, at(9)));
        assert!(!is_new(id, at(10)));
    }

    #[test]
    fn an_id_from_the_far_future_or_without_a_time_is_not_new() {
        assert!(is_new(PostId::new(at(2)), at(0)));
        assert!(!is_new(PostId::new(at(3_600)), at(0)));
        assert!(!is_new(PostId::derive(&[b"x"]), at(0)));
    }
}
