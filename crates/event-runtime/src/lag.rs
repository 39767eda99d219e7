//! How much is ahead of the consumer groups of a process: for whoever decides how many processes there should be.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard},
};

use sea_orm::{DbErr, FromQueryResult, raw_sql};
use serde::Serialize;
use shared_schemas::Service;

use crate::{EventStore, layout::Layout};

/// What one consumer group has ahead of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GroupLag {
    /// Published events that it has not made durable.
    pub lag: u64,
    /// Parked events that it will try again by itself.
    pub retryable: u64,
    /// Both together.
    pub total: u64,
}

/// What all groups of a service have ahead of them; every number is there, 0 when there is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LagReport {
    /// The sum over the groups.
    pub total: u64,
    /// By group.
    pub groups: BTreeMap<String, GroupLag>,
}

/// Why the lag is not known.
#[derive(Debug, thiserror::Error)]
pub enum LagError {
    /// Redis has not answered since the start, so nobody knows how far this producer is.
    #[error("how far {0} is has not been learned yet")]
    Unknown(Service),
    /// The database failed.
    #[error("the database failed")]
    Storage(#[from] DbErr),
}

/// How far producers are, as they announced last. Kept when Redis does not answer: they can only have gone further.
#[derive(Debug, Default)]
pub(crate) struct Heads(Mutex<HashMap<Service, BTreeMap<u16, u64>>>);

impl Heads {
    /// Notes what a producer has announced. Nothing, where Redis has forgotten it or it never ran, changes nothing that is known.
    pub(crate) fn note(&self, producer: Service, layout: Option<&Layout>) {
        let mut known = self.known();
        match layout {
            Some(layout) => {
                let heads =
                    (0..layout.partitions()).map(|partition| (partition, layout.head(partition)));
                known.insert(producer, heads.collect());
            }
            None => {
                known.entry(producer).or_default();
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Service, BTreeMap<u16, u64>>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

#[derive(FromQueryResult)]
struct Watermark {
    consumer_group: String,
    service: String,
    partition: i16,
    sequence: i64,
}

#[derive(FromQueryResult)]
struct Retryable {
    consumer_group: String,
    events: i64,
}

/// The lag of these groups, each with the producers that it reads.
pub(crate) async fn report(
    store: &EventStore,
    heads: &Heads,
    groups: &[(&'static str, &'static [Service])],
) -> Result<LagReport, LagError> {
    let watermarks = Watermark::find_by_statement(raw_sql!(
        Postgres,
        "SELECT consumer_group, service, partition, sequence FROM watermark"
    ))
    .all(store.db())
    .await?;
    let watermarks: HashMap<(&str, &str, i16), i64> = watermarks
        .iter()
        .map(|row| {
            ((row.consumer_group.as_str(), row.service.as_str(), row.partition), row.sequence)
        })
        .collect();
    let retryable = Retryable::find_by_statement(raw_sql!(
        Postgres,
        "SELECT consumer_group, count(*) AS events FROM parked_event
           WHERE retry_at IS NOT NULL GROUP BY consumer_group"
    ))
    .all(store.db())
    .await?;

    let known = heads.known();
    let mut report = LagReport::default();
    for (group, producers) in groups {
        let mut lag = GroupLag::default();
        for producer in *producers {
            let heads = known.get(producer).ok_or(LagError::Unknown(*producer))?;
            for (partition, head) in heads {
                let place = (*group, producer.as_str(), crate::store::to_smallint(*partition));
                // A group that never ran has everything ahead of it.
                let done = watermarks.get(&place).copied().unwrap_or(0);
                lag.lag += head.saturating_sub(u64::try_from(done).unwrap_or(0));
            }
        }
        let waiting = retryable.iter().find(|row| row.consumer_group == *group);
        lag.retryable = waiting.and_then(|row| u64::try_from(row.events).ok()).unwrap_or(0);
        lag.total = lag.lag + lag.retryable;
        report.total += lag.total;
        report.groups.insert((*group).to_owned(), lag);
    }
    Ok(report)
}
