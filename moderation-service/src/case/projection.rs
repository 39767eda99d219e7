//! Case events become the cases that moderators see.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use serde::Serialize;
use serde_json::Value;
use shared_schemas::{
    BatchId,
    moderation::{CaseEvent, CaseState, Decider, Decision},
};
use uuid::Uuid;

use super::{aggregate::state_after, review, view::columns};
use crate::journal;

/// Moves the `moderation_case` table with every case event. Ordered: it follows the versions of one case.
pub struct CaseReadModel;

#[async_trait]
impl InlineProjection<CaseEvent> for CaseReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["moderation_case", "case_note", "decision_log"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<CaseEvent>,
    ) -> Result<(), DbErr> {
        match &recorded.event {
            CaseEvent::Opened { .. } => insert(txn, recorded).await,
            CaseEvent::Decided { decided_by, .. } => {
                if let Decider::Policy { batch_id: Some(batch_id), .. } = decided_by {
                    mark(txn, recorded.aggregate_id, *batch_id).await?;
                }
                decide(txn, recorded).await?;
                journal::projection::decided(txn, recorded).await
            }
            CaseEvent::DeleteConfirmed {} => {
                confirm(txn, recorded, CaseState::DeleteConfirmed).await
            }
            CaseEvent::RestoreConfirmed {} => {
                confirm(txn, recorded, CaseState::RestoreConfirmed).await
            }
            CaseEvent::TakenBack { state, .. } => take_back(txn, recorded, *state).await,
            CaseEvent::AppealResolved { .. } => {
                review::projection::apply(txn, recorded).await?;
                journal::projection::appeal_resolved(txn, recorded).await
            }
            CaseEvent::Reported { .. }
            | CaseEvent::EvidenceKept { .. }
            | CaseEvent::Claimed { .. }
            | CaseEvent::Released { .. }
            | CaseEvent::Noted { .. }
            | CaseEvent::Escalated { .. }
            | CaseEvent::Acknowledged { .. }
            | CaseEvent::RemovalProposed { .. }
            | CaseEvent::Labelled { .. }
            | CaseEvent::Appealed {}
            | CaseEvent::AppealWritten { .. }
            | CaseEvent::AppealAnswered { .. } => review::projection::apply(txn, recorded).await,
        }
    }
}

async fn insert(txn: &DatabaseTransaction, recorded: &Recorded<CaseEvent>) -> Result<(), DbErr> {
    let CaseEvent::Opened {
        subject,
        subject_version,
        author_id,
        reasons,
        analyser,
        analysis,
        cluster_id,
        batch_id,
    } = &recorded.event
    else {
        return Ok(());
    };
    let urgency = review::projection::urgency(reasons, &[], analysis, 0);
    let (cluster_id, batch_id) = (cluster_id.as_deref(), batch_id.map(|batch_id| batch_id.0));
    let (id, version, at) = (recorded.aggregate_id, recorded.version.0, recorded.occurred_at);
    let (subject_kind, subject_id) = columns(*subject);
    let (author_id, analyser, analysis) = (*author_id, analyser.as_str(), analysis.clone());
    let subject_version = i64::try_from(*subject_version).unwrap_or(i64::MAX);
    let (state, reasons) = (CaseState::Opened.as_str(), json(reasons)?);
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO moderation_case (id, subject_kind, subject_id, subject_version, author_id, state, reasons,
                                      analyser, analysis, opened_at, version, urgency, cluster_id, batch_id)
           VALUES ({id}, {subject_kind}, {subject_id}, {subject_version}, {author_id}, {state}, {reasons},
                   {analyser}, {analysis}, {at}, {version}, {urgency}, {cluster_id}, {batch_id}::uuid)"
    ))
    .await?;
    Ok(())
}

