//! What moderators, reporters and authors do becomes columns of the case.

use event_runtime::Recorded;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, raw_sql};
use serde_json::{Value, json};
use shared_schemas::moderation::{CaseEvent, ModerationReason};
use uuid::Uuid;

use crate::case::{priority, projection::json as to_json};

/// How urgent a case is by its reasons, what it was reported for, its analysis and the number of reports.
pub(crate) fn urgency(
    reasons: &[ModerationReason],
    reported_for: &[ModerationReason],
    analysis: &Value,
    reports: i64,
) -> i64 {
    let score = |reason: &ModerationReason| {
        let score = analysis.get("scores").and_then(|scores| scores.get(reason.as_str()));
        score.and_then(Value::as_u64).and_then(|score| u8::try_from(score).ok())
    };
    let analysed = reasons.iter().map(|reason| (*reason, score(reason)));
    // What the analyser scored low and people report is what it may be wrong about.
    let reported = reported_for.iter().map(|reason| (*reason, None));
    priority::urgency(&analysed.chain(reported).collect::<Vec<_>>(), reports)
}

/// Takes an event into account that is no decision.
pub(crate) async fn apply(
    txn: &DatabaseTransaction,
    recorded: &Recorded<CaseEvent>,
) -> Result<(), DbErr> {
    let (id, version, at) = (recorded.aggregate_id, recorded.version.0, recorded.occurred_at);
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE moderation_case SET version = {version} WHERE id = {id}"
    ))
    .await?;
    let statement = match &recorded.event {
        CaseEvent::Reported { category } => return report(txn, id, *category).await,
        CaseEvent::EvidenceKept { text, text_sha256 } => {
            let (text, hash) = (text.as_str(), text_sha256.as_str());
            raw_sql!(
                Postgres,
                "UPDATE moderation_case SET evidence = {text}, evidence_sha256 = {hash} WHERE id = {id}"
            )
        }
        CaseEvent::Claimed { moderator_id, until } => {
            let (moderator_id, until) = (*moderator_id, *until);
            raw_sql!(
                Postgres,
                "UPDATE moderation_case SET claimed_by = {moderator_id}, claimed_until = {until} WHERE id = {id}"
            )
        }
        CaseEvent::Released { .. } => raw_sql!(
            Postgres,
            "UPDATE moderation_case SET claimed_by = NULL, claimed_until = NULL WHERE id = {id}"
        ),
        CaseEvent::Noted { moderator_id, note } => {
            let (event_id, moderator_id, note) = (recorded.id, *moderator_id, note.as_str());
            raw_sql!(
                Postgres,
                "INSERT INTO case_note (id, case_id, moderator_id, note, created_at)
                   VALUES ({event_id}, {id}, {moderator_id}, {note}, {at})"
            )
        }
        CaseEvent::Escalated { .. } => raw_sql!(
            Postgres,
            "UPDATE moderation_case SET escalated = true, claimed_by = NULL, claimed_until = NULL WHERE id = {id}"
        ),
        CaseEvent::Acknowledged { moderator_id } => {
            let moderator = json!([moderator_id]);
            raw_sql!(
                Postgres,
                "UPDATE moderation_case SET acknowledged_by = acknowledged_by || {moderator} WHERE id = {id}"
            )
        }
        CaseEvent::RemovalProposed { moderator_id, .. } => {
            let moderator_id = *moderator_id;
            raw_sql!(
                Postgres,
                "UPDATE moderation_case SET proposed_by = {moderator_id}, claimed_by = NULL, claimed_until = NULL
                   WHERE id = {id}"
            )
        }
        CaseEvent::Labelled { labels, .. } => {
            let labels = to_json(labels)?;
            raw_sql!(
                Postgres,
                "UPDATE moderation_case SET labels = {labels}, labelled_at = {at} WHERE id = {id}"
            )
        }
        CaseEvent::Appealed {} => raw_sql!(
            Postgres,
            "UPDATE moderation_case SET appeal = 'PENDING', appealed_at = {at} WHERE id = {id}"
        ),
        CaseEvent::AppealWritten { text } => {
            let text = text.as_str();
            raw_sql!(Postgres, "UPDATE moderation_case SET appeal_text = {text} WHERE id = {id}")
        }
        CaseEvent::AppealResolved { outcome, .. } => {
            let outcome = outcome.as_str();
            raw_sql!(
                Postgres,
                "UPDATE moderation_case
                   SET appeal = {outcome}, appeal_resolved_at = {at}, claimed_by = NULL, claimed_until = NULL
                   WHERE id = {id}"
            )
        }
        CaseEvent::AppealAnswered { text } => {
            let text = text.as_str();
            raw_sql!(Postgres, "UPDATE moderation_case SET appeal_answer = {text} WHERE id = {id}")
        }
        CaseEvent::Opened { .. }
        | CaseEvent::Decided { .. }
        | CaseEvent::DeleteConfirmed {}
        | CaseEvent::RestoreConfirmed {}
        | CaseEvent::TakenBack { .. } => return Ok(()),
    };
    txn.execute_raw(statement).await?;
    Ok(())
}

async fn report(
    txn: &DatabaseTransaction,
    id: Uuid,
    category: ModerationReason,
) -> Result<(), DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        reasons: Value,
        reported_for: Value,
        analysis: Value,
        reports: i64,
    }
    let row = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT reasons, reported_for, analysis, reports FROM moderation_case WHERE id = {id}"
    ))
    .one(txn)
    .await?;
    let Some(row) = row else { return Ok(()) };
    let read = |value: Value| {
        serde_json::from_value::<Vec<ModerationReason>>(value)
            .map_err(|error| DbErr::Json(error.to_string()))
    };
    let reasons = read(row.reasons)?;
    let mut reported_for = read(row.reported_for)?;
    if !reported_for.contains(&category) {
        reported_for.push(category);
    }
    let reports = row.reports + 1;
    let urgency = urgency(&reasons, &reported_for, &row.analysis, reports);
    let reported_for = to_json(&reported_for)?;
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE moderation_case SET reports = {reports}, reported_for = {reported_for}, urgency = {urgency} WHERE id = {id}"
    ))
    .await?;
    Ok(())
}
