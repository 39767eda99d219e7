//! What an owner does with the entries that it was given.

/// A sequence number is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The number that was due.
    pub expected: u64,
    /// The one that came.
    pub found: u64,
}

/// Entries by what an owner may do with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Took effect before: to be acknowledged and nothing else.
    pub known: Vec<u64>,
    /// Follow the watermark without a hole: to be applied, in this order.
    pub new: Vec<u64>,
    /// What comes after `new` must not be applied before the missing events are.
    pub gap: Option<Gap>,
}

impl Page {
    /// Judges entries in the order in which Redis gave them, by the watermark up to which everything took effect.
    pub fn of(watermark: u64, sequences: impl IntoIterator<Item = u64>) -> Self {
        let mut page = Self::default();
        let mut last = watermark;
        for sequence in sequences {
            if sequence <= watermark {
                page.known.push(sequence);
            } else if page.gap.is_some() || sequence <= last {
                // Behind a hole, or the same entry again: it comes once more from the watermark.
            } else if sequence == last.saturating_add(1) {
                page.new.push(sequence);
                last = sequence;
            } else {
                page.gap = Some(Gap { expected: last.saturating_add(1), found: sequence });
            }
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_up_to_the_watermark_is_known_and_what_follows_it_is_new() {
        let page = Page::of(3, [2, 3, 4, 5]);

        assert_eq!(page, Page { known: vec![2, 3], new: vec![4, 5], gap: None });
    }

    #[test]
    fn nothing_behind_a_hole_is_new() {
        let page = Page::of(3, [4, 6, 7]);

        assert_eq!(page.new, [4]);
        assert_eq!(page.gap, Some(Gap { expected: 5, found: 6 }));
    }

    #[test]
    fn an_entry_that_comes_twice_is_new_once() {
        let page = Page::of(0, [1, 2, 2, 1, 3]);

        assert_eq!(page, Page { known: vec![], new: vec![1, 2, 3], gap: None });
    }

    #[test]
    fn the_last_number_of_all_is_followed_by_nothing() {
        let page = Page::of(u64::MAX, [u64::MAX]);

        assert_eq!(page, Page { known: vec![u64::MAX], new: vec![], gap: None });
    }
}
