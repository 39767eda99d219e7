//! What consumers tell producers: registrations, watermarks, and nothing that has to arrive.

use anyhow::{Result, ensure};
use fred::types::Value;
use test_kit::eventually;

use crate::{
    counter::GROUP,
    world::{LIMIT, World},
};

const KEY: &str = "ctl:{post}";

impl World {
    /// What the producer knows of a group in partition 0.
    async fn registered(&self, group: &str) -> Result<i64> {
        self.number(&format!(
            "SELECT max(sequence) FROM post.subscription
               WHERE consumer_group = '{group}' AND partition = 0"
        ))
        .await
    }

    async fn says(&self, kind: &str, content: &str) {
        let words = ["XADD", KEY, "*", "k", kind, "d", content];
        let _: String = self.redis.command(&words).await.unwrap();
    }

    async fn reports(&self, group: &str, fence: u64, sequence: u64) {
        let content = format!(
            r#"{{"group":"{group}","partition":0,"epoch":1,"sequence":{sequence},"fence":{fence}}}"#
        );
        self.says("watermark", &content).await;
    }

    async fn knows(&self, group: &str, sequence: i64) {
        eventually(LIMIT, || async {
            let known = self.registered(group).await?;
            ensure!(known == sequence, "{group} is known to be at {known}, not {sequence}");
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_producer_learns_how_far_its_consumers_are_and_again_after_redis_forgot_it() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(2, 3).await;
    world.knows(GROUP, 6).await;

    world.redis.flushall().await.unwrap();
    world.add_many(2, 2).await;
    world.knows(GROUP, 10).await;

    let reports: u64 = world.redis.command(&["XLEN", KEY]).await.unwrap();
    assert!(reports > 0, "the reports came another way");
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
async fn an_idle_consumer_reports_to_a_producer_that_starts_later() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(1, 3).await;
    world.knows(GROUP, 3).await;
    relay.stop().await;
    sea_orm::ConnectionTrait::execute_unprepared(&world.db, "DELETE FROM post.subscription")
        .await
        .unwrap();

    let relay = world.relay();
    world.knows(GROUP, 3).await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
async fn a_group_that_starts_over_is_believed_and_a_late_report_is_not() {
    let world = World::new(1).await;
    let relay = world.relay();
    // Repeated, since a relay that has just started listens to what comes after.
    eventually(LIMIT, || async {
        world.reports("later.group", 5, 100).await;
        world.registered("later.group").await
    })
    .await;
    world.knows("later.group", 100).await;

    world.reports("later.group", 6, 0).await;
    world.knows("later.group", 0).await;
    world.reports("later.group", 5, 100).await;
    world.reports("marker.1", 1, 1).await;
    world.knows("marker.1", 1).await;
    world.knows("later.group", 0).await;
    world.reports("later.group", 6, 10).await;
    world.knows("later.group", 10).await;
    // A consumer whose database was restored to the past: keeping more does no harm.
    world.reports("later.group", 4, 3).await;
    world.knows("later.group", 3).await;
    relay.stop().await;
}

#[tokio::test]
async fn what_is_no_message_holds_up_no_report() {
    let world = World::new(1).await;
    let relay = world.relay();
    eventually(LIMIT, || async {
        world.reports("a", 1, 1).await;
        world.registered("a").await
    })
    .await;

    world.says("watermark", "{").await;
    world.says("watermark", r#"{"group":"a","partition":0,"sequence":-5}"#).await;
    world
        .says("watermark", r#"{"group":"a","partition":9,"epoch":1,"sequence":9,"fence":1}"#)
        .await;
    for (group, epoch) in [(r"nul\u0000", 1), ("late", 2_147_483_648_u64)] {
        let content = format!(
            r#"{{"group":"{group}","partition":0,"epoch":{epoch},"sequence":9,"fence":1}}"#
        );
        world.says("watermark", &content).await;
    }
    world.says("of a newer build", "{}").await;
    let words = ["XADD", KEY, "*", "other", "fields"];
    let _: String = world.redis.command(&words).await.unwrap();
    let bytes: Vec<Value> = vec![
        "XADD".into(),
        KEY.into(),
        "*".into(),
        "k".into(),
        Value::Bytes(vec![0xff, 0xfe].into()),
        "d".into(),
        "{}".into(),
    ];
    let _: String = world.redis.command_of_bytes(bytes).await.unwrap();
    world.reports("a", 1, 2).await;

    world.knows("a", 2).await;
    let strangers =
        world.number("SELECT count(*) FROM post.subscription WHERE partition <> 0").await.unwrap();
    assert_eq!(strangers, 0, "a partition that does not exist was registered");
    relay.stop().await;
}

/// Whatever the reason: it would be read and refused for ever.
#[tokio::test]
async fn a_report_that_the_database_refuses_holds_up_no_other() {
    let world = World::new(1).await;
    let refusal = "ALTER TABLE post.subscription ADD CHECK (consumer_group <> 'refused')";
    sea_orm::ConnectionTrait::execute_unprepared(&world.db, refusal).await.unwrap();
    let relay = world.relay();
    eventually(LIMIT, || async {
        world.reports("a", 1, 1).await;
        world.registered("a").await
    })
    .await;

    // In one transaction, so that the relay reads them together.
    let report = |group: &str| {
        format!(r#"{{"group":"{group}","partition":0,"epoch":1,"sequence":2,"fence":1}}"#)
    };
    let script = "for i, d in ipairs(ARGV) do
                    redis.call('XADD', KEYS[1], '*', 'k', 'watermark', 'd', d) end";
    let (one, other) = (report("refused"), report("a"));
    let _: Value = world.redis.command(&["EVAL", script, "1", KEY, &one, &other]).await.unwrap();
    world.knows("a", 2).await;
    relay.stop().await;
}

#[tokio::test]
async fn a_control_stream_that_begins_again_with_lower_ids_is_heard() {
    let world = World::new(1).await;
    let relay = world.relay();
    eventually(LIMIT, || async {
        world.reports("a", 1, 1).await;
        world.registered("a").await
    })
    .await;

    // As after a loss of everything by a server whose clock went back.
    let content = r#"{"group":"a","partition":0,"epoch":1,"sequence":2,"fence":1}"#;
    let _: u64 = world.redis.command(&["DEL", KEY]).await.unwrap();
    let words = ["XADD", KEY, "1-1", "k", "watermark", "d", content];
    let _: String = world.redis.command(&words).await.unwrap();
    world.knows("a", 2).await;
    relay.stop().await;
}
