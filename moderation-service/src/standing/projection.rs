//! Standing events become strikes and sanctions.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::standing::StandingEvent;

use crate::case::projection::json;

/// Fills the tables `strike`, `sanction` and `standing_review`.
pub struct StandingReadModel;

#[async_trait]
impl InlineProjection<StandingEvent> for StandingReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["strike", "sanction", "standing_review"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<StandingEvent>,
    ) -> Result<(), DbErr> {
        let (user_id, at) = (recorded.aggregate_id, recorded.occurred_at);
        let statement = match &recorded.event {
            StandingEvent::StrikeAdded { case_id, expires_at } => {
                let (case_id, expires_at) = (*case_id, *expires_at);
                raw_sql!(
                    Postgres,
                    "INSERT INTO strike (user_id, case_id, added_at, expires_at)
                       VALUES ({user_id}, {case_id}, {at}, {expires_at})"
                )
            }
            StandingEvent::StrikeWithdrawn { case_id } => {
                let case_id = *case_id;
                raw_sql!(
                    Postgres,
                    "DELETE FROM strike WHERE user_id = {user_id} AND case_id = {case_id}"
                )
            }
            StandingEvent::Sanctioned {
                sanction_id,
                kind,
                until,
                reasons,
                statement,
                case_id,
                moderator_id,
                strikes,
            } => {
                let (id, kind, until, reasons) =
                    (*sanction_id, kind.as_str(), *until, json(reasons)?);
                let (statement, moderator_id) = (statement.as_str(), moderator_id.map(|id| id.0));
                let strikes = strikes.map(i64::from);
                let case_id = case_id.map(|case_id| case_id.0);
                raw_sql!(
                    Postgres,
                    "INSERT INTO sanction (id, user_id, kind, reasons, statement, case_id, moderator_id, strikes,
                                             imposed_at, until)
                       VALUES ({id}, {user_id}, {kind}, {reasons}, {statement}, {case_id}, {moderator_id}, {strikes}, {at}, {until})"
                )
            }
            StandingEvent::SanctionEnded { sanction_id, end, .. } => {
                let (id, end) = (*sanction_id, end.as_str());
                raw_sql!(
                    Postgres,
                    "UPDATE sanction SET ended_at = {at}, ended = {end} WHERE id = {id}"
                )
            }
            StandingEvent::ReviewRequested { strikes, case_id } => {
                let (strikes, case_id) = (i64::from(*strikes), *case_id);
                raw_sql!(
                    Postgres,
                    "INSERT INTO standing_review (user_id, strikes, case_id, requested_at)
                       VALUES ({user_id}, {strikes}, {case_id}, {at})"
                )
            }
            StandingEvent::ReviewClosed { .. } => {
                raw_sql!(Postgres, "DELETE FROM standing_review WHERE user_id = {user_id}")
            }
            StandingEvent::Restricted { .. } => return Ok(()),
        };
        txn.execute_raw(statement).await?;
        Ok(())
    }
}
