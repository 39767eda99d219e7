//! A noisy channel (Shannon 1948; Kernighan, Church and Gale 1990): the word that somebody most likely meant to be read.

use std::collections::HashMap;

use crate::normalise::{Kind, Word};

/// Words of fewer letters are not corrected: too many words are one letter apart.
const SHORTEST: usize = 4;

/// Longer ones are not words.
const LONGEST: usize = 20;

/// Words of English with how common they are, as the logarithm of their count, and an index of their deletions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vocabulary {
    words: Vec<Box<str>>,
    /// Natural logarithm of the count, times 16.
    weight: Vec<u8>,
    known: HashMap<Box<str>, u32>,
    /// Words by each form that they have with one letter missing (Garbe's symmetric deletion).
    shortened: HashMap<u64, Vec<u32>>,
    /// Words by length, first and last letter: candidates for wildcards.
    shaped: HashMap<(u8, u8, u8), Vec<u32>>,
}

impl Vocabulary {
    /// A vocabulary of words and their weights.
    pub(crate) fn new(entries: Vec<(Box<str>, u8)>) -> Self {
        let mut vocabulary = Self::default();
        for (word, weight) in entries {
            let at = u32::try_from(vocabulary.words.len()).unwrap_or(u32::MAX);
            if word.len() >= SHORTEST && word.is_ascii() {
                for shorter in deletions(word.as_bytes()) {
                    vocabulary.shortened.entry(shorter).or_default().push(at);
                }
            }
            if let Some(shape) = shape(word.as_bytes()) {
                vocabulary.shaped.entry(shape).or_default().push(at);
            }
            vocabulary.known.insert(word.clone(), at);
            vocabulary.words.push(word);
            vocabulary.weight.push(weight);
        }
        vocabulary
    }

    /// All words with their weights, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, u8)> {
        self.words.iter().map(|word| &**word).zip(self.weight.iter().copied())
    }

    fn knows(&self, word: &str) -> bool {
        self.known.contains_key(word)
    }

    /// What a word was most likely meant to be; `None` if it is a word, or nothing is near enough.
    pub(crate) fn correct(&self, word: &Word) -> Option<&str> {
        let text = &*word.text;
        if word.kind != Kind::Plain || !text.is_ascii() || text.len() > LONGEST {
            return None;
        }
        if text.contains('*') {
            return self.fill(text);
        }
        if text.len() < SHORTEST
            || self.knows(text)
            || !text.bytes().all(|letter| letter.is_ascii_lowercase())
        {
            return None;
        }
        self.near(text.as_bytes())
    }

    /// The most common word with letters in place of `*`.
    fn fill(&self, text: &str) -> Option<&str> {
        let pattern = text.as_bytes();
        let letters = pattern.iter().filter(|letter| letter.is_ascii_alphabetic()).count();
        if letters * 2 < pattern.len() || letters < 2 {
            return None;
        }
        let candidates = self.shaped.get(&shape(pattern)?)?;
        let fits = |at: &&u32| {
            let word = self.word(**at).as_bytes();
            word.iter().zip(pattern).all(|(letter, sign)| *sign == b'*' || letter == sign)
        };
        let best = candidates
            .iter()
            .filter(fits)
            .max_by_key(|at| (self.weight_of(**at), std::cmp::Reverse(**at)))?;
        Some(self.word(*best))
    }

    /// The most common word at one edit: a letter left out, put in, changed, or two exchanged (Damerau).
    fn near(&self, text: &[u8]) -> Option<&str> {
        let mut best: Option<(u8, u32)> = None;
        let mut consider = |at: u32| {
            let weight = self.weight_of(at);
            if weight >= COMMON
                && best
                    .is_none_or(|(other, before)| weight > other || weight == other && at < before)
            {
                best = Some((weight, at));
            }
        };
        // The text itself as a shortened word: a letter was left out.
        for at in self.shortened.get(&hash(text, usize::MAX)).into_iter().flatten() {
            consider(*at);
        }
        for without in 0..text.len() {
            let shorter = hash(text, without);
            // A letter was put in.
            let plain: Vec<u8> = text
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != without)
                .map(|(_, letter)| *letter)
                .collect();
            if plain.len() >= SHORTEST
                && let Ok(plain) = std::str::from_utf8(&plain)
                && let Some(at) = self.known.get(plain)
            {
                consider(*at);
            }
            // A letter was changed, or two exchanged.
            for at in self.shortened.get(&shorter).into_iter().flatten() {
                if is_one_edit(text, self.word(*at).as_bytes()) {
                    consider(*at);
                }
            }
        }
        best.map(|(_, at)| self.word(at))
    }

    /// Two known words that were written as one, if both are common; the byte where the second begins.
    pub(crate) fn break_at(&self, word: &Word) -> Option<usize> {
        let text = &*word.text;
        if word.kind != Kind::Plain
            || !text.is_ascii()
            || !(7..=LONGEST).contains(&text.len())
            || self.knows(text)
        {
            return None;
        }
        let common = |part: &str| {
            part.len() >= 3 && self.known.get(part).is_some_and(|at| self.weight_of(*at) >= COMMON)
        };
        let breaks = (3..text.len().saturating_sub(2)).filter(|at| {
            let (one, two) = text.split_at(*at);
            common(one) && common(two)
        });
        breaks.max_by_key(|at| {
            let (one, two) = text.split_at(*at);
            let weight =
                |part: &str| self.known.get(part).map_or(0, |at| u32::from(self.weight_of(*at)));
            (weight(one) + weight(two), std::cmp::Reverse(*at))
        })
    }

    fn word(&self, at: u32) -> &str {
        self.words.get(at as usize).map_or("", |word| word)
    }

    fn weight_of(&self, at: u32) -> u8 {
        self.weight.get(at as usize).copied().unwrap_or(0)
    }
}

