//! The rules of a person's standing.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::Aggregate;
use shared_schemas::{
    CaseId, SanctionId, UserId,
    moderation::ModerationReason,
    standing::{SanctionEnd, SanctionKind, StandingEvent},
    user::AccountStatus,
};

/// How long a strike counts.
pub const STRIKE: TimeDelta = TimeDelta::days(90);

/// How long a sanction with an end lasts at most.
pub const LONGEST: TimeDelta = TimeDelta::days(366);

/// What commands need to know about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// When each strike no longer counts.
    pub(super) struck_by: BTreeMap<CaseId, DateTime<Utc>>,
    pub(super) in_force: Vec<InForce>,
    /// A person is asked to look at the account, because of so many strikes.
    pub(super) review: Option<u32>,
    restricted: Restriction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InForce {
    pub(super) id: SanctionId,
    kind: SanctionKind,
    until: Option<DateTime<Utc>>,
    /// How many strikes it follows from, if that is why.
    pub(super) strikes: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Restriction {
    status: AccountStatus,
    until: Option<DateTime<Utc>>,
}

impl Default for Standing {
    fn default() -> Self {
        let restricted = Restriction { status: AccountStatus::Active, until: None };
        Self { struck_by: BTreeMap::new(), in_force: Vec::new(), review: None, restricted }
    }
}

/// A sanction that somebody imposes.
#[derive(Clone, Debug)]
pub struct Imposing {
    /// Its id, unless one of the same kind and end is in force.
    pub id: SanctionId,
    /// What it takes.
    pub kind: SanctionKind,
    /// When it ends by itself.
    pub until: Option<DateTime<Utc>>,
    /// Why, worst first.
    pub reasons: Vec<ModerationReason>,
    /// What the person is told.
    pub statement: String,
    /// The case it goes back to.
    pub case_id: Option<CaseId>,
    /// Who imposes it.
    pub moderator_id: UserId,
    /// Whether that is an administrator.
    pub is_admin: bool,
    /// When.
    pub now: DateTime<Utc>,
}

/// Why a sanction is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StandingError {
    /// There is none.
    #[error("there is no such sanction")]
    NotFound,
    /// Only administrators ban, and take bans back.
    #[error("an administrator bans, and takes a ban back")]
    AdministratorsBan,
    /// A ban has no end; everything else has one, within a year.
    #[error("a mute or a suspension ends within a year from now, and a ban has no end")]
    End,
}

impl Aggregate for Standing {
    type Id = UserId;
    type Event = StandingEvent;

    fn evolve(mut self, event: &StandingEvent) -> Self {
        match event {
            StandingEvent::StrikeAdded { case_id, expires_at } => {
                self.struck_by.insert(*case_id, *expires_at);
            }
            StandingEvent::StrikeWithdrawn { case_id } => {
                self.struck_by.remove(case_id);
            }
            StandingEvent::Sanctioned { sanction_id, kind, until, strikes, .. } => {
                let (id, kind, until, strikes) = (*sanction_id, *kind, *until, *strikes);
                self.in_force.push(InForce { id, kind, until, strikes });
            }
            StandingEvent::ReviewRequested { strikes, .. } => self.review = Some(*strikes),
            StandingEvent::ReviewClosed { .. } => self.review = None,
            StandingEvent::SanctionEnded { sanction_id, .. } => {
                self.in_force.retain(|sanction| sanction.id != *sanction_id);
            }
            StandingEvent::Restricted { status, until } => {
                self.restricted = Restriction { status: *status, until: *until };
            }
        }
        self
    }
}

impl Standing {
    /// The standing after one more event.
    pub(super) fn with(self, event: &StandingEvent) -> Self {
        self.evolve(event)
    }

    /// The sanction in force that is the same as another one: imposing it again changes nothing.
    pub fn same(&self, imposing: &Imposing) -> Option<SanctionId> {
        let Imposing { kind, until, .. } = imposing;
        let same = |sanction: &&InForce| sanction.kind == *kind && sanction.until == *until;
        self.in_force.iter().find(same).map(|sanction| sanction.id)
    }

