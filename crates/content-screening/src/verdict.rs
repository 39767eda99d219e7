//! What a judgement comes to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use shared_schemas::moderation::ModerationReason;

/// What is to be done with the content.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Nothing.
    #[default]
    Allow,
    /// A person decides.
    Hold,
    /// It goes at once; a person can bring it back.
    Remove,
}

impl Verdict {
    /// All of them, mildest first.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Hold, Self::Remove];

    /// The one spelling, in JSON, in columns and on command lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Hold => "HOLD",
            Self::Remove => "REMOVE",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no verdict: ALLOW, HOLD or REMOVE")]
pub struct NoVerdict(String);

impl FromStr for Verdict {
    type Err = NoVerdict;

    fn from_str(text: &str) -> Result<Self, NoVerdict> {
        let found = Self::ALL.into_iter().find(|verdict| verdict.as_str() == text);
        found.ok_or_else(|| NoVerdict(text.to_owned()))
    }
}

/// Whether a machine may ever remove for this reason without a person, whatever a policy says: not what speaks of self-harm,
/// and not what people may merely find tasteless.
pub const fn may_be_removed(reason: ModerationReason) -> bool {
    match reason {
        ModerationReason::Spam
        | ModerationReason::Threat
        | ModerationReason::Racism
        | ModerationReason::Harassment => true,
        ModerationReason::SelfHarm
        | ModerationReason::OffensiveContent
        | ModerationReason::Nudity
        | ModerationReason::RulesViolation => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_has_one_spelling() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
            assert_eq!(verdict.as_str().parse(), Ok(verdict));
        }
        assert_eq!("allow".parse::<Verdict>(), Err(NoVerdict("allow".to_owned())));
    }
}
