//! What strikes lead to: a ladder whose rungs are numbers of strikes that count at once.
//!
//! The strike that makes it so many brings what its rung says: a mute, a suspension, or that a person looks at the account. Nothing
//! but a person bans. A sanction of the ladder ends early when strikes are taken back and fewer count than its rung asks for; that
//! strikes expire meanwhile shortens nothing by itself.

use std::{fmt, str::FromStr, sync::Arc};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use shared_schemas::{
    CaseId, SanctionId, UserId,
    moderation::ModerationReason,
    standing::{SanctionEnd, SanctionKind, StandingEvent},
};

use super::aggregate::{LONGEST, Standing};

/// The default of `STRIKE_LADDER`.
pub const DEFAULT: &str = "3 mute 24h, 5 suspend 7d, 8 review";

/// The rungs, lowest first. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder(Arc<[Rung]>);

/// How many strikes lead to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rung {
    strikes: u32,
    leads_to: Consequence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consequence {
    Mute(TimeDelta),
    Suspend(TimeDelta),
    /// A person decides, on a ban perhaps.
    Review,
}

/// A removal that was carried out.
#[derive(Clone, Debug)]
pub struct Removal {
    /// The case that decided it.
    pub case_id: CaseId,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// Why, worst first.
    pub reasons: Vec<ModerationReason>,
    /// The id of the sanction that follows, if one does.
    pub sanction_id: SanctionId,
    /// When the strike is recorded.
    pub now: DateTime<Utc>,
}

/// Why a text is no ladder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LadderError {
    /// A rung has another form.
    #[error("`{0}` is no rung like `3 mute 24h`, `5 suspend 7d` or `8 review`")]
    Rung(String),
    /// A sanction would last no time or more than a year.
    #[error("`{0}` lasts less than a second or more than 366 days")]
    Duration(String),
    /// The rungs are not in order.
    #[error("each rung takes more strikes than the one before it, and the first at least one")]
    Order,
}

impl FromStr for Ladder {
    type Err = LadderError;

    fn from_str(text: &str) -> Result<Self, LadderError> {
        if text.trim() == "none" {
            return Ok(Self::default());
        }
        let rungs: Vec<Rung> = text.split(',').map(rung).collect::<Result<_, _>>()?;
        let strikes = std::iter::once(0).chain(rungs.iter().map(|rung| rung.strikes));
        if strikes.is_sorted_by(|before, after| before < after) {
            Ok(Self(rungs.into()))
        } else {
            Err(LadderError::Order)
        }
    }
}

fn rung(text: &str) -> Result<Rung, LadderError> {
    let malformed = || LadderError::Rung(text.trim().to_owned());
    let words: Vec<&str> = text.split_whitespace().collect();
    let (strikes, leads_to) = match *words.as_slice() {
        [strikes, "review"] => (strikes, Consequence::Review),
        [strikes, "mute", time] => (strikes, Consequence::Mute(duration(time)?)),
        [strikes, "suspend", time] => (strikes, Consequence::Suspend(duration(time)?)),
        _ => return Err(malformed()),
    };
    Ok(Rung { strikes: strikes.parse().map_err(|_no_number| malformed())?, leads_to })
}

/// `90m`, `24h` or `7d`.
fn duration(text: &str) -> Result<TimeDelta, LadderError> {
    let malformed = || LadderError::Duration(text.to_owned());
    let (number, unit) =
        text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(malformed)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(malformed()),
    };
    let number: i64 = number.parse().map_err(|_no_number| malformed())?;
    let duration = number.checked_mul(seconds).and_then(TimeDelta::try_seconds);
    duration
        .filter(|duration| *duration > TimeDelta::zero() && *duration <= LONGEST)
        .ok_or_else(malformed)
}

impl fmt::Display for Consequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mute(_) => "You may read and not write",
            Self::Suspend(_) => "Your account is suspended",
            Self::Review => "Your account is looked at",
        })
    }
}

impl Standing {
    /// Adds the strike of a removal, once, and what the ladder says to so many.
    pub fn strike(&self, removal: &Removal, ladder: &Ladder) -> Vec<StandingEvent> {
        let Removal { case_id, at, now, .. } = *removal;
        if self.struck_by.contains_key(&case_id) {
            return vec![];
        }
        let added =
            StandingEvent::StrikeAdded { case_id, expires_at: at + super::aggregate::STRIKE };
        let before = self.strikes(now);
        let strikes = self.clone().with(&added).strikes(now);
        let reached = ladder.0.iter().find(|rung| rung.strikes == strikes && strikes > before);
        let follows = reached.and_then(|rung| self.consequence(*rung, removal));
        self.with_restriction(std::iter::once(added).chain(follows).collect())
    }

    /// Takes the strike of a removal back that was wrong, and what followed from so many strikes where there are fewer now.
    pub fn withdraw(&self, case_id: CaseId, now: DateTime<Utc>) -> Vec<StandingEvent> {
        if !self.struck_by.contains_key(&case_id) {
            return vec![];
        }
        let withdrawn = StandingEvent::StrikeWithdrawn { case_id };
        let left = self.clone().with(&withdrawn).strikes(now);
        let too_few = |asked: Option<u32>| asked.is_some_and(|asked| asked > left);
        let ended =
            self.in_force.iter().filter(|sanction| too_few(sanction.strikes)).map(|sanction| {
                let end = SanctionEnd::Lifted;
                StandingEvent::SanctionEnded { sanction_id: sanction.id, end, moderator_id: None }
            });
        let closed =
            too_few(self.review).then_some(StandingEvent::ReviewClosed { moderator_id: None });
        self.with_restriction(std::iter::once(withdrawn).chain(ended).chain(closed).collect())
    }

    /// Ends the look at the account without a sanction. Repeating it changes nothing.
    pub fn close_review(&self, moderator_id: UserId) -> Vec<StandingEvent> {
        self.review
            .map(|_| StandingEvent::ReviewClosed { moderator_id: Some(moderator_id) })
            .into_iter()
            .collect()
    }

    /// How many strikes count.
    fn strikes(&self, now: DateTime<Utc>) -> u32 {
        let counting = self.struck_by.values().filter(|expires_at| **expires_at > now).count();
        u32::try_from(counting).unwrap_or(u32::MAX)
    }

    fn consequence(&self, rung: Rung, removal: &Removal) -> Option<StandingEvent> {
        let Rung { strikes, leads_to } = rung;
        let Removal { case_id, now, sanction_id, .. } = *removal;
        let (kind, time) = match leads_to {
            Consequence::Mute(time) => (SanctionKind::Mute, time),
            Consequence::Suspend(time) => (SanctionKind::Suspend, time),
            Consequence::Review => {
                let requested = StandingEvent::ReviewRequested { strikes, case_id };
                return self.review.is_none().then_some(requested);
            }
        };
        let until = now + time;
        let end = until.to_rfc3339_opts(SecondsFormat::Secs, true);
        Some(StandingEvent::Sanctioned {
            sanction_id,
            kind,
            until: Some(until),
            reasons: removal.reasons.clone(),
            statement: format!(
                "{leads_to} until {end}, because {strikes} removals of what you published count against you. No person \
                 decided this. You can appeal against each removal; if fewer count after that, this ends at once."
            ),
            case_id: Some(case_id),
            moderator_id: None,
            strikes: Some(strikes),
        })
    }
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
