//! The cases: each is a promise, and fails with what broke it.

#![expect(
    clippy::future_not_send,
    reason = "a case runs on the thread of its test, so that no subject has to be shared between threads"
)]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::{Fault, History, Key, Subject};

/// Keys of most cases.
const KEYS: Key = 6;

async fn publish<S: Subject>(subject: &S, keys: Key, events: u64) -> Result<()> {
    for _ in 0..events {
        for key in 1..=keys {
            subject.publish(key, false).await?;
        }
    }
    Ok(())
}

/// Looks again and again until it is as it should be; what must never be is looked for every time.
async fn until<S: Subject>(subject: &S, is_there: impl Fn(&History) -> Result<()>) -> Result<()> {
    let started = Instant::now();
    loop {
        let history = subject.history().await?;
        history.is_sound()?;
        match is_there(&history) {
            Ok(()) => return Ok(()),
            Err(error) if started.elapsed() > subject.patience() => {
                return Err(error).context("it did not come about in time");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn complete<S: Subject>(subject: &S) -> Result<()> {
    until(subject, |history| history.is_complete_but(&[])).await
}

/// What is published takes effect, once.
///
/// # Errors
///
/// What broke the promise; the same for every case.
pub async fn everything_published_is_handled_once<S: Subject>() -> Result<()> {
    let subject = S::start().await?;
    let consumer = subject.consumer().await?;
    publish(&subject, KEYS, 10).await?;
    complete(&subject).await?;
    subject.stop(consumer).await
}

/// Events of one key take effect in order, while two consumers are there.
///
/// # Errors
///
/// What broke the promise.
pub async fn events_of_a_key_are_handled_in_order<S: Subject>() -> Result<()> {
    let subject = S::start().await?;
    let consumers = [subject.consumer().await?, subject.consumer().await?];
    publish(&subject, 2, 40).await?;
    complete(&subject).await?;
    let history = subject.history().await?;
    for key in 1..=2 {
        ensure!(history.of(key) == (1..=40).collect::<Vec<_>>(), "{:?}", history.of(key));
    }
    for consumer in consumers {
        subject.stop(consumer).await?;
    }
    Ok(())
}

/// Nobody has to be there when something is published.
///
/// # Errors
///
/// What broke the promise.
pub async fn what_was_published_before_the_first_consumer_is_handled<S: Subject>() -> Result<()> {
    let subject = S::start().await?;
    publish(&subject, KEYS, 5).await?;
    ensure!(subject.history().await?.handled.is_empty(), "handled by nobody");
    let consumer = subject.consumer().await?;
    complete(&subject).await?;
    subject.stop(consumer).await
}

/// Three consumers do the work of one.
///
/// # Errors
///
/// What broke the promise.
pub async fn consumers_of_a_group_share_without_repeats<S: Subject>() -> Result<()> {
    let subject = S::start().await?;
    let mut consumers = Vec::new();
    for _ in 0..3 {
        consumers.push(subject.consumer().await?);
        publish(&subject, KEYS, 3).await?;
    }
    publish(&subject, KEYS, 5).await?;
    complete(&subject).await?;
    for consumer in consumers {
        subject.stop(consumer).await?;
    }
    Ok(())
}

/// The next one continues where the last one stopped.
///
/// # Errors
///
/// What broke the promise.
pub async fn a_consumer_that_stops_hands_over<S: Subject>() -> Result<()> {
    let subject = S::start().await?;
    for _ in 0..3 {
        let consumer = subject.consumer().await?;
        publish(&subject, KEYS, 3).await?;
        subject.stop(consumer).await?;
        publish(&subject, KEYS, 2).await?;
    }
    let consumer = subject.consumer().await?;
    complete(&subject).await?;
    subject.stop(consumer).await
}

/// Consumers start and stop while others do, in the middle of the work.
///
/// # Errors
///
/// What broke the promise.
pub async fn consumers_that_come_and_go_at_once_lose_nothing<S: Subject>() -> Result<()> {
    let subject = S::start().await?;
    for _ in 0..3 {
        let consumers = tokio::try_join!(subject.consumer(), subject.consumer())?;
        publish(&subject, KEYS, 2).await?;
        tokio::try_join!(subject.stop(consumers.0), subject.stop(consumers.1))?;
    }
    let consumer = subject.consumer().await?;
    complete(&subject).await?;
    subject.stop(consumer).await
}

/// A consumer dies in the middle of the work, again and again; what it had in hand takes effect once.
///
/// # Errors
///
/// What broke the promise.
pub async fn a_consumer_that_is_killed_is_replaced<S: Subject>() -> Result<()> {
    let subject = S::start().await?;
    for _ in 0..3 {
        let consumer = subject.consumer().await?;
        publish(&subject, KEYS, 4).await?;
        subject.kill(consumer).await?;
    }
    let consumer = subject.consumer().await?;
    complete(&subject).await?;
    subject.stop(consumer).await
}

/// Progress is kept: a new consumer begins after what took effect.
///
/// # Errors
///
/// What broke the promise.
pub async fn a_restart_handles_nothing_again<S: Subject>() -> Result<()> {
    let subject = S::start().await?;
    let consumer = subject.consumer().await?;
    publish(&subject, KEYS, 5).await?;
    complete(&subject).await?;
    subject.kill(consumer).await?;
    let before = subject.history().await?;

    let consumer = subject.consumer().await?;
    // The new one has been at work when this has taken effect.
    publish(&subject, KEYS, 1).await?;
    complete(&subject).await?;
    let after = subject.history().await?;
    let new = after.handled.len() - before.handled.len();
    ensure!(new as u64 == KEYS, "{new} effects after the restart");
    ensure!(after.handled.starts_with(&before.handled), "the past has changed");
    subject.stop(consumer).await
}

/// A rejected event stands in the way of the later events of its key, and of nothing else.
///
/// # Errors
///
/// What broke the promise.
pub async fn a_rejected_event_holds_back_its_key_and_no_other<S: Subject>() -> Result<()> {
    let subject = S::start().await?;
    let consumer = subject.consumer().await?;
    publish(&subject, KEYS, 2).await?;
    subject.publish(1, true).await?;
    publish(&subject, KEYS, 5).await?;
    until(&subject, |history| history.is_complete_but(&[1])).await?;
    until(&subject, |history| {
        ensure!(history.of(1) == [1, 2], "{:?} of the rejected key", history.of(1));
        Ok(())
    })
    .await?;
    subject.stop(consumer).await
}

/// When the handlers are repaired, what was set aside takes effect in order, with what is published meanwhile.
///
/// # Errors
///
/// What broke the promise.
pub async fn set_aside_events_are_handled_in_order_after_the_repair<S: Subject>() -> Result<()> {
    let subject = S::start().await?;
    let consumer = subject.consumer().await?;
    for key in [1, 2] {
        subject.publish(key, true).await?;
    }
    publish(&subject, KEYS, 3).await?;
    until(&subject, |history| history.is_complete_but(&[1, 2])).await?;
    subject.repair().await?;
    publish(&subject, KEYS, 3).await?;
    // Those that were set aside behind the ones that were being handled.
    subject.repair().await?;
    complete(&subject).await?;
    subject.stop(consumer).await
}

async fn survives<S: Subject>(fault: Fault) -> Result<()> {
    let subject = S::start().await?;
    let consumer = subject.consumer().await?;
    for _ in 0..3 {
        publish(&subject, KEYS, 2).await?;
        subject.fault(fault).await?;
        publish(&subject, KEYS, 2).await?;
    }
    complete(&subject).await?;
    // And without news after it.
    subject.fault(fault).await?;
    complete(&subject).await?;
    publish(&subject, KEYS, 1).await?;
    complete(&subject).await?;
    subject.stop(consumer).await
}

/// The broker dies and comes back.
///
/// # Errors
///
/// What broke the promise.
pub async fn a_broker_that_restarts_is_met_again<S: Subject>() -> Result<()> {
    survives::<S>(Fault::BrokerRestarts).await
}

/// The broker loses everything that it had.
///
/// # Errors
///
/// What broke the promise.
pub async fn a_broker_that_forgets_loses_nothing<S: Subject>() -> Result<()> {
    survives::<S>(Fault::BrokerForgets).await
}

/// All connections end at once, again and again.
///
/// # Errors
///
/// What broke the promise.
pub async fn connections_that_break_cost_nothing<S: Subject>() -> Result<()> {
    survives::<S>(Fault::ConnectionsBreak).await
}
