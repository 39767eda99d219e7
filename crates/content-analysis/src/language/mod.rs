//! Which language a text is in, as far as that matters for scoring.
//!
//! Three looks, the cheap ones first. Words of the model's vocabulary tell English. The script and a few letters tell most
//! other writing. In Latin letters the small words tell. Only what is left is given to trigrams (whatlang), which
//! take ten times as long as everything else together.

mod words;

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use crate::{
    correct::Vocabulary,
    normalise::{Kind, Normalised},
};

/// Characters whose trigrams tell a language.
const LOOKED_AT: usize = 120;

/// Words that tell a language by being common in it; more of a text say no more.
const WORDS_LOOKED_AT: usize = 40;

/// Small words of a language that make a text one of that language, and the share of its words that they must be, in percent.
const SMALL_WORDS: u32 = 2;
const SMALL_WORDS_PERCENT: usize = 15;

/// Fewer letters than these tell no language.
const LEAST_LETTERS: u32 = 12;

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
    /// The language of a text. A text of which most words are English ones is English.
    pub(crate) fn of(text: &str, normalised: &Normalised, vocabulary: &Vocabulary) -> Self {
        let words = || normalised.words.iter().filter(|word| word.kind == Kind::Plain);
        let known = words().filter(|word| vocabulary.knows(&word.text)).count();
        if known * 10 >= words().count() * 6 && known > 0 {
            return Self::English;
        }
        by_small_words(words().map(|word| &*word.text)).unwrap_or_else(|| match Writing::of(text) {
            Writing::Latin if normalised.letters < LEAST_LETTERS => Self::Unknown,
            Writing::Cyrillic(code) => Self::named(code),
            Writing::Latin | Writing::Other => Self::by_trigrams(text),
        })
    }

    fn by_trigrams(text: &str) -> Self {
        let start = text.char_indices().nth(LOOKED_AT).map_or(text.len(), |(at, _)| at);
        let Some(info) = whatlang::detect(text.get(..start).unwrap_or_default()) else {
            return Self::Unknown;
        };
        if !info.is_reliable() && info.script() == whatlang::Script::Latin {
            return Self::Unknown;
        }
        Self::named(info.lang().code())
    }

    /// What the model can do for the language of an ISO 639-3 code.
    fn named(code: &'static str) -> Self {
        match code {
            "eng" => Self::English,
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

/// The language whose small words are the most common ones in a text, if they are common enough to tell.
fn by_small_words<'a>(words: impl Iterator<Item = &'a str>) -> Option<Language> {
    let lists = lists();
    let (mut hits, mut count) = ([0_u32; words::LATIN.len()], 0_usize);
    for word in words.take(WORDS_LOOKED_AT) {
        count += 1;
        let Some(languages) = lists.get(word) else { continue };
        for (at, hits) in hits.iter_mut().enumerate() {
            *hits += (languages >> at) & 1;
        }
    }
    let most = hits.iter().copied().max().unwrap_or(0);
    // English is the first of the lists: half of a text in English is enough to read it as such. Of two relatives either will do.
    let (_, (code, _)) = hits.iter().zip(words::LATIN).find(|(hits, _)| **hits == most)?;
    let enough = most >= SMALL_WORDS && most as usize * 100 >= count * SMALL_WORDS_PERCENT;
    enough.then(|| Language::named(code))
}

/// For each small word the languages it stands with, one bit each.
fn lists() -> &'static FxHashMap<&'static str, u32> {
    static LISTS: OnceLock<FxHashMap<&'static str, u32>> = OnceLock::new();
    LISTS.get_or_init(|| {
        let mut lists = FxHashMap::default();
        for (at, (_, words)) in words::LATIN.into_iter().enumerate() {
            for word in words.split_whitespace() {
                *lists.entry(word).or_insert(0) |= 1 << at;
            }
        }
        lists
    })
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    /// Mostly in Latin letters, or in none.
    Latin,
    /// Mostly in Cyrillic letters, and the language that its letters tell.
    Cyrillic(&'static str),
    /// Mostly in others.
    Other,
}

impl Writing {
    fn of(text: &str) -> Self {
        let (mut latin, mut cyrillic, mut other) = (0_u32, 0_u32, 0_u32);
        // Letters that Russian lacks, and those that only Russian and Belarusian have.
        let (mut code, mut russian) = (None, false);
        for letter in text.chars().take(LOOKED_AT).filter(|letter| letter.is_alphabetic()) {
            match letter {
                'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' => latin += 1,
                '\u{400}'..='\u{52f}' => cyrillic += 1,
                _ => other += 1,
            }
            match letter {
                'ў' | 'Ў' => code = Some("bel"),
                'і' | 'ї' | 'є' | 'ґ' | 'І' | 'Ї' | 'Є' | 'Ґ' if code != Some("bel") => {
                    code = Some("ukr");
                }
                'ѓ' | 'ќ' | 'ѕ' => code = Some("mkd"),
                'ђ' | 'ћ' | 'ј' | 'љ' | 'њ' | 'џ' if code != Some("mkd") => {
                    code = Some("srp");
                }
                'ы' | 'э' | 'ё' | 'Ы' | 'Э' | 'Ё' => russian = true,
                _ => (),
            }
        }
        match latin.max(cyrillic).max(other) {
            most if most == latin => Self::Latin,
            most if most == cyrillic => match (code, russian) {
                (Some(code), _) => Self::Cyrillic(code),
                (None, true) => Self::Cyrillic("rus"),
                // Bulgarian or short Russian: trigrams know better.
                (None, false) => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::normalise;

    fn small_words(text: &str) -> Option<&'static str> {
        let normalised = normalise(text);
        let words = normalised.words.iter().filter(|word| word.kind == Kind::Plain);
        by_small_words(words.map(|word| &*word.text)).map(Language::code)
    }

    #[test]
    fn small_words_tell_languages_in_latin_letters() {
        assert_eq!(
            small_words("Das Wetter war heute wirklich schön, wir waren am See."),
            Some("deu")
        );
        assert_eq!(small_words("Eu não sei o que fazer com isso, mas já foi"), Some("por"));
        assert_eq!(small_words("No sé qué hacer con esto, pero ya está"), Some("spa"));
        assert_eq!(small_words("Je ne sais pas ce que nous allons faire"), Some("fra"));
        assert_eq!(small_words("Nie wiem, co z tym zrobić, ale już jest"), Some("pol"));
        assert_eq!(small_words("saya tidak tahu apa yang akan terjadi"), Some("ind"));
    }

    #[test]
    fn names_and_misspelt_words_tell_no_language() {
        assert_eq!(small_words("Anna Müller Berlin"), None);
        assert_eq!(small_words("kitchn finshed lamps"), None);
        assert_eq!(small_words(""), None);
    }

    #[test]
    fn letters_tell_languages_in_cyrillic_ones() {
        assert_eq!(Writing::of("Мы были вчера в парке"), Writing::Cyrillic("rus"));
        assert_eq!(
            Writing::of("Ми були вчора в парку, і це було дуже добре"),
            Writing::Cyrillic("ukr")
        );
        assert_eq!(Writing::of("Учора мы былі ў парку"), Writing::Cyrillic("bel"));
        assert_eq!(Writing::of("12:30 🎉"), Writing::Latin);
        assert_eq!(Writing::of("昨日は公園に行きました"), Writing::Other);
    }
}
