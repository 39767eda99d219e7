//! The producer's store and the consumers' bookkeeping, with transactions where the runtime has transactions.

use std::collections::{BTreeMap, BTreeSet};

use super::{EventId, GroupId, ProcessId, Time};

/// How long a lease outlives its last renewal.
pub const LEASE: Time = 3_000;

/// How long a transaction may sleep before the database ends it.
pub const IDLE: Time = 3_000;

/// A recorded fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which aggregate.
    pub aggregate: u8,
    /// The place in it, from 1.
    pub version: u32,
    /// Whether the handlers reject it until they are repaired.
    pub poison: bool,
    /// Whether its transaction is over.
    pub committed: bool,
}

/// What a consumer group has in the database, for the one partition.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Everything up to here took effect or is parked.
    pub watermark: u64,
    /// The epoch of the last owner.
    pub epoch: u64,
    /// The transaction that holds the watermark's row.
    pub lock: Option<Lock>,
    /// Who works on the partition.
    pub lease: Option<Lease>,
    /// Every effect in the order of commits, by sequence number. Nothing keeps a number from being here twice.
    pub effects: Vec<u64>,
    /// What waits for a redrive.
    pub parked: BTreeSet<u64>,
}

/// A row lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Whose transaction.
    pub by: ProcessId,
    /// When the database ends it.
    pub until: Time,
}

/// A row of `lease`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which process.
    pub owner: ProcessId,
    /// Until when without a renewal.
    pub until: Time,
}

/// What a transaction found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another transaction holds the row: to be waited for.
    Locked,
    /// The row says that somebody else is at work, or was.
    Fenced,
}

/// What to do to one event in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It takes effect.
    Apply(u64),
    /// It is set aside.
    Park(u64),
}

/// Both databases.
#[derive(Clone, Debug, Default)]
pub struct Postgres {
    /// Every fact, by position.
    pub events: Vec<Event>,
    /// Committed, without a number.
    pub outbox: BTreeSet<EventId>,
    /// The event of each sequence number, from 1.
    pub publication: Vec<EventId>,
    /// The producer's registry: how far each group says that it has come.
    pub registry: BTreeMap<GroupId, u64>,
    /// The consumers' tables.
    pub rows: BTreeMap<GroupId, Row>,
    /// Whether the handlers can apply poison now.
    pub repaired: bool,
}

impl Postgres {
    /// A row that exists from the first look on.
    pub fn row(&mut self, group: GroupId) -> &mut Row {
        self.rows.entry(group).or_default()
    }

    /// The event at a place in public.
    pub fn published(&self, sequence: u64) -> Option<(EventId, &Event)> {
        let index = usize::try_from(sequence.checked_sub(1)?).ok()?;
        let id = *self.publication.get(index)?;
        Some((id, self.events.get(id)?))
    }

    /// The last number given.
    pub fn head(&self) -> u64 {
        self.publication.len() as u64
    }

    /// Inserts the next event of an aggregate without committing it. An aggregate has one writer at a time.
    pub fn append(&mut self, aggregate: u8, poison: bool) -> Option<EventId> {
        let mut own = self.events.iter().filter(|event| event.aggregate == aggregate);
        if own.clone().any(|event| !event.committed && event.version > 0) {
            return None;
        }
        let version = own.by_ref().map(|event| event.version).max().unwrap_or(0) + 1;
        self.events.push(Event { aggregate, version, poison, committed: false });
        Some(self.events.len() - 1)
    }

    /// Commits an event together with its row in the outbox.
    pub fn commit_append(&mut self, event: EventId) {
        if let Some(row) = self.events.get_mut(event) {
            row.committed = true;
            self.outbox.insert(event);
        }
    }

    /// Rolls an event back; its position is burnt.
    pub fn roll_back_append(&mut self, event: EventId) {
        if let Some(row) = self.events.get_mut(event) {
            // Version 0 does not exist: nobody counts this one.
            row.version = 0;
        }
    }

    /// The sequencer: one transaction under the head's row lock.
    pub fn sequence(&mut self, batch: usize) {
        let taken: Vec<EventId> = self.outbox.iter().take(batch).copied().collect();
        for event in taken {
            self.outbox.remove(&event);
            self.publication.push(event);
        }
    }

    /// What follows a place in public.
    pub fn published_after(&self, cursor: u64, batch: usize) -> Vec<(u64, EventId)> {
        let after = usize::try_from(cursor).unwrap_or(usize::MAX);
        (cursor + 1..).zip(self.publication.iter().skip(after).copied()).take(batch).collect()
    }

    /// Takes the lease if nobody else has it, and raises the fence; returns epoch and watermark.
    ///
    /// # Errors
    ///
    /// [`Refusal::Locked`] while a transaction of the last owner holds the row, [`Refusal::Fenced`] while its lease runs.
    pub fn acquire(
        &mut self,
        group: GroupId,
        process: ProcessId,
        now: Time,
    ) -> Result<(u64, u64), Refusal> {
        let row = self.row(group);
        if row.lease.is_some_and(|lease| lease.owner != process && lease.until >= now) {
            return Err(Refusal::Fenced);
        }
        if row.lock.is_some_and(|lock| lock.by != process && lock.until > now) {
            return Err(Refusal::Locked);
        }
        row.lock = None;
        row.lease = Some(Lease { owner: process, until: now + LEASE });
        row.epoch += 1;
        Ok((row.epoch, row.watermark))
    }

