//! What lies between the actors and the servers: requests that get lost, answers that get lost, and requests that come late.

use std::collections::BTreeSet;

use event_runtime::rules::Tail;
use fastrand::Rng;

use crate::{
    Sabotage,
    model::{EventId, GroupId, Time, postgres::Postgres, redis::Redis},
    oracle::Oracle,
    scenario::Scenario,
};

/// Something asked of Redis.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Append { expected: u64, entries: Vec<(u64, EventId)> },
    Tail,
    Position { group: GroupId, at: u64 },
    Pending { group: GroupId, after: u64 },
    Read { group: GroupId },
    Acknowledge { group: GroupId, sequences: Vec<u64> },
    Trim { limit: u64, required: Vec<GroupId>, registered: Vec<GroupId> },
}

/// Its answer.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Last(u64),
    Tail(Tail),
    Done,
    Entries(Vec<u64>),
    NoGroup,
}

/// Nobody answered, and nobody knows whether it happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost;

/// The servers, the clock, the dice, and who watches.
pub(crate) struct Servers {
    pub(crate) rng: Rng,
    pub(crate) now: Time,
    pub(crate) scenario: Scenario,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) redis: Redis,
    pub(crate) postgres: Postgres,
    pub(crate) oracle: Oracle,
    /// Sent and not yet arrived; whoever sent them has given up on them.
    pub(crate) late: Vec<Request>,
    pub(crate) redis_down_until: Time,
    pub(crate) postgres_down_until: Time,
    /// Whether requests can get lost at all.
    pub(crate) reliable: bool,
    /// What happened, if anybody wants to read it.
    pub(crate) trace: Option<Vec<String>>,
}

impl Servers {
    /// Notes a line of the trace; the text is made only if there is one.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>7} ms  {}", self.now, line()));
        }
    }

    pub(crate) fn is(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// Whether it happens, at this many of a thousand.
    pub(crate) fn chance(&mut self, of_thousand: u16) -> bool {
        self.rng.u16(..1_000) < of_thousand
    }

    /// Asks PostgreSQL for something: `true` if it is there. Transactions that end in silence are told by [`Servers::loses`].
    pub(crate) fn postgres_answers(&self) -> bool {
        self.now >= self.postgres_down_until
    }

    /// Whether an answer gets lost after the deed.
    pub(crate) fn loses(&mut self) -> bool {
        let unreliable = self.scenario.unreliable / 4;
        !self.reliable && self.chance(unreliable)
    }

    /// Asks Redis for something.
    pub(crate) fn redis(&mut self, who: &str, request: Request) -> Result<Reply, Lost> {
        if self.now < self.redis_down_until {
            self.note(|| format!("{who}: Redis does not answer"));
            return Err(Lost);
        }
        let unreliable = self.scenario.unreliable;
        if self.reliable || !self.chance(unreliable) {
            let text = self.trace.is_some().then(|| format!("{request:?}"));
            let reply = self.execute(request);
            self.note(|| format!("{who}: {} -> {reply:?}", text.unwrap_or_default()));
            return Ok(reply);
        }
        match self.rng.u8(..4) {
            0 => self.note(|| format!("{who}: {request:?} is lost")),
            1 | 2 => {
                self.note(|| format!("{who}: {request:?} happens, and the answer is lost"));
                self.execute(request);
            }
            _ => {
                self.note(|| format!("{who}: {request:?} is late"));
                self.late.push(request);
            }
        }
        Err(Lost)
    }

    /// Lets one of the late requests arrive.
    pub(crate) fn arrive(&mut self) {
        if self.late.is_empty() || self.now < self.redis_down_until {
            return;
        }
        let index = self.rng.usize(..self.late.len());
        let request = self.late.swap_remove(index);
        let text = self.trace.is_some().then(|| format!("{request:?}"));
        let reply = self.execute(request);
        self.note(|| format!("late {} -> {reply:?}", text.unwrap_or_default()));
    }

    fn execute(&mut self, request: Request) -> Reply {
        let batch = self.scenario.batch;
        match request {
            Request::Append { expected, entries } => {
                Reply::Last(if self.is(Sabotage::AppendAnywhere) {
                    self.redis.append_anyway(&entries)
                } else {
                    self.redis.append(expected, &entries)
                })
            }
            Request::Tail => Reply::Tail(self.redis.tail()),
            Request::Position { group, at } => {
                self.redis.position(group, at);
                Reply::Done
            }
            Request::Pending { group, after } => {
                self.redis.pending(group, after, batch).map_or(Reply::NoGroup, Reply::Entries)
            }
            Request::Read { group } => {
                self.redis.read(group, batch).map_or(Reply::NoGroup, Reply::Entries)
            }
            Request::Acknowledge { group, sequences } => {
                let acknowledged = self.redis.acknowledge(group, &sequences);
                self.oracle.acknowledged(group, &acknowledged, &self.postgres);
                Reply::Done
            }
            Request::Trim { limit, required, registered } => {
                let before = self.sequences();
                if self.is(Sabotage::TrimAtLastDelivered) {
                    let groups = self.redis.stream.iter().flat_map(|stream| stream.groups.values());
                    let delivered = groups.map(|group| group.delivered).min().unwrap_or(0);
                    self.redis.trim_anyway(delivered);
                } else if self.redis.trim(limit, &required).is_err() {
                    self.note(|| "nothing is trimmed: a group is missing".to_owned());
                }
                let after = self.sequences();
                let gone: Vec<u64> = before.difference(&after).copied().collect();
                self.oracle.trimmed(&gone, &registered, &self.postgres);
                Reply::Done
            }
        }
    }

    fn sequences(&self) -> BTreeSet<u64> {
        self.redis.stream.iter().flat_map(|stream| stream.entries.keys().copied()).collect()
    }
}
