//! Activity profiles over HTTP.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::Clock;
use poem_openapi::{Object, OpenApi, Tags, param::Path, payload::Json, types::Example};
use sea_orm::{DatabaseConnection, DbErr};
use service_kit::{Caller, Problem, example};
use shared_schemas::{UserId, notification::EngagementLevel, post::Category};
use tokio::time::{Instant, sleep};

use super::{
    interest::{self, Interest},
    score::engagement_score,
    totals::Totals,
    view::{self, Activity, Standing},
};

/// An id younger than this may belong to somebody whose registration is still on its way here.
const YOUNG: TimeDelta = TimeDelta::seconds(10);

/// How long a request waits for such a registration.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Tags)]
enum Tag {
    /// What people did, and how lively that is.
    Activity,
}

/// What a person did and received, as of a moment ago.
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub struct ActivityProfile {
    /// Whose profile it is.
    pub user_id: UserId,
    /// What the person did and received.
    pub totals: Totals,
    /// What the person cares about, the most first.
    pub interests: Vec<Interest>,
    /// How lively the person is: 0 to 100, made of the totals; time plays no part.
    #[oai(validator(maximum(value = "100")))]
    pub engagement_score: u8,
    /// The score in a word: from 80, 60, 50 and 20 on.
    pub level: EngagementLevel,
    /// When the person did something for the first time.
    #[oai(skip_serializing_if_is_none)]
    pub first_active_at: Option<DateTime<Utc>>,
    /// When the person did something last.
    #[oai(skip_serializing_if_is_none)]
    pub last_active_at: Option<DateTime<Utc>>,
    /// The latest event that says anything of the person; absent before the first.
    #[oai(skip_serializing_if_is_none)]
    pub updated_at: Option<DateTime<Utc>>,
}

impl ActivityProfile {
    fn of(user_id: UserId, activity: Activity, interests: Vec<Interest>) -> Self {
        let engagement_score = engagement_score(&activity.totals);
        Self {
            user_id,
            totals: activity.totals,
            interests,
            engagement_score,
            level: EngagementLevel::of(engagement_score),
            first_active_at: activity.first_active_at,
            last_active_at: activity.last_active_at,
            updated_at: activity.updated_at,
        }
    }
}

impl Example for ActivityProfile {
    fn example() -> Self {
        let day = Some(example::moment());
        let totals = Totals {
            posts: 3,
            comments: 6,
            reactions: 6,
            views: 6,
            reactions_received: 6,
            comments_received: 6,
            views_received: 6,
            connections: 2,
        };
        let activity =
            Activity { totals, first_active_at: day, last_active_at: day, updated_at: day };
        let interests = vec![
            Interest { category: Category::Books, weight: 0.75 },
            Interest { category: Category::Travel, weight: 0.25 },
        ];
        Self::of(UserId(example::id(1)), activity, interests)
    }
}

/// The endpoints of activity profiles.
pub struct ActivityApi {
    db: DatabaseConnection,
    clock: Clock,
}

#[OpenApi(tag = "Tag::Activity")]
impl ActivityApi {
    /// Show my activity profile
    ///
    /// What the caller did and received, the score made of it, and what the caller cares about. Zeros before the first
    /// event. A profile follows what happens within a moment, not at once. Fails with 401 without a token.
    #[oai(path = "/me/activity-profile", method = "get", operation_id = "showMyActivityProfile")]
    async fn show_mine(&self, caller: Caller) -> Result<Json<ActivityProfile>, Problem> {
        Ok(Json(self.profile(caller.user_id()).await?))
    }

    /// Show somebody's activity profile
    ///
    /// As one's own. A person who has registered this very moment is waited for, for up to two seconds. Fails with 400 for a
    /// malformed id, 401 without a token, and 404 for somebody who does not exist or has closed the account.
    #[oai(
        path = "/users/:user_id/activity-profile",
        method = "get",
        operation_id = "showActivityProfile"
    )]
    async fn show(
        &self,
        caller: Caller,
        user_id: Path<UserId>,
    ) -> Result<Json<ActivityProfile>, Problem> {
        let user_id = user_id.0;
        if user_id != caller.user_id()
            && self.await_standing(user_id).await? != Standing::Registered
        {
            return Err(Problem::not_found("user"));
        }
        Ok(Json(self.profile(user_id).await?))
    }
}

impl ActivityApi {
    /// The endpoints over a database.
    pub fn new(db: DatabaseConnection, clock: Clock) -> Self {
        Self { db, clock }
    }

    async fn profile(&self, user_id: UserId) -> Result<ActivityProfile, DbErr> {
        let activity = view::activity(&self.db, user_id).await?;
        let interests = interest::shares(view::acts(&self.db, user_id).await?);
        Ok(ActivityProfile::of(user_id, activity, interests))
    }

    /// Whether a person exists, after waiting for one whose id was made a moment ago.
    async fn await_standing(&self, user_id: UserId) -> Result<Standing, DbErr> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let standing = view::standing(&self.db, user_id).await?;
            let patient = is_young(user_id, self.clock.now()) && Instant::now() < deadline;
            if standing != Standing::Unknown || !patient {
                return Ok(standing);
            }
            sleep(LOOK).await;
        }
    }
}

/// Whether an id was made within the last ten seconds: it holds the moment (RFC 9562 §5.7).
fn is_young(user_id: UserId, now: DateTime<Utc>) -> bool {
    let made = user_id.0.get_timestamp().and_then(|made| {
        let (seconds, nanos) = made.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
    });
    made.is_some_and(|made| (now - made).abs() < YOUNG)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_a_fresh_time_ordered_id_is_young() {
        let now = DateTime::from_timestamp(1_767_225_600, 0).unwrap();

        assert!(is_young(UserId::new(now - TimeDelta::seconds(9)), now));
        assert!(!is_young(UserId::new(now - TimeDelta::seconds(11)), now));
        assert!(!is_young(UserId::new(now + TimeDelta::days(1)), now));
        assert!(!is_young(UserId(Uuid::from_u128(7)), now));
    }
}
