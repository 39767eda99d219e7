//! A noisy channel (Shannon 1948; Kernighan, Church and Gale 1990): the word that somebody most likely meant to be read.

use std::cmp::Reverse;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    abstraction::Classes,
    normalise::{Kind, Word},
};

/// Words of fewer letters are not corrected: too many words are one letter apart.
const SHORTEST: usize = 4;

/// Longer ones are not words.
const LONGEST: usize = 20;

/// Longer ones are not words that somebody wrote without spaces, but noise.
const LONGEST_GLUED: usize = 40;

/// Words seen fewer than some hundred times (16 × ln 100) may be another in disguise.
const RARE: u8 = 74;

/// Words of two letters must be as common as `is` and `to` to be taken for words.
const VERY_COMMON: u8 = 140;

/// Words of English with how common they are, as the logarithm of their count, and an index of their deletions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vocabulary {
    words: Vec<Box<str>>,
    /// Natural logarithm of the count, times 16.
    weight: Vec<u8>,
    known: FxHashMap<Box<str>, u32>,
    /// Words by each form that they have with one letter missing (Garbe's symmetric deletion).
    shortened: FxHashMap<u64, Vec<u32>>,
    /// Words by length, first and last letter: candidates for wildcards.
    shaped: FxHashMap<(u8, u8, u8), Vec<u32>>,
    /// The harsh words by what is left of them without vowels.
    bare: FxHashMap<Vec<u8>, Vec<Box<str>>>,
    /// The harsh words.
    harsh: FxHashSet<Box<str>>,
}

impl Vocabulary {
    /// A vocabulary of words and their weights; `classes` say which words people hide.
    pub(crate) fn new(entries: Vec<(Box<str>, u8)>, classes: &Classes) -> Self {
        let mut vocabulary = Self::default();
        for word in classes.harsh().filter(|word| word.len() >= 3 && word.is_ascii()) {
            let bare = skeleton(word);
            if bare.len() >= 2 {
                vocabulary.bare.entry(bare).or_default().push(word.into());
            }
            vocabulary.harsh.insert(word.into());
        }
        for words in vocabulary.bare.values_mut() {
            words.sort();
        }
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

    /// Whether it is a word.
    pub(crate) fn knows(&self, word: &str) -> bool {
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
            .max_by_key(|at| (self.weight_of(**at), Reverse(**at)))?;
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

    /// What a word reads as with letters for digits and signs, or with a stretched letter as two: a harsh word if there is
    /// one, else the most common of the word and its readings.
    pub(crate) fn decode<'a>(&self, word: &'a Word) -> Option<&'a str> {
        if word.kind != Kind::Plain || word.readings.is_empty() {
            return None;
        }
        let readings = || word.readings.iter().map(|reading| &**reading);
        if let Some(harsh) = readings().find(|reading| self.harsh.contains(*reading)) {
            return Some(harsh);
        }
        let weight = |text: &str| self.known.get(text).map_or(0, |at| self.weight_of(*at));
        let own = weight(&word.text);
        let best = readings().filter(|reading| reading.len() >= 3).max_by_key(|one| weight(one))?;
        (weight(best) > own.max(COMMON)).then_some(best)
    }

    /// The harsh word of which an unknown or rare word has all consonants in order, and at most one letter more or less.
    pub(crate) fn veiled(&self, word: &Word) -> Option<&str> {
        let text = &*word.text;
        let weight = self.known.get(text).map_or(0, |at| self.weight_of(*at));
        if word.kind != Kind::Plain
            || !(3..=LONGEST).contains(&text.len())
            || weight >= RARE
            || weight > 0 && !self.harsh.contains(text)
            || !text.bytes().all(|letter| letter.is_ascii_lowercase())
        {
            return None;
        }
        let commonness = |harsh: &str| self.known.get(harsh).map_or(0, |at| self.weight_of(*at));
        let near = |harsh: &&str| is_near(text.as_bytes(), harsh.as_bytes());
        let alike = self.bare.get(&skeleton(text))?.iter().map(|harsh| &**harsh);
        let best = alike.filter(near).max_by_key(|harsh| (commonness(harsh), Reverse(*harsh)))?;
        (commonness(best) > weight).then_some(best)
    }