    /// Imposes a sanction, in force at once. By an administrator it is also the answer where strikes had asked for one.
    ///
    /// # Errors
    ///
    /// [`StandingError::AdministratorsBan`] and [`StandingError::End`].
    pub fn impose(&self, imposing: &Imposing) -> Result<Vec<StandingEvent>, StandingError> {
        let Imposing { id, kind, until, case_id, moderator_id, is_admin, now, .. } = *imposing;
        let ends_well = match (kind, until) {
            (SanctionKind::Ban, until) => until.is_none(),
            (SanctionKind::Mute | SanctionKind::Suspend, until) => {
                until.is_some_and(|until| until > now && until <= now + LONGEST)
            }
        };
        if !ends_well {
            return Err(StandingError::End);
        }
        if kind == SanctionKind::Ban && !is_admin {
            return Err(StandingError::AdministratorsBan);
        }
        if self.same(imposing).is_some() {
            return Ok(vec![]);
        }
        let sanctioned = StandingEvent::Sanctioned {
            sanction_id: id,
            kind,
            until,
            reasons: imposing.reasons.clone(),
            statement: imposing.statement.clone(),
            case_id,
            moderator_id: Some(moderator_id),
            strikes: None,
        };
        let closed = if is_admin { self.close_review(moderator_id) } else { vec![] };
        Ok(self.with_restriction(std::iter::once(sanctioned).chain(closed).collect()))
    }

    /// Takes a sanction back. Repeating it changes nothing.
    ///
    /// # Errors
    ///
    /// [`StandingError::AdministratorsBan`].
    pub fn lift(
        &self,
        id: SanctionId,
        moderator_id: UserId,
        is_admin: bool,
    ) -> Result<Vec<StandingEvent>, StandingError> {
        let Some(sanction) = self.in_force.iter().find(|sanction| sanction.id == id) else {
            return Ok(vec![]);
        };
        if sanction.kind == SanctionKind::Ban && !is_admin {
            return Err(StandingError::AdministratorsBan);
        }
        let (end, moderator_id) = (SanctionEnd::Lifted, Some(moderator_id));
        let ended = StandingEvent::SanctionEnded { sanction_id: id, end, moderator_id };
        Ok(self.with_restriction(vec![ended]))
    }

    /// Ends every sanction whose time is over.
    pub fn expire(&self, now: DateTime<Utc>) -> Vec<StandingEvent> {
        let is_over = |sanction: &&InForce| sanction.until.is_some_and(|until| until <= now);
        let over = self.in_force.iter().filter(is_over);
        let ended: Vec<StandingEvent> = over
            .map(|sanction| StandingEvent::SanctionEnded {
                sanction_id: sanction.id,
                end: SanctionEnd::Expired,
                moderator_id: None,
            })
            .collect();
        self.with_restriction(ended)
    }

    /// Says also what the person may do then, if that is another thing than now.
    pub(super) fn with_restriction(&self, mut events: Vec<StandingEvent>) -> Vec<StandingEvent> {
        let then = events.iter().fold(self.clone(), Self::evolve).gravest();
        if then != self.restricted {
            let Restriction { status, until } = then;
            events.push(StandingEvent::Restricted { status, until });
        }
        events
    }

