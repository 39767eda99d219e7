//! Normalisation: the same text, however it is dressed up, with a way back to where each letter stood.

mod characters;
mod confusables;
mod tokens;

use std::ops::Range;

pub(crate) use tokens::LINK;
pub use tokens::{Kind, Word};

/// A text in the form in which it is scored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Normalised {
    /// The words in order, each with where it stood.
    pub words: Vec<Word>,
    /// How many characters were changed in ways that hide words: invisible ones, look-alikes, digits for letters, stretched or
    /// spaced letters. Changes of case and of width do not count.
    pub hidden: u32,
    /// How many letters the text has, and how many of them were capitals.
    pub letters: u32,
    /// See [`Self::letters`].
    pub capitals: u32,
    /// Exclamation and question marks.
    pub marks: u32,
}

/// A character of the normalised text and the bytes of the original that it stands for.
#[derive(Clone, Copy, Debug)]
struct Cell {
    character: char,
    start: u32,
    end: u32,
}

/// Normalises a text. Every word's [`Word::origin`] is a range of bytes of `text` on character boundaries; words come in the
/// order of their origins. Only the parts of a link, and words out of one character such as a fraction, share bytes. Takes time linear in the length of `text`, of which the first 2^32 bytes count.
pub fn normalise(text: &str) -> Normalised {
    let mut normalised = Normalised::default();
    let mut cells = Vec::with_capacity(text.len());
    characters::read(text, &mut cells, &mut normalised);
    tokens::split(&cells, &mut normalised);
    normalised
}

/// The part of `text` that a range of bytes covers; empty if the range does not fit the text.
pub fn part(text: &str, range: Range<usize>) -> &str {
    text.get(range).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let words: Vec<String> = normalise(text).words.into_iter().map(|word| word.text).collect();
        words.join(" ")
    }

    #[test]
    fn dress_is_taken_off() {
        assert_eq!(words("ＨＥＬＬＯ Wörld"), "hello world");
        assert_eq!(words("h\u{200b}e\u{ad}llo"), "hello");
        assert_eq!(words("𝓱𝓮𝓵𝓵𝓸"), "hello");
        assert_eq!(words("h.e.l.l.o h e l l o"), "hello hello");
        assert_eq!(words("hellooooo"), "hello");
        assert_eq!(words("h3ll0 w0rld"), "hello world");
        assert_eq!(words("b@dly $imple"), "badly simple");
        assert_eq!(words("wh*t"), "wh*t");
    }

    #[test]
    fn look_alikes_are_folded_where_they_hide_and_left_where_they_belong() {
        assert_eq!(words("hеllо"), "hello", "two Cyrillic letters among Latin ones");
        assert_eq!(words("как дела"), "как дела");
        assert_eq!(words("това е текст"), "това е текст");
    }

    #[test]
    fn numbers_units_and_prices_stay() {
        assert_eq!(words("10k 3am 5th $20 4x4 1984 h264"), "10k 3am 5th 20 4x4 1984 h264");
    }

    #[test]
    fn links_and_mentions_become_words_of_their_own() {
        assert_eq!(
            words("see https://www.bad-shop.example/x?y=1 now"),
            "see urlz bad shop example now"
        );
        assert_eq!(words("@some_one hi"), "userz hi");
        assert_eq!(words("#topic"), "#topic");
    }

    #[test]
    fn origins_lead_back_to_the_text() {
        let text = "Ein  Ｔest: h\u{200b}é y";

        let words = normalise(text).words;

        let origins: Vec<&str> = words.iter().map(|word| part(text, word.origin())).collect();
        assert_eq!(origins, ["Ein", "Ｔest", "h\u{200b}é", "y"]);
    }

    #[test]
    fn what_hides_is_counted_and_what_is_ordinary_is_not() {
        assert_eq!(normalise("Hello World, a test at 10 am").hidden, 0);
        assert!(normalise("h\u{200b}еll0").hidden >= 3);
    }
}
