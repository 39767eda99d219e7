//! The endpoints of reports.

use chrono::{DateTime, Utc};
use content_screening::{
    record::{Completed, ScreeningEvent},
    sha256,
};
use event_runtime::{Expected, Streams, UnitOfWork};
use poem::http::StatusCode;
use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi, param::Query, payload::Json, types::Example,
};
use service_kit::{Caller, Cursor, Limit, Page, Problem, example, problem::ProblemDetails};
use shared_schemas::{
    Event,
    envelope::Metadata,
    moderation::{CaseState, ModerationReason, Subject},
};
use uuid::Uuid;

use super::{
    aggregate::{Filed, Report, ReportId},
    view::{self, ReportRow},
};
use crate::{
    case::{
        aggregate::{Case, CaseError, Opening, REPORTS, case_id},
        api::{Tag, clean_text},
        body::SubjectKind,
        view::{columns, moment, subject},
    },
    published::{self, view::PublishedRow},
};

/// Reports of one person within an hour.
const PER_HOUR: i64 = 20;

/// The most characters of a note.
const NOTE: usize = 1_000;

/// The endpoints.
pub struct ReportApi {
    /// The reports.
    pub reports: Streams<Report>,
    /// The cases.
    pub cases: Streams<Case>,
}

/// What somebody reports.
#[derive(Clone, Debug, Object)]
#[oai(example, deny_unknown_fields)]
struct FileReport {
    /// What it is.
    subject_kind: SubjectKind,
    /// Its id.
    subject_id: Uuid,
    /// What for.
    category: ModerationReason,
    /// In the reporter's words, 1 to 1 000 characters. Moderators read it, the author never does.
    #[oai(validator(min_length = 1, max_length = 1000), skip_serializing_if_is_none)]
    note: Option<String>,
}

impl Example for FileReport {
    fn example() -> Self {
        Self {
            subject_kind: SubjectKind::Comment,
            subject_id: example::id(4),
            category: ModerationReason::Harassment,
            note: Some("Has followed her through every thread.".to_owned()),
        }
    }
}

/// What became of a report.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "SCREAMING_SNAKE_CASE")]
enum ReportState {
    /// Nobody has decided.
    Open,
    /// The content was removed.
    ActedOn,
    /// The content stays.
    NotActedOn,
    /// The content was removed and is back.
    Reversed,
}

/// A report of the caller.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "Report")]
struct ReportView {
    /// Its id.
    id: Uuid,
    /// What was reported.
    subject_kind: SubjectKind,
    /// Its id.
    subject_id: Uuid,
    /// The version that was visible.
    subject_version: i64,
    /// What for.
    category: ModerationReason,
    /// In the caller's words.
    #[oai(skip_serializing_if_is_none)]
    note: Option<String>,
    /// What became of it.
    state: ReportState,
    /// When.
    created_at: DateTime<Utc>,
}

impl Example for ReportView {
    fn example() -> Self {
        let FileReport { subject_kind, subject_id, category, note } = FileReport::example();
        Self {
            id: example::id(9),
            subject_kind,
            subject_id,
            subject_version: 1,
            category,
            note,
            state: ReportState::Open,
            created_at: example::moment(),
        }
    }
}

impl From<ReportRow> for ReportView {
    fn from(row: ReportRow) -> Self {
        Self {
            id: row.id,
            subject_kind: SubjectKind::of_column(&row.subject_kind),
            subject_id: row.subject_id,
            subject_version: row.subject_version,
            category: row.category,
            note: row.note,
            state: match row.state {
                CaseState::Opened => ReportState::Open,
                CaseState::Dismissed => ReportState::NotActedOn,
                CaseState::DeleteRequested | CaseState::DeleteConfirmed => ReportState::ActedOn,
                CaseState::RestoreRequested | CaseState::RestoreConfirmed => ReportState::Reversed,
            },
            created_at: row.created_at,
        }
    }
}

#[derive(ApiResponse)]
enum FiledResponse {
    /// The report is on record.
    #[oai(status = 201)]
    Filed(Json<ReportView>),
    /// The caller had reported this version already; nothing changed.
    #[oai(status = 200)]
    Known(Json<ReportView>),
    /// Twenty reports within an hour are the most.
    #[oai(status = 429, content_type = "application/problem+json")]
    TooMany(
        Json<ProblemDetails>,
        /// Seconds until the next report.
        #[oai(header = "Retry-After")]
        u64,
    ),
}

