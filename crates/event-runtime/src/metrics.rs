//! The figures of the runtime, described once. Names and labels are a contract with dashboards and alerts.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use sea_orm::{DbErr, FromQueryResult, raw_sql};

use crate::EventStore;

/// Describes every figure to the recorder in use. Called once, at start.
pub fn describe() {
    describe_producer();
    describe_consumer();
    describe_counter!("jobs_failed_total", "Jobs given up, by kind.");
    describe_counter!("jobs_lost_total", "Jobs that another worker took over, by kind.");
}

/// Recording, publishing, trimming, answering readers.
fn describe_producer() {
    describe_counter!(
        "events_sequenced_batches_total",
        "Batches of the outbox that got sequence numbers."
    );
    describe_counter!("events_sequenced_total", "Events that got sequence numbers.");
    describe_counter!("events_published_total", "Events written to streams.");
    describe_counter!(
        "events_republished_total",
        "Events written again because Redis had lost them."
    );
    describe_counter!(
        "events_stream_rebuilds_total",
        "Times a stream was found shorter than before and filled again."
    );
    describe_counter!(
        "events_publish_cas_conflicts_total",
        "Batches refused because the stream had moved."
    );
    describe_counter!("events_publish_errors_total", "Rounds of the relay that failed, by kind.");
    describe_histogram!("events_publish_batch_size", "Events per batch written to a stream.");
    describe_gauge!("events_redis_degraded", "1 while Redis is set up to lose streams, by reason.");
    describe_counter!("events_trimmed_total", "Entries that left the streams.");
    describe_gauge!(
        "events_trim_blocked",
        "1 while a group keeps a stream from being trimmed further, by reason."
    );
    describe_gauge!("events_stream_first_seq", "First sequence number in the stream.");
    describe_gauge!("events_stream_last_seq", "Last sequence number of the stream.");
    describe_gauge!("events_stream_length", "Entries in the stream.");
    describe_gauge!("events_stream_bytes", Unit::Bytes, "Memory that the stream takes.");
    describe_counter!("events_appended_total", "Events recorded.");
    describe_counter!(
        "events_append_conflicts_total",
        "Commands refused because the aggregate had moved."
    );
    describe_histogram!(
        "events_publish_delay_seconds",
        Unit::Seconds,
        "From recording to the stream."
    );
    describe_gauge!("events_relay_paused", "1 while the relay refuses to publish, by reason.");
    describe_gauge!("events_outbox_depth", "Committed events without a sequence number.");
    describe_gauge!("events_outbox_oldest_seconds", Unit::Seconds, "Age of the oldest of them.");
    describe_counter!(
        "events_control_rejected_total",
        "Messages of consumers that could not be read."
    );
    describe_counter!(
        "events_catch_up_served_total",
        "Stored events given to readers whose stream does not hold them."
    );
}

