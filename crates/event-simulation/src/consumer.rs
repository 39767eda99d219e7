//! One consumer group in one process: takes the partition, begins at the watermark, reads, applies, acknowledges.

use event_runtime::rules::{Listener, Page, Silence};

use crate::{
    Sabotage,
    model::{
        GroupId, ProcessId, Time,
        postgres::{Change, Refusal},
    },
    network::{Reply, Request, Servers},
};

/// What it is about to do.
#[derive(Clone, Debug)]
enum Phase {
    /// Ask for the lease.
    Acquire,
    /// Put the group at the watermark.
    Position,
    /// Acknowledge what the last owner committed without saying so.
    Recover { after: u64 },
    /// Ask for news.
    Read,
    /// Nothing came: see whether there is something.
    Look,
    /// Read from the store what the stream does not have any more.
    CatchUp,
    /// Begin a transaction.
    Begin { sequences: Vec<u64>, then: Then },
    /// Commit it.
    Commit { sequences: Vec<u64>, then: Then },
    /// For runtimes that are broken: the second of two transactions.
    Second { sequences: Vec<u64>, changes: Vec<Change>, to: u64, then: Then },
    /// Acknowledge.
    Acknowledge { sequences: Vec<u64>, then: Then },
}

/// Where to go on after a batch.
#[derive(Clone, Copy, Debug)]
enum Then {
    Read,
    /// There was a hole behind it.
    CatchUp,
}

/// A consumer.
pub(crate) struct Consumer {
    pub(crate) group: GroupId,
    process: ProcessId,
    phase: Phase,
    epoch: u64,
    watermark: u64,
    listener: Listener,
    holds_lease: bool,
    pub(crate) stopped_until: Time,
    renewed: Time,
}

impl Consumer {
    pub(crate) fn new(group: GroupId, process: ProcessId) -> Self {
        Self {
            group,
            process,
            phase: Phase::Acquire,
            epoch: 0,
            watermark: 0,
            listener: Listener::default(),
            holds_lease: false,
            stopped_until: 0,
            renewed: 0,
        }
    }

    pub(crate) fn is_owner(&self) -> bool {
        self.holds_lease
    }

    fn name(&self) -> String {
        format!("process {} group {}", self.process, self.group)
    }

    /// The connection to the database ends with the process, or with the batch: an open transaction never happened.
    pub(crate) fn die(&mut self, servers: &mut Servers) {
        servers.postgres.roll_back(self.group, self.process);
    }

    /// Tells the producer how far it has come, and keeps the lease.
    pub(crate) fn tick(&mut self, servers: &mut Servers) {
        if !self.holds_lease || !servers.postgres_answers() {
            return;
        }
        if servers.now >= self.renewed + 1_000 {
            self.renewed = servers.now;
            let (group, process) = (self.group, self.process);
            if !servers.postgres.renew(group, process, servers.now) {
                servers.note(|| format!("{}: the lease is lost", self.name()));
                self.stop_owning(servers);
                return;
            }
        }
        servers.postgres.report(self.group, self.watermark);
    }

    fn stop_owning(&mut self, servers: &mut Servers) {
        servers.postgres.roll_back(self.group, self.process);
        self.holds_lease = false;
        self.phase = Phase::Acquire;
    }

    /// The database failed, or said that somebody else is at work: only the row can tell what is true.
    fn leave(&mut self, servers: &mut Servers) -> Phase {
        servers.postgres.roll_back(self.group, self.process);
        servers.postgres.release(self.group, self.process);
        self.holds_lease = false;
        Phase::Acquire
    }

