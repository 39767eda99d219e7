//! From words to hashed features. The functions here are part of the model's format: a change of any of them is a new
//! [`VERSION`], and a model of another version is refused.

use std::ops::Range;

use crate::{
    abstraction::{Class, Classes},
    correct::{Vocabulary, skeleton},
    normalise::{Kind, Normalised},
    phrases::{self, Act},
};

/// The version of normalisation, classes and features together.
pub(crate) const VERSION: u32 = 2;

/// Two tables of weights, each with an L2 norm and a scale of its own.
pub(crate) const BLOCKS: usize = 2;

/// Bits of an index into a table.
pub(crate) const BITS: u32 = 20;

/// A word in the form in which features see it, and the bytes of the original text that it came from.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) origin: Range<usize>,
    kind: Kind,
    class: Option<Class>,
}

/// Corrects and classifies the words of a text; also returns how many words were corrected.
pub(crate) fn tokens(
    normalised: &Normalised,
    vocabulary: Option<&Vocabulary>,
    classes: &Classes,
) -> (Vec<Token>, u32) {
    let mut tokens = Vec::with_capacity(normalised.words.len() + 4);
    let mut corrected = 0;
    for word in &normalised.words {
        let token = |text: &str| Token {
            text: text.to_owned(),
            origin: word.origin(),
            kind: word.kind,
            class: classes.of(text.trim_start_matches('#')),
        };
        let known = classes.of(&word.text).is_some();
        let decoded = vocabulary
            .and_then(|vocabulary| vocabulary.decode(word).or_else(|| vocabulary.veiled(word)));
        let vocabulary = vocabulary.filter(|_| !known);
        if let Some(meant) = decoded {
            corrected += 1;
            tokens.push(token(meant));
        } else if let Some(meant) = vocabulary.and_then(|vocabulary| vocabulary.correct(word)) {
            corrected += 1;
            tokens.push(token(meant));
        } else if let Some(parts) = vocabulary.and_then(|vocabulary| vocabulary.parts(word)) {
            corrected += 1;
            tokens.extend(parts.into_iter().map(token));
        } else {
            tokens.push(token(&word.text));
        }
    }
    (tokens, corrected)
}

/// A feature: its table, its row, and the tokens it was made of.
pub(crate) struct Feature {
    pub(crate) block: usize,
    pub(crate) index: u32,
    pub(crate) tokens: Range<usize>,
}

/// Calls `visit` with every feature of a text, some of them more than once.
pub(crate) fn visit(normalised: &Normalised, tokens: &[Token], mut visit: impl FnMut(Feature)) {
    let mut bytes = Vec::with_capacity(32);
    for (at, token) in tokens.iter().enumerate() {
        characters(token, &mut bytes, |index| {
            visit(Feature { block: 0, index, tokens: at..at + 1 });
        });
    }
    let mut give = |index, tokens| visit(Feature { block: 1, index, tokens });
    let hashes: Vec<u64> = tokens.iter().map(|token| hash(b'w', token.text.as_bytes())).collect();
    for (at, (token, word)) in tokens.iter().zip(&hashes).enumerate() {
        give(row(*word), at..at + 1);
        if let Some(next) = hashes.get(at + 1) {
            give(row(pair(*word, *next, 2)), at..at + 2);
        }
        if matches!(token.kind, Kind::Plain | Kind::Topic)
            && token.text.is_ascii()
            && token.text.len() > 3
        {
            give(row(hash(b's', &skeleton(&token.text))), at..at + 1);
        }
    }
    abstractions(tokens, &hashes, &mut give);
    figures(normalised, tokens, |name, value| {
        give(row(pair(hash(b'f', name.as_bytes()), u64::from(value), 1)), 0..0);
    });
}

/// Groups of 2 to 5 characters inside a word and its ends.
fn characters(token: &Token, bytes: &mut Vec<u8>, mut give: impl FnMut(u32)) {
    let token = token.text.trim_matches('*');
    bytes.clear();
    bytes.push(b'^');
    bytes.extend_from_slice(token.as_bytes());
    bytes.push(b'$');
    // Where one character is as good as a word.
    let has_single = bytes.len() > 3 && !token.is_ascii();
    let starts = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xc0 != 0x80);
    for start in (0..bytes.len()).filter(|at| starts(*at)) {
        let mut state = SEED ^ u64::from(b'c');
        let mut length = 0;
        for at in start..bytes.len() {
            state = (state ^ u64::from(bytes.get(at).copied().unwrap_or(0))).wrapping_mul(PRIME);
            if at + 1 == bytes.len() || starts(at + 1) {
                length += 1;
                if length >= 2 || has_single {
                    give(row(state));
                }
                if length == 5 {
                    break;
                }
            }
        }
    }
}

/// Groups of 1 to 4 neighbours, and pairs with one or two words between, in which at least one word shows as its class.
fn abstractions(tokens: &[Token], hashes: &[u64], give: &mut impl FnMut(u32, Range<usize>)) {
    let forms: Vec<(u64, bool)> = tokens
        .iter()
        .zip(hashes)
        .map(|(token, hash)| token.class.map_or((*hash, false), |class| (class_hash(class), true)))
        .collect();
    for from in 0..forms.len() {
        let mut state = SEED ^ u64::from(b'a');
        let mut has_class = false;
        for (length, (form, is_class)) in forms.iter().skip(from).take(4).enumerate() {
            state = pair(state, *form, 3);
            has_class |= is_class;
            if has_class {
                give(row(state), from..from + length + 1);
            }
        }
        for gap in [2, 3] {
            if let (Some((one, first)), Some((two, second))) =
                (forms.get(from), forms.get(from + gap))
                && (*first || *second)
            {
                give(row(pair(*one, *two, 4)), from..from + gap + 1);
            }
        }
    }
    // Which classes meet in a text, however far apart.
    let mut met: Vec<Class> = tokens.iter().filter_map(|token| token.class).collect();
    met.sort_unstable();
    met.dedup();
    for (at, one) in met.iter().enumerate() {
        for two in met.iter().skip(at + 1) {
            give(row(pair(class_hash(*one), class_hash(*two), 5)), 0..0);
        }
    }
}

