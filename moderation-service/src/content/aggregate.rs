//! The screenings of one post or comment: private facts that explain every decision, and every absence of one.

use content_screening::record::{Completed, ScreeningEvent, ScreeningId};
use event_runtime::Aggregate;
use shared_schemas::post::Category;

/// The screenings of one post or comment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screening {
    /// The last version that was judged; 0 before the first.
    judged_version: u64,
    /// Where it was published, as far as it was known then.
    community: Option<Category>,
}

impl Aggregate for Screening {
    type Id = ScreeningId;
    type Event = ScreeningEvent;

    fn evolve(self, event: &ScreeningEvent) -> Self {
        let ScreeningEvent::Completed(Completed { subject_version, behaviour, .. }) = event;
        Self {
            judged_version: self.judged_version.max(*subject_version),
            community: behaviour.community.or(self.community),
        }
    }
}

impl Screening {
    /// The category of the post, or of the post that is commented on, by the judgements so far.
    pub const fn community(&self) -> Option<Category> {
        self.community
    }

    /// Records a judgement; a version is judged once.
    pub fn complete(&self, completed: Completed) -> Vec<ScreeningEvent> {
        if completed.subject_version <= self.judged_version {
            return vec![];
        }
        vec![ScreeningEvent::Completed(completed)]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use content_screening::{AnalyserVersion, Analysis, Behaviour};
    use shared_schemas::{PostId, UserId, moderation::Subject};
    use uuid::Uuid;

    use super::*;

    pub(crate) fn completed(subject_version: u64) -> Completed {
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
    fn a_version_is_judged_once_and_a_later_one_anew() {
        let first = Screening::default().complete(completed(2));
        let screening = first.iter().fold(Screening::default(), Screening::evolve);

        assert_eq!(first.len(), 1);
        assert_eq!(screening.complete(completed(2)), vec![]);
        assert_eq!(screening.complete(completed(3)).len(), 1);
    }
}