    /// One request.
    pub(crate) fn step(&mut self, servers: &mut Servers) {
        let phase = std::mem::replace(&mut self.phase, Phase::Acquire);
        self.phase = match phase {
            Phase::Acquire => self.acquire(servers),
            Phase::Position => self.position(servers),
            Phase::Recover { after } => self.recover(after, servers),
            Phase::Read => self.read(servers),
            Phase::Look => self.look(servers),
            Phase::CatchUp => self.catch_up(servers),
            Phase::Begin { sequences, then } => self.begin(sequences, then, servers),
            Phase::Commit { sequences, then } => self.commit(sequences, then, servers),
            Phase::Second { sequences, changes, to, then } => {
                servers.postgres.commit_anyway(self.group, to, &changes);
                self.watermark = to;
                Phase::Acknowledge { sequences, then }
            }
            Phase::Acknowledge { sequences, then } => {
                let request = Request::Acknowledge { group: self.group, sequences };
                match (servers.redis(&self.name(), request), then) {
                    (Ok(_), Then::Read) => Phase::Read,
                    (Ok(_), Then::CatchUp) => Phase::CatchUp,
                    (Err(_), _) => Phase::Position,
                }
            }
        };
    }

    fn acquire(&mut self, servers: &mut Servers) -> Phase {
        if !servers.postgres_answers() {
            return Phase::Acquire;
        }
        let Ok((epoch, watermark)) =
            servers.postgres.acquire(self.group, self.process, servers.now)
        else {
            return Phase::Acquire;
        };
        if servers.loses() {
            return Phase::Acquire;
        }
        (self.epoch, self.watermark) = (epoch, watermark);
        self.holds_lease = true;
        self.renewed = servers.now;
        servers.note(|| format!("{}: owner {epoch} at {watermark}", self.name()));
        Phase::Position
    }

    fn position(&mut self, servers: &mut Servers) -> Phase {
        let mut at = self.watermark;
        if servers.is(Sabotage::GroupAtTheEnd) {
            let stream = servers.redis.stream.as_ref();
            if stream.is_none_or(|stream| !stream.groups.contains_key(&self.group)) {
                at = servers.redis.last();
            } else {
                return Phase::Recover { after: 0 };
            }
        }
        match servers.redis(&self.name(), Request::Position { group: self.group, at }) {
            Ok(_) => Phase::Recover { after: 0 },
            Err(_) => Phase::Position,
        }
    }

    fn recover(&mut self, after: u64, servers: &mut Servers) -> Phase {
        let request = Request::Pending { group: self.group, after };
        let Ok(Reply::Entries(page)) = servers.redis(&self.name(), request) else {
            return Phase::Position;
        };
        let Some(last) = page.last().copied() else { return Phase::Read };
        let known = if servers.is(Sabotage::AcknowledgeAllPending) {
            page
        } else {
            Page::of(self.watermark, page).known
        };
        let request = Request::Acknowledge { group: self.group, sequences: known };
        match servers.redis(&self.name(), request) {
            Err(_) => Phase::Position,
            Ok(_) if last > self.watermark => Phase::Read,
            Ok(_) => Phase::Recover { after: last },
        }
    }

    fn read(&mut self, servers: &mut Servers) -> Phase {
        let request = Request::Read { group: self.group };
        let Ok(Reply::Entries(entries)) = servers.redis(&self.name(), request) else {
            return Phase::Position;
        };
        if entries.is_empty() {
            let trusts = servers.is(Sabotage::TrustSilence) || servers.is(Sabotage::GroupAtTheEnd);
            return if trusts { Phase::Read } else { Phase::Look };
        }
        self.listener.heard();
        self.take(entries, servers)
    }

    fn take(&mut self, entries: Vec<u64>, servers: &mut Servers) -> Phase {
        if servers.is(Sabotage::AcknowledgeBeforeCommit) {
            let request = Request::Acknowledge { group: self.group, sequences: entries.clone() };
            if servers.redis(&self.name(), request).is_err() {
                return Phase::Position;
            }
        }
        let mut page = Page::of(self.watermark, entries.iter().copied());
        if servers.is(Sabotage::IgnoreGaps) {
            page.new = entries.into_iter().filter(|entry| *entry > self.watermark).collect();
            page.gap = None;
        }
        if !page.known.is_empty() {
            let request = Request::Acknowledge { group: self.group, sequences: page.known };
            if servers.redis(&self.name(), request).is_err() {
                return Phase::Position;
            }
        }
        let then = if page.gap.is_some() { Then::CatchUp } else { Then::Read };
        match (page.new.is_empty(), then) {
            (false, _) => Phase::Begin { sequences: page.new, then },
            (true, Then::Read) => Phase::Read,
            (true, Then::CatchUp) => Phase::CatchUp,
        }
    }

