//! User events become the accounts that people see.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use serde_json::json;
use shared_schemas::user::{AccountStatus, Role, UserEvent};

/// Moves the `account` table with every user event.
pub struct AccountReadModel;

#[async_trait]
impl InlineProjection<UserEvent> for AccountReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["account"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<UserEvent>,
    ) -> Result<(), DbErr> {
        let (id, version) = (recorded.aggregate_id, recorded.version.0);
        let (active, inactive) = (AccountStatus::Active.as_str(), AccountStatus::Inactive.as_str());
        let statement = match &recorded.event {
            UserEvent::Registered { interests } => {
                let (interests, roles) = (json!(interests), json!([Role::User]));
                let at = recorded.occurred_at;
                raw_sql!(
                    Postgres,
                    "INSERT INTO account (id, status, email_verified, roles, interests, version, created_at)
                       VALUES ({id}, {inactive}, false, {roles}, {interests}, {version}, {at})"
                )
            }
            UserEvent::EmailVerified {} => raw_sql!(
                Postgres,
                "UPDATE account SET email_verified = true, version = {version},
                                    status = CASE status WHEN {inactive} THEN {active} ELSE status END
                   WHERE id = {id}"
            ),
            UserEvent::InterestsChanged { interests } => {
                let interests = json!(interests);
                raw_sql!(
                    Postgres,
                    "UPDATE account SET interests = {interests}, version = {version} WHERE id = {id}"
                )
            }
            UserEvent::RoleGranted { role } => {
                let role = json!([role]);
                raw_sql!(
                    Postgres,
                    "UPDATE account SET roles = roles || {role}, version = {version} WHERE id = {id}"
                )
            }
            UserEvent::StatusChanged { status, .. } => {
                let status = status.as_str();
                // Nobody becomes active by a change of status who has not verified the address.
                raw_sql!(
                    Postgres,
                    "UPDATE account SET version = {version},
                                        status = CASE WHEN email_verified OR {status} <> {active} THEN {status}
                                                      ELSE {inactive} END
                       WHERE id = {id}"
                )
            }
            UserEvent::Deleted {} => raw_sql!(Postgres, "DELETE FROM account WHERE id = {id}"),
        };
        txn.execute_raw(statement).await?;
        Ok(())
    }
}
