//! One stream with its consumer groups, as Redis 7 keeps them.

use std::collections::{BTreeMap, BTreeSet};

use event_runtime::rules::Tail;

use super::{EventId, GroupId};

/// A stream: entries in order, and the last id that it has ever had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Entry by sequence number.
    pub entries: BTreeMap<u64, EventId>,
    /// Survives trimming and deletion of entries.
    pub last: u64,
    /// The groups by name.
    pub groups: BTreeMap<GroupId, Group>,
}

/// A consumer group with one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// `last-delivered-id`.
    pub delivered: u64,
    /// Delivered and not acknowledged.
    pub pending: BTreeSet<u64>,
}

/// There is no such group, or no such stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoGroup;

/// Why nothing was trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A group that has to have read the stream is not there.
    Missing(GroupId),
}

/// A server with at most one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redis {
    /// The stream, if the key exists.
    pub stream: Option<Stream>,
}

impl Redis {
    /// `publish.lua`: appends if the last id is the expected one; returns the last id afterwards.
    pub fn append(&mut self, expected: u64, entries: &[(u64, EventId)]) -> u64 {
        let last = self.last();
        if last == expected { self.append_anyway(entries) } else { last }
    }

    /// `XADD` one by one with explicit ids, which stops at the first that is not above the last one.
    pub fn append_anyway(&mut self, entries: &[(u64, EventId)]) -> u64 {
        for (sequence, event) in entries {
            if *sequence <= self.last() {
                break;
            }
            let stream = self.stream.get_or_insert_default();
            stream.entries.insert(*sequence, *event);
            stream.last = *sequence;
        }
        self.last()
    }

    /// `last-generated-id`, 0 without a stream.
    pub fn last(&self) -> u64 {
        self.stream.as_ref().map_or(0, |stream| stream.last)
    }

    /// `XINFO STREAM`.
    pub fn tail(&self) -> Tail {
        let event = self.stream.as_ref().and_then(|stream| stream.entries.get(&stream.last));
        Tail { sequence: self.last(), event_id: event.map(ToString::to_string) }
    }

    /// `XGROUP CREATE … MKSTREAM`, or `XGROUP SETID` if the group exists.
    pub fn position(&mut self, group: GroupId, at: u64) {
        let stream = self.stream.get_or_insert_default();
        stream.groups.entry(group).or_default().delivered = at;
    }

    /// `XREADGROUP … >`.
    ///
    /// # Errors
    ///
    /// [`NoGroup`].
    pub fn read(&mut self, group: GroupId, count: usize) -> Result<Vec<u64>, NoGroup> {
        let stream = self.stream.as_mut().ok_or(NoGroup)?;
        let group = stream.groups.get_mut(&group).ok_or(NoGroup)?;
        let after = group.delivered.saturating_add(1);
        let page: Vec<u64> =
            stream.entries.range(after..).take(count).map(|(sequence, _)| *sequence).collect();
        if let Some(last) = page.last() {
            group.delivered = *last;
        }
        group.pending.extend(&page);
        Ok(page)
    }

    /// `XREADGROUP … <after>`: the member's own pending entries, those that were trimmed among them.
    ///
    /// # Errors
    ///
    /// [`NoGroup`].
    pub fn pending(&self, group: GroupId, after: u64, count: usize) -> Result<Vec<u64>, NoGroup> {
        let group = self.stream.as_ref().and_then(|stream| stream.groups.get(&group));
        let pending = &group.ok_or(NoGroup)?.pending;
        Ok(pending.range(after.saturating_add(1)..).take(count).copied().collect())
    }

    /// `XACK`: returns those that were pending; a group that is not there is no error.
    pub fn acknowledge(&mut self, group: GroupId, sequences: &[u64]) -> Vec<u64> {
        let group = self.stream.as_mut().and_then(|stream| stream.groups.get_mut(&group));
        let Some(group) = group else { return Vec::new() };
        sequences.iter().filter(|sequence| group.pending.remove(sequence)).copied().collect()
    }

    /// Takes out entries up to `limit`, but none that a group has pending or has not been given, and none at all while a
    /// required group is missing. Returns how many.
    ///
    /// # Errors
    ///
    /// [`Held`] if nothing may go.
    pub fn trim(&mut self, limit: u64, required: &[GroupId]) -> Result<usize, Held> {
        let Some(stream) = self.stream.as_mut() else { return Ok(0) };
        if let Some(missing) = required.iter().find(|group| !stream.groups.contains_key(group)) {
            return Err(Held::Missing(*missing));
        }
        let unread = stream.groups.values().map(|group| {
            let oldest = group.pending.first().map_or(u64::MAX, |first| first.saturating_sub(1));
            group.delivered.min(oldest)
        });
        let limit = unread.min().unwrap_or(u64::MAX).min(limit);
        Ok(self.trim_anyway(limit))
    }

    /// `XTRIM MINID`: takes out entries up to `limit`, whoever needs them.
    pub fn trim_anyway(&mut self, limit: u64) -> usize {
        let Some(stream) = self.stream.as_mut() else { return 0 };
        let before = stream.entries.len();
        stream.entries.retain(|sequence, _| *sequence > limit);
        before - stream.entries.len()
    }

    /// `XDEL`.
    pub fn delete(&mut self, sequence: u64) {
        if let Some(stream) = self.stream.as_mut() {
            stream.entries.remove(&sequence);
        }
    }

    /// `XGROUP DESTROY`.
    pub fn destroy(&mut self, group: GroupId) {
        if let Some(stream) = self.stream.as_mut() {
            stream.groups.remove(&group);
        }
    }

    /// `FLUSHALL`, or `DEL` of the stream.
    pub fn flush(&mut self) {
        self.stream = None;
    }
}