    /// Renews the lease of a process; whether it still had one.
    pub fn renew(&mut self, group: GroupId, process: ProcessId, now: Time) -> bool {
        let row = self.row(group);
        match row.lease.as_mut().filter(|lease| lease.owner == process) {
            Some(lease) => {
                lease.until = now + LEASE;
                true
            }
            None => false,
        }
    }

    /// Gives the lease back.
    pub fn release(&mut self, group: GroupId, process: ProcessId) {
        let row = self.row(group);
        if row.lease.is_some_and(|lease| lease.owner == process) {
            row.lease = None;
        }
    }

    /// Begins a batch: moves the watermark, uncommitted, which is fence and lock in one.
    ///
    /// # Errors
    ///
    /// [`Refusal::Locked`] if another transaction is at it, [`Refusal::Fenced`] if the row has moved or has another epoch.
    pub fn begin(
        &mut self,
        group: GroupId,
        process: ProcessId,
        epoch: u64,
        from: u64,
        now: Time,
    ) -> Result<(), Refusal> {
        let row = self.row(group);
        if row.lock.is_some_and(|lock| lock.by != process && lock.until > now) {
            return Err(Refusal::Locked);
        }
        if row.epoch != epoch || row.watermark != from {
            return Err(Refusal::Fenced);
        }
        row.lock = Some(Lock { by: process, until: now + IDLE });
        Ok(())
    }

    /// Commits a batch.
    ///
    /// # Errors
    ///
    /// [`Refusal::Fenced`] if the database has ended the transaction meanwhile.
    pub fn commit(
        &mut self,
        group: GroupId,
        process: ProcessId,
        to: u64,
        changes: &[Change],
        now: Time,
    ) -> Result<(), Refusal> {
        let row = self.row(group);
        if !row.lock.is_some_and(|lock| lock.by == process && lock.until > now) {
            return Err(Refusal::Fenced);
        }
        row.lock = None;
        self.commit_anyway(group, to, changes);
        Ok(())
    }

    /// Writes watermark and effects without asking who is at work.
    pub fn commit_anyway(&mut self, group: GroupId, to: u64, changes: &[Change]) {
        let row = self.row(group);
        row.watermark = to;
        for change in changes {
            match change {
                Change::Apply(sequence) => row.effects.push(*sequence),
                Change::Park(sequence) => drop(row.parked.insert(*sequence)),
            }
        }
    }

    /// Ends a transaction without effect.
    pub fn roll_back(&mut self, group: GroupId, process: ProcessId) {
        let row = self.row(group);
        if row.lock.is_some_and(|lock| lock.by == process) {
            row.lock = None;
        }
    }

    /// What becomes of new entries: what is parked blocks the later events of its aggregate.
    pub fn judge(&self, group: GroupId, sequences: &[u64]) -> Vec<Change> {
        let row = self.rows.get(&group);
        let aggregate =
            |sequence: &u64| self.published(*sequence).map(|(_, event)| event.aggregate);
        let mut blocked: BTreeSet<u8> =
            row.iter().flat_map(|row| &row.parked).filter_map(aggregate).collect();
        let mut changes = Vec::new();
        for sequence in sequences {
            let Some((_, event)) = self.published(*sequence) else { continue };
            if blocked.contains(&event.aggregate) || (event.poison && !self.repaired) {
                blocked.insert(event.aggregate);
                changes.push(Change::Park(*sequence));
            } else {
                changes.push(Change::Apply(*sequence));
            }
        }
        changes
    }

    /// Redrives one aggregate, one event per transaction; returns how many took effect.
    pub fn redrive(&mut self, group: GroupId, aggregate: u8, most: usize, now: Time) -> usize {
        let of_aggregate = |sequence: &&u64| {
            self.published(**sequence).is_some_and(|(_, event)| event.aggregate == aggregate)
        };
        let Some(row) = self.rows.get(&group) else { return 0 };
        if row.lock.is_some_and(|lock| lock.until > now) {
            return 0;
        }
        let parked: Vec<u64> = row.parked.iter().filter(of_aggregate).take(most).copied().collect();
        let mut applied = 0;
        for sequence in parked {
            let rejected = self.published(sequence).is_some_and(|(_, event)| event.poison);
            if rejected && !self.repaired {
                break;
            }
            let row = self.row(group);
            row.parked.remove(&sequence);
            row.effects.push(sequence);
            applied += 1;
        }
        applied
    }

    /// Publishes how far a group has come, as it says: never back.
    pub fn report(&mut self, group: GroupId, watermark: u64) {
        let known = self.registry.entry(group).or_default();
        *known = watermark.max(*known);
    }
}
