//! The endpoints of strikes and sanctions.

use std::sync::OnceLock;

use event_runtime::{Expected, Streams};
use poem_openapi::{ApiResponse, OpenApi, param::Path, payload::Json};
use service_kit::{AnyCaller, Caller, Problem};
use shared_schemas::{SanctionId, UserId, user::Role};

use super::{
    aggregate::{Imposing, Standing, StandingError},
    body::{Impose, SanctionView, StandingView, StrikeView},
    view,
};
use crate::{
    account,
    case::api::{Tag, clean_text, require_moderator},
};

/// The most characters of a statement.
const STATEMENT: usize = 2_000;

/// The endpoints.
pub struct StandingApi {
    /// The people.
    pub standings: Streams<Standing>,
}

#[derive(ApiResponse)]
enum Imposed {
    /// The sanction is in force.
    #[oai(status = 201)]
    Sanction(Json<SanctionView>),
}

#[OpenApi(tag = "Tag::Sanctions")]
impl StandingApi {
    /// Impose a sanction
    ///
    /// MUTE: the person may read and not write. SUSPEND: all sessions end, and who signs in again may read why, appeal, and nothing else. BAN: the same without end, by
    /// administrators. In force everywhere a moment later; it ends by itself at `until`. The person is told the statement. The
    /// same sanction again, of the same kind and end, changes nothing and gives the one in force back.
    ///
    /// Fails with 400 for a malformed request, 401 without a token, 403 for anyone but moderators and administrators, for anyone
    /// but administrators if it is a ban, and while muted, 404 if there is no such account, 409 for the caller's own, and 422 for an
    /// end that does not fit the kind.
    #[oai(
        path = "/moderation/users/:user_id/sanctions",
        method = "post",
        operation_id = "imposeSanction"
    )]
    async fn impose(
        &self,
        caller: Caller,
        user_id: Path<UserId>,
        request: Json<Impose>,
    ) -> Result<Imposed, Problem> {
        require_moderator(&caller)?;
        caller.may_write()?;
        if user_id.0 == caller.user_id() {
            return Err(Problem::conflict("own-account", "nobody sanctions themselves"));
        }
        let Impose { kind, until, reasons, statement, case_id } = request.0;
        let (store, user) = (self.standings.store(), user_id.0);
        let now = store.clock().now();
        let imposing = Imposing {
            id: SanctionId::new(now),
            kind,
            until,
            reasons,
            statement: clean_text("statement", &statement, STATEMENT)?,
            case_id,
            moderator_id: caller.user_id(),
            is_admin: caller.has(Role::Admin),
            now,
        };
        let known = OnceLock::new();
        let work = store.begin().await?;
        if !account::view::is_known(work.txn(), user).await? {
            return Err(Problem::not_found("account"));
        }
        self.standings
            .execute_in(&work, user, Expected::Any, &caller.metadata(), |standing| {
                known.get_or_init(|| standing.same(&imposing));
                standing.impose(&imposing)
            })
            .await?;
        let id = known.into_inner().flatten().unwrap_or(imposing.id);
        let row = view::sanction(work.txn(), user, id).await?.ok_or(StandingError::NotFound)?;
        work.commit().await?;
        Ok(Imposed::Sanction(Json(shown(row, true)?)))
    }

    /// Lift a sanction
    ///
    /// Takes it back before its end; a ban by administrators. Repeating it changes nothing. Fails with 400 for a malformed id, 401
    /// without a token, 403 for anyone but moderators and administrators, for anyone but administrators if it is a ban, and while
    /// muted, and 404 if the person has no such sanction.
    #[oai(
        path = "/moderation/users/:user_id/sanctions/:sanction_id",
        method = "delete",
        operation_id = "liftSanction"
    )]
    async fn lift(
        &self,
        caller: Caller,
        user_id: Path<UserId>,
        sanction_id: Path<SanctionId>,
    ) -> Result<Json<SanctionView>, Problem> {
        require_moderator(&caller)?;
        caller.may_write()?;
        let (user, id, moderator_id) = (user_id.0, sanction_id.0, caller.user_id());
        let work = self.standings.store().begin().await?;
        self.standings
            .execute_in(&work, user, Expected::Any, &caller.metadata(), |standing| {
                standing.lift(id, moderator_id, caller.has(Role::Admin))
            })
            .await?;
        let row = view::sanction(work.txn(), user, id).await?.ok_or(StandingError::NotFound)?;
        work.commit().await?;
        Ok(Json(shown(row, true)?))
    }

    /// Read what is held against somebody
    ///
    /// Strikes that count and all sanctions. Fails with 400 for a malformed id, 401 without a token and 403 for anyone but
    /// moderators and administrators.
    #[oai(
        path = "/moderation/users/:user_id/standing",
        method = "get",
        operation_id = "getStanding"
    )]
    async fn get_standing(
        &self,
        caller: Caller,
        user_id: Path<UserId>,
    ) -> Result<Json<StandingView>, Problem> {
        require_moderator(&caller)?;
        self.standing(user_id.0, true).await
    }

    /// Read what is held against the caller
    ///
    /// Strikes that count and all sanctions, with their statements of reasons. Fails with 401 without a token.
    #[oai(path = "/moderation/standing/mine", method = "get", operation_id = "getOwnStanding")]
    async fn get_own(&self, caller: AnyCaller) -> Result<Json<StandingView>, Problem> {
        self.standing(caller.user_id(), false).await
    }
}

impl StandingApi {
    async fn standing(
        &self,
        user: UserId,
        for_moderators: bool,
    ) -> Result<Json<StandingView>, Problem> {
        let store = self.standings.store();
        let strikes = view::strikes(store.db(), user, store.clock().now()).await?;
        let sanctions = view::sanctions(store.db(), user).await?;
        Ok(Json(StandingView {
            strikes: strikes.into_iter().map(StrikeView::from).collect(),
            sanctions: sanctions
                .into_iter()
                .map(|row| shown(row, for_moderators))
                .collect::<Result<_, _>>()?,
        }))
    }
}

fn shown(row: view::SanctionRow, for_moderators: bool) -> Result<SanctionView, Problem> {
    SanctionView::new(row, for_moderators).map_err(|error| Problem::internal(&error))
}

impl From<StandingError> for Problem {
    fn from(error: StandingError) -> Self {
        match error {
            StandingError::NotFound => Self::not_found("sanction"),
            StandingError::AdministratorsBan => {
                Self::forbidden("administrators-ban", error.to_string())
            }
            StandingError::End => Self::unprocessable("sanction-end", error.to_string()),
        }
    }
}
