//! What an author did lately.

use chrono::{DateTime, TimeDelta, Utc};
use content_screening::Behaviour;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    cluster::{MOST_ALIKE, Print},
    projection::Activity,
};

#[derive(FromQueryResult)]
struct Row {
    published_last_minute: i64,
    published_last_hour: i64,
    same_text_last_day: i64,
    same_link_last_day: i64,
    mentioned_last_hour: i64,
    account_age_seconds: Option<i64>,
    published_before: i64,
    removed_before: i64,
    same_host_removed_last_day: i64,
    removed_by_policy_last_day: i64,
}

/// A text that met another under a key.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Alike {
    /// The content.
    pub subject_id: Uuid,
    /// Who wrote it.
    pub author_id: Uuid,
    /// See [`Signature::to_bytes`](content_analysis::near_copy::Signature::to_bytes).
    pub signature: Vec<u8>,
    /// The cluster it is in.
    pub cluster_id: String,
    /// When it was published.
    pub occurred_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct AlikeRow {
    /// Whom it met: the index in what was asked for.
    number: i64,
    #[sea_orm(nested)]
    alike: Alike,
}

/// For each of some texts those of the day before it that may be near-copies of it, other content alone, oldest first; at most
/// [`MOST_ALIKE`].
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn alike(
    connection: &impl ConnectionTrait,
    texts: &[(&Activity, &Print)],
) -> Result<Vec<Vec<Alike>>, DbErr> {
    let row = |(number, (activity, print)): (usize, &(&Activity, &Print))| {
        let at = activity.occurred_at;
        json!({
            "number": number, "subject_id": activity.subject_uuid(), "at": at, "day": at - TimeDelta::days(1),
            "bands": print.bands,
        })
    };
    let rows: Value = texts.iter().enumerate().map(row).collect();
    let most = i64::try_from(MOST_ALIKE).unwrap_or(i64::MAX);
    // The first of each key are enough to find the first of all keys, so a flood costs no more than its first two hundred.
    let found = AlikeRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT text.number, first.subject_id, known.author_id, known.signature, known.cluster_id, first.occurred_at
           FROM jsonb_to_recordset({rows})
                  AS text (number bigint, subject_id uuid, at timestamptz, day timestamptz, bands jsonb)
           CROSS JOIN LATERAL (
             SELECT DISTINCT met.occurred_at, met.subject_id, met.subject_version
               FROM jsonb_array_elements_text(text.bands) AS own (band)
               CROSS JOIN LATERAL (
                 SELECT b.occurred_at, b.subject_id, b.subject_version FROM text_band AS b
                   WHERE b.band = own.band::bigint AND b.subject_id <> text.subject_id
                     AND b.occurred_at > text.day AND b.occurred_at <= text.at
                   ORDER BY b.occurred_at, b.subject_id, b.subject_version LIMIT {most}) AS met
               ORDER BY met.occurred_at, met.subject_id, met.subject_version LIMIT {most}) AS first
           CROSS JOIN LATERAL (
             SELECT s.author_id, s.signature, s.cluster_id FROM text_signature AS s
               WHERE (s.subject_id, s.subject_version) = (first.subject_id, first.subject_version) OFFSET 0) AS known
           ORDER BY text.number, first.occurred_at, first.subject_id, first.subject_version"
    ))
    .all(connection)
    .await?;
    let mut alike = vec![Vec::new(); texts.len()];
    for AlikeRow { number, alike: one } in found {
        let of = usize::try_from(number).ok().and_then(|number| alike.get_mut(number));
        of.ok_or_else(|| DbErr::Custom("a text that nobody asked for".to_owned()))?.push(one);
    }
    Ok(alike)
}

