//! What the worker has recorded.

use anyhow::{Context as _, Result};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, raw_sql};

/// How many mints are at a stage.
pub(crate) async fn at_stage(db: &DatabaseConnection, stage: &str) -> Result<u64> {
    let row = db
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT count(*) AS mints FROM mint WHERE stage = {stage}"
        ))
        .await?;
    let mints: i64 = row.context("no row")?.try_get("", "mints")?;
    Ok(u64::try_from(mints)?)
}
