//! Which case comes first: severity × reach × uncertainty, in integers, so that every machine agrees.
//!
//! *Urgency* is what the case itself says, and is kept with it: the severity of its worst reason, how unsure the analyser was,
//! and how many people reported it. The *reach factor* is what the audience says, and is kept with the content, since it grows
//! all the time. A case's priority is the product of the two; nothing else enters it.

use shared_schemas::moderation::ModerationReason;

/// The factor of content that nobody has seen.
pub const NO_REACH: i64 = 100;

/// The largest factor: of content that some 260 000 people have seen.
const MAX_REACH: i64 = 1_000;

/// How bad it is, 1 to 100; speaking of self-harm is beyond all others, because somebody waits for help.
pub const fn severity(reason: ModerationReason) -> i64 {
    match reason {
        ModerationReason::SelfHarm => 100_000,
        ModerationReason::Threat => 100,
        ModerationReason::Racism => 80,
        ModerationReason::Harassment => 70,
        ModerationReason::Nudity => 50,
        ModerationReason::OffensiveContent => 40,
        ModerationReason::RulesViolation => 30,
        ModerationReason::Spam => 20,
    }
}

/// How much a person's judgement adds to a score from 0 to 100: 100 at 50, down to 50 at 0 and 100, where the analyser is sure.
pub fn uncertainty(score: u8) -> i64 {
    100 - (i64::from(score.min(100)) - 50).abs()
}

/// What so many reports multiply the urgency by, in percent: 25 more for each, up to four times as much.
pub fn weight_of_reports(reports: i64) -> i64 {
    (100 + 25 * reports.max(0)).min(400)
}

/// How urgent a case is: what is worst among `reasons`, each with its score where the analyser gave one, and the reports.
pub fn urgency(reasons: &[(ModerationReason, Option<u8>)], reports: i64) -> i64 {
    let worst = reasons.iter().map(|(reason, score)| {
        // What no analyser has judged is as uncertain as can be.
        severity(*reason) * uncertainty(score.unwrap_or(50))
    });
    worst.max().unwrap_or(0) * weight_of_reports(reports) / 100
}

/// How many people content has reached, roughly: a reaction or a comment shows it to more than one.
pub const fn reach(views: i64, reactions: i64, comments: i64) -> i64 {
    let reach = views + 5 * reactions + 5 * comments;
    if reach < 0 { 0 } else { reach }
}

/// The factor of a reach: 50 more each time the audience doubles.
pub fn reach_factor(reach: i64) -> i64 {
    let doublings = i64::from(u64::try_from(reach.max(0)).unwrap_or(0).saturating_add(1).ilog2());
    (NO_REACH + 50 * doublings).min(MAX_REACH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_BUT_HELP: [ModerationReason; 7] = [
        ModerationReason::OffensiveContent,
        ModerationReason::Nudity,
        ModerationReason::RulesViolation,
        ModerationReason::Racism,
        ModerationReason::Spam,
        ModerationReason::Threat,
        ModerationReason::Harassment,
    ];

    #[test]
    fn self_harm_comes_before_whatever_else_however_many_saw_and_reported_it() {
        let help = urgency(&[(ModerationReason::SelfHarm, Some(100))], 0) * NO_REACH;

        for reason in ALL_BUT_HELP {
            let other = urgency(&[(reason, Some(50))], i64::MAX / 100) * reach_factor(i64::MAX);
            assert!(help > other, "{reason}");
        }
    }

    #[test]
    fn what_is_worse_less_certain_further_spread_or_more_reported_comes_first() {
        let spam = |score, reports| urgency(&[(ModerationReason::Spam, Some(score))], reports);

        assert!(urgency(&[(ModerationReason::Threat, Some(60))], 0) > spam(60, 0));
        assert!(spam(55, 0) > spam(95, 0));
        assert!(spam(60, 1) > spam(60, 0));
        assert!(reach_factor(1_000) > reach_factor(10));
        assert_eq!(spam(60, 12), spam(60, 1_000));
    }

    #[test]
    fn the_worst_of_several_reasons_counts_and_an_unjudged_one_as_uncertain() {
        let both = [(ModerationReason::Spam, Some(50)), (ModerationReason::Threat, None)];

        assert_eq!(urgency(&both, 0), severity(ModerationReason::Threat) * 100);
        assert_eq!(urgency(&[], 3), 0);
    }

    #[test]
    fn reach_doubles_the_factor_by_steps_and_ends() {
        assert_eq!(reach_factor(0), NO_REACH);
        assert_eq!(reach_factor(reach(1, 0, 0)), 150);
        assert_eq!(reach_factor(reach(3, 0, 0)), 200);
        assert_eq!(reach_factor(i64::MAX), MAX_REACH);
        assert_eq!(reach_factor(reach(-7, 0, 0)), NO_REACH);
    }
}
