//! The consumer's side: one task per process tells the producers how far its groups have come, and learns how far they are.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use fred::clients::Client;
use futures_util::future::try_join_all;
use sea_orm::{FromQueryResult, raw_sql};
use shared_schemas::Service;
use tokio_util::sync::CancellationToken;

use super::{Message, WatermarkReport, send};
use crate::{
    EventStore, RuntimeError,
    error::chain,
    lag::Heads,
    layout::{AnnounceError, announced},
    redis::{backoff, close, recover},
};

/// How often what has moved is reported.
const MOVED: Duration = Duration::from_secs(1);

/// How often everything is: Redis may have forgotten it, or the producer may be new.
const ALL: Duration = Duration::from_secs(5);

/// Reports the watermarks of the groups that this process runs. They are read from the database, where they are durable, and
/// of all partitions, whoever owns them: several replicas that say the same do no harm.
pub(crate) struct Reporter {
    store: EventStore,
    redis: Client,
    groups: Vec<(&'static str, &'static [Service])>,
    heads: Arc<Heads>,
    /// What was said last.
    said: HashMap<(Service, String, u16), WatermarkReport>,
}

#[derive(FromQueryResult)]
struct Watermark {
    consumer_group: String,
    service: String,
    partition: i16,
    sequence: i64,
    epoch: i64,
    stream_epoch: i32,
}

impl Reporter {
    /// A reporter over its own Redis client, for groups and the producers that each of them reads. What producers announce
    /// goes to `heads`.
    pub(crate) fn new(
        store: EventStore,
        redis: Client,
        groups: Vec<(&'static str, &'static [Service])>,
        heads: Arc<Heads>,
    ) -> Self {
        Self { store, redis, groups, heads, said: HashMap::new() }
    }

    /// Reports until told to stop, and once more at the end.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let (mut failures, mut complete) = (0, Instant::now());
        loop {
            let stopping = shutdown.is_cancelled();
            if complete.elapsed() >= ALL {
                complete = Instant::now();
                self.said.clear();
            }
            let pause = match self.report().await {
                Ok(()) => {
                    failures = 0;
                    MOVED
                }
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(
                            error = chain(&error),
                            "watermarks are not reported; producers keep what they have"
                        );
                    }
                    if let RuntimeError::Redis(cause) = &error {
                        recover(&self.redis, cause).await;
                    }
                    backoff(failures)
                }
            };
            if stopping {
                break;
            }
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = tokio::time::sleep(pause) => (),
            }
        }
        close(&self.redis).await;
    }

    /// Says what it has not said yet.
    async fn report(&mut self) -> Result<(), RuntimeError> {
        let mut news = Vec::new();
        for row in self.watermarks().await? {
            // A row of a service that this build does not know belongs to nobody it could tell.
            let Ok(service) = row.service.parse::<Service>() else { continue };
            let report = WatermarkReport {
                partition: u16::try_from(row.partition).unwrap_or(0),
                epoch: u32::try_from(row.stream_epoch).unwrap_or(0),
                sequence: u64::try_from(row.sequence).unwrap_or(0),
                fence: u64::try_from(row.epoch).unwrap_or(0),
                group: row.consumer_group,
            };
            let about = (service, report.group.clone(), report.partition);
            if self.said.get(&about) != Some(&report) {
                news.push((about, report));
            }
        }
        let redis = &self.redis;
        try_join_all(news.iter().map(|((service, _, _), report)| async move {
            send(redis, *service, &Message::Watermark(report.clone())).await
        }))
        .await?;
        self.said.extend(news);
        self.listen().await
    }

    /// Learns how far the producers are.
    async fn listen(&self) -> Result<(), RuntimeError> {
        let producers: BTreeSet<Service> =
            self.groups.iter().flat_map(|(_, producers)| producers.iter().copied()).collect();
        for producer in producers {
            match announced(&self.redis, producer).await {
                Ok(layout) => self.heads.note(producer, layout.as_ref()),
                // It is written anew within a second; what is known stays.
                Err(AnnounceError::Malformed(error)) => {
                    tracing::debug!(error = chain(&error), %producer, "announcement does not parse");
                }
                Err(AnnounceError::Redis(error)) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn watermarks(&self) -> Result<Vec<Watermark>, RuntimeError> {
        let groups: Vec<&str> = self.groups.iter().map(|(group, _)| *group).collect();
        let groups = serde_json::json!(groups);
        Ok(Watermark::find_by_statement(raw_sql!(
            Postgres,
            "SELECT consumer_group, service, partition, sequence, epoch, stream_epoch FROM watermark
               WHERE consumer_group IN (SELECT jsonb_array_elements_text({groups}))"
        ))
        .all(self.store.db())
        .await?)
    }
}
