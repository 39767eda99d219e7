//! What everybody may know of a screening: that nothing speaks against the text, and which labels it bears.

use content_screening::{Verdict, record::Completed};
use event_runtime::Aggregate;
use shared_schemas::{ClearanceId, clearance::ClearanceEvent};

/// The clearance of one post or comment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clearance {
    /// The last version that was cleared; 0 before the first.
    cleared_version: u64,
}

impl Aggregate for Clearance {
    type Id = ClearanceId;
    type Event = ClearanceEvent;

    fn evolve(self, event: &ClearanceEvent) -> Self {
        let ClearanceEvent::Granted { subject_version, .. } = event;
        Self { cleared_version: self.cleared_version.max(*subject_version) }
    }
}

impl Clearance {
    /// Clears a version that was judged harmless, once. One that was held or removed is spoken of by its case.
    pub fn grant(self, completed: &Completed) -> Vec<ClearanceEvent> {
        let Completed { subject, subject_version, author_id, ref analysis, .. } = *completed;
        match analysis.verdict {
            Verdict::Allow if subject_version > self.cleared_version => {
                let labels = analysis.labels.clone();
                vec![ClearanceEvent::Granted { subject, subject_version, author_id, labels }]
            }
            Verdict::Allow | Verdict::Hold | Verdict::Remove => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::aggregate::tests::completed;

    #[test]
    fn a_harmless_version_is_cleared_once_and_a_held_one_never() {
        let granted = Clearance::default().grant(&completed(2));
        let clearance = granted.iter().fold(Clearance::default(), Clearance::evolve);
        let mut held = completed(3);
        held.analysis.verdict = Verdict::Hold;

        assert_eq!(granted.len(), 1);
        assert_eq!(clearance.grant(&completed(2)), vec![]);
        assert_eq!(clearance.grant(&held), vec![]);
        assert_eq!(clearance.grant(&completed(4)).len(), 1);
    }
}