fn class_hash(class: Class) -> u64 {
    hash(b'k', &[class as u8])
}

/// A few figures about the whole text, each as one of a few ranges.
fn figures(normalised: &Normalised, tokens: &[Token], mut give: impl FnMut(&str, u32)) {
    let of = |kind: Kind| tokens.iter().filter(|token| token.kind == kind).count();
    let range = |count: usize| u32::try_from(count.min(4)).unwrap_or(4);
    let logarithm = |count: usize| usize::BITS - count.leading_zeros();
    give("length", logarithm(tokens.len()));
    give(
        "links",
        range(tokens.iter().filter(|token| token.text == crate::normalise::LINK).count()),
    );
    give("mentions", range(of(Kind::Mention)));
    give("topics", range(of(Kind::Topic)));
    give("pictures", range(of(Kind::Picture)));
    give("marks", logarithm(normalised.marks as usize).min(4));
    give("hidden", logarithm(normalised.hidden as usize).min(4));
    let digits =
        tokens.iter().filter(|token| token.text.bytes().all(|byte| byte.is_ascii_digit())).count();
    give("numbers", range(digits));
    if normalised.letters >= 8 {
        give("capitals", normalised.capitals * 5 / normalised.letters.max(1));
    }
    for class in [
        Class::Group,
        Class::Slur,
        Class::Insult,
        Class::Swear,
        Class::Sexual,
        Class::Second,
        Class::Offer,
    ] {
        let count = tokens.iter().filter(|token| token.class == Some(class)).count();
        if count > 0 {
            give(class_name(class), range(count));
        }
    }
}

const fn class_name(class: Class) -> &'static str {
    match class {
        Class::Group => "group",
        Class::Majority => "majority",
        Class::Slur => "slur",
        Class::Insult => "insult",
        Class::Swear => "swear",
        Class::Sexual => "sexual",
        Class::First => "first",
        Class::Second => "second",
        Class::Third => "third",
        Class::Violence => "violence",
        Class::Death => "death",
        Class::Not => "not",
        Class::Offer => "offer",
        Class::Vermin => "vermin",
        Class::Hating => "hating",
        Class::Liking => "liking",
        Class::Saying => "saying",
        Class::Ought => "ought",
        Class::All => "all",
        Class::Away => "away",
    }
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a (Fowler, Noll, Vo) over a kind and its bytes.
fn hash(kind: u8, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(SEED ^ u64::from(kind), |state, byte| (state ^ u64::from(*byte)).wrapping_mul(PRIME))
}

fn pair(one: u64, two: u64, kind: u64) -> u64 {
    (one.rotate_left(23) ^ two.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(kind)
        .wrapping_mul(PRIME)
}

/// The row of a hash: its bits mixed (the finaliser of `MurmurHash3`), the lowest kept.
#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are what is wanted")]
fn row(mut hash: u64) -> u32 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    (hash as u32) & ((1 << BITS) - 1)
}

/// The distinct features of a text by block, in the order in which they first came.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) blocks: [Vec<u32>; BLOCKS],
    /// Which kinds of phrases the text has.
    pub(crate) acts: [bool; Act::COUNT],
    seen: Vec<u32>,
}

impl Rows {
    /// Reads the features of a text.
    pub(crate) fn read(&mut self, normalised: &Normalised, tokens: &[Token]) {
        // A letter begins four groups of characters at most, and a word some ten features of its own.
        let letters: usize = tokens.iter().map(|token| token.text.len() + 2).sum();
        for (block, most) in self.blocks.iter_mut().zip([letters * 4, tokens.len() * 10]) {
            block.clear();
            block.reserve(most);
        }
        let blocks = &mut self.blocks;
        visit(normalised, tokens, |feature| {
            if let Some(block) = blocks.get_mut(feature.block) {
                block.push(feature.index);
            }
        });
        for block in &mut self.blocks {
            distinct(block, &mut self.seen);
        }
        self.acts = [false; Act::COUNT];
        for (act, _) in phrases::find(tokens) {
            if let Some(is_there) = self.acts.get_mut(act as usize) {
                *is_there = true;
            }
        }
    }
}

/// Removes what came before, keeping the order. `seen` is a hash table with open addressing; 0 is a free place.
fn distinct(rows: &mut Vec<u32>, seen: &mut Vec<u32>) {
    let places = (rows.len() * 2).next_power_of_two().max(16);
    seen.clear();
    seen.resize(places, 0);
    rows.retain(|row| {
        let mut at = (row.wrapping_mul(0x9e37_79b1) as usize >> 7) & (places - 1);
        loop {
            let Some(place) = seen.get_mut(at) else { return true };
            if *place == row + 1 {
                return false;
            }
            if *place == 0 {
                *place = row + 1;
                return true;
            }
            at = (at + 1) & (places - 1);
        }
    });
}
