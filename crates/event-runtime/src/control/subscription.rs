//! The producer's registry of consumer groups, in its own database.
//!
//! A group is registered by its first report and stays registered when Redis forgets it: only an operator retires it.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbErr, raw_sql};
use serde_json::{Value, json};

use super::WatermarkReport;
use crate::{EventStore, store::to_smallint};

/// Writes reports down, in one statement. Of several about the same partition of a group the last one counts.
///
/// A lower watermark is always believed: it only keeps more. A higher one is believed from the lease that the last report was
/// about or a later one, so that a process that was slow cannot undo that a group started over.
pub(super) async fn register(
    store: &EventStore,
    reports: Vec<WatermarkReport>,
) -> Result<(), DbErr> {
    // Any generation's: a group may still be at an earlier one, which had more.
    let layout = store.layout();
    let partitions = layout.generations().map(|generation| generation.partitions).max();
    let last: HashMap<(String, u16), WatermarkReport> = reports
        .into_iter()
        .filter(|report| Some(report.partition) < partitions)
        .map(|report| ((report.group.clone(), report.partition), report))
        .collect();
    if last.is_empty() {
        return Ok(());
    }
    let mut last: Vec<_> = last.into_iter().collect();
    // In one order everywhere, so that two relay processes cannot wait for each other's rows.
    last.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    let rows = last.into_iter().map(|((group, partition), report)| {
        json!({
            "g": group, "p": to_smallint(partition), "e": report.epoch,
            "s": i64::try_from(report.sequence).unwrap_or(i64::MAX),
            "f": i64::try_from(report.fence).unwrap_or(i64::MAX),
        })
    });
    let rows = Value::Array(rows.collect());
    store
        .db()
        .execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO subscription AS known (consumer_group, partition, epoch, sequence, fence)
               SELECT g, p, e, s, f
                 FROM jsonb_to_recordset({rows}) AS report (g text, p smallint, e integer, s bigint, f bigint)
                 ORDER BY g, p
               ON CONFLICT ON CONSTRAINT subscription_pkey DO UPDATE
                 SET (epoch, sequence, fence) = (
                       SELECT kept.epoch, kept.sequence, kept.fence FROM (VALUES
                         (known.epoch, known.sequence, known.fence,
                          EXCLUDED.sequence > known.sequence AND EXCLUDED.fence < known.fence),
                         (EXCLUDED.epoch, EXCLUDED.sequence, EXCLUDED.fence,
                          EXCLUDED.sequence <= known.sequence OR EXCLUDED.fence >= known.fence))
                         AS kept (epoch, sequence, fence, is_kept) WHERE kept.is_kept),
                     reported_at = now()"
        ))
        .await?;
    Ok(())
}
