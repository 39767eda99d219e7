//! Redis is short of memory, or would forget when it is.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use event_runtime::{RuntimeBuilder, RuntimeError, trim::Retention};
use sea_orm::ConnectionTrait;
use test_kit::eventually;

use crate::{
    figures::{figure, figures},
    world::{LIMIT, Node, World, id},
};

const SHORT: Retention = Retention { entries: 100, every: Duration::from_millis(200) };

impl World {
    async fn info(&self, section: &str, name: &str) -> Option<String> {
        let info: String = self.redis.command(&["INFO", section]).await.unwrap();
        let line =
            info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'));
        line.map(ToOwned::to_owned)
    }

    async fn used(&self) -> u64 {
        self.info("memory", "used_memory").await.unwrap().parse().unwrap()
    }

    async fn set(&self, name: &str, value: &str) {
        let _: String = self.redis.command(&["CONFIG", "SET", name, value]).await.unwrap();
    }
}

async fn paused(reason: &str, value: f64) {
    let label = format!("reason=\"{reason}\"");
    eventually(LIMIT, || async {
        let is = figure("events_relay_paused", &[&label]).context("not known")?;
        ensure!((is - value).abs() < f64::EPSILON, "events_relay_paused for {reason} is {is}");
        Ok(())
    })
    .await;
}

/// F17: consumers were away, and Redis is too small for what they missed.
#[tokio::test]
async fn a_relay_pauses_before_redis_is_full_and_everything_arrives_when_consumers_are_back() {
    figures();
    let world = World::new(1).await;
    world.set("maxmemory-policy", "noeviction").await;
    let (relay, tally) = (world.trimming_relay(SHORT), world.tally().await);
    world.add(id(9), 1).await;
    eventually(LIMIT, || async {
        world.number("SELECT max(sequence) FROM post.subscription").await
    })
    .await;
    tally.stop().await;
    // Room, below four fifths, for connections and for about half of what comes.
    let limit = (world.used().await + 700_000) * 100 / 80;
    world.set("maxmemory", &limit.to_string()).await;
    world.add_at_once(8, 1_000).await;
    paused("memory", 1.0).await;
    let before = world.entries(0).await.unwrap().len();
    assert!(before < 8_001, "all of it found room: {before}");
    assert!(world.used().await < limit, "the pause came too late");
    // Writers do not notice.
    world.add(id(9), 2).await;

    let tally = world.tally().await;
    eventually(LIMIT * 3, || world.applied()).await;
    paused("memory", 0.0).await;
    // What the relay writes was never refused; so small a server may be short of room for a moment while others speak.
    let refused = figure("events_publish_errors_total", &["kind=\"out_of_memory\""]);
    assert_eq!(refused, None, "redis was full after all");
    relay.stop().await;
    tally.stop().await;
}

/// F17: nobody could foresee that Redis would be full.
#[tokio::test]
async fn a_relay_that_may_not_ask_for_memory_pauses_when_redis_refuses_a_batch() {
    figures();
    let world = World::new(1).await;
    let words = ["ACL", "SETUSER", "blind", "on", ">word", "~*", "+@all", "-info"];
    let _: String = world.redis.command(&words).await.unwrap();
    let relay = world.relay_via(&world.redis.url().replace("redis://", "redis://blind:word@"));
    world.add(id(1), 1).await;
    eventually(LIMIT, || world.published()).await;

    world.set("maxmemory", "1").await;
    world.add_many(1, 10).await;
    eventually(LIMIT, || async {
        figure("events_publish_errors_total", &["kind=\"out_of_memory\""]).is_some()
    })
    .await;
    assert_eq!(world.entries(0).await.unwrap().len(), 1);

    world.set("maxmemory", "0").await;
    eventually(LIMIT, || world.published()).await;
    paused("memory", 0.0).await;
    relay.stop().await;
}

