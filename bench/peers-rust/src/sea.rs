//! sea-streamer-redis: one consumer group, load balanced, acknowledged after handling (`AutoCommit::Disabled`), claims after
//! 5 s instead of a minute.

use std::time::Duration;

use anyhow::Result;
use sea_streamer_redis::{
    AutoCommit, AutoStreamReset, RedisConnectOptions, RedisConsumerOptions, RedisStreamer,
};
use sea_streamer_types::{
    Buffer as _, Consumer as _, ConsumerGroup, ConsumerId, ConsumerMode, ConsumerOptions as _,
    Message as _, Producer as _, StreamKey, Streamer as _,
};
use tokio::time::Instant;

use crate::message::{Log, Trial, micros};

/// Messages per read: what its documentation measures with.
const BATCH: usize = 100;

pub async fn produce(redis: &str, key: &str, trial: Trial) -> Result<()> {
    let streamer = RedisStreamer::connect(redis.parse()?, RedisConnectOptions::default()).await?;
    let mut producer = streamer.create_producer(StreamKey::new(key)?, Default::default()).await?;
    let began = (Instant::now(), micros());
    for number in 0..trial.events {
        let message = trial.at(began, number).await;
        // Its receipt is a future; `flush` waits for all of them.
        drop(producer.send(message)?);
    }
    producer.flush().await?;
    Ok(())
}

pub async fn consume(redis: &str, key: &str, member: &str, mut log: Log) -> Result<()> {
    let streamer = RedisStreamer::connect(redis.parse()?, RedisConnectOptions::default()).await?;
    let mut options = RedisConsumerOptions::new(ConsumerMode::LoadBalanced);
    options.set_consumer_group(ConsumerGroup::new("bench"))?;
    options.set_consumer_id(ConsumerId::new(member));
    options.set_auto_stream_reset(AutoStreamReset::Earliest);
    options.set_auto_commit(AutoCommit::Disabled);
    options.set_auto_claim_idle(Duration::from_secs(5));
    options.set_auto_claim_interval(Some(Duration::from_secs(1)));
    options.set_batch_size(BATCH);
    options.set_mkstream(true);
    let mut consumer = streamer.create_consumer(&[StreamKey::new(key)?], options).await?;
    let mut handled = 0;
    loop {
        let message = match tokio::time::timeout(Duration::from_millis(20), consumer.next()).await {
            Ok(message) => message?,
            Err(_) => {
                drop(consumer.commit()?);
                continue;
            }
        };
        if let Err(error) = log.handle(message.message().as_bytes()) {
            eprintln!("not handled: {error:#}");
        }
        consumer.ack(&message)?;
        handled += 1;
        if handled % BATCH == 0 {
            // In the background, as its documentation recommends.
            drop(consumer.commit()?);
        }
    }
}
