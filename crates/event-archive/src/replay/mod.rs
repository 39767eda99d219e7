//! Replaying: events as they happened, at any speed, to whoever asks.
//!
//! A replay touches nothing: no consumer group, no stream of the services, no table.

mod lines;
mod merge;
mod speed;
mod stream;

use chrono::{DateTime, Utc};
use event_runtime::{
    History, RecordedEvent,
    history::{Cursor, Filter, Follower, POLL},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use lines::Lines;
pub use speed::{Speed, SpeedError};
pub use stream::{ReplayStream, StreamOptions};

use self::merge::Merge;
use crate::ArchiveError;

/// Events that a sink is given at once at most.
pub const BATCH: u16 = 500;

/// What to replay, and how.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Which events.
    pub filter: Filter,
    /// Where to begin, at most one per service; a service without one begins with its first event.
    pub after: Vec<Cursor>,
    /// How fast.
    pub speed: Speed,
    /// Whether to go on with what is published later, as it comes, instead of ending at the heads of the beginning.
    pub follow: bool,
}

impl Default for Replay {
    /// Everything from the first event to the present, as fast as the receiver takes it.
    fn default() -> Self {
        Self { filter: Filter::default(), after: Vec::new(), speed: Speed::Max, follow: false }
    }
}

/// What a replay has done.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Events that the receiver took.
    pub events: u64,
    /// Where each service's replay ended; another one that begins there repeats nothing and misses nothing.
    pub cursors: Vec<Cursor>,
}

/// Who receives replayed events.
#[async_trait::async_trait]
pub trait Sink: Send {
    /// Takes events, all of them or none; those of one partition come in order, over all calls.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`], which ends the replay.
    async fn put(&mut self, events: &[RecordedEvent]) -> Result<(), ArchiveError>;
}

/// Replays the events of some services: in the order of the moments at which they happened across partitions, and in the
/// order of their sequence numbers within one. Ends at the present, or when `stop` is cancelled.
///
/// # Errors
///
/// [`ArchiveError`] if the store cannot be read or the receiver takes no more.
pub async fn replay(
    sources: &[History],
    replay: &Replay,
    sink: &mut dyn Sink,
    stop: &CancellationToken,
) -> Result<Replayed, ArchiveError> {
    let mut done = Replayed { events: 0, cursors: Vec::new() };
    for history in sources {
        let service = history.service();
        let begin = replay.after.iter().find(|cursor| cursor.service() == service);
        done.cursors.push(begin.cloned().unwrap_or_else(|| Cursor::start(service)));
    }
    past(sources, replay, sink, stop, &mut done).await?;
    if replay.follow {
        present(sources, replay, sink, stop, &mut done).await?;
    }
    Ok(done)
}

/// What is there when the replay begins, merged by time and paced.
async fn past(
    sources: &[History],
    replay: &Replay,
    sink: &mut dyn Sink,
    stop: &CancellationToken,
    done: &mut Replayed,
) -> Result<(), ArchiveError> {
    let mut merge = Merge::of(sources, &replay.filter, &done.cursors).await?;
    let mut begun: Option<(Instant, DateTime<Utc>)> = None;
    loop {
        let Some(first) = merge.peek().await?.map(|event| event.occurred_at) else { break };
        let (started, origin) = *begun.get_or_insert_with(|| (Instant::now(), first));
        let due = |at: DateTime<Utc>| started + replay.speed.delay(at - origin);
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep_until(due(first)) => (),
        }
        let mut events = Vec::new();
        while events.len() < usize::from(BATCH)
            && let Some(next) = merge.peek().await?
            && due(next.occurred_at) <= Instant::now()
        {
            events.extend(merge.pop());
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            put = sink.put(&events) => put?,
        }
        done.took(&events);
    }
    // What the filter left out at the end was read too.
    for cursor in &mut done.cursors {
        merge.advance_to_the_end(cursor);
    }
    Ok(())
}

/// What is published from now on.
async fn present(
    sources: &[History],
    replay: &Replay,
    sink: &mut dyn Sink,
    stop: &CancellationToken,
    done: &mut Replayed,
) -> Result<(), ArchiveError> {
    let mut followers: Vec<Follower> = sources
        .iter()
        .zip(&done.cursors)
        .map(|(history, cursor)| {
            Follower::new(history.clone(), replay.filter.clone(), cursor.clone())
        })
        .collect();
    while !stop.is_cancelled() {
        let mut at_head = true;
        for (at, follower) in followers.iter_mut().enumerate() {
            let batch = follower.next(BATCH).await?;
            at_head &= batch.at_head;
            if !batch.events.is_empty() {
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    put = sink.put(&batch.events) => put?,
                }
            }
            done.events += batch.events.len() as u64;
            if let Some(cursor) = done.cursors.get_mut(at) {
                follower.cursor().clone_into(cursor);
            }
        }
        if at_head {
            tokio::select! {
                () = stop.cancelled() => (),
                () = tokio::time::sleep(POLL) => (),
            }
        }
    }
    Ok(())
}

impl Replayed {
    fn took(&mut self, events: &[RecordedEvent]) {
        self.events += events.len() as u64;
        for event in events {
            let cursor = self.cursors.iter_mut().find(|one| one.service() == event.service);
            if let (Some(cursor), Some(sequence)) = (cursor, event.sequence) {
                cursor.advance(event.partition, sequence);
            }
        }
    }
}
