//! Report events become the reports that their reporters see.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};

use super::aggregate::{Filed, ReportEvent};
use crate::case::view::columns;

/// Fills the `report` table.
pub struct ReportReadModel;

#[async_trait]
impl InlineProjection<ReportEvent> for ReportReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["report"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<ReportEvent>,
    ) -> Result<(), DbErr> {
        let ReportEvent::Filed(filed) = &recorded.event;
        let Filed { reporter_id, subject, subject_version, category, note, case_id, .. } = filed;
        let (id, at, note) = (recorded.aggregate_id, recorded.occurred_at, note.as_deref());
        let (reporter_id, case_id, category) = (*reporter_id, *case_id, category.as_str());
        let (subject_kind, subject_id) = columns(*subject);
        let subject_version = i64::try_from(*subject_version).unwrap_or(i64::MAX);
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO report (id, case_id, reporter_id, subject_kind, subject_id, subject_version, category, note,
                                 created_at)
               VALUES ({id}, {case_id}, {reporter_id}, {subject_kind}, {subject_id}, {subject_version}, {category},
                       {note}, {at})"
        ))
        .await?;
        Ok(())
    }
}
