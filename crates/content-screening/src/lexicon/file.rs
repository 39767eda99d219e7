//! The lexicon file.

use serde::Deserialize;
use shared_schemas::moderation::ModerationReason;

/// Word rules and what the words around a match change.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LexiconFile {
    pub(crate) context: ContextRules,
    #[serde(rename = "rule")]
    pub(crate) rules: Vec<Rule>,
}

/// Phrases that say the same about a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Stable id, `lexicon.<name>`.
    pub(crate) id: String,
    /// What the phrases speak for.
    pub(crate) category: ModerationReason,
    /// Weight of a phrase that is aimed at nobody in particular.
    pub(crate) weight: u8,
    /// Weight of a phrase that is aimed at a person.
    #[serde(default)]
    pub(crate) directed_weight: Option<u8>,
    /// When a phrase is aimed at a person.
    pub(crate) aim: Aim,
    /// A sentence for people.
    pub(crate) explanation: String,
    /// Endings that every phrase may have, besides none.
    #[serde(default)]
    pub(crate) suffixes: Vec<String>,
    /// Phrases, with `{a|b}` for choices.
    pub(crate) phrases: Vec<String>,
}

/// When a phrase is aimed at a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aim {
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
pub(crate) struct ContextRules {
    /// Inside quotation marks or a quoted paragraph.
    pub(crate) quoted_percent: u8,
    /// Near words that report what others say.
    pub(crate) reported_percent: u8,
    /// Behind a negation.
    pub(crate) negated_percent: u8,
    /// Said by the author about themself.
    pub(crate) own_percent: u8,
    /// Near words that mark a joke or a game.
    pub(crate) joking_percent: u8,
    /// A single word in a text of another language, where it can mean anything.
    pub(crate) foreign_percent: u8,
    /// Words that address somebody.
    pub(crate) addressing: Vec<String>,
    /// Words by which authors speak of themselves.
    pub(crate) own: Vec<String>,
    /// Negations.
    pub(crate) negations: Vec<String>,
    /// Words that may stand between one of the above and the phrase.
    pub(crate) fillers: Vec<String>,
    /// Phrases that report what others say.
    pub(crate) reporting: Vec<String>,
    /// Phrases that mark a joke or a game.
    pub(crate) joking: Vec<String>,
    /// Harmless phrases; what lies inside one is not found.
    pub(crate) allowed: Vec<String>,
}

impl ContextRules {
    /// Every percentage with its name, to be checked at start.
    pub(crate) fn percentages(&self) -> [(&'static str, u8); 6] {
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
