//! Every query on the list of images.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde_json::json;
use service_kit::Limit;
use shared_schemas::moderation::ModerationReason;
use uuid::Uuid;

use super::hash::{self, ALIKE_BITS, ImageHash};

/// Entries that one image is compared with at most; it shares a band with no more of them in any list that people keep.
const COMPARED: i64 = 10_000;

/// An entry.
#[derive(Clone, Debug, FromQueryResult)]
pub struct ListedRow {
    /// The entry.
    pub id: Uuid,
    /// SHA-256 of the file.
    pub sha256: Option<String>,
    /// The perceptual hash.
    pub perceptual: Option<i64>,
    /// What speaks against it.
    pub category: ModerationReason,
    /// HOLD or REMOVE.
    pub action: String,
    /// For colleagues.
    pub note: Option<String>,
    /// Since when.
    pub listed_at: DateTime<Utc>,
}

/// An entry that an image is, or looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The entry.
    pub id: Uuid,
    /// What speaks against it.
    pub category: ModerationReason,
    /// HOLD or REMOVE.
    pub action: String,
    /// How many of the 64 bits differ; `None` if it is the same file.
    pub distance: Option<u32>,
}

/// The entries that an image is or looks like: the same file first, then the most alike.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn matches(
    connection: &impl ConnectionTrait,
    image: &ImageHash,
) -> Result<Vec<Match>, DbErr> {
    let (sha256, perceptual) = (image.sha256.as_str(), image.perceptual);
    let bands = json!(perceptual.map(hash::bands).as_ref().map_or(&[][..], |bands| bands));
    let rows = ListedRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, sha256, perceptual, category, action, note, listed_at FROM listed_image
           WHERE sha256 = {sha256}
              OR bands && ARRAY(SELECT band::integer FROM jsonb_array_elements_text({bands}::jsonb) AS band)
           ORDER BY id LIMIT {COMPARED}"
    ))
    .all(connection)
    .await?;
    let mut matches: Vec<Match> = rows
        .into_iter()
        .filter_map(|row| {
            let distance = if row.sha256.as_deref() == Some(sha256) {
                None
            } else {
                let distance = (row.perceptual?.cast_unsigned() ^ perceptual?).count_ones();
                (distance <= ALIKE_BITS).then_some(Some(distance))?
            };
            Some(Match { id: row.id, category: row.category, action: row.action, distance })
        })
        .collect();
    matches.sort_by_key(|one| (one.distance, one.id));
    Ok(matches)
}

/// The list, newest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(
    connection: &impl ConnectionTrait,
    after: (DateTime<Utc>, Uuid),
    limit: Limit,
) -> Result<Vec<ListedRow>, DbErr> {
    let ((before, before_id), fetch) = (after, limit.fetch());
    ListedRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, sha256, perceptual, category, action, note, listed_at FROM listed_image
           WHERE (listed_at, id) < ({before}, {before_id})
           ORDER BY listed_at DESC, id DESC LIMIT {fetch}"
    ))
    .all(connection)
    .await
}

/// One entry.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(connection: &impl ConnectionTrait, id: Uuid) -> Result<Option<ListedRow>, DbErr> {
    ListedRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, sha256, perceptual, category, action, note, listed_at FROM listed_image WHERE id = {id}"
    ))
    .one(connection)
    .await
}
