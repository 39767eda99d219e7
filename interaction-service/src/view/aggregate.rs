//! The rules of a view.

use chrono::{DateTime, Utc};
use event_runtime::Aggregate;
use shared_schemas::{PostId, UserId, ViewId, post::Category, view::ViewEvent};

/// Seconds of an hour.
const HOUR: i64 = 3_600;

/// Whether the view of one person, post and hour has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// Not yet.
    #[default]
    New,
    /// It has.
    Counted,
}

/// That somebody sees a post.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The post.
    pub post_id: PostId,
    /// Who wrote the post.
    pub post_author_id: UserId,
    /// What the post is about.
    pub category: Category,
    /// Who sees it.
    pub viewer_id: UserId,
    /// In which hour.
    pub hour: Hour,
}

/// Why a view refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// It has counted.
    #[error("a view counts once per person, post and hour")]
    AlreadyCounted,
}

/// A whole hour, counted from the Unix epoch (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour(i64);

impl Hour {
    /// The hour of a moment.
    pub fn of(moment: DateTime<Utc>) -> Self {
        Self(moment.timestamp().div_euclid(HOUR))
    }

    /// When it began.
    pub fn start(self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0 * HOUR, 0).unwrap_or_default()
    }
}

impl Seen {
    /// The one view that this can be.
    pub fn id(&self) -> ViewId {
        ViewId::of(self.viewer_id, self.post_id, self.hour.0)
    }
}

impl Aggregate for View {
    type Id = ViewId;
    type Event = ViewEvent;

    fn evolve(self, event: &ViewEvent) -> Self {
        match event {
            ViewEvent::Counted { .. } => Self::Counted,
        }
    }
}

impl View {
    /// Counts the view.
    ///
    /// # Errors
    ///
    /// [`ViewError::AlreadyCounted`] the second time.
    pub fn count(self, seen: Seen) -> Result<Vec<ViewEvent>, ViewError> {
        match self {
            Self::New => Ok(vec![ViewEvent::Counted {
                post_id: seen.post_id,
                post_author_id: seen.post_author_id,
                category: seen.category,
                viewer_id: seen.viewer_id,
                hour: seen.hour.start(),
            }]),
            Self::Counted => Err(ViewError::AlreadyCounted),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn seen(seconds: i64) -> Seen {
        Seen {
            post_id: PostId(Uuid::from_u128(1)),
            post_author_id: UserId(Uuid::from_u128(2)),
            category: Category::Food,
            viewer_id: UserId(Uuid::from_u128(3)),
            hour: Hour::of(DateTime::from_timestamp(seconds, 0).unwrap()),
        }
    }

    #[test]
    fn a_view_counts_once() {
        let counted = View::New.count(seen(0)).unwrap();

        let view = counted.iter().fold(View::New, View::evolve);

        assert_eq!(view.count(seen(1)), Err(ViewError::AlreadyCounted));
    }

    #[test]
    fn moments_of_one_hour_are_one_view_and_the_next_hour_is_another() {
        assert_eq!(seen(7_200).id(), seen(10_799).id());
        assert_ne!(seen(7_200).id(), seen(10_800).id());
    }

    #[test]
    fn an_hour_begins_at_its_first_second() {
        let moment = DateTime::from_timestamp(10_799, 5).unwrap();

        assert_eq!(Hour::of(moment).start().timestamp(), 7_200);
    }
}
