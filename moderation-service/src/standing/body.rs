//! Strikes and sanctions as JSON.

use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Object, types::Example};
use service_kit::example;
use shared_schemas::{
    CaseId, SanctionId, UserId,
    moderation::ModerationReason,
    standing::{SanctionEnd, SanctionKind},
};

use super::view::{SanctionRow, StrikeRow};

/// A sanction that a moderator imposes.
#[derive(Clone, Debug, Object)]
#[oai(example, deny_unknown_fields)]
pub struct Impose {
    /// What it takes. Administrators alone ban.
    pub kind: SanctionKind,
    /// When it ends by itself, within a year; a ban has no end.
    #[oai(skip_serializing_if_is_none)]
    pub until: Option<DateTime<Utc>>,
    /// Why, worst first.
    #[oai(validator(min_items = 1, max_items = 8, unique_items))]
    pub reasons: Vec<ModerationReason>,
    /// What the person is told: 1 to 2 000 characters.
    #[oai(validator(min_length = 1, max_length = 2000))]
    pub statement: String,
    /// The case it goes back to.
    #[oai(skip_serializing_if_is_none)]
    pub case_id: Option<CaseId>,
}

impl Example for Impose {
    fn example() -> Self {
        Self {
            kind: SanctionKind::Mute,
            until: Some(example::moment() + TimeDelta::days(1)),
            reasons: vec![ModerationReason::Harassment],
            statement: "You insulted three people today.".to_owned(),
            case_id: Some(CaseId(example::id(5))),
        }
    }
}

/// A sanction.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "Sanction")]
pub struct SanctionView {
    /// The sanction.
    pub id: SanctionId,
    /// What it takes.
    pub kind: SanctionKind,
    /// Why, worst first.
    pub reasons: Vec<ModerationReason>,
    /// What the person is told.
    pub statement: String,
    /// The case it goes back to.
    #[oai(skip_serializing_if_is_none)]
    pub case_id: Option<CaseId>,
    /// Who imposed it; moderators alone see that. Nobody, if it followed from strikes.
    #[oai(skip_serializing_if_is_none)]
    pub moderator_id: Option<UserId>,
    /// How many strikes it follows from, if no person imposed it.
    #[oai(skip_serializing_if_is_none)]
    pub strikes: Option<i64>,
    /// When.
    pub imposed_at: DateTime<Utc>,
    /// When it ends by itself; never, if absent.
    #[oai(skip_serializing_if_is_none)]
    pub until: Option<DateTime<Utc>>,
    /// When it ended; in force, if absent.
    #[oai(skip_serializing_if_is_none)]
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended.
    #[oai(skip_serializing_if_is_none)]
    pub ended: Option<SanctionEnd>,
}

impl Example for SanctionView {
    fn example() -> Self {
        let Impose { kind, until, reasons, statement, case_id } = Impose::example();
        Self {
            id: SanctionId(example::id(11)),
            kind,
            reasons,
            statement,
            case_id,
            moderator_id: None,
            strikes: None,
            imposed_at: example::moment(),
            until,
            ended_at: None,
            ended: None,
        }
    }
}

impl SanctionView {
    /// A sanction, as moderators see it or as the person does.
    ///
    /// # Errors
    ///
    /// If the reasons do not have their form.
    pub fn new(row: SanctionRow, for_moderators: bool) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id: row.id,
            kind: row.kind,
            ended: row.ended(),
            reasons: serde_json::from_value(row.reasons)?,
            statement: row.statement,
            case_id: row.case_id.map(CaseId),
            moderator_id: row.moderator_id.filter(|_| for_moderators).map(UserId),
            strikes: row.strikes,
            imposed_at: row.imposed_at,
            until: row.until,
            ended_at: row.ended_at,
        })
    }
}

/// A removal that counts against somebody.
#[derive(Clone, Debug, Object)]
#[oai(rename = "Strike")]
pub struct StrikeView {
    /// The case that decided it.
    pub case_id: CaseId,
    /// When the content was removed.
    pub added_at: DateTime<Utc>,
    /// When it no longer counts.
    pub expires_at: DateTime<Utc>,
}

impl From<StrikeRow> for StrikeView {
    fn from(row: StrikeRow) -> Self {
        let StrikeRow { case_id, added_at, expires_at } = row;
        Self { case_id, added_at, expires_at }
    }
}

/// What is held against somebody.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "Standing")]
pub struct StandingView {
    /// Strikes that count now, latest first.
    pub strikes: Vec<StrikeView>,
    /// Sanctions in force and past, latest first; a hundred at most.
    pub sanctions: Vec<SanctionView>,
}

impl Example for StandingView {
    fn example() -> Self {
        let strike = StrikeView {
            case_id: CaseId(example::id(5)),
            added_at: example::moment(),
            expires_at: example::moment() + TimeDelta::days(90),
        };
        Self { strikes: vec![strike], sanctions: vec![SanctionView::example()] }
    }
}
