//! Finds phrases as whole words in a normalised text.

use std::cmp::Reverse;

use aho_corasick::{AhoCorasick, BuildError};

use super::phrase::{Spelling, spellings};
use crate::normalise::Normalised;

/// Short words that a writer sets apart letter by letter together with the word meant: `u r a i d i o t`.
const LEADING_WORDS: [&str; 10] = ["you", "are", "such", "the", "an", "ur", "a", "i", "r", "u"];

/// Whose phrase it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A harmless phrase.
    Allowed,
    /// The rule at this place of the file.
    Rule(usize),
    /// Words that report what others say.
    Reporting,
    /// Words that mark a joke.
    Joking,
}

/// A phrase to look for.
#[derive(Clone, Debug)]
pub(super) struct Phrase {
    pub(super) owner: Owner,
    pub(super) text: String,
}

impl Phrase {
    /// One word, which another language may have with another meaning.
    pub(super) fn is_single_word(&self) -> bool {
        !self.text.contains(' ')
    }
}

/// A phrase in the normalised text, by bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) owner: Owner,
    /// Place of the phrase.
    pub(super) phrase: usize,
}

/// All phrases in all spellings.
pub(super) struct Matcher {
    automaton: AhoCorasick,
    /// One per pattern of the automaton.
    patterns: Vec<(Spelling, usize)>,
    phrases: Vec<Phrase>,
}

impl Matcher {
    /// Compiles the phrases.
    ///
    /// # Errors
    /// When they are too many for the automaton.
    pub(super) fn new(phrases: Vec<Phrase>) -> Result<Self, BuildError> {
        let spelled = |(place, phrase): (usize, &Phrase)| {
            spellings(&phrase.text).into_iter().map(move |s| (s, place))
        };
        let patterns: Vec<_> = phrases.iter().enumerate().flat_map(spelled).collect();
        let automaton = AhoCorasick::new(patterns.iter().map(|(spelling, _)| &spelling.text))?;
        Ok(Self { automaton, patterns, phrases })
    }

    /// The phrase at a place.
    pub(super) fn phrase(&self, place: usize) -> Option<&Phrase> {
        self.phrases.get(place)
    }

    /// The phrases of rules that are single words, with the place of the rule.
    pub(super) fn single_words(&self) -> impl Iterator<Item = (&str, usize)> {
        self.phrases.iter().filter(|phrase| phrase.is_single_word()).filter_map(|phrase| {
            match phrase.owner {
                Owner::Rule(rule) => Some((phrase.text.as_str(), rule)),
                Owner::Allowed | Owner::Reporting | Owner::Joking => None,
            }
        })
    }

    /// Every whole-word match in `text`, by start; `text` has the bytes of `normalised` with masked letters filled in.
    pub(super) fn find(&self, text: &str, normalised: &Normalised) -> Vec<Match> {
        let mut matches: Vec<Match> = self
            .automaton
            .find_overlapping_iter(text)
            .filter_map(|found| {
                let (spelling, phrase) = self.patterns.get(found.pattern().as_usize())?;
                let whole =
                    ends_word(text, found.end()) && starts_word(text, found.start(), normalised);
                let stretched =
                    spelling.stretched.iter().all(|at| normalised.is_stretched(found.start() + at));
                let owner = self.phrases.get(*phrase)?.owner;
                (whole && stretched).then_some(Match {
                    start: found.start(),
                    end: found.end(),
                    owner,
                    phrase: *phrase,
                })
            })
            .collect();
        matches.sort_by_key(|m| (m.start, Reverse(m.end), m.owner, m.phrase));
        matches.dedup();
        matches
    }
}

/// Drops what lies inside a longer match or a harmless phrase: the longer one says it better.
pub(super) fn outermost(matches: Vec<Match>) -> Vec<Match> {
    let mut cover: Option<Match> = None;
    matches
        .into_iter()
        .filter(|m| match (cover, m.owner) {
            (_, Owner::Reporting | Owner::Joking) => false,
            (Some(outer), _) if m.end <= outer.end => {
                (outer.start, outer.end) == (m.start, m.end) && outer.owner != Owner::Allowed
            }
            (_, Owner::Allowed | Owner::Rule(_)) => {
                cover = Some(*m);
                true
            }
        })
        .collect()
}

fn ends_word(text: &str, at: usize) -> bool {
    !text.get(at..).is_some_and(|rest| rest.starts_with(char::is_alphanumeric))
}

fn starts_word(text: &str, at: usize, normalised: &Normalised) -> bool {
    let inside = text.get(..at).is_some_and(|before| before.ends_with(char::is_alphanumeric));
    !inside || normalised.joined_before(at).is_some_and(is_leading_words)
}

fn is_leading_words(before: &str) -> bool {
    before.is_empty()
        || LEADING_WORDS.iter().any(|word| before.strip_prefix(word).is_some_and(is_leading_words))
}
