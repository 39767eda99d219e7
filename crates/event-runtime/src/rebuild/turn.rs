//! One rebuild or audit of a projection at a time.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, FromQueryResult,
    TransactionTrait, raw_sql,
};

use crate::error::chain;

/// The first half of the advisory locks' keys; the second names schema and projection.
const CLASS: i32 = 0x7065_6572;

/// The right to use the shadow tables of a projection, until it is dropped. It lives in a transaction of its own, which does
/// nothing else and holds no snapshot.
pub(crate) struct Turn {
    txn: DatabaseTransaction,
    key: i32,
}

#[derive(FromQueryResult)]
struct Key {
    key: i32,
}

#[derive(FromQueryResult)]
struct Answer {
    yes: bool,
}

impl Turn {
    /// Waits for the turn; an audit in progress gives way.
    pub(crate) async fn take(db: &DatabaseConnection, projection: &str) -> Result<Self, DbErr> {
        let (txn, key) = begin(db, projection).await?;
        txn.execute_raw(raw_sql!(Postgres, "SELECT pg_advisory_xact_lock({CLASS}, {key})")).await?;
        Ok(Self { txn, key })
    }

    /// The turn, if nobody has it.
    pub(crate) async fn try_take(
        db: &DatabaseConnection,
        projection: &str,
    ) -> Result<Option<Self>, DbErr> {
        let (txn, key) = begin(db, projection).await?;
        let taken = Answer::find_by_statement(raw_sql!(
            Postgres,
            "SELECT pg_try_advisory_xact_lock({CLASS}, {key}) AS yes"
        ))
        .one(&txn)
        .await?;
        Ok(taken.is_some_and(|taken| taken.yes).then_some(Self { txn, key }))
    }

    /// Gives it back now. Dropped, it is given back in a while.
    pub(crate) async fn end(self) {
        if let Err(error) = self.txn.rollback().await {
            tracing::debug!(error = chain(&error), "a turn ended with its connection");
        }
    }

    /// Whether somebody waits for it.
    pub(crate) async fn is_wanted(&self) -> Result<bool, DbErr> {
        let (class, key) = (CLASS, self.key);
        // The view shows the halves of the key as unsigned numbers.
        let wanted = Answer::find_by_statement(raw_sql!(
            Postgres,
            "SELECT EXISTS (
               SELECT FROM pg_locks
                 WHERE locktype = 'advisory' AND NOT granted AND objsubid = 2
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                   AND classid::bigint = {class} AND objid::bigint = {key}::bigint & 4294967295) AS yes"
        ))
        .one(&self.txn)
        .await?;
        Ok(wanted.is_some_and(|wanted| wanted.yes))
    }
}

async fn begin(
    db: &DatabaseConnection,
    projection: &str,
) -> Result<(DatabaseTransaction, i32), DbErr> {
    let txn = db.begin().await?;
    txn.execute_unprepared("SET LOCAL idle_in_transaction_session_timeout = 0").await?;
    let key = Key::find_by_statement(raw_sql!(
        Postgres,
        "SELECT hashtext(current_schema() || '.' || {projection}) AS key"
    ))
    .one(&txn)
    .await?
    .map_or(0, |key| key.key);
    Ok((txn, key))
}
