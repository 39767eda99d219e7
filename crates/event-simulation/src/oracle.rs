//! What must hold after every step, and what must have come about in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::model::{EventId, GroupId, postgres::Postgres, redis::Redis};

/// What was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Invariant {
    /// Every committed event has one place in public.
    Completeness,
    /// Within an aggregate, places are in the order of versions.
    Order,
    /// A place in the stream holds the event that the store has there.
    PublishedOnce,
    /// The stream has no holes but those that somebody cut into it.
    NoHoles,
    /// An event takes effect at most once per group.
    EffectOnce,
    /// What is acknowledged took effect or is parked, durably.
    AcknowledgedAfterCommit,
    /// Everything up to the watermark took effect or is parked.
    WatermarkIsContiguous,
    /// Nothing leaves the stream that a registered group has not done with.
    TrimSafety,
    /// No event takes effect before an earlier one of its aggregate.
    OrderUnderFailure,
    /// When the faults end, everything takes effect.
    Liveness,
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// How it showed.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.what)
    }
}

/// Watches; keeps what it has seen, so that every step costs what is new.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    numbered: usize,
    placed: BTreeSet<EventId>,
    newest: BTreeMap<u8, u32>,
    groups: BTreeMap<GroupId, Seen>,
    /// Sequence numbers that somebody deleted from the middle of the stream.
    pub(crate) deleted: BTreeSet<u64>,
    /// The first thing that an actor was seen to do wrong.
    pub(crate) caught: Option<Violation>,
}

#[derive(Debug, Default)]
struct Seen {
    effects: usize,
    done: BTreeSet<u64>,
    newest: BTreeMap<u8, u32>,
    watermark: u64,
}

fn fail<T>(invariant: Invariant, what: String) -> Result<T, Violation> {
    Err(Violation { invariant, what })
}

impl Oracle {
    /// Judges acknowledgements at the moment when Redis carries them out.
    pub(crate) fn acknowledged(&mut self, group: GroupId, sequences: &[u64], postgres: &Postgres) {
        let row = postgres.rows.get(&group);
        let lost = sequences.iter().find(|sequence| {
            !row.is_some_and(|row| {
                row.watermark >= **sequence
                    || row.parked.contains(sequence)
                    || row.effects.contains(sequence)
            })
        });
        if let Some(sequence) = lost {
            self.caught.get_or_insert(Violation {
                invariant: Invariant::AcknowledgedAfterCommit,
                what: format!("group {group} acknowledged {sequence}, which has no effect"),
            });
        }
    }

    /// Judges a trim at the moment when Redis carries it out. `registered` are the groups that were registered when the relay
    /// asked for it: one that came later finds what it needs in the store.
    pub(crate) fn trimmed(&mut self, gone: &[u64], registered: &[GroupId], postgres: &Postgres) {
        for group in registered {
            let watermark = postgres.rows.get(group).map_or(0, |row| row.watermark);
            if let Some(needed) = gone.iter().find(|gone| **gone > watermark) {
                self.caught.get_or_insert(Violation {
                    invariant: Invariant::TrimSafety,
                    what: format!("{needed} was trimmed, and group {group} is at {watermark}"),
                });
            }
        }
    }

    /// Looks at everything.
    pub(crate) fn check(&mut self, redis: &Redis, postgres: &Postgres) -> Result<(), Violation> {
        if let Some(violation) = self.caught.take() {
            return Err(violation);
        }
        self.store(postgres)?;
        self.stream(redis, postgres)?;
        for (group, row) in &postgres.rows {
            let seen = self.groups.entry(*group).or_default();
            for sequence in row.effects.iter().skip(seen.effects) {
                effect(seen, *group, *sequence, postgres)?;
            }
            seen.effects = row.effects.len();
            for sequence in seen.watermark + 1..=row.watermark {
                if !seen.done.contains(&sequence) && !row.parked.contains(&sequence) {
                    let what = format!(
                        "group {group} is at {}, and {sequence} neither took effect nor is parked",
                        row.watermark
                    );
                    return fail(Invariant::WatermarkIsContiguous, what);
                }
            }
            seen.watermark = row.watermark;
        }
        Ok(())
    }

    fn store(&mut self, postgres: &Postgres) -> Result<(), Violation> {
        for id in postgres.publication.iter().skip(self.numbered) {
            let event = postgres.events.get(*id).filter(|event| event.committed);
            let Some(event) = event else {
                return fail(
                    Invariant::Completeness,
                    format!("event {id} has a place and never happened"),
                );
            };
            if !self.placed.insert(*id) {
                return fail(Invariant::Completeness, format!("event {id} has two places"));
            }
            let newest = self.newest.entry(event.aggregate).or_default();
            if event.version <= *newest {
                let what = format!(
                    "aggregate {}: {} comes after {newest}",
                    event.aggregate, event.version
                );
                return fail(Invariant::Order, what);
            }
            *newest = event.version;
        }
        self.numbered = postgres.publication.len();
        Ok(())
    }

    fn stream(&self, redis: &Redis, postgres: &Postgres) -> Result<(), Violation> {
        let Some(stream) = &redis.stream else { return Ok(()) };
        let mut due: Option<u64> = None;
        for (sequence, id) in &stream.entries {
            if postgres.published(*sequence).is_none_or(|(stored, _)| stored != *id) {
                let what = format!("the stream has event {id} at {sequence}, the store does not");
                return fail(Invariant::PublishedOnce, what);
            }
            if let Some(due) = due {
                let hole = (due..*sequence).find(|missing| !self.deleted.contains(missing));
                if let Some(missing) = hole {
                    return fail(
                        Invariant::NoHoles,
                        format!("{missing} is missing before {sequence}"),
                    );
                }
            }
            due = Some(sequence + 1);
        }
        if let Some(missing) = (due.unwrap_or(stream.last + 1)..=stream.last)
            .find(|missing| !self.deleted.contains(missing))
        {
            return fail(Invariant::NoHoles, format!("{missing} is missing at the end"));
        }
        Ok(())
    }

    /// What is not as it has to be in the end; `None` when everything is.
    pub(crate) fn missing(redis: &Redis, postgres: &Postgres) -> Option<String> {
        let late = postgres
            .events
            .iter()
            .enumerate()
            .find(|(id, event)| event.committed && !postgres.publication.contains(id));
        if let Some((id, _)) = late {
            return Some(format!("event {id} has no place in public"));
        }
        let (head, last) = (postgres.head(), redis.last());
        if last != head {
            return Some(format!("the stream ends at {last}, the store at {head}"));
        }
        postgres.rows.iter().find_map(|(group, row)| {
            (row.watermark != head)
                .then(|| format!("group {group} is at {} of {head}", row.watermark))
        })
    }
}

fn effect(
    seen: &mut Seen,
    group: GroupId,
    sequence: u64,
    postgres: &Postgres,
) -> Result<(), Violation> {
    if !seen.done.insert(sequence) {
        return fail(Invariant::EffectOnce, format!("group {group}: {sequence} took effect twice"));
    }
    let Some((_, event)) = postgres.published(sequence) else {
        return fail(
            Invariant::EffectOnce,
            format!("group {group}: {sequence} took effect and is not published"),
        );
    };
    let newest = seen.newest.entry(event.aggregate).or_default();
    if event.version != *newest + 1 {
        let what = format!(
            "group {group}, aggregate {}: version {} took effect after {newest}",
            event.aggregate, event.version
        );
        return fail(Invariant::OrderUnderFailure, what);
    }
    *newest = event.version;
    Ok(())
}
