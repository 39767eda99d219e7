//! The endpoints of cases.

use event_runtime::Streams;
use poem_openapi::{
    ApiResponse, OpenApi, Tags,
    param::{Header, Path, Query},
    payload::Json,
};
use sea_orm::ConnectionTrait;
use service_kit::{Caller, Cursor, ETag, Limit, Page, Problem};
use shared_schemas::{
    CaseId, CommentId, PostId,
    moderation::{CaseState, Decider, Decision, Subject},
    user::Role,
};

use super::{
    aggregate::{Case, CaseError, Visibility},
    body::{CaseView, Decide, UnreadableCase},
    view::{self, CaseRow},
};
use crate::confirm;

/// The endpoints.
pub struct CaseApi {
    /// The cases.
    pub cases: Streams<Case>,
}

#[derive(Tags)]
enum Tag {
    /// Cases that ask for a decision.
    Moderation,
}

#[derive(ApiResponse)]
enum Found {
    /// The case.
    #[oai(status = 200)]
    Case(
        Json<CaseView>,
        /// Its version, for the next `If-Match`.
        #[oai(header = "ETag")]
        ETag,
    ),
}

#[OpenApi(tag = "Tag::Moderation")]
impl CaseApi {
    /// List cases
    ///
    /// Newest first; with `state`, the queue of one state. Fails with 400 for a malformed parameter, 401 without a token and
    /// 403 for anyone but moderators and administrators.
    #[oai(path = "/moderation/cases", method = "get", operation_id = "listCases")]
    async fn list_cases(
        &self,
        caller: Caller,
        /// Cases in this state only.
        state: Query<Option<CaseState>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<CaseView>>, Problem> {
        require_moderator(&caller)?;
        let limit = Limit::parse(limit.0)?;
        let after = Cursor::position_or_start(cursor.0.as_ref())?;
        let rows = view::list(self.cases.store().db(), state.0, after, limit).await?;
        let cases = rows.into_iter().map(CaseView::try_from).collect::<Result<Vec<_>, _>>()?;
        let cursor = |case: &CaseView| CaseRow::cursor(case.opened_at, case.id);
        Ok(Json(Page::of(cases, limit, cursor, |case| case)))
    }

    /// Read a case
    ///
    /// Fails with 400 for a malformed id, 401 without a token, 403 for anyone but moderators and administrators, and 404 if
    /// there is no such case.
    #[oai(path = "/moderation/cases/:case_id", method = "get", operation_id = "getCase")]
    async fn get_case(&self, caller: Caller, case_id: Path<CaseId>) -> Result<Found, Problem> {
        require_moderator(&caller)?;
        show(find(self.cases.store().db(), case_id.0).await?)
    }

    /// Decide a case
    ///
    /// DELETE hides the content, DISMISS leaves it, RESTORE brings hidden content back. The content's service carries a decision
    /// out, which confirms it a moment later. A dismissed or restored case can be decided to DELETE after all. Repeating the
    /// decision that stands changes nothing. Fails with 400 for a malformed request, 401 without a token, 403 for anyone but
    /// moderators and administrators and while muted, 404 if there is no such case, 409 for a decision that does not follow
    /// from the case's state, and 412 if it is not at the version of `If-Match`.
    #[oai(
        path = "/moderation/cases/:case_id/decision",
        method = "post",
        operation_id = "decideCase"
    )]
    async fn decide_case(
        &self,
        caller: Caller,
        case_id: Path<CaseId>,
        #[oai(name = "If-Match")] if_match: Header<Option<ETag>>,
        request: Json<Decide>,
    ) -> Result<Found, Problem> {
        require_moderator(&caller)?;
        caller.may_write()?;
        let expected = ETag::expected_or_any(if_match.0.as_ref())?;
        let Json(Decide { decision, reasons }) = request;
        let decided_by = Decider::Moderator { user_id: caller.user_id() };
        let (id, store) = (case_id.0, self.cases.store());

        let work = store.begin().await?;
        let subject = subject(&find(work.txn(), id).await?);
        let visibility = confirm::projection::lock(work.txn(), subject).await?;
        let opposed = opposed(work.txn(), subject, id, decision, visibility).await?;
        self.cases
            .execute_in(&work, id, expected, &caller.metadata(), |case| {
                let events =
                    case.decide(decision, reasons.clone(), decided_by.clone(), visibility)?;
                opposed.filter(|_| !events.is_empty()).map_or(Ok(events), Err)
            })
            .await?;
        let decided = find(work.txn(), id).await?;
        work.commit().await?;
        show(decided)
    }
}

/// Administrators may do what moderators may.
/// Whether another case about the same content waits for the opposite. Decisions of one case are carried out in order, those
/// of two in any: only one of the two would hold, and nobody could say which.
async fn opposed(
    connection: &impl ConnectionTrait,
    subject: Subject,
    id: CaseId,
    decision: Decision,
    visibility: Visibility,
) -> Result<Option<CaseError>, Problem> {
    let (waits_for, error) = match (decision, visibility) {
        // What is gone is neither hidden nor restored any more.
        (Decision::Dismiss, _) | (_, Visibility::Gone) => return Ok(None),
        (Decision::Delete, Visibility::Visible | Visibility::Hidden) => {
            (CaseState::RestoreRequested, CaseError::RestorePending)
        }
        (Decision::Restore, Visibility::Visible | Visibility::Hidden) => {
            (CaseState::DeleteRequested, CaseError::DeletePending)
        }
    };
    let waiting = view::waiting(connection, subject, waits_for).await?;
    Ok(waiting.iter().any(|other| *other != id).then_some(error))
}

fn require_moderator(caller: &Caller) -> Result<(), Problem> {
    if caller.has(Role::Admin) { Ok(()) } else { caller.require(Role::Moderator) }
}

async fn find(connection: &impl ConnectionTrait, id: CaseId) -> Result<CaseRow, Problem> {
    view::find(connection, id).await?.ok_or_else(|| CaseError::NotFound.into())
}

fn show(row: CaseRow) -> Result<Found, Problem> {
    let version = row.version();
    Ok(Found::Case(Json(row.try_into()?), version.into()))
}

fn subject(row: &CaseRow) -> Subject {
    if row.subject_kind == view::POST {
        Subject::Post(PostId(row.subject_id))
    } else {
        Subject::Comment(CommentId(row.subject_id))
    }
}

impl From<CaseError> for Problem {
    fn from(error: CaseError) -> Self {
        match error {
            CaseError::NotFound => Self::not_found("case"),
            CaseError::NothingToRestore
            | CaseError::NothingToDismiss
            | CaseError::RestorePending
            | CaseError::DeletePending => Self::conflict("case-state", error.to_string()),
            CaseError::ContentGone => Self::conflict("content-gone", error.to_string()),
        }
    }
}

impl From<UnreadableCase> for Problem {
    fn from(error: UnreadableCase) -> Self {
        Self::internal(&error)
    }
}
