//! Guessing passwords is slow: ten failures in ten minutes, and an account's next sign-in waits.
//!
//! It waits for whoever comes, so that an attacker learns nothing by waiting; but never for longer than ten minutes, and a
//! new password by mail ends it at once. Addresses without an account are treated alike.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use crate::{
    credential::{email::Email, view},
    secret::Keyring,
};

/// Failures within [`WINDOW`] before the next attempt waits.
pub const FAILURES: i64 = 10;

/// How long a failure counts.
pub const WINDOW: TimeDelta = TimeDelta::minutes(10);

/// The failures of one address.
pub struct Throttle(String);

impl Throttle {
    /// Those of an address, with or without an account.
    pub fn of(keyring: &Keyring, email: &Email) -> Self {
        Self(URL_SAFE_NO_PAD.encode(keyring.address_digest(email.key())))
    }

    /// How long the next attempt has to wait, in whole seconds; `None` if it need not.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if the database fails.
    pub async fn wait(
        &self,
        connection: &impl ConnectionTrait,
        now: DateTime<Utc>,
    ) -> Result<Option<u64>, DbErr> {
        let since = now - WINDOW;
        let failures = view::failures_since(connection, &self.0, since, FAILURES).await?;
        if failures.len() < usize::try_from(FAILURES).unwrap_or(usize::MAX) {
            return Ok(None);
        }
        let free_at = failures.last().map_or(now, |oldest| *oldest + WINDOW);
        // Rounded up: an attempt after that many seconds is compared.
        let milliseconds = u64::try_from((free_at - now).num_milliseconds()).unwrap_or(0);
        Ok(Some(milliseconds.div_ceil(1_000).max(1)))
    }

    /// Counts a failure.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if the database fails.
    pub async fn count(
        &self,
        connection: &impl ConnectionTrait,
        now: DateTime<Utc>,
    ) -> Result<(), DbErr> {
        view::insert_failure(connection, &self.0, now).await
    }

    /// Forgets the failures: the owner proved to be there.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if the database fails.
    pub async fn forget(&self, connection: &impl ConnectionTrait) -> Result<(), DbErr> {
        view::forget_failures(connection, &self.0).await
    }
}
