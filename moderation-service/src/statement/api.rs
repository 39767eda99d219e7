//! The endpoints of statements and appeals.

use event_runtime::Expected;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use service_kit::{AnyCaller, Caller, Cursor, Limit, Page, Problem};
use shared_schemas::CaseId;

use super::{
    body::{AnswerAppeal, Statement, WriteAppeal},
    view,
};
use crate::case::{
    api::{Tag, clean_text, require_moderator},
    body::{CaseView, UnreadableCase},
    decide::{Decisions, find},
    view::moment,
};

/// The most characters of an appeal and of its answer.
const TEXT: usize = 2_000;

/// The endpoints.
pub struct StatementApi {
    /// Decides.
    pub decisions: Decisions,
}

#[OpenApi(tag = "Tag::Decisions")]
impl StatementApi {
    /// List decisions against the caller
    ///
    /// A statement of reasons for every removal of the caller's content, latest first: what, why, where in the text, whether a
    /// person decided, how to appeal, and what became of the appeal. Fails with 400 for a malformed parameter and 401 without a
    /// token.
    #[oai(path = "/moderation/decisions/mine", method = "get", operation_id = "listOwnDecisions")]
    async fn list_own(
        &self,
        caller: AnyCaller,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<Statement>>, Problem> {
        let limit = Limit::parse(limit.0)?;
        let (before, id) = Cursor::position_or_start(cursor.0.as_ref())?;
        let db = self.decisions.cases.store().db();
        let rows = view::of_author(db, caller.user_id(), (moment(before), id), limit).await?;
        let statements: Vec<Statement> =
            rows.into_iter().map(Statement::try_from).collect::<Result<_, UnreadableCase>>()?;
        let cursor = |statement: &Statement| {
            Cursor::after(statement.decided_at.timestamp_micros(), statement.case_id.0)
        };
        Ok(Json(Page::of(statements, limit, cursor, |statement| statement)))
    }

    /// Appeal against a decision
    ///
    /// Once per removal, by the author of what was removed; those who are muted, suspended or banned may, too. A moderator who did not decide will
    /// answer. Fails with 400 for a malformed request, 401 without a token, 404 if there is no such case about content of the
    /// caller, and 409 if nothing is removed or the caller appealed already.
    #[oai(
        path = "/moderation/decisions/:case_id/appeal",
        method = "post",
        operation_id = "appealDecision"
    )]
    async fn appeal(
        &self,
        caller: AnyCaller,
        case_id: Path<CaseId>,
        request: Json<WriteAppeal>,
    ) -> Result<Json<Statement>, Problem> {
        let text = clean_text("text", &request.text, TEXT)?;
        let (cases, id) = (&self.decisions.cases, case_id.0);
        cases
            .execute(id, Expected::Any, &caller.metadata(), |case| {
                case.appeal(caller.user_id(), &text)
            })
            .await?;
        Ok(Json(find(cases.store().db(), id).await?.try_into()?))
    }

    /// Answer an appeal
    ///
    /// OVERTURNED brings the content back as it was and takes back the strike; UPHELD leaves it removed. Fails with 400 for a
    /// malformed request, 401 without a token, 403 for anyone but moderators and administrators, for whoever took the decision
    /// and while muted, 404 if there is no such case, and 409 if no appeal waits, another moderator has claimed the case, or
    /// another case about the same content is being carried out.
    #[oai(
        path = "/moderation/cases/:case_id/appeal",
        method = "post",
        operation_id = "answerAppeal"
    )]
    async fn answer(
        &self,
        caller: Caller,
        case_id: Path<CaseId>,
        request: Json<AnswerAppeal>,
    ) -> Result<Json<CaseView>, Problem> {
        require_moderator(&caller)?;
        caller.may_write()?;
        let text = clean_text("text", &request.text, TEXT)?;
        let row = self.decisions.answer(&caller, case_id.0, request.outcome, text).await?;
        Ok(Json(row.try_into()?))
    }
}
