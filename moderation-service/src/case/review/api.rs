//! The endpoints of the queue.

use event_runtime::Expected;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use service_kit::{Caller, Cursor, Limit, Page, Problem};
use shared_schemas::{
    CaseId, UserId,
    moderation::{CaseEvent, CaseState, ContentLabel, ModerationReason},
};

use super::{
    Reviewer,
    body::{
        DecideMany, DecidedMany, Escalate, FileView, NoteView, ReportedView, SetLabels, WriteNote,
    },
    view::{self, ClaimedBy, QueueFilter},
};
use crate::{
    case::{
        aggregate::{Case, CaseError},
        api::{Found, Tag, clean_text, require_moderator, show},
        body::CaseView,
        decide::{Decisions, find},
    },
    report,
};

/// The most characters of a note.
const NOTE: usize = 2_000;

/// The endpoints.
pub struct ReviewApi {
    /// Decides.
    pub decisions: Decisions,
}

#[OpenApi(tag = "Tag::Moderation")]
impl ReviewApi {
    /// Read the queue
    ///
    /// What waits for a decision or for the answer to an appeal, most pressing first: by severity, reach, uncertainty and
    /// reports, and before all others where somebody speaks of hurting themselves. Priorities move while pages are read, so
    /// that a case may be seen twice or not at all; `GET /moderation/cases` misses none. Fails with 400 for a malformed
    /// parameter, 401 without a token and 403 for anyone but moderators and administrators.
    #[oai(path = "/moderation/queue", method = "get", operation_id = "readQueue")]
    #[expect(clippy::too_many_arguments, reason = "each parameter of the operation is one")]
    async fn read_queue(
        &self,
        caller: Caller,
        /// Cases in this state; what waits if absent.
        state: Query<Option<CaseState>>,
        /// Cases with this reason, by the analyser or by a report.
        reason: Query<Option<ModerationReason>>,
        /// Content with this label.
        label: Query<Option<ContentLabel>>,
        /// Near-copies of each other: visible ASCII, as the analyser names them.
        #[oai(validator(max_length = 200, pattern = "^[!-~]+$"))]
        cluster_id: Query<Option<String>>,
        /// Cases for administrators, or the others.
        escalated: Query<Option<bool>>,
        /// Cases whose appeal waits for an answer, or the others.
        appealed: Query<Option<bool>>,
        /// Who has it in hand.
        claimed_by: Query<Option<ClaimedBy>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<CaseView>>, Problem> {
        require_moderator(&caller)?;
        let limit = Limit::parse(limit.0)?;
        let after = Cursor::position_or_start(cursor.0.as_ref())?;
        let store = self.decisions.cases.store();
        let filter = QueueFilter {
            state: state.0,
            reason: reason.0,
            label: label.0,
            cluster_id: cluster_id.0,
            escalated: escalated.0,
            appealed: appealed.0,
            claimed_by: claimed_by.0,
            moderator: caller.user_id(),
            now: store.clock().now(),
        };
        let rows = view::queue(store.db(), filter, after, limit).await?;
        let cases = rows.into_iter().map(CaseView::try_from).collect::<Result<Vec<_>, _>>()?;
        let cursor = |case: &CaseView| Cursor::after(case.review.priority, case.id.0);
        Ok(Json(Page::of(cases, limit, cursor, |case| case)))
    }

    /// Read the file of a case
    ///
    /// What the content said when it was first reported, what was reported, and the notes of colleagues. Fails with 400 for a
    /// malformed id, 401 without a token, 403 for anyone but moderators and administrators, and 404 if there is no such case.
    #[oai(path = "/moderation/cases/:case_id/file", method = "get", operation_id = "getCaseFile")]
    async fn get_file(
        &self,
        caller: Caller,
        case_id: Path<CaseId>,
    ) -> Result<Json<FileView>, Problem> {
        require_moderator(&caller)?;
        let (db, id) = (self.decisions.cases.store().db(), case_id.0);
        let kept = view::evidence(db, id).await?.ok_or(CaseError::NotFound)?;
        let reports = report::view::of_case(db, id).await?;
        let notes = view::notes(db, id).await?;
        let reported = |row: report::view::ReportedRow| ReportedView {
            category: row.category,
            note: row.note,
            created_at: row.created_at,
        };
        let written = |row: view::NoteRow| NoteView {
            moderator_id: UserId(row.moderator_id),
            note: row.note,
            created_at: row.created_at,
        };
        Ok(Json(FileView {
            evidence: kept.evidence,
            evidence_sha256: kept.evidence_sha256,
            reports: reports.into_iter().map(reported).collect(),
            notes: notes.into_iter().map(written).collect(),
        }))
    }

    /// Claim a case
    ///
    /// For 15 minutes nobody else decides it; claiming it again renews that. Fails with 400 for a malformed id, 401 without a
    /// token, 403 for anyone but moderators and administrators and while muted, 404 if there is no such case, and 409 while
    /// another moderator has it.
    #[oai(path = "/moderation/cases/:case_id/claim", method = "put", operation_id = "claimCase")]
    async fn claim(&self, caller: Caller, case_id: Path<CaseId>) -> Result<Found, Problem> {
        self.execute(&caller, case_id.0, Case::claim).await
    }

    /// Release a case
    ///
    /// Gives a claim back. Repeating it changes nothing. Fails as claiming does.
    #[oai(
        path = "/moderation/cases/:case_id/claim",
        method = "delete",
        operation_id = "releaseCase"
    )]
    async fn release(&self, caller: Caller, case_id: Path<CaseId>) -> Result<Found, Problem> {
        self.execute(&caller, case_id.0, Case::release).await
    }

    /// Write a note
    ///
    /// For colleagues; never published. Every call writes another one. Fails with 400 for a malformed request, 401 without a
    /// token, 403 for anyone but moderators and administrators and while muted, and 404 if there is no such case.
    #[oai(path = "/moderation/cases/:case_id/notes", method = "post", operation_id = "noteCase")]
    async fn write_note(
        &self,
        caller: Caller,
        case_id: Path<CaseId>,
        request: Json<WriteNote>,
    ) -> Result<Found, Problem> {
        let note = clean_text("note", &request.note, NOTE)?;
        self.execute(&caller, case_id.0, |case, by| case.note(by, &note)).await
    }

    /// Escalate a case
    ///
    /// From now on an administrator decides it. Repeating it changes nothing. Fails with 400 for a malformed request, 401
    /// without a token, 403 for anyone but moderators and administrators and while muted, 404 if there is no such case, and 409
    /// while another moderator has it.
    #[oai(
        path = "/moderation/cases/:case_id/escalation",
        method = "put",
        operation_id = "escalateCase"
    )]
    async fn escalate(
        &self,
        caller: Caller,
        case_id: Path<CaseId>,
        request: Json<Escalate>,
    ) -> Result<Found, Problem> {
        let note = request.0.note.map(|note| clean_text("note", &note, NOTE)).transpose()?;
        self.execute(&caller, case_id.0, |case, by| case.escalate(by, note.as_deref())).await
    }

    /// Acknowledge a case
    ///
    /// Says that the caller has seen it and leaves it open. Repeating it changes nothing. Fails with 400 for a malformed id, 401
    /// without a token, 403 for anyone but moderators and administrators and while muted, and 404 if there is no such case.
    #[oai(
        path = "/moderation/cases/:case_id/acknowledgement",
        method = "put",
        operation_id = "acknowledgeCase"
    )]
    async fn acknowledge(&self, caller: Caller, case_id: Path<CaseId>) -> Result<Found, Problem> {
        self.execute(&caller, case_id.0, Case::acknowledge).await
    }

    /// Label content
    ///
    /// Everybody is told these labels from now on, and no others. Fails with 400 for a malformed request, 401 without a token,
    /// 403 for anyone but moderators and administrators and while muted, 404 if there is no such case, and 409 while another
    /// moderator has it.
    #[oai(path = "/moderation/cases/:case_id/labels", method = "put", operation_id = "labelCase")]
    async fn set_labels(
        &self,
        caller: Caller,
        case_id: Path<CaseId>,
        request: Json<SetLabels>,
    ) -> Result<Found, Problem> {
        self.execute(&caller, case_id.0, |case, by| case.label(by, &request.labels)).await
    }

    /// Decide many cases
    ///
    /// One decision about cases by their ids, or about the open cases of one cluster of near-copies. Each is decided by itself,
    /// as by `decideCase`; one that refuses stops no other, and the answer says so. Fails with 400 for a malformed request, 401
    /// without a token, and 403 for anyone but moderators and administrators and while muted.
    #[oai(path = "/moderation/decisions", method = "post", operation_id = "decideManyCases")]
    async fn decide_many(
        &self,
        caller: Caller,
        request: Json<DecideMany>,
    ) -> Result<Json<DecidedMany>, Problem> {
        require_moderator(&caller)?;
        caller.may_write()?;
        Ok(Json(self.decisions.decide_many(&caller, request.0).await?))
    }
}

impl ReviewApi {
    async fn execute(
        &self,
        caller: &Caller,
        id: CaseId,
        command: impl Fn(&Case, Reviewer) -> Result<Vec<CaseEvent>, CaseError> + Send + Sync,
    ) -> Result<Found, Problem> {
        require_moderator(caller)?;
        caller.may_write()?;
        let (cases, by) = (&self.decisions.cases, self.decisions.reviewer(caller));
        cases.execute(id, Expected::Any, &caller.metadata(), |case| command(case, by)).await?;
        show(find(cases.store().db(), id).await?)
    }
}
