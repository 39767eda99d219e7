//! Acquisition: one loop per process asks for every partition that nobody works on, and starts an owner for each it gets.

use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Consumer, roster::Roster};
use crate::{
    error::chain,
    lease::{Leases, Subscription},
    redis::backoff,
};

/// How often the loop asks, while it wants anything: the better part of a hand-over.
const ASK: Duration = Duration::from_millis(50);

/// Acquires the partitions of all consumers until told to stop.
pub(crate) async fn run(
    mut roster: Roster,
    leases: Arc<Leases>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
) {
    let mut shared = 0;
    let mut failures = 0;
    while !shutdown.is_cancelled() {
        let consumers = roster.consumers();
        // Those without an owner are read by everybody.
        for consumer in consumers.iter().skip(shared).filter(|consumer| consumer.is_shared()) {
            tasks.spawn(Arc::clone(consumer).share(shutdown.clone()));
        }
        shared = consumers.len();
        let pause = match acquire(consumers, &leases, &tasks, &shutdown).await {
            Ok(()) => {
                failures = 0;
                ASK
            }
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(error = chain(&error), "partitions cannot be acquired");
                }
                backoff(failures)
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = tokio::time::sleep(pause) => (),
        }
    }
}

async fn acquire(
    consumers: &[Arc<Consumer>],
    leases: &Leases,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<(), sea_orm::DbErr> {
    let owned = consumers.iter().filter(|consumer| !consumer.is_shared());
    let all: Vec<Subscription> = owned.map(|consumer| consumer.subscription).collect();
    let wanted = leases.wanted(&all);
    if wanted.is_empty() {
        return Ok(());
    }
    for taken in leases.acquire(&wanted, shutdown).await? {
        let consumer =
            consumers.iter().find(|consumer| consumer.subscription == taken.subscription);
        if let Some(consumer) = consumer {
            tasks.spawn(Arc::clone(consumer).own(taken));
        }
    }
    Ok(())
}
