//! Whether people can see content.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use shared_schemas::moderation::Subject;

use crate::case::{aggregate::Visibility, view::columns};

/// What is known of some content; others that ask or tell about it wait until the transaction ends.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn lock(
    connection: &impl ConnectionTrait,
    subject: Subject,
) -> Result<Visibility, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        visibility: String,
    }
    let ((_, subject_id), visible) = (columns(subject), name(Visibility::Visible));
    // An update that changes nothing locks the row and returns it, which `DO NOTHING` would not.
    let row = Row::find_by_statement(raw_sql!(
        Postgres,
        "INSERT INTO content_visibility AS known (subject_id, visibility) VALUES ({subject_id}, {visible})
           ON CONFLICT ON CONSTRAINT content_visibility_pkey DO UPDATE SET visibility = known.visibility
           RETURNING visibility"
    ))
    .one(connection)
    .await?;
    Ok(row.and_then(|row| parse(&row.visibility)).unwrap_or(Visibility::Visible))
}

/// Takes into account what the content's service has said.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn set(
    connection: &impl ConnectionTrait,
    subject: Subject,
    visibility: Visibility,
) -> Result<(), DbErr> {
    let ((_, subject_id), visibility) = (columns(subject), name(visibility));
    connection
        .execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO content_visibility (subject_id, visibility) VALUES ({subject_id}, {visibility})
               ON CONFLICT ON CONSTRAINT content_visibility_pkey DO UPDATE SET visibility = EXCLUDED.visibility"
        ))
        .await?;
    Ok(())
}

const fn name(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Visible => "VISIBLE",
        Visibility::Hidden => "HIDDEN",
        Visibility::Gone => "GONE",
    }
}

fn parse(text: &str) -> Option<Visibility> {
    [Visibility::Visible, Visibility::Hidden, Visibility::Gone]
        .into_iter()
        .find(|visibility| name(*visibility) == text)
}
