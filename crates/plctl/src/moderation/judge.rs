//! One judgement made again and compared with the recorded one.

use content_screening::publication::Publication;
use content_screening::{Analyser, AnalyserVersion, Behaviour, RuleAnalyser, Verdict};
use event_runtime::operator::records::Record;
use serde::Deserialize;
use serde_json::Value;
use shared_schemas::comment::CommentEvent;
use shared_schemas::moderation::{ModerationReason, Subject};
use shared_schemas::post::PostEvent;
use shared_schemas::{CaseId, Event as _, RawEvent, UserId};

use super::flip::{Change, Flip};
use super::read::Item;
use super::tally::{Tally, Weighed};

/// A recorded judgement; its analysis stays as it was written, so that nothing in it is passed over.
#[derive(Deserialize)]
struct Recorded {
    subject: Subject,
    subject_version: u64,
    author_id: UserId,
    analyser: AnalyserVersion,
    behaviour: Behaviour,
    analysis: Value,
}

/// What is counted of a recorded analysis.
#[derive(Deserialize)]
struct Outcome {
    verdict: Verdict,
    #[serde(default)]
    reasons: Vec<ModerationReason>,
}

/// Judges again.
pub(super) struct Judge {
    /// With the rules and the model in question.
    pub(super) analyser: RuleAnalyser,
    /// Whether samples carry what was written.
    pub(super) shows_texts: bool,
}

impl Judge {
    /// Judges some judgements again: what they come to, and what changed, line by line.
    pub(super) fn judge(&self, items: &[Item]) -> (Tally, Vec<Flip>) {
        let (mut tally, mut flips) = (Tally::default(), Vec::new());
        for item in items {
            flips.extend(self.judge_one(item, &mut tally));
        }
        (tally, flips)
    }

    fn judge_one(&self, item: &Item, tally: &mut Tally) -> Option<Flip> {
        let Ok(recorded) = serde_json::from_str::<Recorded>(&item.record.data) else {
            tally.unreadable(item.record.aggregate_id, item.record.aggregate_version);
            return None;
        };
        let Recorded { subject, subject_version, author_id, analyser, behaviour, analysis } =
            recorded;
        let published = item.text.as_ref().and_then(|text| publication(&subject, text));
        let Some(publication) = published else {
            tally.erased();
            return None;
        };
        let again = self.analyser.analyse(&publication.content(), &behaviour);
        let is_same = publication.author_id == author_id
            && serde_json::to_value(&again).is_ok_and(|again| again == analysis);
        // What no build of this program wrote has no verdict to count with; it is named as altered below.
        let before = serde_json::from_value(analysis)
            .unwrap_or(Outcome { verdict: again.verdict, reasons: Vec::new() });
        let is_version_given = analyser == *self.analyser.version();
        let change = match (is_same, before.verdict == again.verdict) {
            (true, _) => None,
            (false, false) => Some(Change::Verdict),
            (false, true) if before.reasons != again.reasons => Some(Change::Reasons),
            (false, true) => Some(Change::Analysis),
        };
        let is_altered = !is_same && is_version_given;
        let community = behaviour.community.or(publication.community);
        let version = analyser.to_string();
        tally.weigh(&Weighed {
            at: item.record.occurred_at,
            version: &version,
            is_version_given,
            is_same,
            before: before.verdict,
            before_worst: before.reasons.first().copied(),
            after: again.verdict,
            after_worst: again.reasons.first().copied(),
            is_supported: !again.language_unsupported,
            language: &again.language,
            community,
            decision: item.decision,
        });
        let change = change?;
        if change == Change::Analysis && !is_altered {
            return None;
        }
        let flip = Flip {
            subject,
            subject_version,
            case_id: CaseId::about(&subject, subject_version),
            change,
            is_altered,
            from: before.verdict,
            from_reasons: before.reasons,
            from_version: version,
            to: again.verdict,
            to_reasons: again.reasons.clone(),
            to_version: self.analyser.version().to_string(),
            analysis: again,
        };
        tally.sample(&flip, self.shows_texts.then_some(&publication.text));
        Some(flip)
    }
}

/// The text that an event made public.
fn publication(subject: &Subject, record: &Record) -> Option<Publication> {
    let data = serde_json::from_str(&record.data).ok()?;
    let raw = RawEvent { event_type: record.event_type.clone(), data };
    match subject {
        Subject::Post(_) => Publication::of_post(PostEvent::decode(raw).ok()??),
        Subject::Comment(_) => Publication::of_comment(CommentEvent::decode(raw).ok()??),
    }
}
