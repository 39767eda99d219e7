//! The endpoints of cases.

use poem_openapi::{
    ApiResponse, OpenApi, Tags,
    param::{Header, Path, Query},
    payload::Json,
};
use service_kit::{Caller, Cursor, ETag, Limit, Page, Problem, text};
use shared_schemas::{CaseId, moderation::CaseState, user::Role};

use super::{
    aggregate::CaseError,
    body::{CaseView, Decide, UnreadableCase},
    decide::{Decisions, find},
    view::{self, CaseRow},
};

/// The endpoints.
pub struct CaseApi {
    /// Decides.
    pub decisions: Decisions,
}

#[derive(Tags)]
pub(crate) enum Tag {
    /// Cases that ask for a decision.
    Moderation,
    /// What people report.
    Reports,
    /// What was decided against people, and their appeals.
    Decisions,
    /// Restrictions of people, and what led to them.
    Sanctions,
    /// Judgements that another policy or model changed, many at once.
    Batches,
    /// What moderation does, for everybody to see.
    Transparency,
    /// Rules, policy and model: proposed, in shadow, promoted, taken back; and how the texts change.
    Versions,
}

#[derive(ApiResponse)]
pub(super) enum Found {
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
        let rows = view::list(self.decisions.cases.store().db(), state.0, after, limit).await?;
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
        show(find(self.decisions.cases.store().db(), case_id.0).await?)
    }

    /// Decide a case
    ///
    /// DELETE hides the content, DISMISS leaves it, RESTORE brings hidden content back. The content's service carries a decision
    /// out, which confirms it a moment later. A dismissed or restored case can be decided to DELETE after all. Repeating the
    /// decision that stands changes nothing. A removal of what many have seen is a proposal, `proposed_by`, until a second
    /// moderator decides the same. A `note` is for colleagues and never published.
    ///
    /// Fails with 400 for a malformed request, 401 without a token, 403 for anyone but moderators and administrators, for
    /// anyone but administrators if the case is escalated, and while muted, 404 if there is no such case, 409 while another
    /// moderator has claimed it and for a decision that does not follow from the case's state, and 412 if it is not at the
    /// version of `If-Match`.
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
        let decide = request.0.cleaned()?;
        show(self.decisions.decide(&caller, case_id.0, expected, decide).await?)
    }
}

/// Administrators may do what moderators may.
pub(crate) fn require_moderator(caller: &Caller) -> Result<(), Problem> {
    caller.require_any(&[Role::Moderator, Role::Admin])
}

/// Texts that people write: without white space around them, and of a bounded length.
pub(crate) fn clean_text(field: &str, text: &str, most: usize) -> Result<String, Problem> {
    text::clean(text, &(1..=most))
        .map_err(|error| Problem::bad_request("invalid-text", format!("{field} {error}")))
}

/// A case as an answer.
pub(super) fn show(row: CaseRow) -> Result<Found, Problem> {
    let version = row.version();
    Ok(Found::Case(Json(row.try_into()?), version.into()))
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
            CaseError::Claimed { .. } => Self::conflict("case-claimed", error.to_string()),
            CaseError::Escalated => Self::forbidden("case-escalated", error.to_string()),
            CaseError::NothingToAppeal => Self::conflict("nothing-to-appeal", error.to_string()),
            CaseError::AppealedAlready => Self::conflict("appealed-already", error.to_string()),
            CaseError::NoAppeal => Self::conflict("no-appeal", error.to_string()),
            CaseError::OwnDecision => Self::forbidden("own-decision", error.to_string()),
        }
    }
}

impl From<UnreadableCase> for Problem {
    fn from(error: UnreadableCase) -> Self {
        Self::internal(&error)
    }
}
