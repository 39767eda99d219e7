//! Decisions of moderation become the reasons that notifications give.

use std::time::Duration;

use async_trait::async_trait;
use event_runtime::{ApplyError, Projection, RecordedEvent};
use sea_orm::{ConnectionTrait, DatabaseTransaction, raw_sql};
use serde_json::json;
use service_kit::UNHURRIED;
use shared_schemas::{
    Event, Service,
    moderation::{CaseEvent, Decider, Decision},
};

/// Keeps why each removal was decided. Ordered: a later decision of the same case counts.
pub struct CaseReasons;

#[async_trait]
impl Projection for CaseReasons {
    fn group(&self) -> &'static str {
        "engagement.case"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Moderation]
    }

    fn categories(&self) -> &'static [&'static str] {
        &[CaseEvent::CATEGORY]
    }

    fn linger(&self) -> Duration {
        UNHURRIED
    }

    fn tables(&self) -> &'static [&'static str] {
        &["case_reason"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        let Some(case) = event.open::<CaseEvent>()? else { return Ok(()) };
        let CaseEvent::Decided { decision: Decision::Delete, reasons, decided_by, .. } = case.event
        else {
            return Ok(());
        };
        let (case_id, reasons) = (case.aggregate_id, json!(reasons));
        let automated = matches!(decided_by, Decider::Policy { .. });
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO case_reason (case_id, reasons, automated) VALUES ({case_id}, {reasons}, {automated})
               ON CONFLICT ON CONSTRAINT case_reason_pkey DO UPDATE
                 SET reasons = EXCLUDED.reasons, automated = EXCLUDED.automated"
        ))
        .await?;
        Ok(())
    }
}
