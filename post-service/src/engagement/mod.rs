//! What people did with a post, and what that makes of it.
//!
//! Two figures are shown with every post, both pure functions of its totals:
//!
//! - **score** = views + 3 · comments + feeling, where feeling adds up the worth of the current reactions: LOVE 3, LIKE, JOY
//!   and FUNNY 2, SAD 1, ANGRY −1. A score can be negative.
//! - **popularity** = 100 · (1 − e^(−max(score, 0) / 100)), rounded to one decimal: from 0 for a post that nobody has seen
//!   towards 100. A score of 100 makes 63.2, of 300 makes 95.0.
//!
//! Example: 40 views, 5 comments, 3 LIKE and 1 ANGRY: score 40 + 15 + 5 = 60, popularity 45.1.

pub mod projection;

use shared_schemas::reaction::ReactionKind;

/// What people did with one post.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Views, one per person and hour.
    pub views: i64,
    /// Comments that stand.
    pub comments: i64,
    /// Reactions that stand.
    pub reactions: i64,
    /// Worth of the reactions that stand.
    pub feeling: i64,
}

impl Totals {
    /// See the module.
    pub fn score(self) -> i64 {
        self.views + 3 * self.comments + self.feeling
    }

    /// See the module; 0 to 100 with one decimal.
    pub fn popularity(self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the function is flat long before a score of 2^52"
        )]
        let score = self.score().max(0) as f64;
        (1_000.0 * (1.0 - (-score / 100.0).exp())).round() / 10.0
    }
}

/// What one reaction adds to the score of a post.
pub const fn worth(kind: ReactionKind) -> i64 {
    match kind {
        ReactionKind::Love => 3,
        ReactionKind::Like | ReactionKind::Joy | ReactionKind::Funny => 2,
        ReactionKind::Sad => 1,
        ReactionKind::Angry => -1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_holds() {
        let feeling = 3 * worth(ReactionKind::Like) + worth(ReactionKind::Angry);
        let totals = Totals { views: 40, comments: 5, reactions: 4, feeling };

        assert_eq!(totals.score(), 60);
        assert!((totals.popularity() - 45.1).abs() < 1e-9);
    }

    #[test]
    fn popularity_lies_between_0_and_100_and_never_falls_with_the_score() {
        let popularity = |views| Totals { views, ..Totals::default() }.popularity();

        assert!((popularity(0)).abs() < f64::EPSILON);
        assert!(Totals { feeling: -5, ..Totals::default() }.popularity().abs() < f64::EPSILON);
        assert!((0..2_000).all(|views| popularity(views) <= popularity(views + 1)));
        assert!(popularity(i64::MAX / 4) <= 100.0);
    }
}