/// F18: keys go when memory is short, and streams are keys.
#[tokio::test]
async fn a_redis_that_evicts_streams_is_refused_with_the_way_out() {
    let world = World::new(1).await;
    let runtime = RuntimeBuilder::new(world.post.clone(), world.redis.url()).build();
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        world.set("maxmemory-policy", policy).await;

        let refused = runtime.check_redis(LIMIT).await.unwrap_err();

        assert!(matches!(&refused, RuntimeError::Evicts { policy: found } if found == policy));
        assert!(
            refused.to_string().contains("CONFIG SET maxmemory-policy noeviction"),
            "{refused}"
        );
    }
    for policy in ["noeviction", "volatile-lru", "volatile-ttl"] {
        world.set("maxmemory-policy", policy).await;
        runtime.check_redis(LIMIT).await.unwrap();
    }
}

/// F18: it is made to evict later.
#[tokio::test]
async fn a_redis_that_is_made_to_evict_or_to_keep_no_log_is_called_degraded() {
    figures();
    let world = World::new(1).await;
    let relay = world.relay();
    let degraded = |reason: &'static str, value: f64| {
        eventually(LIMIT, move || async move {
            let label = format!("reason=\"{reason}\"");
            let is = figure("events_redis_degraded", &[&label]).context("not known")?;
            ensure!((is - value).abs() < f64::EPSILON, "{reason} is {is}");
            Ok(())
        })
    };
    degraded("evicts", 0.0).await;
    degraded("not_logged", 0.0).await;

    world.set("maxmemory-policy", "allkeys-lru").await;
    world.set("appendonly", "no").await;
    degraded("evicts", 1.0).await;
    degraded("not_logged", 1.0).await;
    // Better late than never: events still flow.
    world.add_many(1, 3).await;
    eventually(LIMIT, || world.published()).await;

    world.set("maxmemory-policy", "noeviction").await;
    world.set("appendonly", "yes").await;
    degraded("evicts", 0.0).await;
    degraded("not_logged", 0.0).await;
    relay.stop().await;
}

#[tokio::test]
async fn a_redis_that_cannot_be_asked_is_waited_for() {
    let mut world = World::new(1).await;
    let words = ["ACL", "SETUSER", "blind", "on", ">word", "~*", "+@all", "-info"];
    let _: String = world.redis.command(&words).await.unwrap();
    let url = world.redis.url();
    let blind =
        RuntimeBuilder::new(world.post.clone(), url.replace("redis://", "redis://blind:word@"));
    blind.build().check_redis(LIMIT).await.unwrap();

    world.redis.kill().await.unwrap();
    let runtime = RuntimeBuilder::new(world.post.clone(), url).build();
    runtime.check_redis(Duration::from_millis(300)).await.unwrap();
    let relay = Node::start(runtime);
    world.add_many(1, 3).await;
    world.redis.restart().await.unwrap();
    eventually(LIMIT, || world.published()).await;
    relay.stop().await;
}

#[tokio::test]
async fn a_relay_that_an_operator_paused_numbers_and_publishes_nothing_until_it_is_resumed() {
    figures();
    let world = World::new(1).await;
    let relay = world.relay();
    world.add_many(1, 2).await;
    eventually(LIMIT, || world.published()).await;

    let pause = "INSERT INTO post.relay_pause (reason) VALUES ('a restore is under way')";
    world.db.execute_unprepared(pause).await.unwrap();
    paused("operator", 1.0).await;
    world.add_many(1, 5).await;
    eventually(LIMIT, || async {
        let depth = figure("events_outbox_depth", &[]).context("not known")?;
        ensure!((depth - 5.0).abs() < f64::EPSILON, "{depth} events wait");
        Ok(())
    })
    .await;
    assert_eq!(world.entries(0).await.unwrap().len(), 2);

    world.db.execute_unprepared("DELETE FROM post.relay_pause").await.unwrap();
    eventually(LIMIT, || world.published()).await;
    paused("operator", 0.0).await;
    relay.stop().await;
}