    /// The known and common words that were written as one; `None` if it is a word, or does not come apart so. The most
    /// probable way (Viterbi 1967), where every word costs something so that few long words go before many short ones.
    pub(crate) fn parts<'a>(&self, word: &'a Word) -> Option<Vec<&'a str>> {
        let text = &*word.text;
        if word.kind != Kind::Plain
            || !(6..=LONGEST_GLUED).contains(&text.len())
            || !text.bytes().all(|letter| letter.is_ascii_lowercase())
            || self.knows(text)
        {
            return None;
        }
        let mut best: [Option<(u32, usize)>; LONGEST_GLUED + 1] = [None; LONGEST_GLUED + 1];
        if let Some(first) = best.first_mut() {
            *first = Some((0, 0));
        }
        for end in 1..=text.len() {
            for start in end.saturating_sub(14)..end {
                let Some((before, _)) = best.get(start).copied().flatten() else { continue };
                let Some(cost) = text.get(start..end).and_then(|part| self.cost(part)) else {
                    continue;
                };
                let cost = before + cost;
                if let Some(place) = best.get_mut(end)
                    && place.is_none_or(|(other, _)| cost < other)
                {
                    *place = Some((cost, start));
                }
            }
        }
        let (cost, _) = best.get(text.len()).copied().flatten()?;
        let mut parts = Vec::new();
        let mut end = text.len();
        while end > 0 {
            let (_, start) = best.get(end).copied().flatten()?;
            parts.push(text.get(start..end)?);
            end = start;
        }
        parts.reverse();
        // Many short words are found in anything.
        let letters = u32::try_from(text.len()).ok()?;
        (parts.len() >= 2 && cost <= letters * 48).then_some(parts)
    }

    fn cost(&self, part: &str) -> Option<u32> {
        let weight = self.weight_of(*self.known.get(part)?);
        let least = match part.len() {
            0 | 1 => return None,
            2 => VERY_COMMON,
            3 => COMMON + 32,
            _ => COMMON,
        };
        (weight >= least).then(|| 40 + u32::from(u8::MAX - weight))
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

/// A word without its vowels and doubled letters, `c` and `q` written as `k` and `z` as `s`: what is left when vowels are
/// changed or left out, or letters doubled.
pub(crate) fn skeleton(word: &str) -> Vec<u8> {
    let mut bare: Vec<u8> = word
        .bytes()
        .enumerate()
        .filter(|(at, letter)| {
            *at == 0 || !matches!(letter, b'a' | b'e' | b'i' | b'o' | b'u' | b'y' | b'*' | b'#')
        })
        .map(|(_, letter)| match letter {
            b'c' | b'q' => b'k',
            b'z' => b's',
            other => other,
        })
        .collect();
    bare.dedup();
    bare
}

fn shape(word: &[u8]) -> Option<(u8, u8, u8)> {
    let (first, last) = (*word.first()?, *word.last()?);
    Some((u8::try_from(word.len()).ok()?, first, last))
}

/// Whether one edit makes one word of the other.
fn is_near(one: &[u8], two: &[u8]) -> bool {
    let (short, long) = if one.len() < two.len() { (one, two) } else { (two, one) };
    match long.len() - short.len() {
        0 => is_one_edit(one, two),
        1 => {
            let same = short.iter().zip(long).take_while(|(a, b)| a == b).count();
            short.get(same..) == long.get(same + 1..)
        }
        _ => false,
    }
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
        let vocabulary =
            Vocabulary::new(words.map(|word| (word.into(), 80)).to_vec(), &Classes::default());
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

        assert_eq!(
            Vocabulary::new(words, &Classes::default()).parts(&normalised.words[0]),
            Some(vec!["garden", "window"])
        );
    }
}
