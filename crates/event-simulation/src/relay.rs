//! A relay: asks where the stream ends, compares, numbers, appends.

use event_runtime::rules::{Appended, Cursor, Required, Tail, trim_limit};

use crate::{
    Sabotage,
    model::{EventId, GroupId, Time},
    network::{Reply, Request, Servers},
};

/// What it is about to do.
#[derive(Clone, Debug)]
enum Phase {
    /// Ask the stream where it ends, unless the cursor is believed.
    Ask,
    /// Compare that with the store.
    Settle(Tail),
    /// Give numbers.
    Number,
    /// Read what follows the cursor.
    Fetch,
    /// Append it.
    Append { expected: u64, entries: Vec<(u64, EventId)> },
}

/// A relay process.
pub(crate) struct Relay {
    name: String,
    cursor: Cursor,
    phase: Phase,
    pub(crate) stopped_until: Time,
}

impl Relay {
    pub(crate) fn new(name: String) -> Self {
        Self { name, cursor: Cursor::default(), phase: Phase::Ask, stopped_until: 0 }
    }

    /// Another process in its place.
    pub(crate) fn restart(&mut self) {
        *self = Self::new(std::mem::take(&mut self.name));
    }

    /// One request.
    pub(crate) fn step(&mut self, servers: &mut Servers) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Ask) {
            Phase::Ask if self.cursor.believed().is_some() => Phase::Number,
            Phase::Ask => match servers.redis(&self.name, Request::Tail) {
                Ok(Reply::Tail(tail)) => Phase::Settle(tail),
                Ok(_) | Err(_) => self.doubt(),
            },
            Phase::Settle(tail) => self.settle(&tail, servers),
            Phase::Number => {
                if !servers.postgres_answers() {
                    return self.phase = self.doubt();
                }
                number(servers);
                Phase::Fetch
            }
            Phase::Fetch => {
                let Some(expected) = self.cursor.believed().filter(|_| servers.postgres_answers())
                else {
                    return self.phase = self.doubt();
                };
                let entries = servers.postgres.published_after(expected, servers.scenario.batch);
                if entries.is_empty() {
                    // An idle relay doubts, so that it notices a stream that was emptied.
                    if !servers.is(Sabotage::TrustTheCursor) && servers.chance(300) {
                        self.cursor.forget();
                    }
                    Phase::Ask
                } else {
                    Phase::Append { expected, entries }
                }
            }
            Phase::Append { expected, entries } => {
                let end = entries.last().map_or(expected, |(sequence, _)| *sequence);
                match servers.redis(&self.name, Request::Append { expected, entries }) {
                    Ok(Reply::Last(last)) => match self.cursor.answered(end, last) {
                        Appended::All => Phase::Fetch,
                        Appended::Refused => {
                            servers.note(|| format!("{}: refused at {last}", self.name));
                            Phase::Fetch
                        }
                    },
                    Ok(_) | Err(_) => self.doubt(),
                }
            }
        };
    }

    fn settle(&mut self, tail: &Tail, servers: &mut Servers) -> Phase {
        if !servers.postgres_answers() {
            return self.doubt();
        }
        let stored = servers.postgres.published(tail.sequence).map(|(id, _)| id.to_string());
        let head = servers.postgres.head();
        match self.cursor.settle(tail, head, stored.as_deref()) {
            Ok(_) => Phase::Number,
            Err(divergence) => {
                servers.note(|| format!("{}: {divergence:?}", self.name));
                self.doubt()
            }
        }
    }

    fn doubt(&mut self) -> Phase {
        self.cursor.forget();
        Phase::Ask
    }

    /// Trims to what every registered group has done with.
    pub(crate) fn trim(servers: &mut Servers) {
        if !servers.postgres_answers() {
            return;
        }
        let registered: Vec<GroupId> = servers.postgres.registry.keys().copied().collect();
        let mut required = registered.clone();
        let finished: Vec<Required> = servers
            .postgres
            .registry
            .iter()
            .map(|(group, sequence)| Required { group: group.to_string(), sequence: *sequence })
            .collect();
        let (end, retention) = (servers.redis.last(), servers.rng.u64(0..4));
        let mut limit = trim_limit(end, retention, &finished).sequence;
        if servers.is(Sabotage::TrimWithoutRegistry) {
            required.clear();
            limit = u64::MAX;
        }
        let request = Request::Trim { limit, required, registered };
        if servers.redis("trim", request).is_err() {
            servers.note(|| "trim: nobody answered".to_owned());
        }
    }
}

fn number(servers: &mut Servers) {
    let batch = servers.scenario.batch;
    if servers.is(Sabotage::NumberBeforeCommit) {
        // What has a lower position than the last one published is never looked at again.
        let published = servers.postgres.publication.iter().copied().max();
        servers
            .postgres
            .outbox
            .retain(|event| published.is_none_or(|published| *event > published));
    }
    servers.postgres.sequence(batch);
}