/// Reading, applying, setting aside, and looking after what came of it.
fn describe_consumer() {
    describe_gauge!(
        "events_lag_events",
        "Last sequence number of the stream less the group's watermark."
    );
    describe_counter!(
        "events_handled_total",
        "Events by outcome: applied, passed, duplicate, parked."
    );
    describe_histogram!(
        "events_handler_seconds",
        Unit::Seconds,
        "Time to apply and commit a batch."
    );
    describe_counter!(
        "events_retries_total",
        "Events that had to wait for something outside them."
    );
    describe_counter!("events_parked_total", "Events set aside, by reason.");
    describe_counter!("events_redriven_total", "Tries of parked events, by outcome.");
    describe_counter!(
        "events_unknown_version_total",
        "Events set aside for a version that this build does not know."
    );
    describe_gauge!("events_parked", "Events set aside now, by group.");
    describe_gauge!(
        "events_parked_oldest_seconds",
        Unit::Seconds,
        "Since when the first of them waits."
    );
    describe_gauge!("events_blocked_aggregates", "Aggregates whose later events wait, by group.");
    describe_histogram!(
        "events_e2e_seconds",
        Unit::Seconds,
        "From happening to the effect's commit."
    );
    describe_gauge!("events_lag_seconds", Unit::Seconds, "Age of the oldest event not in effect.");
    describe_gauge!("events_pending", "Entries delivered and not acknowledged, as Redis says.");
    describe_gauge!(
        "events_pending_oldest_seconds",
        Unit::Seconds,
        "Since the first of them was delivered last."
    );
    describe_gauge!("events_in_flight", "Entries that an owner has read and not acknowledged.");
    describe_gauge!("events_lane_depth", "Entries that wait for their lane.");
    describe_gauge!("events_inbox_depth", "Events that took effect ahead of the watermark.");
    describe_gauge!("events_lease_owner", "1 while this process owns the partition.");
    describe_counter!("events_claimed_total", "Entries taken over from readers that were gone.");
    describe_counter!(
        "events_lost_pending_total",
        "Entries that left the stream before their reader was done."
    );
    describe_counter!("events_reconnects_total", "Times that Redis interrupted a reader.");
    describe_counter!("events_lease_lost_total", "Partitions taken by another process.");
    describe_counter!("events_fenced_total", "Batches refused because a newer owner was at work.");
    describe_counter!("events_ack_missing_total", "Acknowledgements that found nothing pending.");
    describe_counter!(
        "events_own_pel_recovered_total",
        "Entries a former owner committed without acknowledging."
    );
    describe_counter!(
        "events_stream_gap_detected_total",
        "Times a sequence number did not follow the last one."
    );
    describe_gauge!(
        "events_projection_drift_rows",
        "Rows that the last audit found to be other than the events say, by projection."
    );
    describe_gauge!(
        "events_projection_audited_seconds",
        Unit::Seconds,
        "Age of the last audit, by projection."
    );
    describe_gauge!(
        "events_diverged",
        "Partitions in which a group has applied events that their producer has lost, until it is rebuilt."
    );
    describe_counter!("events_catch_up_read_total", "Stored events read in place of a stream.");
}

#[derive(FromQueryResult)]
struct Parked {
    consumer_group: String,
    events: i64,
    aggregates: i64,
    age: f64,
}

/// Publishes how many events are parked per group, since when, and how many aggregates they block; groups without any show 0.
pub(crate) async fn observe_parked(store: &EventStore) -> Result<(), DbErr> {
    let parked = Parked::find_by_statement(raw_sql!(
        Postgres,
        "SELECT w.consumer_group, count(p.sequence) AS events, count(DISTINCT p.aggregate_id) AS aggregates,
                coalesce(extract(epoch FROM now() - min(p.parked_at)), 0)::float8 AS age
           FROM (SELECT DISTINCT consumer_group FROM watermark) w LEFT JOIN parked_event p USING (consumer_group)
           GROUP BY w.consumer_group"
    ))
    .all(store.db())
    .await?;
    for Parked { consumer_group, events, aggregates, age } in parked {
        let labels = [("group", consumer_group)];
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let (events, aggregates) = (events as f64, aggregates as f64);
        gauge!("events_parked", &labels).set(events);
        gauge!("events_blocked_aggregates", &labels).set(aggregates);
        gauge!("events_parked_oldest_seconds", &labels).set(age);
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct Diverged {
    consumer_group: String,
    partitions: i64,
}

/// Publishes in how many partitions each group has seen events that their producer has lost.
pub(crate) async fn observe_diverged(store: &EventStore) -> Result<(), DbErr> {
    let diverged = Diverged::find_by_statement(raw_sql!(
        Postgres,
        "SELECT consumer_group, count(diverged_from) AS partitions FROM watermark GROUP BY consumer_group"
    ))
    .all(store.db())
    .await?;
    for Diverged { consumer_group, partitions } in diverged {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        gauge!("events_diverged", "group" => consumer_group).set(partitions as f64);
    }
    Ok(())
}