#[OpenApi(tag = "Tag::Reports")]
impl ReportApi {
    /// Report content
    ///
    /// The report is about the post or comment as it is now; what it says is kept with the case, whatever becomes of the
    /// content. It opens the case about this version or adds to it. Whoever reports the same version again gets the first
    /// report back. Nobody is told who reported, neither the author nor a moderator.
    ///
    /// Fails with 400 for a malformed request, 401 without a token, 403 while muted, 404 if there is no such content or nobody
    /// can see it, 409 for the caller's own content, and 429 after twenty reports within an hour.
    #[oai(path = "/moderation/reports", method = "post", operation_id = "reportContent")]
    async fn report_content(
        &self,
        caller: Caller,
        request: Json<FileReport>,
    ) -> Result<FiledResponse, Problem> {
        caller.may_write()?;
        let FileReport { subject_kind, subject_id, category, note } = request.0;
        let note = note.map(|note| clean_text("note", &note, NOTE)).transpose()?;
        let subject = subject(subject_kind.as_column(), subject_id);
        let work = self.reports.store().begin().await?;
        let content = published::view::find(work.txn(), subject)
            .await?
            .ok_or_else(|| Problem::not_found("content that people can see"))?;
        if content.author_id() == caller.user_id() {
            return Err(Problem::conflict("own-content", "nobody reports their own content"));
        }
        let subject_version = u64::try_from(content.subject_version).unwrap_or(0);
        let id = ReportId::of(caller.user_id(), &subject, subject_version);
        let now = self.reports.store().clock().now();
        let wait = view::wait(work.txn(), caller.user_id(), now, PER_HOUR).await?;
        if let Some(row) = view::find(work.txn(), id).await? {
            return Ok(FiledResponse::Known(Json(row.into())));
        }
        if let Some(seconds) = wait {
            return Ok(FiledResponse::TooMany(Json(too_many().details().clone()), seconds));
        }
        let text_sha256 = sha256(content.text.as_bytes());
        let case_id = case_id(&subject, subject_version);
        // What the case records is published, and must lead nobody to the reporter.
        let anonymous = Metadata::default();
        let opening = self.opening(&work, subject, &content, category).await?;
        self.cases
            .execute_in(&work, case_id, Expected::Any, &anonymous, |case| {
                let mut events = case.open(opening.clone(), None);
                events.extend(case.report(category, &content.text, &text_sha256));
                Ok::<_, CaseError>(events)
            })
            .await?;
        let reporter_id = caller.user_id();
        let filed =
            Filed { reporter_id, subject, subject_version, text_sha256, category, note, case_id };
        self.reports
            .execute_in(&work, id, Expected::Any, &caller.metadata(), |report| {
                Ok::<_, CaseError>(report.file(filed.clone()))
            })
            .await?;
        let row = view::find(work.txn(), id).await?;
        work.commit().await?;
        row.map(|row| FiledResponse::Filed(Json(row.into())))
            .ok_or_else(|| Problem::not_found("report"))
    }

    /// List own reports
    ///
    /// What the caller has reported and what became of it, newest first. Fails with 400 for a malformed parameter and 401
    /// without a token.
    #[oai(path = "/moderation/reports/mine", method = "get", operation_id = "listOwnReports")]
    async fn list_own(
        &self,
        caller: Caller,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<ReportView>>, Problem> {
        let limit = Limit::parse(limit.0)?;
        let (before, id) = Cursor::position_or_start(cursor.0.as_ref())?;
        let db = self.reports.store().db();
        let rows = view::of_reporter(db, caller.user_id(), (moment(before), id), limit).await?;
        let cursor = |row: &ReportRow| Cursor::after(row.created_at.timestamp_micros(), row.id);
        Ok(Json(Page::of(rows, limit, cursor, ReportView::from)))
    }
}

impl ReportApi {
    /// How a report opens a case: with the judgement of this version, where there is one already.
    async fn opening(
        &self,
        work: &UnitOfWork,
        subject: Subject,
        content: &PublishedRow,
        category: ModerationReason,
    ) -> Result<Opening, Problem> {
        let subject_version = u64::try_from(content.subject_version).unwrap_or(0);
        let mut opening = Opening {
            subject,
            subject_version,
            author_id: content.author_id(),
            reasons: vec![category],
            analyser: REPORTS.to_owned(),
            analysis: serde_json::Value::Null,
            cluster_id: None,
            labels: vec![],
            batch_id: None,
        };
        let ((_, id), store) = (columns(subject), self.cases.store());
        for event in store.history(work.txn(), ScreeningEvent::CATEGORY, id).await? {
            let judged = event.open::<ScreeningEvent>().map_err(|error| Problem::internal(&error));
            let Some(judged) = judged? else { continue };
            let ScreeningEvent::Completed(Completed {
                subject_version: version,
                analyser,
                analysis,
                ..
            }) = judged.event;
            if version == subject_version {
                opening.analyser = analyser.to_string();
                opening.analysis =
                    serde_json::to_value(&analysis).map_err(|error| Problem::internal(&error))?;
            }
        }
        Ok(opening)
    }
}

/// What is answered after too many reports, next to `Retry-After`.
fn too_many() -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too-many-reports",
        "Too many reports",
        Some(format!("{PER_HOUR} reports within an hour are the most")),
    )
}
