//! The endpoints of people about whom somebody has to decide, since so many strikes count against them.

use chrono::{DateTime, Utc};
use event_runtime::{Expected, Streams};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use service_kit::{Caller, Cursor, Limit, Page, Problem, example};
use shared_schemas::{CaseId, UserId, user::Role};

use super::{
    aggregate::{Standing, StandingError},
    view::{self, ReviewRow},
};
use crate::case::{
    api::{Tag, require_moderator},
    view::moment,
};

/// The endpoints.
pub struct ReviewsApi {
    /// The people.
    pub standings: Streams<Standing>,
}

/// Somebody whose strikes are so many that a person decides.
#[derive(Clone, Debug, Object)]
#[oai(example)]
struct StandingReview {
    /// Who.
    user_id: UserId,
    /// How many strikes there were.
    strikes: i64,
    /// The removal that made it so many.
    case_id: CaseId,
    /// Since when somebody is asked to decide.
    requested_at: DateTime<Utc>,
}

impl Example for StandingReview {
    fn example() -> Self {
        Self {
            user_id: UserId(example::id(2)),
            strikes: 8,
            case_id: CaseId(example::id(5)),
            requested_at: example::moment(),
        }
    }
}

impl From<ReviewRow> for StandingReview {
    fn from(row: ReviewRow) -> Self {
        let ReviewRow { user_id, strikes, case_id, requested_at } = row;
        Self { user_id, strikes, case_id, requested_at }
    }
}

#[derive(ApiResponse)]
enum Closed {
    /// Nobody is asked to decide any more.
    #[oai(status = 204)]
    Done,
}

#[OpenApi(tag = "Tag::Sanctions")]
impl ReviewsApi {
    /// List people with so many strikes that somebody decides
    ///
    /// Latest first. An administrator bans or imposes another sanction, which answers it, or closes it without one; it also goes when
    /// strikes are taken back and fewer count. Fails with 400 for a malformed parameter, 401 without a token and 403 for anyone but
    /// moderators and administrators.
    #[oai(
        path = "/moderation/standing-reviews",
        method = "get",
        operation_id = "listStandingReviews"
    )]
    async fn list(
        &self,
        caller: Caller,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<StandingReview>>, Problem> {
        require_moderator(&caller)?;
        let limit = Limit::parse(limit.0)?;
        let (before, id) = Cursor::position_or_start(cursor.0.as_ref())?;
        let rows = view::reviews(self.standings.store().db(), (moment(before), id), limit).await?;
        let cursor =
            |row: &ReviewRow| Cursor::after(row.requested_at.timestamp_micros(), row.user_id.0);
        Ok(Json(Page::of(rows, limit, cursor, StandingReview::from)))
    }

    /// Close a look at somebody's strikes without a sanction
    ///
    /// Repeating it changes nothing. Fails with 400 for a malformed id, 401 without a token, 403 for anyone but administrators and
    /// while muted.
    #[oai(
        path = "/moderation/standing-reviews/:user_id",
        method = "delete",
        operation_id = "closeStandingReview"
    )]
    async fn close(&self, caller: Caller, user_id: Path<UserId>) -> Result<Closed, Problem> {
        caller.require(Role::Admin)?;
        caller.may_write()?;
        self.standings
            .execute(user_id.0, Expected::Any, &caller.metadata(), |standing| {
                Ok::<_, StandingError>(standing.close_review(caller.user_id()))
            })
            .await?;
        Ok(Closed::Done)
    }
}
