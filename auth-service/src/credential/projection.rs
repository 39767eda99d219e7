//! Credential events become the table that addresses are looked up in.

use std::sync::Arc;

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::UserId;

use super::{
    email::Email,
    event::{CredentialEvent, field},
};
use crate::secret::{Keyring, PersonalKey, SecretError};

/// Moves the `credential` table with every credential event. Only what others see of an account moves its `version`: everybody
/// reads that in an `ETag`, and whoever asks for a code must not see there whose account the address belongs to. Facts whose key was deleted are passed over, so a rebuild
/// brings nobody back who was erased.
pub struct CredentialReadModel {
    /// Opens the personal keys.
    pub keyring: Arc<Keyring>,
}

#[async_trait]
impl InlineProjection<CredentialEvent> for CredentialReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["credential"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<CredentialEvent>,
    ) -> Result<(), DbErr> {
        self.show(txn, recorded).await.map_err(|error| match error {
            SecretError::Storage(error) => error,
            SecretError::NoRandomness | SecretError::DoesNotOpen | SecretError::Unexpected => {
                DbErr::Custom(error.to_string())
            }
        })
    }
}

impl CredentialReadModel {
    async fn show(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<CredentialEvent>,
    ) -> Result<(), SecretError> {
        let (id, version) = (recorded.aggregate_id, recorded.version.0);
        let statement = match &recorded.event {
            CredentialEvent::Registered { email, password, first_name, last_name } => {
                let Some(key) = self.personal_key(txn, UserId(id)).await? else { return Ok(()) };
                let email: String = key.open(field::EMAIL, email)?;
                let email = Email::parse(&email).map_err(|_malformed| SecretError::Unexpected)?;
                let (email, email_key) = (email.written(), email.key());
                let first_name: String = key.open(field::FIRST_NAME, first_name)?;
                let last_name: String = key.open(field::LAST_NAME, last_name)?;
                let password = password.0.as_str();
                raw_sql!(
                    Postgres,
                    "INSERT INTO credential (user_id, email, email_key, password, first_name, last_name, version)
                       VALUES ({id}, {email}, {email_key}, {password}, {first_name}, {last_name}, {version})"
                )
            }
            CredentialEvent::PasswordChanged { password } => {
                let password = password.0.as_str();
                raw_sql!(
                    Postgres,
                    "UPDATE credential SET password = {password} WHERE user_id = {id}"
                )
            }
            CredentialEvent::Renamed { first_name, last_name } => {
                let Some(key) = self.personal_key(txn, UserId(id)).await? else { return Ok(()) };
                let first_name: String = key.open(field::FIRST_NAME, first_name)?;
                let last_name: String = key.open(field::LAST_NAME, last_name)?;
                raw_sql!(
                    Postgres,
                    "UPDATE credential SET first_name = {first_name}, last_name = {last_name}, version = {version}
                       WHERE user_id = {id}"
                )
            }
            CredentialEvent::CodeIssued { .. }
            | CredentialEvent::CodeTried { .. }
            | CredentialEvent::CodeUsed { .. } => return Ok(()),
            CredentialEvent::Erased {} => {
                raw_sql!(Postgres, "DELETE FROM credential WHERE user_id = {id}")
            }
        };
        txn.execute_raw(statement).await?;
        Ok(())
    }

    async fn personal_key(
        &self,
        txn: &DatabaseTransaction,
        user_id: UserId,
    ) -> Result<Option<PersonalKey>, SecretError> {
        PersonalKey::load(txn, &self.keyring, user_id).await
    }
}
