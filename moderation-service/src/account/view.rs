//! Every query on accounts.

use sea_orm::{ConnectionTrait, DbErr, raw_sql};
use shared_schemas::UserId;

/// Whether there is such an account, as far as auth-service's events have told.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn is_known(connection: &impl ConnectionTrait, user: UserId) -> Result<bool, DbErr> {
    let user = user.0;
    let row = connection
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT 1 AS known FROM known_user WHERE user_id = {user}"
        ))
        .await?;
    Ok(row.is_some())
}
