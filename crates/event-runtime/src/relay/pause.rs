//! A relay that an operator has stopped.

use std::time::{Duration, Instant};

use metrics::gauge;
use sea_orm::{DbErr, FromQueryResult, raw_sql};

use crate::EventStore;

/// How old an answer may be.
const FRESH: Duration = Duration::from_millis(250);

/// Whether an operator has paused the relays of the service, in the row that all of them read.
#[derive(Debug, Default)]
pub(super) struct Switch {
    asked: Option<Instant>,
    is_paused: bool,
}

#[derive(FromQueryResult)]
struct Row {
    reason: String,
}

impl Switch {
    pub(super) async fn is_paused(&mut self, store: &EventStore) -> Result<bool, DbErr> {
        if self.asked.is_some_and(|asked| asked.elapsed() < FRESH) {
            return Ok(self.is_paused);
        }
        let row = Row::find_by_statement(raw_sql!(Postgres, "SELECT reason FROM relay_pause"))
            .one(store.db())
            .await?;
        self.asked = Some(Instant::now());
        match &row {
            Some(Row { reason }) if !self.is_paused => {
                tracing::warn!(reason, "an operator paused the relay; events wait in the outbox");
            }
            None if self.is_paused => tracing::info!("an operator resumed the relay"),
            Some(_) | None => (),
        }
        self.is_paused = row.is_some();
        gauge!("events_relay_paused", "reason" => "operator").set(if self.is_paused {
            1.0
        } else {
            0.0
        });
        Ok(self.is_paused)
    }
}
