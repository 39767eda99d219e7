//! A service's events at a glance.

use sea_orm::{FromQueryResult, raw_sql};
use serde::Serialize;
use shared_schemas::Service;

use super::{CommandError, Site, groups, relay, relay::Relay};

/// The events of one service, and its work on others'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Whose.
    pub service: Service,
    /// Events in the store, private ones included: the highest position, so exact to what rollbacks have burnt.
    pub events: i64,
    /// Streams that its events are spread over.
    pub partitions: usize,
    /// Publishing.
    pub relay: Relay,
    /// Consumer groups of the service.
    pub groups: usize,
    /// Those on which nobody works in some partition.
    pub groups_without_owner: Vec<String>,
    /// Those that an operator stopped.
    pub groups_paused: Vec<String>,
    /// Events that are parked in its groups.
    pub parked: i64,
    /// Jobs that are due or will be.
    pub jobs_ready: i64,
    /// Jobs that were given up.
    pub jobs_failed: i64,
}

#[derive(FromQueryResult)]
struct Counts {
    events: i64,
    parked: i64,
    jobs_ready: i64,
    jobs_failed: i64,
}

/// Looks at one service.
///
/// # Errors
///
/// [`CommandError`] if the database or Redis fails.
pub async fn of(site: &Site) -> Result<Status, CommandError> {
    let counts = Counts::find_by_statement(raw_sql!(
        Postgres,
        "SELECT (SELECT coalesce(max(position), 0) FROM event) AS events,
                (SELECT count(*) FROM parked_event) AS parked,
                (SELECT count(*) FROM job WHERE state = 'ready') AS jobs_ready,
                (SELECT count(*) FROM job WHERE state = 'failed') AS jobs_failed"
    ))
    .one(&site.db)
    .await?;
    let Counts { events, parked, jobs_ready, jobs_failed } =
        counts.unwrap_or(Counts { events: 0, parked: 0, jobs_ready: 0, jobs_failed: 0 });
    let rows = groups::list(site).await?;
    let names = |is_meant: &dyn Fn(&groups::Group) -> bool| {
        let mut names: Vec<String> =
            rows.iter().filter(|row| is_meant(row)).map(|row| row.consumer_group.clone()).collect();
        names.dedup();
        names
    };
    let relay = relay::status(site).await?;
    Ok(Status {
        service: site.service,
        events,
        partitions: relay.partitions.len(),
        relay,
        groups: names(&|_| true).len(),
        groups_without_owner: names(&|row| row.owner.is_none() && !row.is_paused),
        groups_paused: names(&|row| row.is_paused),
        parked,
        jobs_ready,
        jobs_failed,
    })
}