    fn look(&mut self, servers: &mut Servers) -> Phase {
        match servers.redis(&self.name(), Request::Tail) {
            Ok(Reply::Tail(tail)) => match self.listener.silence(self.watermark, tail.sequence) {
                Silence::Nothing => Phase::Read,
                Silence::Stolen => Phase::Position,
                Silence::Missing => Phase::CatchUp,
            },
            Ok(_) | Err(_) => Phase::Position,
        }
    }

    fn catch_up(&mut self, servers: &mut Servers) -> Phase {
        if !servers.postgres_answers() {
            return Phase::CatchUp;
        }
        let batch = servers.scenario.batch;
        let events = servers.postgres.published_after(self.watermark, batch);
        let sequences: Vec<u64> = events.into_iter().map(|(sequence, _)| sequence).collect();
        servers.note(|| format!("{}: catches up with {sequences:?}", self.name()));
        if sequences.is_empty() {
            return Phase::Position;
        }
        Phase::Begin { sequences, then: Then::Read }
    }

    fn begin(&mut self, sequences: Vec<u64>, then: Then, servers: &mut Servers) -> Phase {
        if !servers.postgres_answers() {
            return self.leave(servers);
        }
        let Some(to) = sequences.last().copied() else { return Phase::Read };
        let changes = servers.postgres.judge(self.group, &sequences);
        if servers.is(Sabotage::NoFence) {
            return Phase::Second { sequences, changes, to, then };
        }
        let (group, process) = (self.group, self.process);
        match servers.postgres.begin(group, process, self.epoch, self.watermark, servers.now) {
            Ok(()) if servers.is(Sabotage::WatermarkFirst) => {
                servers.postgres.commit_anyway(group, to, &[]);
                servers.postgres.roll_back(group, process);
                Phase::Second { sequences, changes, to, then }
            }
            Ok(()) if servers.is(Sabotage::WatermarkLast) => {
                servers.postgres.commit_anyway(group, self.watermark, &changes);
                servers.postgres.roll_back(group, process);
                Phase::Second { sequences, changes: Vec::new(), to, then }
            }
            Ok(()) => Phase::Commit { sequences, then },
            Err(Refusal::Locked) => Phase::Begin { sequences, then },
            Err(Refusal::Fenced) => {
                servers.note(|| format!("{}: fenced", self.name()));
                self.leave(servers)
            }
        }
    }

    fn commit(&mut self, sequences: Vec<u64>, then: Then, servers: &mut Servers) -> Phase {
        if !servers.postgres_answers() {
            return self.leave(servers);
        }
        let Some(to) = sequences.last().copied() else { return Phase::Read };
        let mut changes = servers.postgres.judge(self.group, &sequences);
        if servers.is(Sabotage::ParkOnlyThePoison) {
            for change in &mut changes {
                let (Change::Apply(sequence) | Change::Park(sequence)) = *change;
                let event = servers.postgres.published(sequence).map(|(_, event)| *event);
                let rejected =
                    event.is_some_and(|event| event.poison) && !servers.postgres.repaired;
                *change = if rejected { Change::Park(sequence) } else { Change::Apply(sequence) };
            }
        }
        let (group, process, now) = (self.group, self.process, servers.now);
        if servers.postgres.commit(group, process, to, &changes, now).is_err() {
            servers.note(|| format!("{}: the database ended the transaction", self.name()));
            return self.leave(servers);
        }
        servers.note(|| format!("{}: committed {changes:?}", self.name()));
        if servers.loses() {
            servers.note(|| format!("{}: and does not know", self.name()));
            return self.leave(servers);
        }
        self.watermark = to;
        Phase::Acknowledge { sequences, then }
    }
}
