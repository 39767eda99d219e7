//! The layout of a service's streams: which generations there were, how many partitions each had, and where each ended.
//!
//! The sequence numbers of a partition continue from one generation to the next, so a generation is a range of them:
//! after the end of the one before, up to its own end. The store keeps the layout; the relay announces it in Redis for those
//! who read the streams, who share no database with it.

mod announce;
mod stored;
mod watch;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use announce::announce;
pub use announce::{AnnounceError, announced, layout_key};
pub(crate) use stored::lay_out;
pub use stored::load;
pub use watch::Watch;

/// All generations of a service's streams, and how far its store has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Announcement", into = "Announcement")]
pub struct Layout {
    earlier: Vec<Generation>,
    current: Generation,
    heads: BTreeMap<u16, u64>,
}

/// One generation of streams: a number of partitions for as long as the store's past is one history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Its number, from 1.
    pub epoch: u32,
    /// How many partitions it has.
    pub partitions: u16,
    /// The last sequence number of each partition that is true when the next generation begins; empty for the current one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ends: BTreeMap<u16, u64>,
}

/// A part of a service's history: everything of it is read before anything of the next, for the order of each aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The generation.
    pub epoch: u32,
    /// The parts of it that have no order among each other.
    pub ranges: Vec<Range>,
}

/// Consecutive sequence numbers of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The partition.
    pub partition: u16,
    /// The number before the first one.
    pub after: u64,
    /// The last one.
    pub through: u64,
}

/// How a layout looks in Redis.
#[derive(Serialize, Deserialize)]
struct Announcement {
    epoch: u32,
    partitions: u16,
    generations: Vec<Generation>,
    heads: BTreeMap<u16, u64>,
}

/// Why an announcement is no layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// It has no generation at all.
    #[error("there is no generation")]
    Empty,
    /// Generations are not in the order of their numbers, or one has no partitions.
    #[error("generation {0} is out of order or has no partitions")]
    Disorder(u32),
}

impl Layout {
    /// A layout of these generations, oldest first, whose store has come to `heads`.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] if they are none, or not in order.
    pub fn new(
        mut generations: Vec<Generation>,
        heads: BTreeMap<u16, u64>,
    ) -> Result<Self, LayoutError> {
        let mut last = 0;
        for generation in &generations {
            if generation.epoch <= last || generation.partitions == 0 {
                return Err(LayoutError::Disorder(generation.epoch));
            }
            last = generation.epoch;
        }
        let current = generations.pop().ok_or(LayoutError::Empty)?;
        Ok(Self { earlier: generations, current, heads })
    }

    /// The current generation's number.
    pub fn epoch(&self) -> u32 {
        self.current.epoch
    }

    /// How many partitions the current generation has.
    pub fn partitions(&self) -> u16 {
        self.current.partitions
    }

    /// All generations, oldest first.
    pub fn generations(&self) -> impl Iterator<Item = &Generation> {
        self.earlier.iter().chain(std::iter::once(&self.current))
    }

    /// One generation by its number.
    pub fn generation(&self, epoch: u32) -> Option<&Generation> {
        self.generations().find(|generation| generation.epoch == epoch)
    }

    /// The generation that began when this one ended; `None` for the current one.
    pub fn next(&self, epoch: u32) -> Option<&Generation> {
        self.generations().find(|generation| generation.epoch > epoch)
    }

    /// The number after which a generation begins in a partition.
    pub fn base(&self, epoch: u32, partition: u16) -> u64 {
        self.earlier
            .iter()
            .rev()
            .filter(|generation| generation.epoch < epoch)
            .find_map(|generation| generation.ends.get(&partition).copied())
            .unwrap_or(0)
    }

    /// Where a generation ended in a partition; `None` if it is the current one or unknown.
    pub fn end(&self, epoch: u32, partition: u16) -> Option<u64> {
        let generation = self.earlier.iter().find(|generation| generation.epoch == epoch)?;
        let end = generation.ends.get(&partition).copied();
        Some(end.unwrap_or_else(|| self.base(epoch, partition)))
    }

