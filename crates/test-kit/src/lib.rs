//! Databases, streams, tokens and faults for tests, all of them real processes.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use std::time::Duration;
//! use test_kit::{TestDatabase, TestIssuer, TestRedis, eventually};
//!
//! let (database, redis) = (TestDatabase::create().await?, TestRedis::start().await?);
//! let db = database.connect("post").await?;
//! let issuer = TestIssuer::publish(&redis.url(), 1).await?;
//! // ... start the service on `db` and `redis.url()`, call it with `issuer.token(..)`, then:
//! eventually(Duration::from_secs(5), || async { db.ping().await }).await;
//! # Ok(())
//! # }
//! ```

mod eventually;
mod fault_proxy;
mod issuer;
mod postgres;
mod publisher;
mod redis;
mod redis_cluster;
mod shared_server;

pub use eventually::{Outcome, eventually};
pub use fault_proxy::{Fault, FaultProxy};
pub use issuer::TestIssuer;
pub use postgres::{Backup, TestDatabase};
pub use publisher::{Publisher, stream_key};
pub use redis::TestRedis;
pub use redis_cluster::TestRedisCluster;

/// The machine's clock: what a test publishes or signs is dated by it.
#[expect(clippy::disallowed_methods, reason = "a test tells services the time by it")]
fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}
