//! Activity as it is stored: rows and queries.

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseConnection, DbErr, FromQueryResult, raw_sql};
use shared_schemas::{UserId, post::Category};

use super::{interest::Acts, totals::Totals};

/// What is known of a person's existence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No event has named this person's registration yet.
    Unknown,
    /// The account exists.
    Registered,
    /// The account was closed.
    Closed,
}

/// The totals of one person.
#[derive(Clone, Copy, Debug, Default, FromQueryResult)]
pub struct Activity {
    /// The figures.
    #[sea_orm(nested)]
    pub totals: Totals,
    /// When the person did something for the first time.
    pub first_active_at: Option<DateTime<Utc>>,
    /// When the person did something last.
    pub last_active_at: Option<DateTime<Utc>>,
    /// The latest event about the person; absent before the first.
    pub updated_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct PersonRow {
    closed: bool,
}

#[derive(FromQueryResult)]
struct InterestRow {
    category: Category,
    #[sea_orm(nested)]
    acts: Acts,
}

/// Whether a person exists.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn standing(db: &DatabaseConnection, user_id: UserId) -> Result<Standing, DbErr> {
    let person = PersonRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT closed FROM person WHERE user_id = {user_id}"
    ))
    .one(db)
    .await?;
    Ok(match person {
        None => Standing::Unknown,
        Some(PersonRow { closed: false }) => Standing::Registered,
        Some(PersonRow { closed: true }) => Standing::Closed,
    })
}

/// The totals of a person; zeros before the first event.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn activity(db: &DatabaseConnection, user_id: UserId) -> Result<Activity, DbErr> {
    let row = Activity::find_by_statement(raw_sql!(
        Postgres,
        "SELECT posts, comments, reactions, views, reactions_received, comments_received, views_received, connections,
                first_active_at, last_active_at, updated_at
           FROM activity WHERE user_id = {user_id}"
    ))
    .one(db)
    .await?;
    Ok(row.unwrap_or_default())
}

/// What a person said and did per category, in no order.
///
/// # Errors
///
/// [`DbErr`] if the database fails or holds a category that this build does not know.
pub async fn acts(
    db: &DatabaseConnection,
    user_id: UserId,
) -> Result<Vec<(Category, Acts)>, DbErr> {
    let rows = InterestRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT category, declared, posts, comments, reactions, views FROM interest WHERE user_id = {user_id}"
    ))
    .all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.category, row.acts)).collect())
}
