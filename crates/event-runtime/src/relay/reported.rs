//! What readers say about how far they have come, held against the store: the last witness of a store that was restored to the
//! past while Redis was emptied too.

use std::time::{Duration, Instant};

use sea_orm::{DbErr, FromQueryResult, raw_sql};

use crate::{EventStore, RuntimeError};

/// How long readers get to speak before numbers are given: each says all it knows every five seconds.
const PATIENCE: Duration = Duration::from_secs(6);

#[derive(FromQueryResult)]
struct Ahead {
    consumer_group: String,
    partition: i16,
    epoch: i32,
    sequence: i64,
    stored_epoch: i32,
    head: i64,
}

/// Looks for a registered group that has read what the store has never published. What groups say about a generation that has
/// ended does not matter: they find its end themselves.
///
/// # Errors
///
/// [`RuntimeError::StoreBehindReader`] if there is one.
pub(super) async fn check(store: &EventStore) -> Result<(), RuntimeError> {
    let ahead = Ahead::find_by_statement(raw_sql!(
        Postgres,
        "SELECT s.consumer_group, s.partition, s.epoch, s.sequence, g.epoch AS stored_epoch,
                coalesce(h.sequence, 0) AS head
           FROM subscription s CROSS JOIN (SELECT max(epoch) AS epoch FROM stream_epoch) g
           LEFT JOIN publication_head h USING (partition)
           WHERE s.state <> 'retired'
             AND (s.epoch > g.epoch OR s.epoch = g.epoch AND s.sequence > coalesce(h.sequence, 0))
           ORDER BY s.consumer_group, s.partition LIMIT 1"
    ))
    .one(store.db())
    .await?;
    let Some(ahead) = ahead else { return Ok(()) };
    Err(RuntimeError::StoreBehindReader {
        group: ahead.consumer_group,
        partition: u16::try_from(ahead.partition).unwrap_or(0),
        epoch: u32::try_from(ahead.epoch).unwrap_or(0),
        read: u64::try_from(ahead.sequence).unwrap_or(0),
        stored_epoch: u32::try_from(ahead.stored_epoch).unwrap_or(0),
        store: u64::try_from(ahead.head).unwrap_or(0),
    })
}

/// Whether a relay that began at an empty Redis has waited for the readers.
#[derive(Debug, Default)]
pub(super) struct Witnesses {
    asked: Option<Instant>,
    are_heard: bool,
}

#[derive(FromQueryResult)]
struct Published {
    any: bool,
}

impl Witnesses {
    /// Whether numbers may be given. Not to a store that has published events of which Redis knows nothing, before the readers
    /// had time to say that they know more.
    pub(super) async fn may_number(
        &mut self,
        store: &EventStore,
        redis_is_empty: bool,
    ) -> Result<bool, DbErr> {
        if self.are_heard {
            return Ok(true);
        }
        if let Some(asked) = self.asked {
            // Redis is not empty any more, since what the store has is written again.
            self.are_heard = asked.elapsed() > PATIENCE;
        } else if redis_is_empty && has_published(store).await? {
            self.asked = Some(Instant::now());
        } else {
            self.are_heard = true;
        }
        Ok(self.are_heard)
    }
}

async fn has_published(store: &EventStore) -> Result<bool, DbErr> {
    let published = Published::find_by_statement(raw_sql!(
        Postgres,
        "SELECT EXISTS (SELECT FROM publication_head WHERE sequence > 0) AS any"
    ))
    .one(store.db())
    .await?;
    Ok(published.is_some_and(|published| published.any))
}
