//! Fills in words of the lexicon that were written with stars: `id*ot`.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The single words of the lexicon by length, mildest rule first.
pub(super) struct MaskedWords {
    by_length: BTreeMap<usize, Vec<String>>,
}

impl MaskedWords {
    /// Takes words with the weight of their rule.
    pub(super) fn new<'a>(words: impl Iterator<Item = (&'a str, u8)>) -> Self {
        let mut words: Vec<(u8, &str)> = words
            .filter(|(word, _)| word.is_ascii())
            .map(|(word, weight)| (weight, word))
            .collect();
        words.sort_unstable();
        let mut by_length: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (_, word) in words {
            by_length.entry(word.len()).or_default().push(word.to_owned());
        }
        Self { by_length }
    }

    /// The text with masked words filled in, byte for byte as long. Where several words fit, the mildest is meant.
    pub(super) fn fill_in<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !text.contains('*') {
            return Cow::Borrowed(text);
        }
        let mut filled = String::with_capacity(text.len());
        for token in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '*') {
            let body = token.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '*');
            let rest = token.get(body.len()..).unwrap_or_default();
            filled.push_str(self.meant(body).unwrap_or(body));
            filled.push_str(rest);
        }
        Cow::Owned(filled)
    }

    /// Two letters at least must show, the first among them; `f***` can be anything.
    fn meant(&self, token: &str) -> Option<&str> {
        let letters = token.chars().filter(char::is_ascii_alphabetic).count();
        if letters < 2
            || !token.contains('*')
            || !token.starts_with(|c: char| c.is_ascii_alphabetic())
        {
            return None;
        }
        let fits = |word: &&String| {
            word.bytes().zip(token.bytes()).all(|(meant, shown)| shown == b'*' || shown == meant)
        };
        self.by_length.get(&token.len())?.iter().find(fits).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_inside_a_known_word_are_filled_in() {
        let words = MaskedWords::new([("idiot", 30), ("idiom", 40)].into_iter());

        assert_eq!(
            words.fill_in("an id**t, *idiot* and i***t; é 2*3 i****"),
            "an idiot, *idiot* and idiot; é 2*3 i****"
        );
    }
}
