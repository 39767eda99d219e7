//! Tells alerts to the configured address, by a durable job.

use async_trait::async_trait;
use event_runtime::{Clock, Job, JobOutcome, JobWorker, UnitOfWork};
use sea_orm::DbErr;
use serde_json::{Value, json};
use webhooks::{Receiver, SendError};

use super::view::Alert;

/// The jobs' kind.
pub const TELL: &str = "minting.alert";

/// Asks for an alert to be told: that it began, or that it ended. Asking twice for the same tells it once.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn enqueue(work: &UnitOfWork, alert: &Alert, what: &str) -> Result<(), DbErr> {
    let Alert { id, kind, subject, detail, began_at, ended_at } = alert;
    let message = json!({
        "type": format!("minting.alert.{what}"),
        "timestamp": ended_at.unwrap_or(*began_at),
        "data": {
            "id": id, "kind": kind, "subject": subject, "detail": detail, "began_at": began_at, "ended_at": ended_at,
        },
    });
    work.enqueue(TELL, &format!("{id}.{what}"), &message).await
}

/// Delivers messages.
pub struct TellAlerts {
    /// To whom; without anybody a message is dropped: the row stays.
    pub receiver: Option<Receiver>,
    /// The clock.
    pub clock: Clock,
}

#[async_trait]
impl JobWorker for TellAlerts {
    fn kind(&self) -> &'static str {
        TELL
    }

    /// Two seconds, doubled with every attempt up to an hour: about a day.
    fn max_attempts(&self) -> i32 {
        35
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        let Some(receiver) = &self.receiver else { return JobOutcome::Done };
        let body = Value::to_string(&job.payload);
        match receiver.send(&job.key, self.clock.now().timestamp(), body).await {
            Ok(()) => JobOutcome::Done,
            // Gone for good, by its own word.
            Err(error @ SendError::Refused(410)) => JobOutcome::Fail(Box::new(error)),
            Err(error @ (SendError::Refused(_) | SendError::Unreachable(_))) => {
                JobOutcome::Retry(Box::new(error))
            }
        }
    }
}
