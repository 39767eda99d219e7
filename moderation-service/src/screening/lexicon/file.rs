//! The lexicon file.

use serde::Deserialize;
use shared_schemas::moderation::ModerationReason;

/// Word rules and what the words around a match change.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::screening) struct LexiconFile {
    pub(in crate::screening) context: ContextRules,
    #[serde(rename = "rule")]
    pub(in crate::screening) rules: Vec<Rule>,
}

/// Phrases that say the same about a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::screening) struct Rule {
    /// Stable id, `lexicon.<name>`.
    pub(in crate::screening) id: String,
    /// What the phrases speak for.
    pub(in crate::screening) category: ModerationReason,
    /// Weight of a phrase that is aimed at nobody in particular.
    pub(in crate::screening) weight: u8,
    /// Weight of a phrase that is aimed at a person.
    #[serde(default)]
    pub(in crate::screening) directed_weight: Option<u8>,
    /// When a phrase is aimed at a person.
    pub(in crate::screening) aim: Aim,
    /// A sentence for people.
    pub(in crate::screening) explanation: String,
    /// Endings that every phrase may have, besides none.
    #[serde(default)]
    pub(in crate::screening) suffixes: Vec<String>,
    /// Phrases, with `{a|b}` for choices.
    pub(in crate::screening) phrases: Vec<String>,
}

/// When a phrase is aimed at a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::screening) enum Aim {
    /// When the words around it address somebody.
    Context,
    /// The phrase itself addresses somebody.
    Always,
    /// It says nothing about a person.
    Never,
}

/// What the words around a match change. Percentages are what is left of the weight; several multiply.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::screening) struct ContextRules {
    /// Inside quotation marks or a quoted paragraph.
    pub(in crate::screening) quoted_percent: u8,
    /// Near words that report what others say.
    pub(in crate::screening) reported_percent: u8,
    /// Behind a negation.
    pub(in crate::screening) negated_percent: u8,
    /// Said by the author about themself.
    pub(in crate::screening) own_percent: u8,
    /// Near words that mark a joke or a game.
    pub(in crate::screening) joking_percent: u8,
    /// A single word in a text of another language, where it can mean anything.
    pub(in crate::screening) foreign_percent: u8,
    /// Words that address somebody.
    pub(in crate::screening) addressing: Vec<String>,
    /// Words by which authors speak of themselves.
    pub(in crate::screening) own: Vec<String>,
    /// Negations.
    pub(in crate::screening) negations: Vec<String>,
    /// Words that may stand between one of the above and the phrase.
    pub(in crate::screening) fillers: Vec<String>,
    /// Phrases that report what others say.
    pub(in crate::screening) reporting: Vec<String>,
    /// Phrases that mark a joke or a game.
    pub(in crate::screening) joking: Vec<String>,
    /// Harmless phrases; what lies inside one is not found.
    pub(in crate::screening) allowed: Vec<String>,
}

impl ContextRules {
    /// Every percentage with its name, to be checked at start.
    pub(in crate::screening) fn percentages(&self) -> [(&'static str, u8); 6] {
        [
            ("context.quoted_percent", self.quoted_percent),
            ("context.reported_percent", self.reported_percent),
            ("context.negated_percent", self.negated_percent),
            ("context.own_percent", self.own_percent),
            ("context.joking_percent", self.joking_percent),
            ("context.foreign_percent", self.foreign_percent),
        ]
    }
}
