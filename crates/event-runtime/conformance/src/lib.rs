//! What any runtime that carries events from a log to handlers has to show, and the oracles that judge it.
//!
//! See the README for how to bind a runtime.

pub mod cases;
pub mod history;

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;

pub use history::{Handled, History};

/// What events belong to: those of one key are in order, from 1.
pub type Key = u64;

/// What can happen to the runtime from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The broker is killed and started again with what it has on disk.
    BrokerRestarts,
    /// The broker loses everything.
    BrokerForgets,
    /// Every connection to the broker ends.
    ConnectionsBreak,
}

/// A runtime with one consumer group, in a world of its own.
#[async_trait(?Send)]
pub trait Subject: Sized {
    /// One process that handles events.
    type Consumer;

    /// Starts the world, without consumers.
    async fn start() -> Result<Self>;

    /// How long anything may take that has to happen.
    fn patience(&self) -> Duration;

    /// Records the next event of a key. The handlers reject a poisonous one until [`Subject::repair`].
    async fn publish(&self, key: Key, is_poison: bool) -> Result<()>;

    /// Starts one more consumer of the group.
    async fn consumer(&self) -> Result<Self::Consumer>;

    /// Ends a consumer as an operator does.
    async fn stop(&self, consumer: Self::Consumer) -> Result<()>;

    /// Ends it as a crash does.
    async fn kill(&self, consumer: Self::Consumer) -> Result<()>;

    /// Lets something fail; it works again when this returns.
    async fn fault(&self, fault: Fault) -> Result<()>;

    /// Makes the handlers accept what they rejected, and has what was set aside handled.
    async fn repair(&self) -> Result<()>;

    /// What was published, and everything that the handlers did, in the order in which it took effect.
    async fn history(&self) -> Result<History>;
}

/// Makes a test of every case for a [`Subject`].
#[macro_export]
macro_rules! cases {
    ($subject:ty) => {
        $crate::cases! { $subject:
            everything_published_is_handled_once
            events_of_a_key_are_handled_in_order
            what_was_published_before_the_first_consumer_is_handled
            consumers_of_a_group_share_without_repeats
            a_consumer_that_stops_hands_over
            consumers_that_come_and_go_at_once_lose_nothing
            a_consumer_that_is_killed_is_replaced
            a_restart_handles_nothing_again
            a_rejected_event_holds_back_its_key_and_no_other
            set_aside_events_are_handled_in_order_after_the_repair
            a_broker_that_restarts_is_met_again
            a_broker_that_forgets_loses_nothing
            connections_that_break_cost_nothing
        }
    };
    ($subject:ty: $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let result = $crate::cases::$case::<$subject>().await;
                assert!(result.is_ok(), "{:?}", result.err());
            }
        )*
    };
}
