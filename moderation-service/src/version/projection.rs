//! Events about versions become what people see of them.

use async_trait::async_trait;
use content_screening::sha256;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};

use super::{
    aggregate::{Promoted, Proposed, RolledBack, ShadowEnd, VersionEvent, VersionId},
    files::Files,
};
use crate::case::projection::json;

/// Fills the `analyser_version` table.
pub struct VersionReadModel;

#[async_trait]
impl InlineProjection<VersionEvent> for VersionReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["analyser_version"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<VersionEvent>,
    ) -> Result<(), DbErr> {
        let at = recorded.occurred_at;
        match &recorded.event {
            VersionEvent::Proposed(Proposed { version, files, note, by }) => {
                let (id, files, note) = (version.as_str(), json(files)?, note.as_deref());
                let by = by.map(|by| by.0);
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "INSERT INTO analyser_version (id, state, files, note, proposed_by, proposed_at)
                       VALUES ({id}, 'PROPOSED', {files}, {note}::text, {by}::uuid, {at})"
                ))
                .await?;
            }
            VersionEvent::ShadowStarted { version, apart } => {
                let (id, apart) = (version.as_str(), *apart);
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "UPDATE analyser_version SET state = 'SHADOW', shadow_since = {at}, shadow_apart = {apart}
                       WHERE id = {id}"
                ))
                .await?;
            }
            VersionEvent::ShadowEnded { version, because } => {
                shadow_ended(txn, version, *because).await?;
            }
            VersionEvent::Promoted(promoted) => promote(txn, promoted, at).await?,
            VersionEvent::RolledBack(rolled_back) => roll_back(txn, rolled_back, at).await?,
        }
        Ok(())
    }
}

async fn shadow_ended(
    txn: &DatabaseTransaction,
    version: &VersionId,
    because: ShadowEnd,
) -> Result<(), DbErr> {
    let id = version.as_str();
    match because {
        // What the promotion has said of it stays.
        ShadowEnd::Promoted => (),
        ShadowEnd::Stopped | ShadowEnd::Replaced => {
            txn.execute_raw(raw_sql!(
                Postgres,
                "UPDATE analyser_version
                   SET state = CASE WHEN rolled_back_at > coalesce(promoted_at, '-infinity') THEN 'ROLLED_BACK'
                                    WHEN promoted_at IS NOT NULL THEN 'RETIRED' ELSE 'PROPOSED' END
                   WHERE id = {id}"
            ))
            .await?;
        }
    }
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE analyser_version SET shadow_since = NULL, shadow_apart = false WHERE id = {id}"
    ))
    .await?;
    Ok(())
}

async fn promote(
    txn: &DatabaseTransaction,
    promoted: &Promoted,
    at: chrono::DateTime<chrono::Utc>,
) -> Result<(), DbErr> {
    let Promoted { version, band, forced, by, .. } = promoted;
    let (id, by, forced) = (version.as_str(), by.0, forced.as_deref());
    let band = band.as_ref().map(json).transpose()?;
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE analyser_version SET state = 'RETIRED', band = NULL WHERE state = 'ACTIVE'"
    ))
    .await?;
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE analyser_version
           SET state = 'ACTIVE', promoted_at = {at}, promoted_by = {by}, forced = {forced}::text, band = {band}::jsonb
           WHERE id = {id}"
    ))
    .await?;
    Ok(())
}

/// The version that comes back is trusted: nobody watches it, or one wave of spam would take them all back.
async fn roll_back(
    txn: &DatabaseTransaction,
    rolled_back: &RolledBack,
    at: chrono::DateTime<chrono::Utc>,
) -> Result<(), DbErr> {
    let RolledBack { version, to, because, by, .. } = rolled_back;
    let (id, to, because) = (version.as_str(), to.as_ref().map(VersionId::as_str), &**because);
    let by = by.map(|by| by.0);
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE analyser_version
           SET state = 'ROLLED_BACK', band = NULL, rolled_back_at = {at}, rolled_back_by = {by}::uuid,
               rolled_back_because = {because}
           WHERE id = {id}"
    ))
    .await?;
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE analyser_version SET state = 'ACTIVE', band = NULL WHERE id = {to}::text"
    ))
    .await?;
    Ok(())
}

/// Keeps files, each once.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn keep_files(txn: &DatabaseTransaction, files: &Files) -> Result<(), DbErr> {
    for contents in files.values() {
        let (hash, content) = (sha256(contents), contents.to_vec());
        let known = txn
            .query_one_raw(raw_sql!(
                Postgres,
                "SELECT 1 AS known FROM analyser_file WHERE sha256 = {hash}"
            ))
            .await?;
        // A model has megabytes: it is not sent for nothing.
        if known.is_none() {
            txn.execute_raw(raw_sql!(
                Postgres,
                "INSERT INTO analyser_file (sha256, content) VALUES ({hash}, {content})
                   ON CONFLICT ON CONSTRAINT analyser_file_pkey DO NOTHING"
            ))
            .await?;
        }
    }
    Ok(())
}
