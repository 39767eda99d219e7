//! Periodic work.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use sea_orm::{DatabaseTransaction, DbErr};
use service_kit::{Sweep, sweep::once};
use test_kit::eventually;
use tokio::sync::Notify;

use crate::world::{SOON, World};

struct Slow {
    started: AtomicU64,
    finish: Notify,
}

#[async_trait]
impl Sweep for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn schedule(&self) -> &'static str {
        "0 0 0 1 1 *"
    }

    async fn sweep(&self, _: &DatabaseTransaction) -> Result<u64, DbErr> {
        self.started.fetch_add(1, Ordering::SeqCst);
        self.finish.notified().await;
        Ok(3)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_is_done_by_one_replica_at_a_time() {
    let world = World::start().await;
    let sweep = Arc::new(Slow { started: AtomicU64::new(0), finish: Notify::new() });
    let db = world.running.store.db().clone();
    let tasks = tokio_util::task::TaskTracker::new();
    let first = tasks.spawn({
        let (db, sweep) = (db.clone(), Arc::clone(&sweep));
        async move { once(&db, &*sweep).await }
    });
    eventually(SOON, || async { sweep.started.load(Ordering::SeqCst) == 1 }).await;

    let second = once(&db, &*sweep).await.unwrap();
    sweep.finish.notify_one();

    assert_eq!(second, None);
    assert_eq!(first.await.unwrap().unwrap(), Some(3));
}
