//! Every query on accounts.

use chrono::{DateTime, Utc};
use event_runtime::Version;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde_json::Value;
use service_kit::{Cursor, Limit};
use shared_schemas::{
    UserId,
    post::Category,
    user::{AccountStatus, Role},
};
use uuid::Uuid;

/// An account with what its owner is called.
#[derive(Clone, Debug, FromQueryResult)]
pub struct AccountRow {
    /// The account.
    pub id: Uuid,
    /// The owner's address; for the owner alone.
    pub email: String,
    /// What the owner is called.
    pub first_name: String,
    /// What the owner is called.
    pub last_name: String,
    interests: Value,
    roles: Value,
    status: AccountStatus,
    /// Whether the owner proved to own the address.
    pub email_verified: bool,
    version: i64,
    /// When the owner signed up.
    pub created_at: DateTime<Utc>,
}

impl AccountRow {
    /// What the owner cares about.
    pub fn interests(&self) -> Vec<Category> {
        serde_json::from_value(self.interests.clone()).unwrap_or_default()
    }

    /// What the account may do.
    pub fn roles(&self) -> Vec<Role> {
        serde_json::from_value(self.roles.clone()).unwrap_or_default()
    }

    /// Whether the account may act.
    pub fn status(&self) -> AccountStatus {
        self.status
    }

    /// The last change of the account and the last one of the names, added up: both only grow, so every change of what is
    /// shown is another number. Passwords and codes do not move it.
    pub fn version(&self) -> Version {
        Version(self.version)
    }

    /// Where it stands in the list of people.
    pub fn cursor(&self) -> Cursor {
        Cursor::after(self.created_at.timestamp_micros(), self.id)
    }
}

/// One account, in any state.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(
    connection: &impl ConnectionTrait,
    id: UserId,
) -> Result<Option<AccountRow>, DbErr> {
    AccountRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT a.id, c.email, c.first_name, c.last_name, a.interests, a.roles, a.status, a.email_verified,
                a.version + c.version AS version, a.created_at
           FROM account a JOIN credential c ON c.user_id = a.id
           WHERE a.id = {id}"
    ))
    .one(connection)
    .await
}

/// Verified accounts, newest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(
    connection: &impl ConnectionTrait,
    after: (i64, Uuid),
    limit: Limit,
) -> Result<Vec<AccountRow>, DbErr> {
    let ((before, before_id), fetch) = ((moment(after.0), after.1), limit.fetch());
    AccountRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT a.id, c.email, c.first_name, c.last_name, a.interests, a.roles, a.status, a.email_verified,
                a.version + c.version AS version, a.created_at
           FROM account a JOIN credential c ON c.user_id = a.id
           WHERE a.email_verified AND (a.created_at, a.id) < ({before}, {before_id})
           ORDER BY a.created_at DESC, a.id DESC LIMIT {fetch}"
    ))
    .all(connection)
    .await
}

/// The moment of a cursor. Anybody can make a cursor, so it is kept within what PostgreSQL can hold.
pub(crate) fn moment(microseconds: i64) -> DateTime<Utc> {
    // 1970 to 9999.
    let microseconds = microseconds.clamp(0, 253_402_300_799_000_000);
    DateTime::from_timestamp_micros(microseconds).unwrap_or_default()
}
