//! Judgements become figures.

use async_trait::async_trait;
use content_screening::{
    Verdict,
    record::{Completed, ScreeningEvent},
};
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use service_kit::Sweep;

use crate::{case::projection::json, version::aggregate::VersionId};

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
        let ScreeningEvent::Completed(completed) = &recorded.event;
        let Completed { subject_version, analyser, analysis, .. } = completed;
        let (subject_id, at) = (recorded.aggregate_id, recorded.occurred_at);
        let subject_version = i64::try_from(*subject_version).unwrap_or(i64::MAX);
        let (version, model) = (VersionId::of(analyser), analyser.model.as_str());
        let version = version.as_str();
        let language = if analysis.language.is_empty() { "und" } else { &analysis.language };
        let flagged = analysis.verdict != Verdict::Allow;
        let (corrected, scores) = (analysis.corrected > 0, json(&analysis.model)?);
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO screening_figure (subject_id, subject_version, version_id, model, language, flagged, corrected,
                                           scores, judged_at)
               VALUES ({subject_id}, {subject_version}, {version}, {model}, {language}, {flagged}, {corrected}, {scores}, {at})
               ON CONFLICT ON CONSTRAINT screening_figure_pkey DO NOTHING"
        ))
        .await?;
        Ok(())
    }
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
