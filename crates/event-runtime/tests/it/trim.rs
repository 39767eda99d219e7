//! Trimming: what somebody needs stays, the rest goes.

use std::time::Duration;

use anyhow::{Result, ensure};
use event_runtime::{
    RuntimeBuilder,
    stream::StreamKey,
    trim::{Plan, Retention, Trimmed, execute, preview},
};
use fred::types::Value;
use sea_orm::ConnectionTrait;
use shared_schemas::Service;
use test_kit::{TestRedis, eventually, stream_key};

use crate::{
    counter::GROUP,
    figures::{figure, figures},
    world::{LIMIT, Node, World},
};

/// Few entries stay, and trimming is quick to come.
const SHORT: Retention = Retention { entries: 5, every: Duration::from_millis(100) };

/// Redis frees whole blocks of entries; this makes them small.
pub(crate) const BLOCK: usize = 4;

pub(crate) async fn small_blocks(redis: &TestRedis) {
    let words = ["CONFIG", "SET", "stream-node-max-entries", "4"];
    let _: String = redis.command(&words).await.unwrap();
}

impl World {
    async fn trimming() -> (Self, Node) {
        let world = Self::new(1).await;
        small_blocks(&world.redis).await;
        let node = world.trimming_relay(SHORT);
        (world, node)
    }

    /// The projection, once the producer knows that it has to be waited for.
    async fn registered_tally(&self) -> Node {
        let tally = self.tally().await;
        eventually(LIMIT, || async {
            let known =
                format!("SELECT count(*) FROM post.subscription WHERE consumer_group = '{GROUP}'");
            self.number(&known).await.unwrap() == 1
        })
        .await;
        tally
    }

    pub(crate) fn trimming_relay(&self, retention: Retention) -> Node {
        let builder = RuntimeBuilder::new(self.post.clone(), self.redis.url());
        Node::start(builder.trim(retention).build())
    }

    /// The sequence numbers in the stream of partition 0.
    async fn sequences(&self) -> Result<Vec<u64>> {
        let entries = self.entries(0).await?;
        entries.iter().map(|(id, _)| Ok(id.trim_end_matches("-0").parse()?)).collect()
    }

    /// Waits until the stream begins near `first`, and not after it.
    async fn begins_at(&self, first: u64) {
        eventually(LIMIT, || async {
            let sequences = self.sequences().await?;
            let begin = sequences.first().copied().unwrap_or(0);
            ensure!(begin <= first, "needed, and gone: {first}..{begin}");
            ensure!(first - begin < BLOCK as u64, "the stream begins at {begin}, not {first}");
            Ok(())
        })
        .await;
    }

    async fn set_state(&self, group: &str, state: &str) {
        let sql = format!(
            "UPDATE post.subscription SET state = '{state}' WHERE consumer_group = '{group}'"
        );
        self.db.execute_unprepared(&sql).await.unwrap();
    }

    async fn register(&self, group: &str, sequence: u64) {
        let sql = format!(
            "INSERT INTO post.subscription (consumer_group, partition, sequence, fence)
               VALUES ('{group}', 0, {sequence}, 1)
               ON CONFLICT (consumer_group, partition) DO UPDATE SET sequence = EXCLUDED.sequence"
        );
        self.db.execute_unprepared(&sql).await.unwrap();
    }

    async fn join(&self, group: &str, sequence: u64) {
        let (key, id) = (stream_key(Service::Post, 0), format!("{sequence}-0"));
        let words = ["XGROUP", "CREATE", &key, group, &id, "MKSTREAM"];
        let _: String = self.redis.command(&words).await.unwrap();
    }

    /// What trimming would say now.
    async fn would(&self) -> Trimmed {
        let key = StreamKey::new(Service::Post, 0);
        preview(&self.post, self.redis.client(), key, SHORT.entries).await.unwrap()
    }

    /// Lets a few rounds of trimming pass.
    async fn rounds(&self) {
        let before: u64 = self.trims().await;
        eventually(LIMIT, || async { self.trims().await > before + 3 }).await;
    }

