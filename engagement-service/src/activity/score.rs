//! How lively somebody is: one number from 0 to 100, made of the totals alone.
//!
//! With points
//!
//! ```text
//! p = 5·ln(1 + posts) + 4·ln(1 + comments) + 2·ln(1 + reactions) + 1·ln(1 + views)
//!   + 2·ln(1 + reactions_received) + 3·ln(1 + comments_received) + 1·ln(1 + views_received)
//!   + 3·ln(1 + connections)
//! ```
//!
//! the score is `100 · (1 − e^(−p / 40))`, rounded to the nearest whole number. The logarithm makes the first act of a kind
//! count more than the hundredth, so that doing many things counts more than doing one thing often; the exponential keeps the
//! score below 100 without a cap.
//!
//! A worked example: 3 posts, 6 comments, 6 reactions, 6 views; 6 reactions, 6 comments and 6 views received; 2 connections.
//! `p = 5·ln 4 + (4 + 2 + 1 + 2 + 3 + 1)·ln 7 + 3·ln 3 = 6.93 + 25.30 + 3.30 = 35.52`, and
//! `100 · (1 − e^(−0.888)) = 58.9`: the score is 59, the level `NORMALLY_ACTIVE`.

use super::totals::Totals;

/// The points at which the score reaches 63, which is `100 · (1 − 1/e)`.
const SCALE: f64 = 40.0;

/// The score of somebody with these totals, 0 to 100. More of anything never lowers it.
pub fn engagement_score(totals: &Totals) -> u8 {
    let Totals {
        posts,
        comments,
        reactions,
        views,
        reactions_received,
        comments_received,
        views_received,
        connections,
    } = *totals;
    let points: f64 = [
        (5.0, posts),
        (4.0, comments),
        (2.0, reactions),
        (1.0, views),
        (2.0, reactions_received),
        (3.0, comments_received),
        (1.0, views_received),
        (3.0, connections),
    ]
    .into_iter()
    .map(|(weight, count)| weight * logarithm(count))
    .sum();
    let score = 100.0 * -f64::exp_m1(-points / SCALE);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0 to 100 before"
    )]
    let score = score.round().clamp(0.0, 100.0) as u8;
    score
}

/// `ln(1 + count)`.
fn logarithm(count: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^52 differ in no score")]
    let count = count.max(0) as f64;
    count.ln_1p()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared_schemas::notification::EngagementLevel;

    use super::*;

    fn totals(counts: [i64; 8]) -> Totals {
        let [
            posts,
            comments,
            reactions,
            views,
            reactions_received,
            comments_received,
            views_received,
            connections,
        ] = counts;
        Totals {
            posts,
            comments,
            reactions,
            views,
            reactions_received,
            comments_received,
            views_received,
            connections,
        }
    }

    #[test]
    fn who_did_nothing_scores_nothing() {
        assert_eq!(engagement_score(&Totals::default()), 0);
    }

    #[test]
    fn the_worked_example_scores_59() {
        let score = engagement_score(&totals([3, 6, 6, 6, 6, 6, 6, 2]));

        assert_eq!(score, 59);
        assert_eq!(EngagementLevel::of(score), EngagementLevel::NormallyActive);
    }

    #[test]
    fn every_level_is_within_reach() {
        let levels = [
            [1, 0, 0, 0, 0, 0, 0, 0],
            [1, 1, 1, 5, 0, 0, 0, 0],
            [3, 6, 6, 6, 6, 6, 6, 2],
            [6, 9, 9, 9, 9, 9, 9, 3],
            [24, 48, 48, 48, 48, 48, 48, 7],
        ]
        .map(|counts| EngagementLevel::of(engagement_score(&totals(counts))));

        assert_eq!(
            levels,
            [
                EngagementLevel::Isolated,
                EngagementLevel::LessActive,
                EngagementLevel::NormallyActive,
                EngagementLevel::ModeratelyActive,
                EngagementLevel::HighlyActive,
            ]
        );
    }

    #[test]
    fn one_thing_without_end_is_less_than_everything_a_little() {
        assert!(
            engagement_score(&totals([0, 0, 0, 100_000, 0, 0, 0, 0]))
                < engagement_score(&totals([2, 2, 2, 2, 2, 2, 2, 2]))
        );
    }

    proptest! {
        #[test]
        fn more_of_anything_never_scores_less(
            counts in prop::array::uniform8(0..i64::MAX / 2), which in 0..8_usize, more in 0..i64::MAX / 2,
        ) {
            let mut raised = counts;
            raised[which] += more;

            prop_assert!(engagement_score(&totals(counts)) <= engagement_score(&totals(raised)));
        }

        #[test]
        fn a_score_is_never_above_100(counts in prop::array::uniform8(any::<i64>())) {
            prop_assert!(engagement_score(&totals(counts)) <= 100);
        }
    }
}
