//! Every query on personal keys.

use sea_orm::{ConnectionTrait, DbErr, raw_sql};
use shared_schemas::UserId;

use super::Sealed;

pub(super) async fn insert_personal_key(
    connection: &impl ConnectionTrait,
    user_id: UserId,
    wrapped: &Sealed,
) -> Result<(), DbErr> {
    let wrapped = wrapped.0.as_str();
    connection
        .execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO personal_key (user_id, wrapped) VALUES ({user_id}, {wrapped})"
        ))
        .await?;
    Ok(())
}

pub(super) async fn personal_key(
    connection: &impl ConnectionTrait,
    user_id: UserId,
) -> Result<Option<Sealed>, DbErr> {
    let row = connection
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT wrapped FROM personal_key WHERE user_id = {user_id}"
        ))
        .await?;
    row.map(|row| row.try_get("", "wrapped").map(Sealed)).transpose()
}

/// Destroys an account's key: nothing that was encrypted under it can be read any more.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn destroy_personal_key(
    connection: &impl ConnectionTrait,
    user_id: UserId,
) -> Result<(), DbErr> {
    connection
        .execute_raw(raw_sql!(Postgres, "DELETE FROM personal_key WHERE user_id = {user_id}"))
        .await?;
    Ok(())
}
