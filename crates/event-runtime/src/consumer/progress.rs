//! How far a partition has come: everything up to the watermark, and single events ahead of it.

use std::collections::BTreeSet;

/// What took effect, as numbers: a contiguous beginning and a set of those done ahead of it.
///
/// Numbers are dense, so this is an exact inbox: whatever is delivered again, however late, is recognised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    watermark: u64,
    /// Done, and above `watermark + 1`.
    ahead: BTreeSet<u64>,
}

impl Progress {
    /// What the database says: the watermark, and the rows of the inbox in any order, old ones among them.
    pub(crate) fn load(watermark: u64, inbox: impl IntoIterator<Item = u64>) -> Self {
        let mut progress = Self { watermark, ahead: BTreeSet::new() };
        for sequence in inbox {
            progress.complete(sequence);
        }
        progress
    }

    /// Everything up to here is done.
    pub(crate) fn watermark(&self) -> u64 {
        self.watermark
    }

    /// The last that is done.
    pub(crate) fn highest(&self) -> u64 {
        self.ahead.last().copied().unwrap_or(self.watermark)
    }

    /// Those done ahead of the watermark, up to and including a number.
    pub(crate) fn ahead_up_to(&self, end: u64) -> Vec<u64> {
        self.ahead.iter().copied().take_while(|sequence| *sequence <= end).collect()
    }

    /// How many are done ahead of the watermark.
    pub(crate) fn ahead(&self) -> usize {
        self.ahead.len()
    }

    pub(crate) fn is_done(&self, sequence: u64) -> bool {
        sequence <= self.watermark || self.ahead.contains(&sequence)
    }

    /// Takes note that one event took effect or is parked, and moves the watermark over all that are done without a hole.
    pub(crate) fn complete(&mut self, sequence: u64) {
        if sequence <= self.watermark {
            return;
        }
        self.ahead.insert(sequence);
        while self.ahead.first().is_some_and(|first| *first == self.watermark + 1) {
            self.ahead.pop_first();
            self.watermark += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_watermark_moves_when_the_hole_before_it_is_filled() {
        let mut progress = Progress::load(3, [7, 2, 5]);
        assert_eq!((progress.watermark(), progress.ahead()), (3, 2));
        progress.complete(4);
        assert_eq!((progress.watermark(), progress.ahead()), (5, 1));
        progress.complete(6);
        assert_eq!((progress.watermark(), progress.ahead()), (7, 0));
        assert!(progress.is_done(7) && !progress.is_done(8));
    }

    /// One thing that happens to an owner with lanes.
    #[derive(Clone, Debug)]
    enum Step {
        /// The n-th of the lanes that have something commits its next events, this many at most.
        Commit(usize, usize),
        /// The watermark is written and the inbox below it deleted.
        Compact,
        /// The owner dies; another one loads what is durable and is given everything after the watermark again.
        Crash,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..8_usize, 1..6_usize).prop_map(|(lane, most)| Step::Commit(lane, most)),
            2 => Just(Step::Compact),
            1 => Just(Step::Crash),
        ]
    }

    /// What the database keeps, and the effects that an oracle counts.
    #[derive(Default)]
    struct Durable {
        watermark: u64,
        inbox: BTreeSet<u64>,
        effects: BTreeMap<u64, Vec<u64>>,
    }

    /// Events `1..` by the aggregate that each belongs to, queued in lanes as an owner does after it has loaded its progress.
    fn dispatch(aggregates: &[u64], lanes: u64, progress: &Progress) -> Vec<Vec<(u64, u64)>> {
        let mut queues = vec![Vec::new(); usize::try_from(lanes).unwrap()];
        for (sequence, aggregate) in (1..).zip(aggregates) {
            if !progress.is_done(sequence) {
                queues[usize::try_from(aggregate % lanes).unwrap()].push((sequence, *aggregate));
            }
        }
        queues
    }

    proptest! {
        #[test]
        fn every_event_takes_effect_once_and_in_order_of_its_aggregate(
            aggregates in prop::collection::vec(0..6_u64, 1..60),
            lanes in 1..5_u64,
            steps in prop::collection::vec(step(), 0..80),
        ) {
            let mut durable = Durable::default();
            let mut progress = Progress::load(0, []);
            let mut queues = dispatch(&aggregates, lanes, &progress);
            let finish = (0..1_000).map(|lane| Step::Commit(lane, 6));
            for step in steps.into_iter().chain(finish).chain([Step::Compact]) {
                match step {
                    Step::Commit(lane, most) => {
                        let waiting: Vec<usize> =
                            (0..queues.len()).filter(|lane| !queues[*lane].is_empty()).collect();
                        let Some(lane) = waiting.get(lane % waiting.len().max(1)) else { continue };
                        let queue = &mut queues[*lane];
                        let rest = queue.split_off(most.min(queue.len()));
                        for (sequence, aggregate) in std::mem::replace(queue, rest) {
                            prop_assert!(durable.inbox.insert(sequence), "{sequence} twice");
                            durable.effects.entry(aggregate).or_default().push(sequence);
                            progress.complete(sequence);
                        }
                    }
                    Step::Compact => {
                        durable.watermark = progress.watermark();
                        durable.inbox.retain(|sequence| *sequence > durable.watermark);
                        prop_assert_eq!(durable.inbox.len(), progress.ahead());
                    }
                    Step::Crash => {
                        let loaded = Progress::load(durable.watermark, durable.inbox.iter().copied());
                        prop_assert_eq!(&loaded, &progress);
                        progress = loaded;
                        queues = dispatch(&aggregates, lanes, &progress);
                    }
                }
            }

            prop_assert_eq!(durable.watermark, aggregates.len() as u64);
            prop_assert!(durable.inbox.is_empty());
            for (aggregate, effects) in durable.effects {
                let expected: Vec<u64> =
                    (1..).zip(&aggregates).filter(|(_, at)| **at == aggregate).map(|(at, _)| at).collect();
                prop_assert_eq!(effects, expected);
            }
        }
    }
}
