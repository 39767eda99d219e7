//! The layout as the store keeps it.

use std::collections::BTreeMap;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult, TransactionTrait, raw_sql,
};
use serde_json::Value;

use super::{Generation, Layout};

#[derive(FromQueryResult)]
struct Stored {
    generations: Value,
    heads: Value,
}

/// The layout of a store that has one.
///
/// # Errors
///
/// [`DbErr`] if the database fails, or holds no layout.
pub async fn load(connection: &impl ConnectionTrait) -> Result<Layout, DbErr> {
    let stored = Stored::find_by_statement(raw_sql!(
        Postgres,
        "SELECT (SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'epoch', epoch, 'partitions', partitions,
                   'ends', (SELECT coalesce(jsonb_object_agg(ended.partition, ended.sequence), '{}'::jsonb)
                              FROM stream_epoch_end ended WHERE ended.epoch = generation.epoch))
                   ORDER BY epoch), '[]'::jsonb) FROM stream_epoch generation) AS generations,
                (SELECT coalesce(jsonb_object_agg(partition, sequence), '{}'::jsonb) FROM publication_head) AS heads"
    ))
    .one(connection)
    .await?
    .ok_or_else(|| DbErr::RecordNotFound("no layout".to_owned()))?;
    let read = |error: serde_json::Error| DbErr::Json(error.to_string());
    let generations: Vec<Generation> = serde_json::from_value(stored.generations).map_err(read)?;
    let heads: BTreeMap<u16, u64> = serde_json::from_value(stored.heads).map_err(read)?;
    Layout::new(generations, heads).map_err(|error| DbErr::Custom(error.to_string()))
}

/// Creates the partitions of a new store; one that has some keeps them.
pub(crate) async fn lay_out(db: &DatabaseConnection, partitions: u16) -> Result<Layout, DbErr> {
    let laid_out = raw_sql!(Postgres, "SELECT FROM stream_epoch LIMIT 1");
    if db.query_one_raw(laid_out).await?.is_none() {
        let last = i32::from(partitions) - 1;
        let txn = db.begin().await?;
        // Replicas that start at once, with different settings even, must agree.
        txn.execute_unprepared("LOCK TABLE stream_epoch IN SHARE ROW EXCLUSIVE MODE").await?;
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO publication_head (partition)
               SELECT generate_series(0, {last}) WHERE NOT EXISTS (SELECT FROM publication_head)"
        ))
        .await?;
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO stream_epoch (epoch, partitions, reason)
               SELECT 1, count(*), 'a new store' FROM publication_head
                 -- Not WHERE: a count has a row, whatever it counts.
                 HAVING NOT EXISTS (SELECT FROM stream_epoch)"
        ))
        .await?;
        txn.commit().await?;
    }
    load(db).await
}
