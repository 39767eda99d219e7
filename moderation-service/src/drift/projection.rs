//! Judgements become figures.

use async_trait::async_trait;
use content_screening::{
    Verdict,
    record::{Completed, ScreeningEvent},
};
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use serde_json::Value;
use service_kit::Sweep;

use crate::version::aggregate::VersionId;

/// Fills the `screening_figure` table: a row for each judgement, so that those who judge never wait for each other.
pub struct FigureReadModel;

#[async_trait]
impl InlineProjection<ScreeningEvent> for FigureReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["screening_figure"]
    }

    fn swept(&self) -> &'static [(&'static str, &'static str)] {
        &[("screening_figure", "judged_at < now() - interval '89 days'")]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<ScreeningEvent>,
    ) -> Result<(), DbErr> {
        self.apply_all(txn, std::slice::from_ref(recorded)).await
    }

    async fn apply_all(
        &self,
        txn: &DatabaseTransaction,
        recorded: &[Recorded<ScreeningEvent>],
    ) -> Result<(), DbErr> {
        let rows: Value = recorded.iter().map(row).collect();
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO screening_figure (subject_id, subject_version, version_id, model, language, flagged, disguised,
                                           scores, judged_at)
               SELECT * FROM jsonb_to_recordset({rows})
                 AS judged (subject_id uuid, subject_version bigint, version_id text, model text, language text,
                            flagged boolean, disguised boolean, scores jsonb, judged_at timestamptz)
               ON CONFLICT ON CONSTRAINT screening_figure_pkey DO NOTHING"
        ))
        .await?;
        Ok(())
    }
}

fn row(recorded: &Recorded<ScreeningEvent>) -> Value {
    let ScreeningEvent::Completed(completed) = &recorded.event;
    let Completed { subject_version, analyser, analysis, .. } = completed;
    let language = if analysis.language.is_empty() { "und" } else { &analysis.language };
    serde_json::json!({
        "subject_id": recorded.aggregate_id, "subject_version": subject_version,
        "version_id": VersionId::of(analyser).as_str(), "model": analyser.model, "language": language,
        "flagged": analysis.verdict != Verdict::Allow, "disguised": analysis.disguised > 0, "scores": analysis.model,
        "judged_at": recorded.occurred_at,
    })
}

/// Forgets figures of ninety days ago.
pub struct ForgetFigures;

#[async_trait]
impl Sweep for ForgetFigures {
    fn name(&self) -> &'static str {
        "forget_screening_figures"
    }

    fn schedule(&self) -> &'static str {
        "0 47 4 * * *"
    }

    async fn sweep(&self, txn: &DatabaseTransaction) -> Result<u64, DbErr> {
        let swept = txn
            .execute_raw(raw_sql!(
                Postgres,
                "DELETE FROM screening_figure WHERE judged_at < now() - interval '90 days'"
            ))
            .await?;
        Ok(swept.rows_affected())
    }
}
