//! Brings a text into the one form that words are looked up in, and remembers where each piece came from.
//!
//! People write the same word in many ways, some to be read past a filter: with look-alike letters, invisible
//! characters, digits for letters, spaces between letters, stretched vowels. Each step undoes one of these and is
//! written so that honest text (other scripts, numbers, prices, abbreviations) keeps its meaning.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

mod characters;
mod leet;
mod spelling;

use characters::{enclosed_letter, is_ignorable, is_latin, latin_look_alike, plain_latin};

/// Marks on one letter beyond this are decoration; the bound keeps their canonical reordering linear.
const MAX_MARKS: usize = 32;
/// Nobody sets more words apart together with the one meant; the bound keeps looking back cheap.
const MAX_JOINED_BEFORE: usize = 12;

/// A part of the text that stands as one word: a link or a mention.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placeholder {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) word: &'static str,
}

/// One character of the normalised text and the bytes of the original that it stands for.
#[derive(Clone, Copy, Debug)]
struct Piece {
    ch: char,
    start: usize,
    end: usize,
    /// Stood three or more times in a row.
    stretched: bool,
    /// Was set apart from its neighbours (`i d i o t`).
    joined: bool,
}

/// A text in normal form with the way back to the original.
#[derive(Debug)]
pub(super) struct Normalised {
    text: String,
    /// One per character: where it begins in `text`, and the piece.
    pieces: Vec<(usize, Piece)>,
}

impl Normalised {
    /// Normalises a text; links, found before and in order, become the word `urlz`, mentions become `userz`.
    pub(super) fn of(original: &str, links: &[(usize, usize)]) -> Self {
        let mut pieces = decompose(original, &placeholders(original, links));
        fold_look_alikes(&mut pieces);
        let mut pieces = spelling::join_single_letters(&pieces);
        leet::fold(&mut pieces);
        let pieces = spelling::shorten_runs(&pieces);
        Self::from_pieces(&spelling::separate_words(&pieces))
    }

    fn from_pieces(source: &[Piece]) -> Self {
        let mut text = String::with_capacity(source.len());
        let mut pieces = Vec::with_capacity(source.len());
        for &piece in source {
            pieces.push((text.len(), piece));
            text.push(piece.ch);
        }
        Self { text, pieces }
    }

    /// The normal form.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The bytes of the original that a range of the normal form stands for.
    pub(super) fn original_span(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let first = self.piece_at(start)?;
        let last = self.piece_at(end.checked_sub(1)?)?;
        Some((first.start.min(last.start), last.end.max(first.end)))
    }

    /// Whether the character at this byte stood three or more times in a row.
    pub(super) fn is_stretched(&self, at: usize) -> bool {
        self.piece_at(at).is_some_and(|piece| piece.stretched)
    }

    /// What stands before `at` in the same word of letters that were set apart; `None` when there is no such word or
    /// more than a few letters.
    pub(super) fn joined_before(&self, at: usize) -> Option<&str> {
        let place = self.pieces.partition_point(|(from, _)| *from < at);
        if !self.pieces.get(place)?.1.joined {
            return None;
        }
        let before = self.pieces.get(..place)?;
        let letters = before
            .iter()
            .rev()
            .take(MAX_JOINED_BEFORE + 1)
            .take_while(|(_, piece)| piece.joined)
            .count();
        if letters > MAX_JOINED_BEFORE {
            return None;
        }
        self.text.get(self.pieces.get(place - letters)?.0..at)
    }

    fn piece_at(&self, at: usize) -> Option<&Piece> {
        let place = self.pieces.partition_point(|(from, _)| *from <= at);
        self.pieces.get(place.checked_sub(1)?).map(|(_, piece)| piece)
    }
}

/// Links and mentions in the order of the text.
fn placeholders(text: &str, links: &[(usize, usize)]) -> Vec<Placeholder> {
    let inside_link = |at: usize| {
        let next = links.partition_point(|&(start, _)| start <= at);
        next.checked_sub(1).and_then(|place| links.get(place)).is_some_and(|&(_, end)| at < end)
    };
    let mut all: Vec<_> = mentions(text).filter(|mention| !inside_link(mention.start)).collect();
    all.extend(links.iter().map(|&(start, end)| Placeholder { start, end, word: "urlz" }));
    all.sort_by_key(|placeholder| placeholder.start);
    all
}

/// `@name` of three or more characters, not inside a word: an address is no mention, nor is `@ss`.
pub(super) fn mentions(text: &str) -> impl Iterator<Item = Placeholder> + '_ {
    text.match_indices('@').filter_map(|(start, _)| {
        let inside_word = text.get(..start)?.chars().next_back().is_some_and(char::is_alphanumeric);
        let name = text.get(start + 1..)?;
        let length =
            name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        (!inside_word && length >= 3).then_some(Placeholder {
            start,
            end: start + 1 + length,
            word: "userz",
        })
    })
}