/// What the authors of some texts did in the time before each, other content alone; times are those of the events. In the order of
/// the texts.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn behaviours(
    connection: &impl ConnectionTrait,
    texts: &[&Activity],
) -> Result<Vec<Behaviour>, DbErr> {
    let row = |(number, activity): (usize, &&Activity)| {
        let Activity { author_id, text_hash, links, occurred_at: at, .. } = activity;
        let hosts: Vec<&str> = links.iter().filter_map(|link| link.split('/').next()).collect();
        json!({
            "number": number, "author_id": author_id, "subject_id": activity.subject_uuid(), "text_hash": text_hash,
            "links": links, "hosts": hosts, "at": at, "minute": *at - TimeDelta::minutes(1),
            "hour": *at - TimeDelta::hours(1), "day": *at - TimeDelta::days(1), "quarter": *at - TimeDelta::days(90),
        })
    };
    let rows: Value = texts.iter().enumerate().map(row).collect();
    let rows = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT past.* FROM jsonb_to_recordset({rows})
             AS own (number bigint, author_id uuid, subject_id uuid, text_hash text, links jsonb, hosts jsonb, at timestamptz,
                     minute timestamptz, hour timestamptz, day timestamptz, quarter timestamptz)
           CROSS JOIN LATERAL (
             SELECT count(DISTINCT subject_id) FILTER (WHERE NOT edited AND occurred_at > own.minute) AS published_last_minute,
                    count(DISTINCT subject_id) FILTER (WHERE NOT edited AND occurred_at > own.hour) AS published_last_hour,
                    count(DISTINCT subject_id) FILTER (WHERE text_hash = own.text_hash) AS same_text_last_day,
                    count(DISTINCT subject_id) FILTER (WHERE EXISTS (
                      SELECT FROM jsonb_array_elements(links) AS link WHERE own.links @> link)) AS same_link_last_day,
                    coalesce(sum(mentions) FILTER (WHERE occurred_at > own.hour), 0)::bigint AS mentioned_last_hour,
                    (SELECT least(100, coalesce((SELECT publications FROM author_past
                                                   WHERE author_past.author_id = own.author_id), 0)
                       + count(DISTINCT earlier.subject_id)) FROM author_activity AS earlier
                       WHERE earlier.author_id = own.author_id AND earlier.subject_id <> own.subject_id
                         AND NOT earlier.edited AND earlier.occurred_at <= own.at) AS published_before,
                    (SELECT count(*) FROM moderation_case AS removed
                       WHERE removed.author_id = own.author_id AND removed.subject_id <> own.subject_id
                         AND decision = 'DELETE' AND decided_at > own.quarter AND decided_at <= own.at) AS removed_before,
                    (SELECT count(DISTINCT other.subject_id) FROM author_activity AS other
                       JOIN content_visibility AS seen ON seen.subject_id = other.subject_id AND seen.visibility = 'HIDDEN'
                       WHERE jsonb_array_length(own.hosts) > 0 AND other.subject_id <> own.subject_id
                         AND other.occurred_at > own.day AND other.occurred_at <= own.at
                         AND EXISTS (SELECT FROM jsonb_array_elements_text(other.links) AS link
                           WHERE own.hosts ? split_part(link, '/', 1))) AS same_host_removed_last_day,
                    (SELECT count(*) FROM moderation_case
                       WHERE decision = 'DELETE' AND decided_by ->> 'kind' = 'policy'
                         AND decided_at > own.day AND decided_at <= own.at) AS removed_by_policy_last_day,
                    (SELECT floor(extract(epoch FROM own.at - registered_at))::bigint
                       FROM known_user WHERE user_id = own.author_id) AS account_age_seconds
               FROM author_activity AS did
               WHERE did.author_id = own.author_id AND did.subject_id <> own.subject_id
                 AND did.occurred_at > own.day AND did.occurred_at <= own.at) AS past
           ORDER BY own.number"
    ))
    .all(connection)
    .await?;
    if rows.len() != texts.len() {
        return Err(DbErr::Custom(format!("{} pasts of {} texts", rows.len(), texts.len())));
    }
    Ok(rows.into_iter().map(Behaviour::from).collect())
}

impl From<Row> for Behaviour {
    fn from(row: Row) -> Self {
        let count = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            published_last_minute: count(row.published_last_minute),
            published_last_hour: count(row.published_last_hour),
            same_text_last_day: count(row.same_text_last_day),
            same_link_last_day: count(row.same_link_last_day),
            // The clocks of two services may differ by less than an account takes to write something.
            near_copies_last_day: 0,
            near_copy_authors_last_day: 0,
            mentioned_last_hour: count(row.mentioned_last_hour),
            published_before: count(row.published_before),
            removed_before: count(row.removed_before),
            same_host_removed_last_day: count(row.same_host_removed_last_day),
            removed_by_policy_last_day: count(row.removed_by_policy_last_day),
            // Of the content, not of its author: whoever asks knows it.
            community: None,
            account_age_seconds: row.account_age_seconds.map(|age| u64::try_from(age).unwrap_or(0)),
        }
    }
}
