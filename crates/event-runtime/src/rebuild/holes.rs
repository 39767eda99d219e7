//! Positions of the store that were passed without an event in sight: rolled back, or not yet committed.

/// Ranges of positions, in order, without overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Holes(Vec<(i64, i64)>);

impl Holes {
    /// Whether nothing was passed.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges as JSON objects `{"a": first, "z": last}`, for a statement.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let ranges =
            self.0.iter().map(|(first, last)| serde_json::json!({ "a": first, "z": last }));
        serde_json::Value::Array(ranges.collect())
    }

    /// Notes what lies between two positions that follow each other; all of it comes after what was noted before.
    pub(super) fn pass(&mut self, before: i64, next: i64) {
        if next - before > 1 {
            self.0.push((before + 1, next - 1));
        }
    }

    /// An event turned up in a hole.
    pub(super) fn fill(&mut self, position: i64) {
        let Some(index) =
            self.0.iter().position(|(first, last)| (*first..=*last).contains(&position))
        else {
            return;
        };
        let (first, last) = self.0.remove(index);
        let rest = [(first, position - 1), (position + 1, last)];
        for (first, last) in rest.into_iter().rev().filter(|(first, last)| first <= last) {
            self.0.insert(index, (first, last));
        }
    }

    /// Nothing will turn up any more at or before a position.
    pub(super) fn settle(&mut self, through: i64) {
        self.0.retain_mut(|(first, last)| {
            *first = (*first).max(through + 1);
            first <= last
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn positions(holes: &Holes) -> Vec<i64> {
        holes.0.iter().flat_map(|(first, last)| *first..=*last).collect()
    }

    proptest! {
        #[test]
        fn holes_are_the_positions_that_were_passed_and_did_not_turn_up(
            seen in prop::collection::btree_set(1_i64..60, 1..30),
            late in prop::collection::vec(1_i64..60, 0..30),
            settled in 0_i64..60,
        ) {
            let mut holes = Holes::default();
            let mut before = 0;
            for position in &seen {
                holes.pass(before, *position);
                before = *position;
            }
            let mut expected: BTreeSet<i64> = (1..before).filter(|hole| !seen.contains(hole)).collect();
            for position in late {
                holes.fill(position);
                expected.remove(&position);
            }
            holes.settle(settled);
            expected.retain(|hole| *hole > settled);

            prop_assert_eq!(positions(&holes), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
