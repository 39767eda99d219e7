//! Case events become the cases that moderators see.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use serde::Serialize;
use serde_json::Value;
use shared_schemas::moderation::{CaseEvent, CaseState, Decision};

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
            CaseEvent::Decided { .. } => {
                decide(txn, recorded).await?;
                journal::projection::decided(txn, recorded).await
            }
            CaseEvent::DeleteConfirmed {} => {
                confirm(txn, recorded, CaseState::DeleteConfirmed).await
            }
            CaseEvent::RestoreConfirmed {} => {
                confirm(txn, recorded, CaseState::RestoreConfirmed).await
            }
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
    } = &recorded.event
    else {
        return Ok(());
    };
    let urgency = review::projection::urgency(reasons, &[], analysis, 0);
    let cluster_id = cluster_id.as_deref();
    let (id, version, at) = (recorded.aggregate_id, recorded.version.0, recorded.occurred_at);
    let (subject_kind, subject_id) = columns(*subject);
    let (author_id, analyser, analysis) = (*author_id, analyser.as_str(), analysis.clone());
    let subject_version = i64::try_from(*subject_version).unwrap_or(i64::MAX);
    let (state, reasons) = (CaseState::Opened.as_str(), json(reasons)?);
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO moderation_case (id, subject_kind, subject_id, subject_version, author_id, state, reasons,
                                      analyser, analysis, opened_at, version, urgency, cluster_id)
           VALUES ({id}, {subject_kind}, {subject_id}, {subject_version}, {author_id}, {state}, {reasons},
                   {analyser}, {analysis}, {at}, {version}, {urgency}, {cluster_id})"
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

/// A value as a JSON column.
pub(crate) fn json(value: &impl Serialize) -> Result<Value, DbErr> {
    serde_json::to_value(value).map_err(|error| DbErr::Json(error.to_string()))
}