    /// How often Redis was asked for the groups of a stream, which every round does.
    async fn trims(&self) -> u64 {
        let stats: String = self.redis.command(&["INFO", "commandstats"]).await.unwrap();
        let line = stats.lines().find(|line| line.starts_with("cmdstat_xinfo|groups:"));
        let calls =
            line.and_then(|line| line.split_once("calls=")?.1.split(',').next()?.parse().ok());
        calls.unwrap_or(0)
    }
}

#[tokio::test]
async fn what_every_group_has_made_durable_goes_but_for_the_last_entries() {
    let (world, relay) = World::trimming().await;
    let tally = world.registered_tally().await;
    world.add_many(4, 25).await;

    world.begins_at(96).await;
    eventually(LIMIT, || world.applied()).await;
    assert_eq!(world.sequences().await.unwrap().last(), Some(&100));
    // Events go on as before.
    world.add_many(4, 5).await;
    eventually(LIMIT, || world.applied()).await;
    world.begins_at(116).await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
async fn an_entry_stays_until_the_slowest_registered_group_reports_it_done() {
    let (world, relay) = World::trimming().await;
    let tally = world.registered_tally().await;
    world.register("slow.group", 0).await;
    world.join("slow.group", 0).await;
    world.add_many(4, 10).await;
    eventually(LIMIT, || world.applied()).await;
    world.rounds().await;
    assert_eq!(world.sequences().await.unwrap(), (1..=40).collect::<Vec<_>>());

    // Delivered, acknowledged, and not reported: only what is durable counts.
    let key = stream_key(Service::Post, 0);
    let words = ["XREADGROUP", "GROUP", "slow.group", "a", "COUNT", "30", "STREAMS", &key, ">"];
    let _: Value = world.redis.command(&words).await.unwrap();
    let done: Vec<String> = (1..=24).map(|sequence| format!("{sequence}-0")).collect();
    let mut words = vec!["XACK", &key, "slow.group"];
    words.extend(done.iter().map(String::as_str));
    let _: u64 = world.redis.command(&words).await.unwrap();
    world.rounds().await;
    assert_eq!(world.sequences().await.unwrap().first(), Some(&1));

    world.register("slow.group", 12).await;
    world.begins_at(13).await;
    // Reported, and not acknowledged: what is pending stays.
    world.register("slow.group", 30).await;
    world.begins_at(25).await;
    world.set_state("slow.group", "paused").await;
    world.rounds().await;
    world.begins_at(25).await;
    world.set_state("slow.group", "retired").await;
    world.begins_at(36).await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
async fn a_registered_group_that_redis_does_not_have_stops_trimming_until_it_is_retired() {
    figures();
    let (world, relay) = World::trimming().await;
    let tally = world.registered_tally().await;
    world.register("missing.group", 0).await;
    world.add_many(4, 10).await;
    eventually(LIMIT, || world.applied()).await;
    // It has read all there is.
    world.register("missing.group", 40).await;

    eventually(LIMIT, || async {
        let answer = world.would().await;
        ensure!(answer == Trimmed::GroupMissing("missing.group".to_owned()), "{answer:?}");
        Ok(())
    })
    .await;
    world.rounds().await;
    assert_eq!(world.sequences().await.unwrap(), (1..=40).collect::<Vec<_>>());
    let alarm = || figure("events_trim_blocked", &["reason=\"group_missing\""]);
    assert_eq!(alarm(), Some(1.0));

    world.set_state("missing.group", "retired").await;
    world.begins_at(36).await;
    eventually(LIMIT, || async { alarm() == Some(0.0) }).await;
    let figures: Vec<Option<f64>> =
        ["events_stream_last_seq", "events_stream_length", "events_stream_first_seq"]
            .map(|name| figure(name, &["partition=\"0\""]))
            .into();
    let [Some(last), Some(length), Some(first)] = figures[..] else { panic!("{figures:?}") };
    assert!((last - 40.0).abs() < 0.5 && (first + length - 41.0).abs() < 0.5, "{figures:?}");
    assert!(figure("events_stream_bytes", &["partition=\"0\""]).unwrap() > 0.0);
    let trimmed = || async { figure("events_trimmed_total", &[]).is_some_and(|sum| sum > 0.0) };
    eventually(LIMIT, trimmed).await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
async fn a_group_that_is_silent_holds_up_trimming_and_is_named_until_it_speaks_again() {
    figures();
    let (world, relay) = World::trimming().await;
    let tally = world.registered_tally().await;
    // A group that says it has read what was never published would stop the relay.
    world.register("slow.group", 0).await;
    world.join("slow.group", 12).await;
    world.add_many(4, 10).await;
    eventually(LIMIT, || world.applied()).await;
    world.register("slow.group", 12).await;
    world.begins_at(13).await;
    let silent = || async { figure("events_trim_blocked", &["group_silent"]) == Some(1.0) };
    world.rounds().await;
    assert!(!silent().await, "it has reported within the minute");

    let age = "UPDATE post.subscription SET reported_at = now() - interval '2 minutes' WHERE consumer_group = 'slow.group'";
    world.db.execute_unprepared(age).await.unwrap();
    eventually(LIMIT, silent).await;
    world.rounds().await;
    world.begins_at(13).await;

    // It is there again, and has nothing left to do.
    let (key, end) = (stream_key(Service::Post, 0), "40-0");
    let words = ["XGROUP", "SETID", &key, "slow.group", end];
    let _: String = world.redis.command(&words).await.unwrap();
    let speaks = "UPDATE post.subscription SET reported_at = now(), sequence = 40 WHERE consumer_group = 'slow.group'";
    world.db.execute_unprepared(speaks).await.unwrap();
    eventually(LIMIT, || async { !silent().await }).await;
    world.begins_at(36).await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
async fn a_group_that_nobody_registered_keeps_what_it_has_not_read_until_it_is_retired() {
    let (world, relay) = World::trimming().await;
    let tally = world.registered_tally().await;
    world.join("forgotten.group", 8).await;
    world.add_many(4, 10).await;
    eventually(LIMIT, || world.applied()).await;

    world.begins_at(9).await;
    world.rounds().await;
    world.begins_at(9).await;
    world.register("forgotten.group", 0).await;
    world.set_state("forgotten.group", "retired").await;
    world.begins_at(36).await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
async fn a_stream_that_redis_forgot_is_written_again_from_where_somebody_needs_it() {
    let (world, relay) = World::trimming().await;
    let tally = world.registered_tally().await;
    world.register("slow.group", 0).await;
    world.join("slow.group", 20).await;
    world.add_many(4, 10).await;
    eventually(LIMIT, || world.applied()).await;
    world.register("slow.group", 20).await;
    world.begins_at(21).await;

    world.redis.flushall().await.unwrap();
    eventually(LIMIT, || async {
        let sequences = world.sequences().await?;
        ensure!(sequences == (21..=40).collect::<Vec<_>>(), "{sequences:?}");
        Ok(())
    })
    .await;
    world.add_many(4, 1).await;
    eventually(LIMIT, || world.applied()).await;
    relay.stop().await;
    tally.stop().await;
}

/// Numbers that a double cannot tell apart are compared as what they are.
#[tokio::test]
async fn sequence_numbers_above_2_to_the_53_are_told_apart() {
    let redis = TestRedis::start().await.unwrap();
    let words = ["CONFIG", "SET", "stream-node-max-entries", "1"];
    let _: String = redis.command(&words).await.unwrap();
    let key = StreamKey::new(Service::Post, 0);
    let first = 9_007_199_254_740_992_u64;
    for sequence in first..first + 4 {
        let id = format!("{sequence}-0");
        let _: String = redis.command(&["XADD", &key.to_string(), &id, "f", "v"]).await.unwrap();
    }
    let id = format!("{}-0", first + 1);
    let words = ["XGROUP", "CREATE", &key.to_string(), GROUP, &id];
    let _: String = redis.command(&words).await.unwrap();

    let plan = Plan { limit: first + 3, required: vec![GROUP.to_owned()], retired: Vec::new() };
    let trimmed = execute(redis.client(), key, &plan, 100, false).await.unwrap();

    assert_eq!(
        trimmed,
        Trimmed::Entries {
            count: 2,
            held_by: Some(GROUP.to_owned()),
            first: Some(first + 2),
            through: first + 1,
        }
    );
}
