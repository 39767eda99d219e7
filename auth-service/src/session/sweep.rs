//! Forgetting what no longer matters.

use async_trait::async_trait;
use chrono::TimeDelta;
use sea_orm::{DatabaseTransaction, DbErr};
use service_kit::Sweep;

use super::{refresh::ABSOLUTE, throttle::WINDOW, view};
use crate::credential;

/// Forgets the rows of sessions that are too old to be continued. They come back with a rebuild of the read model, and go
/// with the next sweep: nothing depends on them.
pub struct ForgetOldSessions;

#[async_trait]
impl Sweep for ForgetOldSessions {
    fn name(&self) -> &'static str {
        "forget_old_sessions"
    }

    fn schedule(&self) -> &'static str {
        "0 27 4 * * *"
    }

    async fn sweep(&self, txn: &DatabaseTransaction) -> Result<u64, DbErr> {
        view::forget_older(txn, ABSOLUTE + TimeDelta::days(1)).await
    }
}

/// Forgets failed sign-ins that no longer slow anybody down.
pub struct ForgetFailures;

#[async_trait]
impl Sweep for ForgetFailures {
    fn name(&self) -> &'static str {
        "forget_sign_in_failures"
    }

    fn schedule(&self) -> &'static str {
        "30 */10 * * * *"
    }

    async fn sweep(&self, txn: &DatabaseTransaction) -> Result<u64, DbErr> {
        credential::view::forget_failures_before(txn, WINDOW * 2).await
    }
}
