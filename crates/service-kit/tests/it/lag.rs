//! What an autoscaler asks.

use async_trait::async_trait;
use event_runtime::{ApplyError, Clock, Projection, RecordedEvent};
use sea_orm::DatabaseTransaction;
use serde_json::{Value, json};
use service_kit::{Definition, Env, Host, Parts};
use shared_schemas::Service;
use test_kit::{TestDatabase, TestRedis, eventually};

use crate::world::{SOON, World};

/// A group without anything to read yet.
struct Idle;

#[async_trait]
impl Projection for Idle {
    fn group(&self) -> &'static str {
        "post.idle"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Interaction]
    }

    fn tables(&self) -> &'static [&'static str] {
        &[]
    }

    async fn apply(&self, _: &DatabaseTransaction, _: &RecordedEvent) -> Result<(), ApplyError> {
        Ok(())
    }
}

fn definition() -> Definition<()> {
    fn build(host: &Host<()>) -> Parts {
        Parts::new(host).runtime(|runtime| runtime.projection(Idle))
    }
    Definition { service: Service::Post, port: 0, migrations: &[], build }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_groups_has_no_lag_and_says_0() {
    let world = World::start().await;

    let report: Value = reqwest::get(world.url("/lag")).await.unwrap().json().await.unwrap();

    assert_eq!(report, json!({ "total": 0, "groups": {} }));
    world.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_producers_announced_and_nobody_read_is_lag_of_the_group_and_of_the_service() {
    let (database, redis) =
        (TestDatabase::create().await.unwrap(), TestRedis::start().await.unwrap());
    let env = Env::from_pairs([
        ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
        ("DATABASE_URL", database.schema("post").await.unwrap()),
        ("REDIS_URL", redis.url()),
    ]);
    let running = service_kit::service::start(&definition(), env, Clock::System).await.unwrap();
    let url = format!("http://{}/lag", running.addr);
    let says = async |report: Value| {
        let url = &url;
        eventually(SOON, || {
            let report = report.clone();
            async move {
                let answer = reqwest::get(url).await.unwrap();
                let (status, body) = (answer.status(), answer.json::<Value>().await.unwrap());
                if status == 200 && body == report {
                    Ok(())
                } else {
                    Err(format!("{status} {body}"))
                }
            }
        })
        .await;
    };
    let none = json!({ "lag": 0, "retryable": 0, "total": 0 });
    says(json!({ "total": 0, "groups": { "post.idle": none } })).await;

    let layout = json!({
        "epoch": 1, "partitions": 2, "generations": [{ "epoch": 1, "partitions": 2 }],
        "heads": { "0": 3, "1": 4 },
    });
    let words = ["SET", "ctl:{interaction}:layout", &layout.to_string()];
    let _: String = redis.command(&words).await.unwrap();

    let some = json!({ "lag": 7, "retryable": 0, "total": 7 });
    says(json!({ "total": 7, "groups": { "post.idle": some } })).await;
    running.stop().await;
}
