//! Every query on figures.

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};

/// What was judged last.
#[derive(Clone, Debug, FromQueryResult)]
pub struct LastRow {
    /// The trained model.
    pub model: String,
    /// When.
    pub judged_at: DateTime<Utc>,
}

/// Texts of one day and language.
#[derive(Clone, Debug, FromQueryResult)]
pub struct DayRow {
    /// The day, UTC.
    pub day: NaiveDate,
    /// ISO 639-3, or und.
    pub language: String,
    /// How many were judged.
    pub judged: i64,
    /// How many of them were held or removed.
    pub flagged: i64,
    /// In how many a word was read as another.
    pub corrected: i64,
}

/// Texts of one window.
#[derive(Clone, Debug, Default, FromQueryResult)]
pub struct WindowRow {
    /// How many were judged.
    pub judged: i64,
    /// How many of them were held or removed.
    pub flagged: i64,
    /// In how many a word was read as another.
    pub corrected: i64,
}

/// Texts of one bin; day and language are `None` in the histogram of a whole window.
#[derive(Clone, Debug, FromQueryResult)]
pub struct BinRow {
    /// The day, UTC.
    pub day: Option<NaiveDate>,
    /// ISO 639-3, or und.
    pub language: Option<String>,
    /// A category of the model.
    pub category: String,
    /// Which bin, from 0.
    pub bin: i32,
    /// How many texts.
    pub count: i64,
}

/// What was judged last, if anything was.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn last(connection: &impl ConnectionTrait) -> Result<Option<LastRow>, DbErr> {
    LastRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT model, judged_at FROM screening_figure ORDER BY judged_at DESC, subject_id LIMIT 1"
    ))
    .one(connection)
    .await
}

/// What a model judged after one moment and up to another.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn window(
    connection: &impl ConnectionTrait,
    model: &str,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<WindowRow, DbErr> {
    let row = WindowRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT count(*) AS judged, count(*) FILTER (WHERE flagged) AS flagged,
                count(*) FILTER (WHERE corrected) AS corrected
           FROM screening_figure WHERE model = {model} AND judged_at > {from} AND judged_at <= {to}"
    ))
    .one(connection)
    .await?;
    Ok(row.unwrap_or_default())
}

/// The histograms of all categories, of what a model judged after one moment and up to another.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn bins(
    connection: &impl ConnectionTrait,
    model: &str,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<BinRow>, DbErr> {
    let edges = serde_json::json!(super::stability::EDGES);
    BinRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT NULL::date AS day, NULL::text AS language, category, bin, count(*) AS count
           FROM (SELECT said.key AS category,
                        (SELECT count(*) FROM jsonb_array_elements({edges}::jsonb) AS edge
                           WHERE edge::int <= said.value::int)::int AS bin
                   FROM screening_figure CROSS JOIN LATERAL jsonb_each_text(scores) AS said
                   WHERE model = {model} AND judged_at > {from} AND judged_at <= {to}) AS scored
           GROUP BY category, bin"
    ))
    .all(connection)
    .await
}

/// The same by day and language.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn bins_of_days(
    connection: &impl ConnectionTrait,
    model: &str,
    from: DateTime<Utc>,
) -> Result<Vec<BinRow>, DbErr> {
    let edges = serde_json::json!(super::stability::EDGES);
    BinRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT day, language, category, bin, count(*) AS count
           FROM (SELECT (judged_at AT TIME ZONE 'UTC')::date AS day, language, said.key AS category,
                        (SELECT count(*) FROM jsonb_array_elements({edges}::jsonb) AS edge
                           WHERE edge::int <= said.value::int)::int AS bin
                   FROM screening_figure CROSS JOIN LATERAL jsonb_each_text(scores) AS said
                   WHERE model = {model} AND judged_at > {from}) AS scored
           GROUP BY day, language, category, bin"
    ))
    .all(connection)
    .await
}

/// What a model judged by day and language, latest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn days(
    connection: &impl ConnectionTrait,
    model: &str,
    from: DateTime<Utc>,
) -> Result<Vec<DayRow>, DbErr> {
    DayRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT (judged_at AT TIME ZONE 'UTC')::date AS day, language, count(*) AS judged,
                count(*) FILTER (WHERE flagged) AS flagged, count(*) FILTER (WHERE corrected) AS corrected
           FROM screening_figure WHERE model = {model} AND judged_at > {from}
           GROUP BY day, language ORDER BY day DESC, language"
    ))
    .all(connection)
    .await
}
