//! Which language a text is in, as far as that matters for scoring.

use crate::{
    correct::Vocabulary,
    normalise::{Kind, Normalised},
};

/// Characters that tell a language.
const LOOKED_AT: usize = 120;

/// What the model can do for a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Everything, with correction of hidden words.
    English,
    /// Toxicity; hate and threats only weakly.
    Partial(&'static str),
    /// Nothing is promised: rules and reports still work.
    Unsupported(&'static str),
    /// Too short to tell; treated as English, whose words are what short texts in Latin letters mostly are.
    Unknown,
}

impl Language {
    /// The language of a text. A text of which most words are English ones is English; only of others the trigrams are
    /// looked at, which takes ten times as long as everything else.
    pub(crate) fn of(text: &str, normalised: &Normalised, vocabulary: &Vocabulary) -> Self {
        let words = || normalised.words.iter().filter(|word| word.kind == Kind::Plain);
        let known = words().filter(|word| vocabulary.knows(&word.text)).count();
        if known * 10 >= words().count() * 6 && known > 0 {
            return Self::English;
        }
        let start = text.char_indices().nth(LOOKED_AT).map_or(text.len(), |(at, _)| at);
        let Some(info) = whatlang::detect(text.get(..start).unwrap_or_default()) else {
            return Self::Unknown;
        };
        let code = info.lang().code();
        match code {
            "eng" => Self::English,
            _ if !info.is_reliable() && info.script() == whatlang::Script::Latin => Self::Unknown,
            "deu" | "por" | "cmn" | "kor" => Self::Partial(code),
            _ => Self::Unsupported(code),
        }
    }

    /// ISO 639-3 code; `und` when unknown.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "eng",
            Self::Partial(code) | Self::Unsupported(code) => code,
            Self::Unknown => "und",
        }
    }

    /// Whether scores for hate and threats may lead to a removal or a hold.
    pub const fn is_supported(self) -> bool {
        matches!(self, Self::English | Self::Unknown)
    }
}
