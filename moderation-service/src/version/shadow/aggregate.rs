//! What a version in shadow makes of one post or comment.

use content_screening::{AnalyserVersion, Analysis, Behaviour, Verdict};
use event_runtime::Aggregate;
use serde::{Deserialize, Serialize};
use shared_schemas::{
    CaseId, Event, Service, UserId,
    moderation::{ModerationReason, Subject},
};
use uuid::Uuid;

use crate::version::aggregate::VersionId;

/// Names what one version in shadow makes of one post or comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShadowId(Uuid);

impl ShadowId {
    /// Of some content and a version.
    pub fn of(subject: &Subject, version: &VersionId) -> Self {
        let parts: [&[u8]; 3] = [b"shadow", subject.as_bytes(), version.as_str().as_bytes()];
        Self(CaseId::derive(&parts).0)
    }
}

impl From<ShadowId> for Uuid {
    fn from(id: ShadowId) -> Self {
        id.0
    }
}

/// A fact about a version in shadow and some content; private to moderation-service. Screenings themselves are another
/// aggregate, so that nobody waits for a shadow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum ShadowEvent {
    /// It judged a version of the content.
    #[serde(rename = "screening.shadowed.v1")]
    Judged(Shadowed),
}

/// A judgement from which nothing follows, beside the one that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadowed {
    /// What was judged.
    pub subject: Subject,
    /// Which version of it.
    pub subject_version: u64,
    /// Who wrote it.
    pub author_id: UserId,
    /// The version in shadow.
    pub version: VersionId,
    /// The same, as decisions name it.
    pub analyser: AnalyserVersion,
    /// What was known of the author, as in the judgement that counts.
    pub behaviour: Behaviour,
    /// What it says.
    pub analysis: Analysis,
    /// The judgement that counts.
    pub live: Live,
}

/// The judgement that counts, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// By which analyser.
    pub analyser: AnalyserVersion,
    /// What was decided.
    pub verdict: Verdict,
    /// Why, worst first.
    pub reasons: Vec<ModerationReason>,
}

impl Event for ShadowEvent {
    const CATEGORY: &'static str = "shadow_screening";
    const SERVICE: Service = Service::Moderation;

    fn is_public(&self) -> bool {
        false
    }
}

/// The judgements of one version in shadow about one post or comment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shadow {
    /// The last version of the content that was judged; 0 before the first.
    judged_version: u64,
}

impl Aggregate for Shadow {
    type Id = ShadowId;
    type Event = ShadowEvent;

    fn evolve(self, event: &ShadowEvent) -> Self {
        let ShadowEvent::Judged(Shadowed { subject_version, .. }) = event;
        Self { judged_version: self.judged_version.max(*subject_version) }
    }
}

impl Shadow {
    /// Records a judgement; a version of the content is judged once.
    pub fn judge(self, shadowed: Shadowed) -> Vec<ShadowEvent> {
        if shadowed.subject_version <= self.judged_version {
            return vec![];
        }
        vec![ShadowEvent::Judged(shadowed)]
    }
}

#[cfg(test)]
mod tests {
    use content_screening::record::Completed;
    use shared_schemas::RawEvent;

    use super::*;
    use crate::content::aggregate::tests::completed;

    fn shadowed(subject_version: u64) -> Shadowed {
        let Completed { subject, author_id, analyser, behaviour, analysis, .. } =
            completed(subject_version);
        Shadowed {
            subject,
            subject_version,
            author_id,
            version: VersionId::of(&analyser),
            analyser: analyser.clone(),
            behaviour,
            analysis,
            live: Live { analyser, verdict: Verdict::Hold, reasons: vec![ModerationReason::Spam] },
        }
    }

    #[test]
    fn a_version_of_the_content_is_judged_once() {
        let first = Shadow::default().judge(shadowed(2));
        let shadow = first.iter().fold(Shadow::default(), Shadow::evolve);

        assert_eq!(first.len(), 1);
        assert_eq!(shadow.judge(shadowed(2)), vec![]);
        assert_eq!(shadow.judge(shadowed(3)).len(), 1);
    }

    #[test]
    fn its_form_stays_as_it_is() {
        let event = ShadowEvent::Judged(shadowed(2));
        let wire = r#"{"type":"screening.shadowed.v1","data":{"subject":{"kind":"post","id":"00000000-0000-0000-0000-000000000001"},
            "subject_version":2,"author_id":"00000000-0000-0000-0000-000000000002",
            "version":"VERSION","analyser":{"name":"rules/1","rules_sha256":"a","policy_sha256":"b"},
            "behaviour":{"published_last_minute":0,"published_last_hour":3,"same_text_last_day":0,"same_link_last_day":0,"account_age_seconds":null},
            "analysis":{"verdict":"ALLOW","reasons":[],"scores":{},"findings":[],"language_unsupported":false},
            "live":{"analyser":{"name":"rules/1","rules_sha256":"a","policy_sha256":"b"},"verdict":"HOLD","reasons":["SPAM"]}}}"#;
        let version = VersionId::of(&completed(2).analyser);
        let wire: RawEvent =
            serde_json::from_str(&wire.replace("VERSION", version.as_str())).unwrap();

        assert_eq!(event.encode().unwrap(), wire);
        assert_eq!(ShadowEvent::decode(wire).unwrap(), Some(event.clone()));
        assert!(!event.is_public());
    }
}
