//! omniqueue: 128 deliveries per read, acknowledged one by one and side by side, an acknowledgement deadline of 5 s instead of
//! the 45 s of its users.

use std::time::Duration;

use anyhow::Result;
use omniqueue::backends::{RedisBackend, RedisConfig};
use redis::AsyncCommands as _;
use tokio::{task::JoinSet, time::Instant};

use crate::message::{Log, Trial, micros};

/// Messages on their way to Redis at once.
const IN_FLIGHT: u64 = 64;

fn config(dsn: &str, key: &str, member: &str) -> RedisConfig {
    RedisConfig {
        dsn: dsn.to_owned(),
        max_connections: 32,
        reinsert_on_nack: false,
        queue_key: key.to_owned(),
        delayed_queue_key: format!("{key}:delayed"),
        delayed_lock_key: format!("{key}:delayed-lock"),
        consumer_group: "bench".to_owned(),
        consumer_name: member.to_owned(),
        payload_key: "payload".to_owned(),
        ack_deadline_ms: 5_000,
        dlq_config: None,
        sentinel_config: None,
    }
}

pub async fn produce(dsn: &str, key: &str, trial: Trial) -> Result<()> {
    let producer = RedisBackend::builder(config(dsn, key, "producer")).build_producer().await?;
    let producer = std::sync::Arc::new(producer);
    let began = (Instant::now(), micros());
    let mut tasks = JoinSet::new();
    // Every task has aggregates of its own, so that the order within each is kept.
    for task in 0..IN_FLIGHT {
        let producer = std::sync::Arc::clone(&producer);
        tasks.spawn(async move {
            for number in 0..trial.events {
                if number % trial.aggregates % IN_FLIGHT == task {
                    let message = trial.at(began, number).await;
                    producer.send_raw(message.as_bytes()).await?;
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

pub async fn consume(dsn: &str, key: &str, member: &str, mut log: Log) -> Result<()> {
    // It expects that its group exists.
    let mut connection = redis::Client::open(dsn)?.get_multiplexed_async_connection().await?;
    let made: redis::RedisResult<()> = connection.xgroup_create_mkstream(key, "bench", 0_i8).await;
    if let Err(error) = made
        && error.code() != Some("BUSYGROUP")
    {
        return Err(error.into());
    }
    let mut consumer = RedisBackend::builder(config(dsn, key, member)).build_consumer().await?;
    loop {
        let deliveries = match consumer.receive_all(128, Duration::from_millis(500)).await {
            Ok(deliveries) => deliveries,
            Err(error) => {
                eprintln!("not received: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let mut acknowledgements = JoinSet::new();
        for delivery in deliveries {
            if let Err(error) = log.handle(delivery.borrow_payload().unwrap_or_default()) {
                eprintln!("not handled: {error:#}");
            }
            acknowledgements.spawn(async move { delivery.ack().await.map_err(|(error, _)| error) });
        }
        while let Some(acknowledged) = acknowledgements.join_next().await {
            if let Err(error) = acknowledged? {
                eprintln!("not acknowledged: {error}");
            }
        }
    }
}
