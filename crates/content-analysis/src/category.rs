//! What a text is scored for.

use serde::{Deserialize, Serialize};

/// A kind of harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Unsolicited advertising, scams, follow-for-follow, bulk mail.
    Spam,
    /// Insult, abuse, offensive language aimed at someone, gross obscenity.
    Toxicity,
    /// Attack on or derogation of people for a protected identity.
    Hate,
    /// Threat, wish or incitement of violence.
    Threat,
    /// Sexually explicit or soliciting.
    Sexual,
    /// Suicidal intent, self-injury.
    SelfHarm,
}

impl Category {
    /// All of them, in the order in which a model keeps them.
    pub const ALL: [Self; 6] =
        [Self::Spam, Self::Toxicity, Self::Hate, Self::Threat, Self::Sexual, Self::SelfHarm];

    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The name in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Toxicity => "toxicity",
            Self::Hate => "hate",
            Self::Threat => "threat",
            Self::Sexual => "sexual",
            Self::SelfHarm => "self_harm",
        }
    }

    /// Its place in [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A probability for each category, 0 to 1. Of spam and toxicity among texts as they come; of the rarer harms as if harmful
/// and harmless texts were equally many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// See [`Category::Spam`].
    pub spam: f32,
    /// See [`Category::Toxicity`].
    pub toxicity: f32,
    /// See [`Category::Hate`].
    pub hate: f32,
    /// See [`Category::Threat`].
    pub threat: f32,
    /// See [`Category::Sexual`].
    pub sexual: f32,
    /// See [`Category::SelfHarm`].
    pub self_harm: f32,
}

impl Scores {
    /// The probability of one category.
    pub const fn get(&self, category: Category) -> f32 {
        match category {
            Category::Spam => self.spam,
            Category::Toxicity => self.toxicity,
            Category::Hate => self.hate,
            Category::Threat => self.threat,
            Category::Sexual => self.sexual,
            Category::SelfHarm => self.self_harm,
        }
    }
}

impl From<[f32; Category::COUNT]> for Scores {
    fn from([spam, toxicity, hate, threat, sexual, self_harm]: [f32; Category::COUNT]) -> Self {
        Self { spam, toxicity, hate, threat, sexual, self_harm }
    }
}
