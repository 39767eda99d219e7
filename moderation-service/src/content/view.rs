//! What an author did lately.

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde_json::json;
use uuid::Uuid;

use super::{cluster::Print, projection::Activity};
use crate::case::view::columns;
use content_screening::Behaviour;

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
}

/// Texts of the day before some content that may be near-copies of it, other content alone, oldest first; at most 200, which
/// is enough to know a flood by.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn alike(
    connection: &impl ConnectionTrait,
    activity: &Activity,
    print: &Print,
) -> Result<Vec<Alike>, DbErr> {
    let (subject_id, at) = (activity.subject_uuid(), activity.occurred_at);
    let (day, bands) = (at - TimeDelta::days(1), json!(print.bands));
    Alike::find_by_statement(raw_sql!(
        Postgres,
        "SELECT s.subject_id, s.author_id, s.signature, s.cluster_id FROM text_signature s
           WHERE (s.subject_id, s.subject_version) IN (
               SELECT b.subject_id, b.subject_version FROM text_band b
                 WHERE b.band IN (SELECT band::bigint FROM jsonb_array_elements_text({bands}::jsonb) AS band))
             AND s.subject_id <> {subject_id} AND s.occurred_at > {day} AND s.occurred_at <= {at}
           ORDER BY s.occurred_at, s.subject_id LIMIT 200"
    ))
    .all(connection)
    .await
}

/// What the author of some content did in the time before it, other content alone; times are those of the events.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn behaviour(
    connection: &impl ConnectionTrait,
    activity: &Activity,
) -> Result<Behaviour, DbErr> {
    let Activity { subject, author_id, text_hash, links, occurred_at: at, .. } = activity.clone();
    let hosts: Vec<&str> = links.iter().filter_map(|link| link.split('/').next()).collect();
    let ((_, subject_id), links, hosts) = (columns(subject), json!(links), json!(hosts));
    let minute = at - TimeDelta::minutes(1);
    let hour = at - TimeDelta::hours(1);
    let (day, quarter) = (at - TimeDelta::days(1), at - TimeDelta::days(90));
    let row = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT count(DISTINCT subject_id) FILTER (WHERE NOT edited AND occurred_at > {minute}) AS published_last_minute,
                count(DISTINCT subject_id) FILTER (WHERE NOT edited AND occurred_at > {hour}) AS published_last_hour,
                count(DISTINCT subject_id) FILTER (WHERE text_hash = {text_hash}::text) AS same_text_last_day,
                count(DISTINCT subject_id) FILTER (WHERE EXISTS (
                  SELECT FROM jsonb_array_elements(links) AS link WHERE {links}::jsonb @> link)) AS same_link_last_day,
                coalesce(sum(mentions) FILTER (WHERE occurred_at > {hour}), 0)::bigint AS mentioned_last_hour,
                (SELECT least(100, coalesce((SELECT publications FROM author_past WHERE author_id = {author_id}), 0)
                   + count(DISTINCT earlier.subject_id)) FROM author_activity AS earlier
                   WHERE earlier.author_id = {author_id} AND earlier.subject_id <> {subject_id} AND NOT earlier.edited
                     AND earlier.occurred_at <= {at}) AS published_before,
                (SELECT count(*) FROM moderation_case
                   WHERE author_id = {author_id} AND subject_id <> {subject_id} AND decision = 'DELETE'
                     AND decided_at > {quarter} AND decided_at <= {at}) AS removed_before,
                (SELECT count(DISTINCT other.subject_id) FROM author_activity AS other
                   JOIN content_visibility AS seen ON seen.subject_id = other.subject_id AND seen.visibility = 'HIDDEN'
                   WHERE jsonb_array_length({hosts}::jsonb) > 0 AND other.subject_id <> {subject_id}
                     AND other.occurred_at > {day} AND other.occurred_at <= {at}
                     AND EXISTS (SELECT FROM jsonb_array_elements_text(other.links) AS link
                       WHERE {hosts}::jsonb ? split_part(link, '/', 1))) AS same_host_removed_last_day,
                (SELECT count(*) FROM moderation_case
                   WHERE decision = 'DELETE' AND decided_by ->> 'kind' = 'policy'
                     AND decided_at > {day} AND decided_at <= {at}) AS removed_by_policy_last_day,
                (SELECT floor(extract(epoch FROM {at} - registered_at))::bigint
                   FROM known_user WHERE user_id = {author_id}) AS account_age_seconds
           FROM author_activity
           WHERE author_id = {author_id} AND subject_id <> {subject_id} AND occurred_at > {day} AND occurred_at <= {at}"
    ))
    .one(connection)
    .await?;
    Ok(row.map(Behaviour::from).unwrap_or_default())
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
