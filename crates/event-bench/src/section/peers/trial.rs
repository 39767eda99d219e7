//! One trial: what is published, what goes wrong meanwhile, and what became of every message.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::bed::Ground;

/// Different aggregates among the messages.
pub(super) const AGGREGATES: u64 = 100;

/// Nothing was handled for so long: what is missing now is lost. Twice as long as anybody needs to take over.
pub(super) const PATIENCE: Duration = Duration::from_secs(12);

/// What is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    pub(super) events: u64,
    /// Messages per second; 0 for as fast as possible.
    pub(super) rate: u64,
    /// Consumers of the one group.
    pub(super) consumers: usize,
    /// Kill the first consumer (SIGKILL); it does not come back.
    pub(super) kill: bool,
    /// Let Redis forget everything.
    pub(super) flush: bool,
    /// Put an entry among the others that nobody can read.
    pub(super) malformed: bool,
}

impl Default for Trial {
    fn default() -> Self {
        Self { events: 0, rate: 0, consumers: 1, kill: false, flush: false, malformed: false }
    }
}

impl Trial {
    /// Waits for the moment at which something goes wrong: half-way at a pace, and else when a quarter is handled and
    /// consumers have their hands full.
    pub(super) async fn moment(self, handled: impl AsyncFn() -> Result<usize>) -> Result<()> {
        if self.rate > 0 {
            let half = self.events as f64 / (2 * self.rate) as f64;
            tokio::time::sleep(Duration::from_secs_f64(half)).await;
            return Ok(());
        }
        let began = Instant::now();
        while (handled().await? as u64) < self.events / 4 {
            ensure!(
                began.elapsed() < Duration::from_mins(1),
                "a quarter is not handled in a minute"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Whether something goes wrong.
    pub(super) fn is_disturbed(self) -> bool {
        self.kill || self.flush || self.malformed
    }
}

/// Somebody who publishes and handles.
pub(super) trait Contestant {
    fn name(&self) -> String;
    fn throughput_events(&self) -> u64;
    async fn run(&mut self, ground: &mut Ground, trial: Trial) -> Result<Outcome>;
}

/// One message, handled once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handled {
    pub(super) aggregate: u64,
    /// Its place in the aggregate.
    pub(super) number: u64,
    /// When it was meant to be sent, and when it was handled; microseconds since the Unix epoch.
    pub(super) intended: i64,
    pub(super) at: i64,
}

/// What became of the messages of a trial.
#[derive(Clone, Default, Serialize)]
pub(super) struct Outcome {
    pub(super) published_per_second: f64,
    pub(super) handled_per_second: f64,
    /// Never handled.
    pub(super) lost: u64,
    /// Handled again.
    pub(super) doubled: u64,
    /// Handled for the first time after a later one of the same aggregate.
    pub(super) out_of_order: u64,
    /// The longest that a message waited.
    pub(super) longest_ms: f64,
    #[serde(skip)]
    pub(super) latencies_ms: Vec<f64>,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            published_per_second,
            handled_per_second,
            lost,
            doubled,
            out_of_order,
            longest_ms,
            ..
        } = self;
        write!(
            f,
            "{published_per_second:.0}/s out, {handled_per_second:.0}/s in, {lost} lost, {doubled} doubled, \
             {out_of_order} out of order, longest {longest_ms:.0} ms"
        )
    }
}

impl Outcome {
    /// Looks at everything that was handled, in any order.
    pub(super) fn of(trial: Trial, published_in: f64, mut handled: Vec<Handled>) -> Self {
        handled.sort_by_key(|one| one.at);
        let mut outcome =
            Self { published_per_second: trial.events as f64 / published_in, ..Self::default() };
        let mut times: HashMap<(u64, u64), u64> = HashMap::new();
        let mut latest: BTreeMap<u64, u64> = BTreeMap::new();
        for one in &handled {
            let times = times.entry((one.aggregate, one.number)).or_default();
            *times += 1;
            if *times > 1 {
                outcome.doubled += 1;
                continue;
            }
            let latest = latest.entry(one.aggregate).or_default();
            if one.number < *latest {
                outcome.out_of_order += 1;
            }
            *latest = one.number.max(*latest);
            outcome.latencies_ms.push((one.at - one.intended) as f64 / 1e3);
        }
        outcome.lost = trial.events.saturating_sub(times.len() as u64);
        outcome.longest_ms = outcome.latencies_ms.iter().copied().fold(0.0, f64::max);
        let first = handled.iter().map(|one| one.intended).min().unwrap_or(0);
        let last = handled.last().map_or(0, |one| one.at);
        let seconds = (last - first) as f64 / 1e6;
        outcome.handled_per_second = times.len() as f64 / seconds.max(0.001);
        outcome
    }
}

/// Reads the lines `aggregate number intended handled`.
pub(super) fn lines(log: &Path) -> Result<Vec<Handled>> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let mut handled = Vec::new();
    for line in text.lines() {
        let numbers: Vec<i64> =
            line.split(' ').map(str::parse).collect::<Result<_, _>>().unwrap_or_default();
        let [aggregate, number, intended, at] = numbers.as_slice() else { continue };
        handled.push(Handled {
            aggregate: u64::try_from(*aggregate)?,
            number: u64::try_from(*number)?,
            intended: *intended,
            at: *at,
        });
    }
    Ok(handled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(number: u64, at: i64) -> Handled {
        Handled { aggregate: 1, number, intended: 0, at }
    }

    #[test]
    fn what_is_missing_doubled_and_late_is_counted() {
        let trial = Trial { events: 4, ..Trial::default() };

        let outcome = Outcome::of(trial, 1.0, vec![one(1, 1), one(3, 2), one(2, 3), one(3, 4)]);

        assert_eq!((outcome.lost, outcome.doubled, outcome.out_of_order), (1, 1, 1));
    }

    #[test]
    fn order_is_that_of_handling_and_not_of_the_log() {
        let trial = Trial { events: 2, ..Trial::default() };

        let outcome = Outcome::of(trial, 1.0, vec![one(2, 9), one(1, 3)]);

        assert_eq!(outcome.out_of_order, 0);
    }
}
