//! Who has to have read what, by the producer's registry.

use sea_orm::{DbErr, FromQueryResult, raw_sql};

use super::Plan;
use crate::{
    EventStore,
    rules::{Limit, Required, trim_limit},
    store::to_smallint,
    stream::StreamKey,
};

/// The registered groups of one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Registered {
    /// Those that must have finished with an entry before it goes.
    pub(super) required: Vec<Required>,
    /// Those of them that have come to this generation, and so are in Redis.
    here: Vec<String>,
    retired: Vec<String>,
    /// Groups that have not reported for a minute.
    pub(super) silent: Vec<String>,
}

#[derive(FromQueryResult)]
struct Row {
    consumer_group: String,
    is_retired: bool,
    is_here: bool,
    sequence: i64,
    is_silent: bool,
}

impl Registered {
    /// Reads the registry for one stream. A group that is still at an earlier generation has read nothing of this one.
    pub(super) async fn load(store: &EventStore, key: StreamKey) -> Result<Self, DbErr> {
        let (partition, epoch) = (to_smallint(key.partition), i64::from(key.epoch));
        let rows = Row::find_by_statement(raw_sql!(
            Postgres,
            "SELECT consumer_group, state = 'retired' AS is_retired,
                    epoch >= {epoch} AS is_here,
                    CASE WHEN epoch >= {epoch} THEN sequence ELSE 0 END AS sequence,
                    reported_at < now() - interval '1 minute' AS is_silent
               FROM subscription WHERE partition = {partition}"
        ))
        .all(store.db())
        .await?;
        let mut registered = Self::default();
        for row in rows {
            if row.is_retired {
                registered.retired.push(row.consumer_group);
                continue;
            }
            if row.is_silent {
                registered.silent.push(row.consumer_group.clone());
            }
            if row.is_here {
                registered.here.push(row.consumer_group.clone());
            }
            registered.required.push(Required {
                group: row.consumer_group,
                sequence: u64::try_from(row.sequence).unwrap_or(0),
            });
        }
        Ok(registered)
    }

    /// The limit for a stream that ends at `end`.
    pub(super) fn limit(&self, end: u64, retention: u64) -> Limit {
        trim_limit(end, retention, &self.required)
    }

    /// What the script is to do.
    pub(super) fn plan(&self, limit: u64) -> Plan {
        Plan { limit, required: self.here.clone(), retired: self.retired.clone() }
    }
}
