//! What is kept of every judgement: private facts that explain every decision, and every absence of one.

use serde::{Deserialize, Serialize};
use shared_schemas::{Event, Service, UserId, moderation::Subject};
use uuid::Uuid;

use crate::{AnalyserVersion, Analysis, Behaviour};

/// Names the screenings of one post or comment; equal to the id of what is screened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScreeningId(Uuid);

impl From<Subject> for ScreeningId {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::Post(id) => Self(id.0),
            Subject::Comment(id) => Self(id.0),
        }
    }
}

impl From<ScreeningId> for Uuid {
    fn from(id: ScreeningId) -> Self {
        id.0
    }
}

/// A fact about the screening of some content; private to moderation-service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum ScreeningEvent {
    /// A version of the content was judged.
    #[serde(rename = "screening.completed.v1")]
    Completed(Completed),
}

/// A judgement and all that it depends on but the text, which the content's own event has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// What was judged.
    pub subject: Subject,
    /// Which version of it: the aggregate version of the event that carried the text.
    pub subject_version: u64,
    /// Who wrote it.
    pub author_id: UserId,
    /// Which analyser with which rules.
    pub analyser: AnalyserVersion,
    /// What was known of the author.
    pub behaviour: Behaviour,
    /// The judgement.
    pub analysis: Analysis,
}

impl Event for ScreeningEvent {
    const CATEGORY: &'static str = "screening";
    const SERVICE: Service = Service::Moderation;

    fn is_public(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use shared_schemas::{PostId, RawEvent};

    use super::*;

    fn completed(subject_version: u64) -> Completed {
        Completed {
            subject: Subject::Post(PostId(Uuid::from_u128(1))),
            subject_version,
            author_id: UserId(Uuid::from_u128(2)),
            analyser: AnalyserVersion {
                name: "rules/1".to_owned(),
                rules_sha256: "a".to_owned(),
                policy_sha256: "b".to_owned(),
                model: String::new(),
            },
            behaviour: Behaviour { published_last_hour: 3, ..Behaviour::default() },
            analysis: Analysis::default(),
        }
    }

    #[test]
    fn a_recorded_judgement_is_read_back_as_it_was_and_never_published() {
        let event = ScreeningEvent::Completed(completed(2));
        let wire = r#"{"type":"screening.completed.v1","data":{"subject":{"kind":"post","id":"00000000-0000-0000-0000-000000000001"},
            "subject_version":2,"author_id":"00000000-0000-0000-0000-000000000002",
            "analyser":{"name":"rules/1","rules_sha256":"a","policy_sha256":"b"},
            "behaviour":{"published_last_minute":0,"published_last_hour":3,"same_text_last_day":0,"same_link_last_day":0,"account_age_seconds":null},
            "analysis":{"verdict":"ALLOW","reasons":[],"scores":{},"findings":[],"language_unsupported":false}}}"#;
        let wire: RawEvent = serde_json::from_str(wire).unwrap();

        assert_eq!(event.encode().unwrap(), wire);
        assert_eq!(ScreeningEvent::decode(wire).unwrap(), Some(event.clone()));
        assert!(!event.is_public());
    }
}
