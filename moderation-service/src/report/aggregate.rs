//! The report of one person about one version of some content.

use event_runtime::Aggregate;
use serde::{Deserialize, Serialize};
use shared_schemas::{
    CaseId, Event, Service, UserId,
    moderation::{ModerationReason, Subject},
};
use uuid::Uuid;

/// Names a report; derived from who reported what, so that nobody reports it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportId(pub Uuid);

impl ReportId {
    /// The one report of a person about a version of some content.
    pub fn of(reporter: UserId, subject: &Subject, subject_version: u64) -> Self {
        let version = subject_version.to_be_bytes();
        let parts: [&[u8]; 4] = [b"report", reporter.0.as_bytes(), subject.as_bytes(), &version];
        Self(CaseId::derive(&parts).0)
    }
}

impl From<ReportId> for Uuid {
    fn from(id: ReportId) -> Self {
        id.0
    }
}

/// A fact about one report; private to this service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum ReportEvent {
    /// Somebody reported content.
    #[serde(rename = "report.filed.v1")]
    Filed(Filed),
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filed {
    /// Who reported.
    pub reporter_id: UserId,
    /// What.
    pub subject: Subject,
    /// The version that was visible.
    pub subject_version: u64,
    /// What it said, as a hash; the case has the words.
    pub text_sha256: String,
    /// What for.
    pub category: ModerationReason,
    /// In the reporter's words: 1 to 1 000 Unicode scalar values, NFC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The case it went to.
    pub case_id: CaseId,
}

impl Event for ReportEvent {
    const CATEGORY: &'static str = "report";
    const SERVICE: Service = Service::Moderation;

    fn is_public(&self) -> bool {
        false
    }
}

/// What a command needs to know about a report: whether there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    is_filed: bool,
}

impl Aggregate for Report {
    type Id = ReportId;
    type Event = ReportEvent;

    fn evolve(self, event: &ReportEvent) -> Self {
        let ReportEvent::Filed(_) = event;
        Self { is_filed: true }
    }
}

impl Report {
    /// Files the report, once.
    pub fn file(&self, filed: Filed) -> Vec<ReportEvent> {
        if self.is_filed { vec![] } else { vec![ReportEvent::Filed(filed)] }
    }
}

#[cfg(test)]
mod tests {
    use shared_schemas::{PostId, RawEvent};

    use super::*;

    const ANNA: UserId = UserId(Uuid::from_u128(2));
    const SUBJECT: Subject = Subject::Post(PostId(Uuid::from_u128(1)));

    fn filed() -> Filed {
        Filed {
            reporter_id: ANNA,
            subject: SUBJECT,
            subject_version: 3,
            text_sha256: "ab".to_owned(),
            category: ModerationReason::Spam,
            note: None,
            case_id: CaseId(Uuid::from_u128(9)),
        }
    }

    #[test]
    fn a_report_is_filed_once() {
        let events = Report::default().file(filed());
        let report = events.iter().fold(Report::default(), Report::evolve);

        assert_eq!(events.len(), 1);
        assert_eq!(report.file(filed()), vec![]);
    }

    #[test]
    fn another_person_or_another_version_is_another_report() {
        let one = ReportId::of(ANNA, &SUBJECT, 1);

        assert_eq!(one, ReportId::of(ANNA, &SUBJECT, 1));
        assert_ne!(one, ReportId::of(ANNA, &SUBJECT, 2));
        assert_ne!(one, ReportId::of(UserId(Uuid::from_u128(3)), &SUBJECT, 1));
    }

    #[test]
    fn a_report_is_read_back_as_it_was_and_never_published() {
        let wire = r#"{"type":"report.filed.v1","data":{"reporter_id":"00000000-0000-0000-0000-000000000002",
            "subject":{"kind":"post","id":"00000000-0000-0000-0000-000000000001"},"subject_version":3,"text_sha256":"ab",
            "category":"SPAM","case_id":"00000000-0000-0000-0000-000000000009"}}"#;
        let wire: RawEvent = serde_json::from_str(wire).unwrap();
        let event = ReportEvent::Filed(filed());

        assert_eq!(event.encode().unwrap(), wire);
        assert_eq!(ReportEvent::decode(wire).unwrap(), Some(event.clone()));
        assert!(!event.is_public());
    }
}