    /// What the sanctions in force come to: the gravest, and of those the one that lasts longest.
    fn gravest(&self) -> Restriction {
        let gravity = |sanction: &&InForce| {
            let kind = match sanction.kind {
                SanctionKind::Mute => 0,
                SanctionKind::Suspend => 1,
                SanctionKind::Ban => 2,
            };
            (kind, sanction.until.unwrap_or(DateTime::<Utc>::MAX_UTC))
        };
        self.in_force
            .iter()
            .max_by_key(gravity)
            .map_or(Restriction { status: AccountStatus::Active, until: None }, |sanction| {
                Restriction { status: sanction.kind.status(), until: sanction.until }
            })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::standing::ladder::{Ladder, Removal};

    const CASE: CaseId = CaseId(Uuid::from_u128(1));
    const MODERATOR: UserId = UserId(Uuid::from_u128(2));

    fn hour(hour: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(hour * 3_600, 0).unwrap()
    }

    fn given(events: &[StandingEvent]) -> Standing {
        events.iter().fold(Standing::default(), Standing::evolve)
    }

    fn imposing(id: u128, kind: SanctionKind, until: Option<i64>) -> Imposing {
        Imposing {
            id: SanctionId(Uuid::from_u128(id)),
            kind,
            until: until.map(hour),
            reasons: vec![ModerationReason::Spam],
            statement: "You sent nothing but advertisements.".to_owned(),
            case_id: None,
            moderator_id: MODERATOR,
            is_admin: false,
            now: hour(0),
        }
    }

    fn impose(history: &mut Vec<StandingEvent>, imposing: &Imposing) {
        history.extend(given(history).impose(imposing).unwrap());
    }

    fn restriction(history: &[StandingEvent]) -> (AccountStatus, Option<DateTime<Utc>>) {
        let Restriction { status, until } = given(history).restricted;
        (status, until)
    }

    #[test]
    fn a_removal_is_one_strike_until_it_is_taken_back() {
        let strike = |history: &[StandingEvent], at| {
            let (case_id, sanction_id) = (CASE, SanctionId(Uuid::from_u128(1)));
            let removal =
                Removal { case_id, at: hour(at), reasons: vec![], sanction_id, now: hour(at) };
            given(history).strike(&removal, &Ladder::default())
        };
        let mut history = strike(&[], 0);
        assert_eq!(strike(&history, 1), vec![]);

        history.extend(given(&history).withdraw(CASE, hour(1)));

        assert_eq!(given(&history).withdraw(CASE, hour(1)), vec![]);
        assert_eq!(strike(&history, 2).len(), 1);
    }

    #[test]
    fn the_gravest_sanction_is_in_force_and_what_is_left_when_it_ends() {
        let mut history = Vec::new();
        impose(&mut history, &imposing(1, SanctionKind::Mute, Some(48)));
        impose(&mut history, &imposing(2, SanctionKind::Suspend, Some(24)));
        assert_eq!(restriction(&history), (AccountStatus::Suspended, Some(hour(24))));

        history.extend(given(&history).expire(hour(24)));
        assert_eq!(restriction(&history), (AccountStatus::Muted, Some(hour(48))));

        history.extend(given(&history).expire(hour(48)));
        assert_eq!(restriction(&history), (AccountStatus::Active, None));
        assert_eq!(given(&history).expire(hour(99)), vec![]);
    }

    #[test]
    fn a_sanction_does_not_end_before_its_time() {
        let mut history = Vec::new();
        impose(&mut history, &imposing(1, SanctionKind::Mute, Some(2)));

        assert_eq!(given(&history).expire(hour(1)), vec![]);
    }

    #[test]
    fn bans_are_for_administrators_and_have_no_end() {
        let ban = imposing(1, SanctionKind::Ban, None);
        let by_admin = Imposing { is_admin: true, ..ban.clone() };
        let standing = Standing::default();

        assert_eq!(standing.impose(&ban), Err(StandingError::AdministratorsBan));
        let mut history = standing.impose(&by_admin).unwrap();
        let id = by_admin.id;
        assert_eq!(restriction(&history), (AccountStatus::Banned, None));
        let refused = given(&history).lift(id, MODERATOR, false);
        assert_eq!(refused, Err(StandingError::AdministratorsBan));
        history.extend(given(&history).lift(id, MODERATOR, true).unwrap());
        assert_eq!(restriction(&history), (AccountStatus::Active, None));
    }

    #[test]
    fn a_sanction_has_the_end_that_its_kind_asks_for() {
        let standing = Standing::default();
        let admin = |imposing: Imposing| Imposing { is_admin: true, ..imposing };

        for wrong in [
            imposing(1, SanctionKind::Mute, None),
            imposing(1, SanctionKind::Mute, Some(0)),
            imposing(1, SanctionKind::Suspend, Some(366 * 24 + 1)),
            admin(imposing(1, SanctionKind::Ban, Some(1))),
        ] {
            assert_eq!(standing.impose(&wrong), Err(StandingError::End), "{wrong:?}");
        }
    }

    #[test]
    fn the_same_sanction_again_changes_nothing() {
        let mut history = Vec::new();
        impose(&mut history, &imposing(1, SanctionKind::Mute, Some(2)));

        assert_eq!(given(&history).impose(&imposing(2, SanctionKind::Mute, Some(2))), Ok(vec![]));
    }
}
