//! Phrases as the lexicon file writes them, and every spelling they are looked up in.

use std::collections::BTreeSet;

use crate::normalise::Normalised;

/// One line of the file may stand for at most this many phrases.
const MAX_EXPANSIONS: usize = 2_000;
/// Shorter phrases without their spaces could be words of their own.
const MIN_GLUED_LETTERS: usize = 7;
/// Longer phrases are not written as one word.
const MAX_GLUED_WORDS: usize = 3;
/// Doubled letters of a phrase that are looked up single as well, when stretched in the text.
const MAX_DOUBLES: usize = 4;

/// One spelling to look up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spelling {
    /// In normal form.
    pub(super) text: String,
    /// The bytes that count only where the text was stretched, since the phrase has more of that letter.
    pub(super) stretched: Vec<usize>,
}

/// A phrase that the lexicon file writes wrongly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PhraseError {
    #[error("the braces do not match or are nested")]
    Braces,
    #[error("the braces stand for more than {MAX_EXPANSIONS} phrases")]
    TooMany,
    #[error("there is nothing to look for")]
    Empty,
}

/// Every phrase that a line stands for: `{i|we} will` is two.
pub(super) fn expand(line: &str) -> Result<Vec<String>, PhraseError> {
    let mut phrases = vec![String::new()];
    let mut rest = line;
    while let Some((plain, after)) = rest.split_once('{') {
        let (choices, after) = after.split_once('}').ok_or(PhraseError::Braces)?;
        if plain.contains('}') || choices.contains('{') {
            return Err(PhraseError::Braces);
        }
        let choices: Vec<&str> = choices.split('|').collect();
        if phrases.len() * choices.len() > MAX_EXPANSIONS {
            return Err(PhraseError::TooMany);
        }
        phrases = phrases
            .iter()
            .flat_map(|phrase| choices.iter().map(move |choice| format!("{phrase}{plain}{choice}")))
            .collect();
        rest = after;
    }
    if rest.contains('}') {
        return Err(PhraseError::Braces);
    }
    let whole =
        |phrase: String| format!("{phrase}{rest}").split_whitespace().collect::<Vec<_>>().join(" ");
    let phrases: Vec<String> = phrases.into_iter().map(whole).collect();
    if phrases.iter().any(String::is_empty) {
        return Err(PhraseError::Empty);
    }
    Ok(phrases)
}

/// The normal form, also without apostrophes, without spaces, and with stretched letters single.
pub(super) fn spellings(phrase: &str) -> BTreeSet<Spelling> {
    let normal = Normalised::of(phrase, &[]);
    let stretched = (0..normal.text().len()).filter(|at| normal.is_stretched(*at)).collect();
    let whole = Spelling { text: normal.text().to_owned(), stretched };
    let mut spellings = BTreeSet::from([without(&whole, '\''), whole.clone()]);
    let letters = whole.text.chars().filter(char::is_ascii_alphabetic).count();
    let words = whole.text.split(' ').count();
    if letters >= MIN_GLUED_LETTERS && (2..=MAX_GLUED_WORDS).contains(&words) {
        spellings.extend([without(&whole, ' '), without(&without(&whole, ' '), '\'')]);
    }
    spellings.into_iter().flat_map(|spelling| with_single_doubles(&spelling)).collect()
}

fn without(spelling: &Spelling, dropped: char) -> Spelling {
    let before = |at: usize| {
        spelling
            .text
            .char_indices()
            .take_while(|(i, _)| *i < at)
            .filter(|(_, c)| *c == dropped)
            .count()
    };
    let stretched = spelling.stretched.iter().map(|&at| at - before(at)).collect();
    Spelling { text: spelling.text.replace(dropped, ""), stretched }
}

/// The spelling itself, and with each doubled letter in turn written once: `asss` is then found as `ass`, `as` is not.
fn with_single_doubles(spelling: &Spelling) -> Vec<Spelling> {
    let mut spellings = vec![spelling.clone()];
    let bytes = spelling.text.as_bytes();
    let is_double = |pair: &[u8]| matches!(pair, [a, b] if a == b && a.is_ascii_lowercase());
    for (at, _) in
        bytes.windows(2).enumerate().filter(|(_, pair)| is_double(pair)).take(MAX_DOUBLES)
    {
        let mut text = spelling.text.clone();
        text.remove(at);
        let moved =
            spelling.stretched.iter().map(|&place| if place > at { place - 1 } else { place });
        let mut stretched: Vec<usize> = moved.chain([at]).collect();
        stretched.sort_unstable();
        stretched.dedup();
        spellings.push(Spelling { text, stretched });
    }
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_stand_for_every_choice() {
        assert_eq!(
            expand("{i|we} {will |}go").unwrap(),
            ["i will go", "i go", "we will go", "we go"]
        );
    }

    #[test]
    fn wrong_braces_are_refused() {
        assert_eq!(expand("{a|b"), Err(PhraseError::Braces));
        assert_eq!(expand("a}"), Err(PhraseError::Braces));
        assert_eq!(expand("{a{b}}"), Err(PhraseError::Braces));
        assert_eq!(expand("{|}"), Err(PhraseError::Empty));
        assert_eq!(expand(&"{a|b}".repeat(12)), Err(PhraseError::TooMany));
    }

    #[test]
    fn a_doubled_letter_may_be_single_only_where_it_was_stretched() {
        let spellings = spellings("ass");

        assert!(spellings.contains(&Spelling { text: "ass".to_owned(), stretched: vec![] }));
        assert!(spellings.contains(&Spelling { text: "as".to_owned(), stretched: vec![1] }));
    }

    #[test]
    fn phrases_are_also_looked_up_as_one_word() {
        let texts: Vec<String> =
            spellings("you're trash").into_iter().map(|spelling| spelling.text).collect();

        assert_eq!(texts, ["you're trash", "you'retrash", "youre trash", "youretrash"]);
    }
}
