//! What authors do becomes what rules look back on.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use serde_json::{Value, json};
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

/// Remembers the signatures of texts, each once.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn remember_prints(
    txn: &DatabaseTransaction,
    texts: &[(&Activity, &Print, &Cluster)],
) -> Result<(), DbErr> {
    if texts.is_empty() {
        return Ok(());
    }
    let row = |(activity, print, cluster): &(&Activity, &Print, &Cluster)| {
        json!({
            "subject_id": activity.subject_uuid(), "subject_version": activity.subject_version,
            "author_id": activity.author_id, "signature": hex(&print.signature.to_bytes()), "cluster_id": cluster.id,
            "occurred_at": activity.occurred_at, "bands": print.bands,
        })
    };
    let rows: Value = texts.iter().map(row).collect();
    txn.execute_raw(raw_sql!(
        Postgres,
        "WITH text AS (
           SELECT * FROM jsonb_to_recordset({rows})
             AS text (subject_id uuid, subject_version bigint, author_id uuid, signature text, cluster_id text,
                      occurred_at timestamptz, bands jsonb)
         ), kept AS (
           INSERT INTO text_signature (subject_id, subject_version, author_id, signature, cluster_id, occurred_at)
             SELECT subject_id, subject_version, author_id, decode(signature, 'hex'), cluster_id, occurred_at FROM text
             ON CONFLICT ON CONSTRAINT text_signature_pkey DO NOTHING
             RETURNING subject_id, subject_version)
         INSERT INTO text_band (band, occurred_at, subject_id, subject_version)
           SELECT DISTINCT band::bigint, text.occurred_at, text.subject_id, text.subject_version
             FROM kept JOIN text USING (subject_id, subject_version), jsonb_array_elements_text(text.bands) AS band"
    ))
    .await?;
    Ok(())
}

/// Two digits for each byte, as PostgreSQL reads them.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
        text
    })
}

/// Remembers what authors did, each once.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn remember(txn: &DatabaseTransaction, texts: &[&Activity]) -> Result<(), DbErr> {
    let row = |activity: &&Activity| {
        json!({
            "subject_id": activity.subject_uuid(), "subject_version": activity.subject_version,
            "author_id": activity.author_id, "edited": activity.edited, "text_hash": activity.text_hash,
            "links": activity.links, "mentions": activity.mentions, "occurred_at": activity.occurred_at,
        })
    };
    let rows: Value = texts.iter().map(row).collect();
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO author_activity (subject_id, subject_version, author_id, edited, text_hash, links, mentions, occurred_at)
           SELECT * FROM jsonb_to_recordset({rows})
             AS text (subject_id uuid, subject_version bigint, author_id uuid, edited boolean, text_hash text, links jsonb,
                      mentions integer, occurred_at timestamptz)
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
        self.apply_all(txn, std::slice::from_ref(recorded)).await
    }

    async fn apply_all(
        &self,
        txn: &DatabaseTransaction,
        recorded: &[Recorded<ClearanceEvent>],
    ) -> Result<(), DbErr> {
        let row = |recorded: &Recorded<ClearanceEvent>| {
            let ClearanceEvent::Granted { subject, subject_version, labels, .. } = &recorded.event;
            json!({
                "subject_id": columns(*subject).1, "subject_version": subject_version, "labels": labels,
                "cleared_at": recorded.occurred_at,
            })
        };
        let rows: Value = recorded.iter().map(row).collect();
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO cleared_content (subject_id, subject_version, labels, cleared_at)
               SELECT DISTINCT ON (subject_id) * FROM jsonb_to_recordset({rows})
                 AS text (subject_id uuid, subject_version bigint, labels jsonb, cleared_at timestamptz)
                 ORDER BY subject_id, subject_version DESC
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
                "WITH bands AS (
                   DELETE FROM text_band
                     WHERE occurred_at < (SELECT max(occurred_at) FROM text_signature) - interval '48 hours')
                 DELETE FROM text_signature
                   WHERE occurred_at < (SELECT max(occurred_at) FROM text_signature) - interval '48 hours'"
            ))
            .await?;
        Ok(swept.rows_affected() + signatures.rows_affected())
    }
}