    /// The last sequence number that the store had given in a partition.
    pub fn head(&self, partition: u16) -> u64 {
        self.heads.get(&partition).copied().unwrap_or(0)
    }

    /// All partitions that have ever been, in order.
    pub(crate) fn head_partitions(&self) -> impl Iterator<Item = u16> {
        self.heads.keys().copied()
    }

    /// The whole history up to the heads, in the order in which it has to be read.
    pub fn history(&self) -> Vec<Stretch> {
        self.generations()
            .map(|generation| {
                let range = |partition| Range {
                    partition,
                    after: self.base(generation.epoch, partition),
                    through: self
                        .end(generation.epoch, partition)
                        .unwrap_or_else(|| self.head(partition)),
                };
                let ranges = (0..generation.partitions).map(range);
                let ranges = ranges.filter(|range| range.after < range.through).collect();
                Stretch { epoch: generation.epoch, ranges }
            })
            .collect()
    }
}

impl TryFrom<Announcement> for Layout {
    type Error = LayoutError;

    fn try_from(announcement: Announcement) -> Result<Self, LayoutError> {
        Self::new(announcement.generations, announcement.heads)
    }
}

impl From<Layout> for Announcement {
    fn from(layout: Layout) -> Self {
        let Layout { mut earlier, current, heads } = layout;
        let (epoch, partitions) = (current.epoch, current.partitions);
        earlier.push(current);
        Self { epoch, partitions, generations: earlier, heads }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(epoch: u32, partitions: u16, ends: &[(u16, u64)]) -> Generation {
        Generation { epoch, partitions, ends: ends.iter().copied().collect() }
    }

    fn layout() -> Layout {
        let generations = vec![
            generation(1, 2, &[(0, 10), (1, 20)]),
            generation(2, 1, &[(0, 15), (1, 20)]),
            generation(4, 3, &[]),
        ];
        Layout::new(generations, [(0, 16), (1, 22), (2, 3)].into()).unwrap()
    }

    #[test]
    fn a_generation_begins_where_the_one_before_ended() {
        let layout = layout();

        assert_eq!((layout.base(1, 0), layout.end(1, 0)), (0, Some(10)));
        assert_eq!((layout.base(2, 0), layout.end(2, 0)), (10, Some(15)));
        assert_eq!((layout.base(4, 0), layout.end(4, 0)), (15, None));
        assert_eq!((layout.base(4, 1), layout.base(4, 2)), (20, 0));
        assert_eq!(layout.next(2).map(|next| next.epoch), Some(4));
        assert_eq!(layout.next(4), None);
    }

    #[test]
    fn the_history_is_every_number_once_in_the_order_of_generations() {
        let range = |partition, after, through| Range { partition, after, through };

        assert_eq!(
            layout().history(),
            [
                Stretch { epoch: 1, ranges: vec![range(0, 0, 10), range(1, 0, 20)] },
                Stretch { epoch: 2, ranges: vec![range(0, 10, 15)] },
                Stretch {
                    epoch: 4,
                    ranges: vec![range(0, 15, 16), range(1, 20, 22), range(2, 0, 3)]
                },
            ]
        );
    }

    #[test]
    fn what_is_announced_is_read_and_what_is_no_layout_is_refused() {
        let text = serde_json::to_string(&layout()).unwrap();

        assert_eq!(serde_json::from_str::<Layout>(&text).unwrap(), layout());
        assert!(text.starts_with(r#"{"epoch":4,"partitions":3,"#), "{text}");
        assert_eq!(Layout::new(Vec::new(), BTreeMap::new()), Err(LayoutError::Empty));
        let twice = vec![generation(2, 1, &[]), generation(2, 1, &[])];
        assert_eq!(Layout::new(twice, BTreeMap::new()), Err(LayoutError::Disorder(2)));
        let none = vec![generation(1, 0, &[])];
        assert_eq!(Layout::new(none, BTreeMap::new()), Err(LayoutError::Disorder(1)));
    }
}