/// Compatibility forms, case, marks on Latin letters and white space made plain; what draws nothing dropped.
fn decompose(text: &str, placeholders: &[Placeholder]) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(text.len());
    let mut placeholders = placeholders.iter().peekable();
    let mut chars = text.char_indices().peekable();
    let mut letter = String::new();
    while let Some((start, c)) = chars.next() {
        while placeholders.next_if(|placeholder| placeholder.start < start).is_some() {}
        if let Some(placeholder) = placeholders.next_if(|placeholder| placeholder.start == start) {
            push_all(&mut pieces, placeholder.word.chars(), (start, placeholder.end));
            while chars.next_if(|(at, _)| *at < placeholder.end).is_some() {}
            continue;
        }
        if is_ignorable(c) {
            continue;
        }
        letter.clear();
        letter.push(c);
        let mut end = start + c.len_utf8();
        let mut marks = 0;
        while let Some((at, next)) =
            chars.next_if(|(_, next)| is_combining_mark(*next) || is_ignorable(*next))
        {
            if is_combining_mark(next) && !is_ignorable(next) {
                end = at + next.len_utf8();
                marks += 1;
                if marks <= MAX_MARKS {
                    letter.push(next);
                }
            }
        }
        push_letter(&mut pieces, &letter, (start, end));
    }
    pieces
}

fn push_letter(pieces: &mut Vec<Piece>, letter: &str, span: (usize, usize)) {
    let first = letter.chars().next();
    if letter.len() == 1 {
        push_all(pieces, letter.chars(), span);
    } else if let Some(plain) = first.and_then(enclosed_letter) {
        push_all(pieces, std::iter::once(plain), span);
    } else if letter.nfkd().next().is_some_and(is_latin) {
        push_all(pieces, letter.nfkd().filter(|c| !is_combining_mark(*c)), span);
    } else {
        push_all(pieces, letter.nfkc(), span);
    }
}

fn push_all(
    pieces: &mut Vec<Piece>,
    chars: impl Iterator<Item = char>,
    (start, end): (usize, usize),
) {
    for c in chars.flat_map(char::to_lowercase) {
        let ch = match c {
            '’' | 'ʼ' | '‘' | '`' | '´' => '\'',
            '‐' | '‑' | '–' => '-',
            c if c.is_whitespace() => ' ',
            c => plain_latin(c).unwrap_or(c),
        };
        pieces.push(Piece { ch, start, end, stretched: false, joined: false });
    }
}

/// Letters of other scripts become the Latin ones they are drawn like, where only a reader past a filter writes them:
/// in a word that has Latin letters too, or in a whole word of look-alikes inside mostly Latin text.
fn fold_look_alikes(pieces: &mut [Piece]) {
    let letters = pieces.iter().filter(|piece| piece.ch.is_alphabetic()).count();
    let latin = pieces.iter().filter(|piece| is_latin(piece.ch)).count();
    let mostly_latin = latin * 10 >= letters * 7;
    for word in pieces.chunk_by_mut(|a, b| is_word_char(a.ch) == is_word_char(b.ch)) {
        let latin = word.iter().filter(|piece| is_latin(piece.ch)).count();
        let letters = word.iter().filter(|piece| piece.ch.is_alphabetic()).count();
        let alike = word.iter().filter(|piece| latin_look_alike(piece.ch).is_some()).count();
        let mixed = latin > 0 && alike > 0;
        let whole_word_alike = mostly_latin && alike >= 3 && alike == letters;
        if mixed || whole_word_alike {
            for piece in word {
                piece.ch = latin_look_alike(piece.ch).unwrap_or(piece.ch);
            }
        }
    }
}

/// Part of a word: a letter, a digit, or a mark on one.
fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> String {
        Normalised::of(text, &[]).text().to_owned()
    }

    #[test]
    fn disguises_of_one_word_come_to_one_form() {
        for disguise in [
            "IDIOT",
            "ｉｄｉｏｔ",
            "i\u{200B}d\u{AD}i\u{2060}ot",
            "ídïôt",
            "1d10t",
            "іdіоt",
            "i d i o t",
            "i.d.i.o.t",
            "i-d-i-o-t",
            "idiooooot",
            "🅸🅳🅸🅾🆃",
            "ɪᴅɪᴏᴛ",
            "i̶d̶i̶o̶t̶",
            "𝓲𝓭𝓲𝓸𝓽",
        ] {
            assert_eq!(normal(disguise), "idiot", "{disguise}");
        }
    }

    #[test]
    fn other_scripts_keep_their_letters() {
        for text in ["как дела", "привет всем, сосед", "καλημέρα κόσμε", "日本語のテキスト", "שלום"]
        {
            assert_eq!(normal(text), text.nfkc().collect::<String>());
        }
    }

    #[test]
    fn numbers_units_and_prices_stay() {
        for text in [
            "$5.00", "4 weeks", "4weeks", "100kg", "1080p", "3rd", "covid19", "1000", "user1234",
            "$5k", "10:30",
        ] {
            assert_eq!(normal(text), text, "{text}");
        }
    }

    #[test]
    fn links_and_mentions_stand_as_one_word() {
        let normalised = Normalised::of("@anna see http://a.example/1", &[(10, 28)]);

        assert_eq!(normalised.text(), "userz see urlz");
        assert_eq!(normalised.original_span(10, 14), Some((10, 28)));
        assert_eq!(normalised.original_span(0, 5), Some((0, 5)));
    }

    #[test]
    fn a_span_leads_back_to_everything_that_was_folded() {
        let original = "Du \u{200B}Ｉｄｉ\u{301}ooo\u{AD}t!";
        let normalised = Normalised::of(original, &[]);
        let at = normalised.text().find("idiot").unwrap();

        let (start, end) = normalised.original_span(at, at + 5).unwrap();

        assert_eq!(original.get(start..end).unwrap(), "Ｉｄｉ\u{301}ooo\u{AD}t");
    }
}
