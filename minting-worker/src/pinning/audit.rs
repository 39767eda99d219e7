//! The standing audit: every place is asked for every block, and what it lost is given to it again.

use std::{slice, time::Duration};

use chrono::TimeDelta;
use content_blocks::{Block, Store};
use content_pins::Root;
use event_runtime::error::chain;
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::job::Metadatas;
use crate::metadata::view;

/// How often it is looked whether something is to be checked.
const LOOK: Duration = Duration::from_secs(1);

/// How often blocks that nobody wants are removed from this machine.
const COLLECT: TimeDelta = TimeDelta::hours(1);

/// How old such a block must be: a younger one may be about to be pinned.
const YOUNG: Duration = Duration::from_mins(10);

/// After how long a check that found too little is repeated.
const SOON: TimeDelta = TimeDelta::minutes(1);

/// Checks until told to stop. Several processes share what is to be checked.
pub async fn run(metadatas: Metadatas, store: Store, shutdown: CancellationToken) {
    let clock = metadatas.mints.store().clock().clone();
    let mut collected_at = clock.now();
    while !shutdown.is_cancelled() {
        match check(&metadatas).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(error = chain(&error), "pins cannot be checked"),
        }
        if clock.now() - collected_at >= COLLECT {
            collected_at = clock.now();
            collect(&store, clock.now().into()).await;
        }
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = tokio::time::sleep(LOOK) => (),
        }
    }
}

/// Checks one; `false` if nothing is to be checked.
async fn check(metadatas: &Metadatas) -> Result<bool, DbErr> {
    let store = metadatas.mints.store();
    let now = store.clock().now();
    let next = now + metadatas.audit_interval;
    let Some(stored) = view::take_check(store.db(), now, next).await? else { return Ok(false) };
    let metadata = stored.metadata();
    let blocks = metadata.blocks();
    let (kept, next) = match metadatas.places.check(&blocks).await {
        Ok(kept) if kept.not_at.is_empty() => (kept, next),
        Ok(_) | Err(_) => {
            metrics::counter!("pins_lost_total").increment(1);
            tracing::warn!(mint = %stored.mint_id, cid = stored.cid, "metadata is given to its places again");
            let label = stored.mint_id.to_string();
            let root = |block| Root {
                cid: Block::cid(block),
                label: &label,
                blocks: slice::from_ref(block),
            };
            // What is wrong shows in the check that follows.
            metadatas.places.keep(&blocks.each_ref().map(root)).await.ok();
            match metadatas.places.check(&blocks).await {
                Ok(kept) => (kept, next),
                Err(error) => {
                    tracing::error!(mint = %stored.mint_id, error = chain(&error), "too few places keep metadata");
                    (error.kept, now + SOON.min(metadatas.audit_interval))
                }
            }
        }
    };
    view::checked(store.db(), &[stored.mint_id], &kept, now, next).await?;
    Ok(true)
}

async fn collect(store: &Store, now: std::time::SystemTime) {
    let store = store.clone();
    let collected = tokio::task::spawn_blocking(move || store.collect(now - YOUNG)).await;
    match collected {
        Ok(Ok(collected)) => tracing::info!(collected.removed, collected.kept, "blocks collected"),
        Ok(Err(error)) => tracing::warn!(error = chain(&error), "blocks cannot be collected"),
        Err(error) => tracing::warn!(error = chain(&error), "blocks were not collected"),
    }
}
