//! Rebuilding read models: every table of a service but the store itself can be emptied and made again from events.

use sea_orm::{ConnectionTrait, DbErr, raw_sql};
use shared_schemas::Event;

use crate::{ApplyError, EventStore, InlineProjection, consumer::Handler, lease::IDLE_TIMEOUT};

/// Events per page of a replay.
const PAGE: i64 = 1_000;

/// Makes the read model of a service's own aggregate anew from its store, in one transaction. Writers of this aggregate wait
/// meanwhile; readers see the old rows until the new ones are complete. Returns how many events were replayed.
///
/// # Errors
///
/// [`ApplyError`] if an event cannot be read or applied; the old rows stay.
pub async fn from_store<E: Event>(
    store: &EventStore,
    read_model: &dyn InlineProjection<E>,
) -> Result<u64, ApplyError> {
    let work = store.begin().await?;
    empty(work.txn(), read_model.tables()).await?;
    let (mut after, mut replayed) = (0, 0);
    loop {
        let page = store.page_of(work.txn(), E::CATEGORY, after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (_, event) in &page {
            if let Some(recorded) = event.open::<E>()? {
                read_model.apply(work.txn(), &recorded).await?;
                replayed += 1;
            }
        }
    }
    work.commit().await?;
    Ok(replayed)
}

/// Lets a consumer group's projection be made anew: empties its tables, forgets its parked events and puts its watermarks
/// back to the beginning, in one transaction. Then its owners lose their leases, and read the streams from the start.
pub(crate) async fn from_streams(store: &EventStore, handler: &dyn Handler) -> Result<(), DbErr> {
    let group = handler.group();
    let work = store.begin().await?;
    // In this order everywhere: watermarks first, so that no batch is half-way while the tables go.
    work.txn()
        .execute_raw(raw_sql!(
            Postgres,
            "SELECT set_config('idle_in_transaction_session_timeout', {IDLE_TIMEOUT}, true)
               FROM watermark WHERE consumer_group = {group} ORDER BY service, partition FOR UPDATE"
        ))
        .await?;
    empty(work.txn(), handler.tables()).await?;
    work.txn()
        .execute_raw(raw_sql!(Postgres, "DELETE FROM parked_event WHERE consumer_group = {group}"))
        .await?;
    work.txn()
        .execute_raw(raw_sql!(
            Postgres,
            "UPDATE watermark SET sequence = 0 WHERE consumer_group = {group}"
        ))
        .await?;
    work.commit().await?;
    // An idle owner would not notice: it looks for what comes after its old watermark. Without its lease it starts over. In a
    // transaction of its own: whoever acquires locks the lease before the watermark, which in here would be a deadlock.
    store
        .db()
        .execute_raw(raw_sql!(
            Postgres,
            "UPDATE lease SET expires_at = '-infinity' WHERE consumer_group = {group}"
        ))
        .await?;
    Ok(())
}

/// Empties tables against all writers. Their names are constants of the program, not input.
async fn empty(connection: &impl ConnectionTrait, tables: &[&str]) -> Result<(), DbErr> {
    for table in tables {
        connection
            .execute_unprepared(&format!(
                "LOCK TABLE {table} IN EXCLUSIVE MODE; DELETE FROM {table}"
            ))
            .await?;
    }
    Ok(())
}
