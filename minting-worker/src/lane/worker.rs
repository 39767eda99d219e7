//! The round of a lane: look, note, send, sign; and again.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{
    context::{ChainView, LaneContext, LaneError, number},
    view as lanes,
};
use crate::slot::view;

/// How often one round signs at most, before it looks at the chain again.
const SIGNED_PER_ROUND: usize = 4;

/// How often it is asked whether the contract takes the lane's mints: while it does, and while it does not.
const FREE: Duration = Duration::from_secs(30);
const HINDERED: Duration = Duration::from_secs(1);

/// How often it is looked for mints that nobody here put on the chain.
const ADOPT: Duration = Duration::from_secs(1);

/// A lane that works until it is told to stop.
pub struct LaneWorker {
    context: Arc<LaneContext>,
    /// When it was looked last for mints that nobody here put on the chain.
    adopted: Mutex<Option<Instant>>,
    /// Whether the lane could not mint when that was asked last, and when that was.
    hindered: Mutex<Option<(Instant, bool)>>,
}

impl LaneWorker {
    /// A worker of this lane.
    pub fn new(context: Arc<LaneContext>) -> Self {
        Self { context, adopted: Mutex::default(), hindered: Mutex::default() }
    }

    /// Works until the token is cancelled, and gives the lane back.
    pub async fn run(self, shutdown: CancellationToken) {
        let context = &self.context;
        let key = context.key();
        let mut complaint: Option<String> = None;
        loop {
            let round = tokio::select! {
                round = Box::pin(self.round()) => round,
                () = shutdown.cancelled() => break,
            };
            match round {
                Ok(()) | Err(LaneError::Lost) => complaint = None,
                Err(error) => {
                    // Said once, not twice a second.
                    let text = error.to_string();
                    if complaint.as_ref() != Some(&text) {
                        tracing::warn!(
                            lane = context.address(),
                            error = &error as &dyn Error,
                            "a round of the lane ended early"
                        );
                    }
                    complaint = Some(text);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(context.limits.poll) => {}
                () = shutdown.cancelled() => break,
            }
        }
        if let Err(error) = lanes::give_back(context.db(), &key, context.holder).await {
            tracing::debug!(error = &error as &dyn Error, "the lane's lease ends by itself");
        }
    }

    /// One round: compares everything that is open with the chain, and signs what waits.
    ///
    /// # Errors
    ///
    /// [`LaneError`]; the next round begins anew.
    pub async fn round(&self) -> Result<(), LaneError> {
        let context = &self.context;
        let key = context.key();
        let Some(epoch) = lanes::take(context.db(), &key, context.holder).await? else {
            return Ok(());
        };
        let chain = self.look().await?;
        let mut slots = view::open(context.db(), &key).await?;
        if context.observe(epoch, &slots, chain).await? {
            slots = view::open(context.db(), &key).await?;
        }
        context.settle(epoch, &slots, chain).await?;
        context.resend(epoch, &slots, chain).await?;
        if self.is_time_to_adopt() {
            context.settle_adopted(epoch, chain).await?;
        }
        if self.is_hindered().await? {
            return Ok(());
        }
        let mut in_flight = slots.iter().filter(|slot| slot.state != "MINED").count();
        for _ in 0..SIGNED_PER_ROUND {
            match context.sign_waiting(epoch, in_flight, chain).await? {
                0 => break,
                signed => in_flight += signed,
            }
        }
        Ok(())
    }

    /// Whether the lane cannot mint at the moment; asked rarely while it can, and often while it cannot.
    async fn is_hindered(&self) -> Result<bool, LaneError> {
        let known = *self.hindered.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = known.is_some_and(|(at, is_hindered)| {
            at.elapsed() < if is_hindered { HINDERED } else { FREE }
        });
        if let Some((_, is_hindered)) = known.filter(|_| is_fresh) {
            return Ok(is_hindered);
        }
        let why = self.context.hindrance().await?;
        if let Some(why) = &why {
            self.context.hold(Some(why)).await?;
        }
        let is_hindered = why.is_some();
        *self.hindered.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), is_hindered));
        Ok(is_hindered)
    }

    fn is_time_to_adopt(&self) -> bool {
        let mut adopted = self.adopted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = adopted.is_none_or(|last| last.elapsed() >= ADOPT);
        if is_time {
            *adopted = Some(Instant::now());
        }
        is_time
    }

    async fn look(&self) -> Result<ChainView, LaneError> {
        let nodes = &self.context.nodes;
        // The height first: what is counted after it is at least as new.
        let height = nodes.height().await?;
        let finalized = nodes.finalized().await;
        let mined_nonce = number(nodes.mined_nonce(self.context.signer.address()).await?);
        Ok(ChainView { mined_nonce, height, finalized })
    }
}
