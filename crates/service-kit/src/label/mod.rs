//! Labels: what everybody is told of content before they look at it, as moderation-service says.
//!
//! A label is said of one version of a text. Another version has none until it is spoken of itself, in whatever order the news of a
//! text and of its labels come. What a person said of a version counts before what its screening said.
//!
//! A service that shows content has the table `content_label`, fills it by [`LabelProjection`], and reads the row of the version that it
//! shows.

mod projection;

use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};
use shared_schemas::moderation::ContentLabel;

pub use projection::LabelProjection;

/// A column of labels: each once, in the order in which the list declares them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(transparent)]
pub struct Labels(Vec<ContentLabel>);

impl Labels {
    /// Labels in whatever order.
    pub fn new(labels: &[ContentLabel]) -> Self {
        let mut labels = labels.to_vec();
        labels.sort_unstable();
        labels.dedup();
        Self(labels)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What clients are told.
    pub fn shown(self) -> Vec<ContentLabel> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_in_the_order_of_their_list_and_each_is_there_once() {
        use ContentLabel::{HelpOffered, Sensitive, Sexual};

        let labels = Labels::new(&[HelpOffered, Sexual, HelpOffered, Sensitive]);

        assert_eq!(labels.shown(), [Sensitive, Sexual, HelpOffered]);
    }
}
