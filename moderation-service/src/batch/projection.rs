//! Events of batches and of their parts become what administrators see and what the program goes through.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use uuid::Uuid;

use super::{
    aggregate::{BatchEvent, BatchState, Refused},
    part::{Item, PartEvent},
};
use crate::case::{projection::json, view::columns};

/// Fills `moderation_batch` and `batch_refusal`.
pub struct BatchReadModel;

/// Fills `batch_item`.
pub struct PartReadModel;

#[async_trait]
impl InlineProjection<BatchEvent> for BatchReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["moderation_batch", "batch_refusal"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<BatchEvent>,
    ) -> Result<(), DbErr> {
        let (id, at) = (recorded.aggregate_id, recorded.occurred_at);
        let statement = match &recorded.event {
            BatchEvent::Opened { opened_by, reason, analyser, parts } => {
                let (opened_by, reason, analyser) =
                    (*opened_by, reason.as_str(), analyser.as_str());
                let (parts, state) = (to_integer(*parts), BatchState::Receiving.as_str());
                raw_sql!(
                    Postgres,
                    "INSERT INTO moderation_batch (id, state, opened_by, reason, analyser, parts, received, done, items,
                                                   changed, refused, undone, kept, opened_at)
                       VALUES ({id}, {state}, {opened_by}, {reason}, {analyser}, {parts}, 0, 0, 0, 0, 0, 0, 0, {at})"
                )
            }
            BatchEvent::PartReceived { items, .. } => {
                let (items, applying) = (i64::from(*items), BatchState::Applying.as_str());
                raw_sql!(
                    Postgres,
                    "UPDATE moderation_batch
                       SET received = received + 1, items = items + {items},
                           state = CASE WHEN received + 1 = parts THEN {applying} ELSE state END
                       WHERE id = {id}"
                )
            }
            BatchEvent::Applied { part, changed, refused } => {
                refuse(txn, id, *part, "APPLY", refused).await?;
                let (changed, refused) = (i64::from(*changed), to_bigint(refused.len()));
                let applied = BatchState::Applied.as_str();
                raw_sql!(
                    Postgres,
                    "UPDATE moderation_batch
                       SET done = done + 1, changed = changed + {changed}, refused = refused + {refused},
                           state = CASE WHEN done + 1 = parts THEN {applied} ELSE state END,
                           applied_at = CASE WHEN done + 1 = parts THEN {at} END
                       WHERE id = {id}"
                )
            }
            BatchEvent::UndoRequested { asked_by, reason } => {
                let (asked_by, reason) = (*asked_by, reason.as_str());
                let undoing = BatchState::Undoing.as_str();
                raw_sql!(
                    Postgres,
                    "UPDATE moderation_batch
                       SET state = {undoing}, done = 0, undo_asked_by = {asked_by}, undo_reason = {reason} WHERE id = {id}"
                )
            }
            BatchEvent::Reverted { part, undone, kept } => {
                refuse(txn, id, *part, "UNDO", kept).await?;
                let (undone, kept) = (i64::from(*undone), to_bigint(kept.len()));
                let state = BatchState::Undone.as_str();
                raw_sql!(
                    Postgres,
                    "UPDATE moderation_batch
                       SET done = done + 1, undone = undone + {undone}, kept = kept + {kept},
                           state = CASE WHEN done + 1 = parts THEN {state} ELSE state END,
                           undone_at = CASE WHEN done + 1 = parts THEN {at} END
                       WHERE id = {id}"
                )
            }
        };
        txn.execute_raw(statement).await?;
        Ok(())
    }
}

async fn refuse(
    txn: &DatabaseTransaction,
    id: Uuid,
    part: u32,
    step: &str,
    refused: &[Refused],
) -> Result<(), DbErr> {
    let (part, refused) = (to_integer(part), json(&refused)?);
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO batch_refusal (batch_id, part, item, step, refusal)
           SELECT {id}, {part}, row.item, {step}, row.refusal
             FROM jsonb_to_recordset({refused}) AS row (item integer, refusal text)"
    ))
    .await?;
    Ok(())
}

#[async_trait]
impl InlineProjection<PartEvent> for PartReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["batch_item"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<PartEvent>,
    ) -> Result<(), DbErr> {
        let PartEvent::Received { batch_id, part, items } = &recorded.event;
        let (batch_id, part) = (*batch_id, to_integer(*part));
        for (number, Item { subject, subject_version, from, to, analysis }) in (0_i32..).zip(items)
        {
            let (kind, subject_id) = columns(*subject);
            let version = i64::try_from(*subject_version).unwrap_or(i64::MAX);
            let (from, to, analysis) = (from.as_str(), to.as_str(), analysis.clone());
            txn.execute_raw(raw_sql!(
                Postgres,
                "INSERT INTO batch_item (batch_id, part, item, subject_kind, subject_id, subject_version, from_verdict,
                                         to_verdict, analysis)
                   VALUES ({batch_id}, {part}, {number}, {kind}, {subject_id}, {version}, {from}, {to}, {analysis})"
            ))
            .await?;
        }
        Ok(())
    }
}

fn to_integer(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn to_bigint(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
