//! Case events become the cases that moderators see.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use serde::Serialize;
use serde_json::Value;
use shared_schemas::moderation::{CaseEvent, CaseState};

use super::{aggregate::state_after, view::columns};

/// Moves the `moderation_case` table with every case event. Ordered: it follows the versions of one case.
pub struct CaseReadModel;

#[async_trait]
impl InlineProjection<CaseEvent> for CaseReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["moderation_case"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<CaseEvent>,
    ) -> Result<(), DbErr> {
        match &recorded.event {
            CaseEvent::Opened { .. } => insert(txn, recorded).await,
            CaseEvent::Decided { .. } => decide(txn, recorded).await,
            CaseEvent::DeleteConfirmed {} => {
                confirm(txn, recorded, CaseState::DeleteConfirmed).await
            }
            CaseEvent::RestoreConfirmed {} => {
                confirm(txn, recorded, CaseState::RestoreConfirmed).await
            }
        }
    }
}

async fn insert(txn: &DatabaseTransaction, recorded: &Recorded<CaseEvent>) -> Result<(), DbErr> {
    let CaseEvent::Opened { subject, subject_version, author_id, reasons, analyser, analysis } =
        &recorded.event
    else {
        return Ok(());
    };
    let (id, version, at) = (recorded.aggregate_id, recorded.version.0, recorded.occurred_at);
    let (subject_kind, subject_id) = columns(*subject);
    let (author_id, analyser, analysis) = (*author_id, analyser.as_str(), analysis.clone());
    let subject_version = i64::try_from(*subject_version).unwrap_or(i64::MAX);
    let (state, reasons) = (CaseState::Opened.as_str(), json(reasons)?);
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO moderation_case (id, subject_kind, subject_id, subject_version, author_id, state, reasons,
                                      analyser, analysis, opened_at, version)
           VALUES ({id}, {subject_kind}, {subject_id}, {subject_version}, {author_id}, {state}, {reasons},
                   {analyser}, {analysis}, {at}, {version})"
    ))
    .await?;
    Ok(())
}

async fn decide(txn: &DatabaseTransaction, recorded: &Recorded<CaseEvent>) -> Result<(), DbErr> {
    let CaseEvent::Decided { decision, reasons, decided_by, .. } = &recorded.event else {
        return Ok(());
    };
    let (id, version, at) = (recorded.aggregate_id, recorded.version.0, recorded.occurred_at);
    let (state, decision) = (state_after(*decision).as_str(), decision.as_str());
    let (reasons, decided_by) = (json(reasons)?, json(decided_by)?);
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE moderation_case
           SET state = {state}, decision = {decision}, reasons = {reasons}, decided_by = {decided_by},
               decided_at = {at}, version = {version}
           WHERE id = {id}"
    ))
    .await?;
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

fn json(value: &impl Serialize) -> Result<Value, DbErr> {
    serde_json::to_value(value).map_err(|error| DbErr::Json(error.to_string()))
}
