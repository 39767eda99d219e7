//! The cases that any such runtime has to pass, on this one.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use event_conformance::{Fault, Handled, History, Key, Subject};
use sea_orm::{ConnectionTrait, Statement};
use test_kit::FaultProxy;
use tokio::sync::RwLock;

use crate::{
    counter::POISON,
    process::Worker,
    world::{LIMIT, Node, World, id},
};

/// Services, a relay, and a network between the consumers and Redis; keys are counters.
struct PeerLink {
    world: RwLock<World>,
    proxy: FaultProxy,
    _relay: Node,
    amount: AtomicI64,
}

impl PeerLink {
    /// Pairs of a counter's number and another number, in order.
    async fn pairs(world: &World, query: &str) -> Result<Vec<(u64, u64)>> {
        #[expect(clippy::disallowed_methods, reason = "queries of the tests, without input")]
        let statement = Statement::from_string(sea_orm::DatabaseBackend::Postgres, query);
        let rows = world.db.query_all_raw(statement).await?;
        rows.into_iter()
            .map(|row| {
                let key: uuid::Uuid = row.try_get_by_index(0)?;
                let number: i64 = row.try_get_by_index(1)?;
                Ok((u64::try_from(key.as_u128())?, u64::try_from(number)?))
            })
            .collect()
    }
}

#[async_trait(?Send)]
impl Subject for PeerLink {
    type Consumer = Worker;

    async fn start() -> Result<Self> {
        let world = World::new(2).await;
        let proxy = FaultProxy::start(&world.redis.url()).await?;
        let relay = world.relay();
        let world = RwLock::new(world);
        Ok(Self { world, proxy, _relay: relay, amount: AtomicI64::new(1) })
    }

    fn patience(&self) -> Duration {
        LIMIT
    }

    async fn publish(&self, key: Key, is_poison: bool) -> Result<()> {
        let amount = self.amount.fetch_add(1, Ordering::Relaxed);
        let amount = if is_poison { POISON } else { amount };
        self.world.read().await.try_add(id(key.into()), amount).await.map(drop)
    }

    async fn consumer(&self) -> Result<Worker> {
        Ok(Worker::tally(&*self.world.read().await, self.proxy.url()).await)
    }

    async fn stop(&self, consumer: Worker) -> Result<()> {
        consumer.terminate().await;
        Ok(())
    }

    async fn kill(&self, consumer: Worker) -> Result<()> {
        consumer.kill().await;
        Ok(())
    }

    async fn fault(&self, fault: Fault) -> Result<()> {
        match fault {
            Fault::BrokerRestarts => {
                let mut world = self.world.write().await;
                world.redis.kill().await?;
                world.redis.restart().await
            }
            Fault::BrokerForgets => self.world.read().await.redis.flushall().await,
            Fault::ConnectionsBreak => {
                self.proxy.sever();
                Ok(())
            }
        }
    }

    async fn repair(&self) -> Result<()> {
        let world = self.world.read().await;
        world.db.execute_unprepared("INSERT INTO repaired DEFAULT VALUES").await?;
        let parked = "SELECT DISTINCT aggregate_id, 0::bigint FROM engagement.parked_event";
        for (key, _) in Self::pairs(&world, parked).await? {
            Worker::redrive(&world, id(key.into())).await.says("done").await;
        }
        Ok(())
    }

    async fn history(&self) -> Result<History> {
        let world = self.world.read().await;
        // Effects first: what is published later than this look is not missing.
        let handled = "SELECT counter_id, version FROM engagement.tally_log ORDER BY id";
        let handled = Self::pairs(&world, handled).await.context("effects")?;
        let published = "SELECT aggregate_id, count(*) FROM post.event GROUP BY 1";
        let published: BTreeMap<Key, u64> =
            Self::pairs(&world, published).await?.into_iter().collect();
        let handled = handled.into_iter().map(|(key, version)| Handled { key, version }).collect();
        Ok(History { published, handled })
    }
}

event_conformance::cases! { PeerLink }
