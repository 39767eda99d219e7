//! Rebuilding: every table of a projection can be made again from events, while it is in use.
//!
//! The events are replayed into shadow tables beside the live ones, page by page and without anybody noticing. When the
//! shadow has come close, the live tables are locked, the last events are applied, the tables change places, and all of it
//! commits at once. Readers see the old rows until then and the new ones from then on; writers wait for the last part alone.
//!
//! What is replayed is what is in effect: of a service's own events those that are committed, of others' events those that
//! the watermarks say, short of the parked ones, which stay parked. Watermarks and parked events are not touched.

mod blueprint;
mod error;
mod group;
mod holes;
mod own;
mod progress;
mod replay;
mod shadow;
mod source;
mod turn;

use std::time::{Duration, Instant};

use tokio::sync::watch;

pub use error::RebuildError;
pub use progress::{Phase, Progress, Rebuilt};

pub(crate) use group::GroupProjection;
pub(crate) use own::OwnReadModel;
pub(crate) use replay::{Precision, Replay, Replayable};
pub(crate) use shadow::{Durability, Shadow, quoted};
pub(crate) use turn::Turn;

use crate::{EventStore, epoch, redis::backoff};

/// How often an exchange is tried while others hold the tables.
const ATTEMPTS: u32 = 100;

/// How long an exchange may keep writers waiting; it then gives up, and the rest is replayed beside them.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(2);

/// Makes a projection again and puts it in the place of the live one. Returns when the new tables are live.
///
/// # Errors
///
/// [`RebuildError`]; the live tables are then as they were.
pub(crate) async fn run(
    store: &EventStore,
    projection: &dyn Replayable,
    progress: &watch::Sender<Progress>,
) -> Result<Rebuilt, RebuildError> {
    let turn = Turn::take(store.db(), projection.name()).await?;
    let shadow = Shadow::create(store, projection.tables(), Durability::Logged).await?;
    let mut rebuild = Rebuild {
        store,
        shadow: &shadow,
        replay: projection.replay()?,
        progress,
        started: Instant::now(),
        done: 0,
    };
    let outcome = rebuild.run(projection.name()).await;
    if outcome.is_err()
        && let Err(error) = shadow.drop(store).await
    {
        tracing::debug!(
            error = crate::error::chain(&error),
            "shadow tables are left to the next rebuild"
        );
    }
    turn.end().await;
    outcome
}

struct Rebuild<'a> {
    store: &'a EventStore,
    shadow: &'a Shadow,
    replay: Box<dyn Replay>,
    progress: &'a watch::Sender<Progress>,
    started: Instant,
    done: u64,
}

impl Rebuild<'_> {
    async fn run(&mut self, name: &'static str) -> Result<Rebuilt, RebuildError> {
        let mut attempts = 0;
        let mut is_analyzed = false;
        loop {
            self.follow().await?;
            if !is_analyzed {
                self.shadow.analyze(self.store.db()).await?;
                is_analyzed = true;
                continue;
            }
            self.progress.send_modify(|progress| progress.phase = Phase::Exchanging);
            let before = (self.replay.copy(), self.done);
            attempts += 1;
            if let Some(waited) = self.exchange(name).await? {
                self.progress.send_modify(|progress| progress.phase = Phase::Done);
                return Ok(Rebuilt {
                    projection: name.to_owned(),
                    events: self.done,
                    seconds: self.started.elapsed().as_secs_f64(),
                    writers_waited_seconds: waited.as_secs_f64(),
                    attempts,
                });
            }
            (self.replay, self.done) = before;
            if attempts == ATTEMPTS {
                return Err(RebuildError::Locked { attempts });
            }
            self.progress.send_modify(|progress| progress.phase = Phase::Replaying);
            tokio::time::sleep(backoff(1)).await;
        }
    }

    /// Replays until the shadow was current a moment ago.
    async fn follow(&mut self) -> Result<(), RebuildError> {
        loop {
            let work = self.store.begin().await?;
            if self.done == 0 {
                let total = self.replay.total(work.txn()).await?;
                self.progress.send_modify(|progress| progress.total = total);
            }
            let written = self.shadow.enter(work.txn()).await?;
            let step = self.replay.step(work.txn(), Precision::Following).await?;
            self.shadow.check_writes(work.txn(), &written).await?;
            work.commit().await?;
            self.done += step.applied;
            let done = self.done;
            self.progress.send_modify(|progress| {
                progress.done = done;
                progress.total = progress.total.max(done);
            });
            if step.is_current {
                return Ok(());
            }
        }
    }

    /// Applies the rest while everybody waits, and lets the tables change places; `None` if others held them for too long.
    /// Returns how long they waited.
    async fn exchange(&mut self, name: &str) -> Result<Option<Duration>, RebuildError> {
        let work = self.store.begin().await?;
        self.shadow.be_brief(work.txn()).await?;
        let started = Instant::now();
        let locked = async {
            self.replay.fence(work.txn()).await?;
            self.shadow.lock_live(work.txn()).await
        };
        match locked.await {
            Ok(()) => (),
            Err(error) if shadow::is_locked(&error) => {
                work.rollback().await?;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
        let written = self.shadow.enter(work.txn()).await?;
        let rest = async {
            loop {
                let step = self.replay.step(work.txn(), Precision::Exact).await?;
                self.done += step.applied;
                if step.is_current {
                    return Ok::<(), RebuildError>(());
                }
            }
        };
        match tokio::time::timeout(EXCHANGE_LIMIT, rest).await {
            Ok(rest) => rest?,
            Err(_elapsed) => {
                work.rollback().await?;
                return Ok(None);
            }
        }
        self.shadow.check_writes(work.txn(), &written).await?;
        self.shadow.exchange(work.txn()).await?;
        // What a group had applied and its producer has lost is no longer in its tables.
        epoch::settle_divergence(work.txn(), name).await?;
        work.commit().await?;
        Ok(Some(started.elapsed()))
    }
}
