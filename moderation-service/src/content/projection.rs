//! What authors do becomes what rules look back on.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use serde_json::json;
use service_kit::Sweep;
use shared_schemas::{UserId, clearance::ClearanceEvent, moderation::Subject};
use uuid::Uuid;

use super::cluster::{Cluster, Print};
use crate::case::view::columns;

/// One version of some content, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The content.
    pub subject: Subject,
    /// Which version of it.
    pub subject_version: u64,
    /// Who wrote it.
    pub author_id: UserId,
    /// Whether an earlier version was public.
    pub edited: bool,
    /// See [`text_hash`](super::fingerprint::text_hash).
    pub text_hash: Option<String>,
    /// What the text links to.
    pub links: Vec<String>,
    /// How many people it mentions.
    pub mentions: u32,
    /// When it was published.
    pub occurred_at: DateTime<Utc>,
}

impl Activity {
    /// The id of the content.
    pub fn subject_uuid(&self) -> Uuid {
        columns(self.subject).1
    }
}

/// Remembers the signature of a text, once.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn remember_print(
    txn: &DatabaseTransaction,
    activity: &Activity,
    print: &Print,
    cluster: &Cluster,
) -> Result<(), DbErr> {
    let Activity { subject_version, author_id, occurred_at, .. } = activity.clone();
    let (subject_id, cluster_id) = (activity.subject_uuid(), cluster.id.clone());
    let subject_version = i64::try_from(subject_version).unwrap_or(i64::MAX);
    let signature = print.signature.to_bytes();
    let bands = json!(print.bands);
    txn.execute_raw(raw_sql!(
        Postgres,
        "WITH kept AS (
           INSERT INTO text_signature (subject_id, subject_version, author_id, signature, cluster_id, occurred_at)
             VALUES ({subject_id}, {subject_version}, {author_id}, {signature}, {cluster_id}, {occurred_at})
             ON CONFLICT ON CONSTRAINT text_signature_pkey DO NOTHING
             RETURNING subject_id, subject_version)
         INSERT INTO text_band (band, subject_id, subject_version)
           SELECT DISTINCT band::bigint, kept.subject_id, kept.subject_version
             FROM kept, jsonb_array_elements_text({bands}::jsonb) AS band"
    ))
    .await?;
    Ok(())
}

/// Remembers what an author did, once.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn remember(txn: &DatabaseTransaction, activity: &Activity) -> Result<(), DbErr> {
    let Activity {
        subject,
        subject_version,
        author_id,
        edited,
        text_hash,
        links,
        mentions,
        occurred_at,
    } = activity.clone();
    let ((_, subject_id), links) = (columns(subject), json!(links));
    let mentions = i32::try_from(mentions).unwrap_or(i32::MAX);
    let subject_version = i64::try_from(subject_version).unwrap_or(i64::MAX);
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO author_activity (subject_id, subject_version, author_id, edited, text_hash, links, mentions, occurred_at)
           VALUES ({subject_id}, {subject_version}, {author_id}, {edited}, {text_hash}, {links}, {mentions}, {occurred_at})
           ON CONFLICT ON CONSTRAINT author_activity_pkey DO NOTHING"
    ))
    .await?;
    Ok(())
}

/// Keeps what everybody is told of content that nothing speaks against.
pub struct ClearanceReadModel;

#[async_trait]
impl InlineProjection<ClearanceEvent> for ClearanceReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["cleared_content"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<ClearanceEvent>,
    ) -> Result<(), DbErr> {
        let ClearanceEvent::Granted { subject, subject_version, labels, .. } = &recorded.event;
        let ((_, subject_id), at) = (columns(*subject), recorded.occurred_at);
        let subject_version = i64::try_from(*subject_version).unwrap_or(i64::MAX);
        let labels = json!(labels);
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO cleared_content (subject_id, subject_version, labels, cleared_at)
               VALUES ({subject_id}, {subject_version}, {labels}, {at})
               ON CONFLICT ON CONSTRAINT cleared_content_pkey DO UPDATE
                 SET subject_version = EXCLUDED.subject_version, labels = EXCLUDED.labels, cleared_at = EXCLUDED.cleared_at"
        ))
        .await?;
        Ok(())
    }
}

/// Forgets what authors did two days before the latest event, but for how much it was. By the events' time, so that a service that catches up after a
/// long outage counts as it would have counted then.
pub struct ForgetActivity;

#[async_trait]
impl Sweep for ForgetActivity {
    fn name(&self) -> &'static str {
        "forget_author_activity"
    }

    fn schedule(&self) -> &'static str {
        "0 37 * * * *"
    }

    async fn sweep(&self, txn: &DatabaseTransaction) -> Result<u64, DbErr> {
        let swept = txn
            .execute_raw(raw_sql!(
                Postgres,
                "WITH gone AS (
                   DELETE FROM author_activity
                     WHERE occurred_at < (SELECT max(occurred_at) FROM author_activity) - interval '48 hours'
                     RETURNING author_id, edited),
                 counted AS (
                   INSERT INTO author_past (author_id, publications)
                     SELECT author_id, count(*) FILTER (WHERE NOT edited) FROM gone GROUP BY author_id
                     ON CONFLICT ON CONSTRAINT author_past_pkey DO UPDATE
                       SET publications = author_past.publications + EXCLUDED.publications)
                 SELECT FROM gone"
            ))
            .await?;
        let signatures = txn
            .execute_raw(raw_sql!(
                Postgres,
                "DELETE FROM text_signature
                   WHERE occurred_at < (SELECT max(occurred_at) FROM text_signature) - interval '48 hours'"
            ))
            .await?;
        Ok(swept.rows_affected() + signatures.rows_affected())
    }
}
