//! What a person cares about: shares of categories, made of what the person says and does.
//!
//! In each category a declared interest weighs 5, a view 1, a reaction that stands 3, a comment 4 and a post of one's own 5.
//! A post keeps the category it was first published under.

use poem_openapi::Object;
use sea_orm::FromQueryResult;
use shared_schemas::post::Category;

const DECLARED: i64 = 5;
const POST: i64 = 5;
const COMMENT: i64 = 4;
const REACTION: i64 = 3;
const VIEW: i64 = 1;

/// What a person said and did in one category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Acts {
    /// The person says to care about it.
    pub declared: bool,
    /// Posts published.
    pub posts: i64,
    /// Comments written.
    pub comments: i64,
    /// Reactions that stand.
    pub reactions: i64,
    /// Views counted.
    pub views: i64,
}

/// How much of a person's interest one category has.
#[derive(Clone, Copy, Debug, PartialEq, Object)]
#[oai(rename = "ActivityInterest")]
pub struct Interest {
    /// The category.
    pub category: Category,
    /// Its share, above 0 and up to 1; the shares of all categories add up to 1.
    #[oai(validator(minimum(value = "0"), maximum(value = "1")))]
    pub weight: f64,
}

impl Acts {
    fn weight(&self) -> i64 {
        let Self { declared, posts, comments, reactions, views } = *self;
        i64::from(declared) * DECLARED
            + posts * POST
            + comments * COMMENT
            + reactions * REACTION
            + views * VIEW
    }
}

/// The shares of the categories that have any, the greatest first; equals in the order of [`Category`].
pub fn shares(acts: impl IntoIterator<Item = (Category, Acts)>) -> Vec<Interest> {
    let mut weights: Vec<(Category, i64)> = acts
        .into_iter()
        .map(|(category, acts)| (category, acts.weight()))
        .filter(|(_, weight)| *weight > 0)
        .collect();
    weights.sort_by_key(|(category, weight)| (-weight, *category));
    let total: i64 = weights.iter().map(|(_, weight)| weight).sum();
    #[expect(clippy::cast_precision_loss, reason = "shares of more than 2^52 acts are not exact")]
    let share = |weight: i64| weight as f64 / total as f64;
    weights
        .into_iter()
        .map(|(category, weight)| Interest { category, weight: share(weight) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_outweigh_declarations_in_time() {
        let books = (Category::Books, Acts { declared: true, ..Acts::default() });
        let travel = (
            Category::Travel,
            Acts { posts: 1, comments: 1, reactions: 1, views: 3, ..Acts::default() },
        );

        assert_eq!(
            shares([books, travel]),
            [
                Interest { category: Category::Travel, weight: 0.75 },
                Interest { category: Category::Books, weight: 0.25 },
            ]
        );
    }

    #[test]
    fn equal_interests_come_in_one_order_always() {
        let declared = Acts { declared: true, ..Acts::default() };

        let shares = shares([(Category::Books, declared), (Category::Sports, declared)]);

        assert_eq!(
            shares.iter().map(|share| share.category).collect::<Vec<_>>(),
            [Category::Sports, Category::Books]
        );
    }

    #[test]
    fn a_category_without_weight_is_left_out() {
        assert_eq!(shares([(Category::Books, Acts::default())]), []);
    }
}
