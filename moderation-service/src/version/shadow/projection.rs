//! Judgements in shadow become what versions are compared by.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use service_kit::Sweep;

use super::aggregate::{ShadowEvent, Shadowed};
use crate::case::{projection::json, view::columns};

/// Fills the `shadow_judgement` table.
pub struct ShadowReadModel;

#[async_trait]
impl InlineProjection<ShadowEvent> for ShadowReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["shadow_judgement"]
    }

    fn swept(&self) -> &'static [(&'static str, &'static str)] {
        &[("shadow_judgement", "judged_at < now() - interval '89 days'")]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<ShadowEvent>,
    ) -> Result<(), DbErr> {
        let ShadowEvent::Judged(shadowed) = &recorded.event;
        let Shadowed { subject, subject_version, version, analysis, live, .. } = shadowed;
        let (at, version) = (recorded.occurred_at, version.as_str());
        let (subject_kind, subject_id) = columns(*subject);
        let subject_version = i64::try_from(*subject_version).unwrap_or(i64::MAX);
        let (verdict, live_verdict) = (analysis.verdict.as_str(), live.verdict.as_str());
        let (reasons, live_reasons) = (json(&analysis.reasons)?, json(&live.reasons)?);
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO shadow_judgement (version_id, subject_id, subject_kind, subject_version, verdict, live_verdict,
                                           reasons, live_reasons, judged_at)
               VALUES ({version}, {subject_id}, {subject_kind}, {subject_version}, {verdict},
                       {live_verdict}, {reasons}, {live_reasons}, {at})
               ON CONFLICT ON CONSTRAINT shadow_judgement_pkey DO NOTHING"
        ))
        .await?;
        Ok(())
    }
}

/// Forgets what versions said in shadow ninety days ago.
pub struct ForgetShadows;

#[async_trait]
impl Sweep for ForgetShadows {
    fn name(&self) -> &'static str {
        "forget_shadow_judgements"
    }

    fn schedule(&self) -> &'static str {
        "0 27 4 * * *"
    }

    async fn sweep(&self, txn: &DatabaseTransaction) -> Result<u64, DbErr> {
        let swept = txn
            .execute_raw(raw_sql!(
                Postgres,
                "DELETE FROM shadow_judgement WHERE judged_at < now() - interval '90 days'"
            ))
            .await?;
        Ok(swept.rows_affected())
    }
}
