//! Every query on credentials and on failed sign-ins.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, SqlErr, raw_sql};
use shared_schemas::UserId;
use uuid::Uuid;

use super::email::Email;
use crate::secret::{Keyring, PersonalKey, Sealed, SecretError};

/// A credential together with the key that opens it: one query, so that it takes the same time whether it finds one.
#[derive(Clone, Debug, FromQueryResult)]
pub struct CredentialRow {
    user_id: Uuid,
    /// Where mail goes.
    pub email: String,
    password: String,
    /// What the person is called.
    pub first_name: String,
    /// What the person is called.
    pub last_name: String,
    /// Whether the person proved to own the address.
    pub email_verified: bool,
    wrapped: String,
}

impl CredentialRow {
    /// Whose it is.
    pub fn user_id(&self) -> UserId {
        UserId(self.user_id)
    }

    /// The password's hash, still encrypted.
    pub fn password(&self) -> Sealed {
        Sealed(self.password.clone())
    }

    /// The key of the personal facts.
    ///
    /// # Errors
    ///
    /// [`SecretError::DoesNotOpen`].
    pub fn personal_key(&self, keyring: &Keyring) -> Result<PersonalKey, SecretError> {
        PersonalKey::unwrap(keyring, self.user_id(), &Sealed(self.wrapped.clone()))
    }
}

/// The credential of an address.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find_by_email(
    connection: &impl ConnectionTrait,
    email: &Email,
) -> Result<Option<CredentialRow>, DbErr> {
    let email_key = email.key();
    CredentialRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT c.user_id, c.email, c.password, c.first_name, c.last_name, a.email_verified, k.wrapped
           FROM credential c JOIN account a ON a.id = c.user_id JOIN personal_key k ON k.user_id = c.user_id
           WHERE c.email_key = {email_key}"
    ))
    .one(connection)
    .await
}

/// The credential of a person.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(
    connection: &impl ConnectionTrait,
    user_id: UserId,
) -> Result<Option<CredentialRow>, DbErr> {
    CredentialRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT c.user_id, c.email, c.password, c.first_name, c.last_name, a.email_verified, k.wrapped
           FROM credential c JOIN account a ON a.id = c.user_id JOIN personal_key k ON k.user_id = c.user_id
           WHERE c.user_id = {user_id}"
    ))
    .one(connection)
    .await
}

/// Whether a statement failed because the address belongs to another account.
pub fn is_address_taken(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(text)) if text.contains("credential_email_unique"))
}

/// When the sign-ins of an account failed since a moment, newest first, at most `most` of them.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn failures_since(
    connection: &impl ConnectionTrait,
    account: &str,
    since: DateTime<Utc>,
    most: i64,
) -> Result<Vec<DateTime<Utc>>, DbErr> {
    let rows = connection
        .query_all_raw(raw_sql!(
            Postgres,
            "SELECT failed_at FROM sign_in_failure WHERE account = {account} AND failed_at > {since}
               ORDER BY failed_at DESC LIMIT {most}"
        ))
        .await?;
    rows.iter().map(|row| row.try_get("", "failed_at")).collect()
}

/// Notes that a sign-in failed.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn insert_failure(
    connection: &impl ConnectionTrait,
    account: &str,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    connection
        .execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO sign_in_failure (account, failed_at) VALUES ({account}, {at})"
        ))
        .await?;
    Ok(())
}

/// Forgets the failures of an account: its owner is here.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn forget_failures(
    connection: &impl ConnectionTrait,
    account: &str,
) -> Result<(), DbErr> {
    connection
        .execute_raw(raw_sql!(Postgres, "DELETE FROM sign_in_failure WHERE account = {account}"))
        .await?;
    Ok(())
}

/// Forgets failures that no longer count.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn forget_failures_before(
    connection: &impl ConnectionTrait,
    age: TimeDelta,
) -> Result<u64, DbErr> {
    let minutes = i32::try_from(age.num_minutes()).unwrap_or(i32::MAX);
    let swept = connection
        .execute_raw(raw_sql!(
            Postgres,
            "DELETE FROM sign_in_failure WHERE failed_at < now() - make_interval(mins => {minutes})"
        ))
        .await?;
    Ok(swept.rows_affected())
}