async fn decide(txn: &DatabaseTransaction, recorded: &Recorded<CaseEvent>) -> Result<(), DbErr> {
    let CaseEvent::Decided { decision, reasons, decided_by, .. } = &recorded.event else {
        return Ok(());
    };
    let (id, version, at) = (recorded.aggregate_id, recorded.version.0, recorded.occurred_at);
    let removes = *decision == Decision::Delete;
    let (state, decision) = (state_after(*decision).as_str(), decision.as_str());
    let (reasons, decided_by) = (json(reasons)?, json(decided_by)?);
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE moderation_case
           SET state = {state}, decision = {decision}, reasons = {reasons}, decided_by = {decided_by},
               decided_at = {at}, version = {version}, claimed_by = NULL, claimed_until = NULL, escalated = false,
               proposed_by = NULL
           WHERE id = {id}"
    ))
    .await?;
    if removes {
        // Another decision, which can be appealed against anew.
        txn.execute_raw(raw_sql!(
            Postgres,
            "UPDATE moderation_case
               SET removed_at = {at}, removed_by = {decided_by}, appeal = NULL, appeal_text = NULL, appeal_answer = NULL,
                   appealed_at = NULL, appeal_resolved_at = NULL
               WHERE id = {id}"
        ))
        .await?;
    }
    Ok(())
}

async fn confirm(
    txn: &DatabaseTransaction,
    recorded: &Recorded<CaseEvent>,
    state: CaseState,
) -> Result<(), DbErr> {
    let (id, version, state) = (recorded.aggregate_id, recorded.version.0, state.as_str());
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE moderation_case SET state = {state}, version = {version} WHERE id = {id}"
    ))
    .await?;
    Ok(())
}

/// Remembers where a case stood before a batch changed it. What the batch does after that is its own.
async fn mark(txn: &DatabaseTransaction, id: Uuid, batch_id: BatchId) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE moderation_case SET before_batch = to_jsonb(moderation_case), batch_id = {batch_id}
           WHERE id = {id} AND batch_id IS DISTINCT FROM {batch_id}"
    ))
    .await?;
    Ok(())
}

/// Puts a case back to where it stood before its last batch; one that the batch opened goes.
async fn take_back(
    txn: &DatabaseTransaction,
    recorded: &Recorded<CaseEvent>,
    state: Option<CaseState>,
) -> Result<(), DbErr> {
    let (id, version) = (recorded.aggregate_id, recorded.version.0);
    let Some(state) = state.map(CaseState::as_str) else {
        txn.execute_raw(raw_sql!(Postgres, "DELETE FROM case_note WHERE case_id = {id}")).await?;
        txn.execute_raw(raw_sql!(Postgres, "DELETE FROM moderation_case WHERE id = {id}")).await?;
        return Ok(());
    };
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE moderation_case c
           SET state = {state}, version = {version}, reasons = b.reasons, decision = b.decision, decided_by = b.decided_by,
               decided_at = b.decided_at, removed_at = b.removed_at, removed_by = b.removed_by, appeal = b.appeal,
               appeal_text = b.appeal_text, appeal_answer = b.appeal_answer, appealed_at = b.appealed_at,
               appeal_resolved_at = b.appeal_resolved_at, batch_id = b.batch_id,
               before_batch = nullif(b.before_batch, 'null')
           FROM (
             SELECT was.* FROM moderation_case old, jsonb_to_record(old.before_batch) AS was (
                 reasons jsonb, decision text, decided_by jsonb, decided_at timestamptz, removed_at timestamptz,
                 removed_by jsonb, appeal text, appeal_text text, appeal_answer text, appealed_at timestamptz,
                 appeal_resolved_at timestamptz, batch_id uuid, before_batch jsonb)
               WHERE old.id = {id}) b
           WHERE c.id = {id}"
    ))
    .await?;
    Ok(())
}

/// A value as a JSON column.
pub(crate) fn json(value: &impl Serialize) -> Result<Value, DbErr> {
    serde_json::to_value(value).map_err(|error| DbErr::Json(error.to_string()))
}
