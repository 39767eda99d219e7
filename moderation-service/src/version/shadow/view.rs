//! Every query on versions in shadow.

use chrono::{DateTime, Utc};
use event_runtime::RecordedEvent;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use uuid::Uuid;

use crate::version::{aggregate::VersionId, view::id};

/// How often a pair of verdicts occurred.
#[derive(Clone, Debug, FromQueryResult)]
pub struct VerdictRow {
    /// What was decided.
    pub live_verdict: String,
    /// What the shadow says.
    pub verdict: String,
    /// How often.
    pub count: i64,
}

/// How often a category asked for a decision.
#[derive(Clone, Debug, FromQueryResult)]
pub struct CategoryRow {
    /// The category.
    pub category: String,
    /// Of the judgements that count.
    pub live: i64,
    /// Of those in shadow.
    pub shadow: i64,
    /// Of both about the same text.
    pub both: i64,
}

/// What people decided about texts that both have judged.
#[derive(Clone, Debug, Default, FromQueryResult)]
pub struct HumanRow {
    /// How many.
    pub decided: i64,
    /// Of how many the judgement that counts said the same.
    pub live_agreed: i64,
    /// Of how many the shadow does.
    pub shadow_agreed: i64,
}

/// A text about which the two do not agree.
#[derive(Clone, Debug, FromQueryResult)]
pub struct ExampleRow {
    /// POST or COMMENT.
    pub subject_kind: String,
    /// Which one.
    pub subject_id: Uuid,
    /// Which version of it.
    pub subject_version: i64,
    /// What was decided.
    pub live_verdict: String,
    /// What the shadow says.
    pub verdict: String,
}

/// The versions that judge in shadow what was published at a moment.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn in_shadow(
    connection: &impl ConnectionTrait,
    apart: bool,
    published_at: DateTime<Utc>,
) -> Result<Vec<VersionId>, DbErr> {
    let rows = connection
        .query_all_raw(raw_sql!(
            Postgres,
            "SELECT id FROM analyser_version
               WHERE state = 'SHADOW' AND shadow_apart = {apart} AND shadow_since <= {published_at} ORDER BY id"
        ))
        .await?;
    rows.iter().map(|row| id(&row.try_get::<String>("", "id")?)).collect()
}

/// Whether screening has gone past an event.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn is_screened(
    connection: &impl ConnectionTrait,
    event: &RecordedEvent,
) -> Result<bool, DbErr> {
    let Some(sequence) = event.sequence else { return Ok(false) };
    let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
    let (service, partition) = (event.service.as_str(), i32::from(event.partition));
    let row = connection
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT 1 AS passed FROM watermark
               WHERE consumer_group = 'moderation.screen' AND service = {service} AND partition = {partition}
                 AND sequence >= {sequence}"
        ))
        .await?;
    Ok(row.is_some())
}

/// How often each pair of verdicts occurred.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn verdicts(
    connection: &impl ConnectionTrait,
    version: &VersionId,
) -> Result<Vec<VerdictRow>, DbErr> {
    let version = version.as_str();
    VerdictRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT live_verdict, verdict, count(*) AS count FROM shadow_judgement WHERE version_id = {version}
           GROUP BY live_verdict, verdict ORDER BY live_verdict, verdict"
    ))
    .all(connection)
    .await
}

/// How often each category asked for a decision.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn categories(
    connection: &impl ConnectionTrait,
    version: &VersionId,
) -> Result<Vec<CategoryRow>, DbErr> {
    let version = version.as_str();
    CategoryRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT category, count(*) FILTER (WHERE is_live) AS live, count(*) FILTER (WHERE is_shadow) AS shadow,
                count(*) FILTER (WHERE is_live AND is_shadow) AS both
           FROM (SELECT category, bool_or(NOT of_shadow) AS is_live, bool_or(of_shadow) AS is_shadow
                   FROM shadow_judgement j CROSS JOIN LATERAL (
                     SELECT category, true AS of_shadow FROM jsonb_array_elements_text(j.reasons) AS category
                     UNION ALL
                     SELECT category, false FROM jsonb_array_elements_text(j.live_reasons) AS category) AS said
                   WHERE version_id = {version}
                   GROUP BY j.subject_id, j.subject_version, category) AS texts
           GROUP BY category ORDER BY category"
    ))
    .all(connection)
    .await
}

/// How far people agree with either: what they removed should have been flagged, and what they left alone should not.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn humans(
    connection: &impl ConnectionTrait,
    version: &VersionId,
) -> Result<HumanRow, DbErr> {
    let version = version.as_str();
    let row = HumanRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT count(*) AS decided,
                count(*) FILTER (WHERE (j.live_verdict <> 'ALLOW') = (c.decision = 'DELETE')) AS live_agreed,
                count(*) FILTER (WHERE (j.verdict <> 'ALLOW') = (c.decision = 'DELETE')) AS shadow_agreed
           FROM shadow_judgement j
           JOIN moderation_case c ON c.subject_id = j.subject_id AND c.subject_version = j.subject_version
           WHERE j.version_id = {version} AND c.decision IS NOT NULL AND c.decided_by ->> 'kind' = 'moderator'"
    ))
    .one(connection)
    .await?;
    Ok(row.unwrap_or_default())
}

/// The latest texts about which the two do not agree, at most so many of each pair of verdicts.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn examples(
    connection: &impl ConnectionTrait,
    version: &VersionId,
    each: i64,
) -> Result<Vec<ExampleRow>, DbErr> {
    let version = version.as_str();
    ExampleRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT subject_kind, subject_id, subject_version, live_verdict, verdict
           FROM (SELECT *, row_number() OVER (PARTITION BY live_verdict, verdict ORDER BY judged_at DESC, subject_id) AS place
                   FROM shadow_judgement WHERE version_id = {version} AND live_verdict <> verdict) AS changed
           WHERE place <= {each} ORDER BY live_verdict, verdict, place"
    ))
    .all(connection)
    .await
}
