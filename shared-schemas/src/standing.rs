//! What moderation holds against a person: strikes, and sanctions with an end. Recorded by moderation-service; auth-service puts
//! what follows from it into force.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    CaseId, Event, SanctionId, Service, UserId, choice::choices, moderation::ModerationReason,
    user::AccountStatus,
};

choices! {
    /// What a sanction takes from a person.
    SanctionKind {
        /// May read, not write; for a time.
        Mute = "MUTE",
        /// May appeal, and nothing else; for a time.
        Suspend = "SUSPEND",
        /// May appeal, and nothing else; without end.
        Ban = "BAN",
    }
}

impl SanctionKind {
    /// What an account may do under it.
    pub const fn status(self) -> AccountStatus {
        match self {
            Self::Mute => AccountStatus::Muted,
            Self::Suspend => AccountStatus::Suspended,
            Self::Ban => AccountStatus::Banned,
        }
    }
}

choices! {
    /// Why a sanction ended.
    SanctionEnd {
        /// Its time was over.
        Expired = "EXPIRED",
        /// Somebody took it back.
        Lifted = "LIFTED",
    }
}

/// A fact about the standing of one person; its id is that of the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum StandingEvent {
    /// Content of the person was removed; private to moderation-service.
    #[serde(rename = "standing.strike_added.v1")]
    StrikeAdded {
        /// The case that decided it.
        case_id: CaseId,
        /// When it no longer counts.
        expires_at: DateTime<Utc>,
    },
    /// The removal was wrong, and the strike goes with it; private to moderation-service.
    #[serde(rename = "standing.strike_withdrawn.v1")]
    StrikeWithdrawn {
        /// The case that had decided it.
        case_id: CaseId,
    },
    /// A moderator imposed a sanction, or it followed from strikes; private to moderation-service.
    #[serde(rename = "standing.sanctioned.v1")]
    Sanctioned {
        /// Which sanction.
        sanction_id: SanctionId,
        /// What it takes.
        kind: SanctionKind,
        /// When it ends by itself; never, if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
        /// Why, worst first.
        reasons: Vec<ModerationReason>,
        /// What the person is told: 1 to 2 000 Unicode scalar values, NFC.
        statement: String,
        /// The case it goes back to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        case_id: Option<CaseId>,
        /// Who imposed it; nobody, if it followed from strikes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        moderator_id: Option<UserId>,
        /// How many strikes it follows from; it ends when some are taken back and fewer count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strikes: Option<u32>,
    },
    /// A sanction ended; private to moderation-service.
    #[serde(rename = "standing.sanction_ended.v1")]
    SanctionEnded {
        /// Which sanction.
        sanction_id: SanctionId,
        /// Why.
        end: SanctionEnd,
        /// Who took it back; nobody, if the strikes were taken back from which it followed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        moderator_id: Option<UserId>,
    },
    /// So many strikes count that a person decides what is to follow, a ban perhaps; private to moderation-service.
    #[serde(rename = "standing.review_requested.v1")]
    ReviewRequested {
        /// How many.
        strikes: u32,
        /// The removal that made it so many.
        case_id: CaseId,
    },
    /// That was decided, or fewer strikes count; private to moderation-service.
    #[serde(rename = "standing.review_closed.v1")]
    ReviewClosed {
        /// Who decided; nobody, if strikes were taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        moderator_id: Option<UserId>,
    },
    /// What the person may do from now on, by the gravest of the sanctions in force.
    #[serde(rename = "standing.restricted.v1")]
    Restricted {
        /// `MUTED`, `SUSPENDED` or `BANNED`; `ACTIVE` when no sanction is in force.
        status: AccountStatus,
        /// When that ends, unless something is decided meanwhile.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
}

impl Event for StandingEvent {
    const CATEGORY: &'static str = "standing";
    const SERVICE: Service = Service::Moderation;

    fn is_public(&self) -> bool {
        !matches!(
            self,
            Self::StrikeAdded { .. }
                | Self::StrikeWithdrawn { .. }
                | Self::Sanctioned { .. }
                | Self::SanctionEnded { .. }
                | Self::ReviewRequested { .. }
                | Self::ReviewClosed { .. }
        )
    }
}
