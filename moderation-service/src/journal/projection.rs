//! Decisions become entries of the log.

use event_runtime::Recorded;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::moderation::{AppealOutcome, CaseEvent, Decider, Decision};

use crate::case::projection::json;

/// Writes a decision down; a restoration also says of the removal before it that it was overturned.
pub(crate) async fn decided(
    txn: &DatabaseTransaction,
    recorded: &Recorded<CaseEvent>,
) -> Result<(), DbErr> {
    let CaseEvent::Decided { decision, reasons, decided_by, .. } = &recorded.event else {
        return Ok(());
    };
    if *decision == Decision::Restore {
        overturn(txn, recorded, false).await?;
    }
    let (id, case_id, at) = (recorded.id, recorded.aggregate_id, recorded.occurred_at);
    let (decision, reasons) = (decision.as_str(), json(reasons)?);
    let (moderator_id, policy, batch_id) = match decided_by {
        Decider::Moderator { user_id } => (Some(user_id.0), None, None),
        Decider::Policy { version, batch_id } => {
            (None, Some(version.as_str()), batch_id.map(|batch_id| batch_id.0))
        }
    };
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO decision_log (id, case_id, subject_kind, decision, reasons, moderator_id, analyser, decided_at,
                                   overturned, on_appeal, batch_id)
           SELECT {id}, {case_id}, subject_kind, {decision}, {reasons}, {moderator_id}::uuid,
                  coalesce({policy}::text, analyser), {at}, false, false, {batch_id}::uuid
             FROM moderation_case WHERE id = {case_id}"
    ))
    .await?;
    Ok(())
}

/// An appeal that was accepted overturns the removal, also where nothing can come back.
pub(crate) async fn appeal_resolved(
    txn: &DatabaseTransaction,
    recorded: &Recorded<CaseEvent>,
) -> Result<(), DbErr> {
    if let CaseEvent::AppealResolved { outcome: AppealOutcome::Overturned, .. } = recorded.event {
        overturn(txn, recorded, true).await?;
    }
    Ok(())
}

async fn overturn(
    txn: &DatabaseTransaction,
    recorded: &Recorded<CaseEvent>,
    on_appeal: bool,
) -> Result<(), DbErr> {
    let (case_id, at) = (recorded.aggregate_id, recorded.occurred_at);
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE decision_log
           SET overturned = true, overturned_at = coalesce(overturned_at, {at}), on_appeal = on_appeal OR {on_appeal}
           WHERE id = (SELECT id FROM decision_log WHERE case_id = {case_id} AND decision = 'DELETE'
                         ORDER BY decided_at DESC, id DESC LIMIT 1)"
    ))
    .await?;
    Ok(())
}