/// A correction must lead to a word that was seen some twenty times (16 × ln 20).
const COMMON: u8 = 48;

/// Hash of a word without the letter at one place.
fn hash(word: &[u8], without: usize) -> u64 {
    let letters = word.iter().enumerate().filter(|(at, _)| *at != without);
    letters.fold(0xcbf2_9ce4_8422_2325, |hash: u64, (_, letter)| {
        (hash ^ u64::from(*letter)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn deletions(word: &[u8]) -> Vec<u64> {
    let mut all: Vec<u64> = (0..word.len()).map(|without| hash(word, without)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn shape(word: &[u8]) -> Option<(u8, u8, u8)> {
    let (first, last) = (*word.first()?, *word.last()?);
    Some((u8::try_from(word.len()).ok()?, first, last))
}

/// Whether two words of the same length differ in one letter or in the order of two neighbours.
fn is_one_edit(one: &[u8], two: &[u8]) -> bool {
    if one.len() != two.len() {
        return false;
    }
    let different: Vec<usize> = one
        .iter()
        .zip(two)
        .enumerate()
        .filter(|(_, (a, b))| a != b)
        .map(|(at, _)| at)
        .take(3)
        .collect();
    match *different {
        [_] => true,
        [a, b] => b == a + 1 && one.get(a) == two.get(b) && one.get(b) == two.get(a),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::normalise;

    fn corrected(text: &str) -> Option<String> {
        let words = ["garden", "window", "winter", "friend", "paper"];
        let vocabulary = Vocabulary::new(words.map(|word| (word.into(), 80)).to_vec());
        let normalised = normalise(text);
        vocabulary.correct(normalised.words.first()?).map(str::to_owned)
    }

    #[test]
    fn one_edit_is_undone() {
        for written in ["gardn", "gardeen", "gorden", "gadren", "g*rden", "ga**en"] {
            assert_eq!(corrected(written).as_deref(), Some("garden"), "{written}");
        }
    }

    #[test]
    fn words_names_links_and_what_is_too_far_stay() {
        for written in ["winter", "#gardn", "@gardn", "gdn", "grdn", "gardn.com", "******"] {
            assert_eq!(corrected(written), None, "{written}");
        }
    }

    #[test]
    fn glued_words_are_parted() {
        let words = ["garden", "window"].map(|word| (word.into(), 80)).to_vec();
        let normalised = normalise("gardenwindow");

        assert_eq!(Vocabulary::new(words).break_at(&normalised.words[0]), Some(6));
    }
}
