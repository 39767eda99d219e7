//! From characters to words: links, mentions, hidden letters, words that were pulled apart.

use std::ops::Range;

use super::{
    Cell, Normalised,
    characters::{is_letter, is_letter_or_digit},
    confusables::{leet, look_alike},
};

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary word, a number, a run of letters.
    Plain,
    /// The sign that a link stood here, or a part of its host.
    Link,
    /// A mention of somebody, without the name.
    Mention,
    /// A topic, with its `#`.
    Topic,
    /// One emoji or other picture.
    Picture,
}

/// One word of a normalised text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Lower-case letters and digits; `*` where a letter was left out.
    pub text: String,
    /// What it may stand for instead, if digits or signs in it are letters: for whoever knows words.
    pub readings: Vec<String>,
    /// What it is.
    pub kind: Kind,
    /// Whether a letter in it was hidden.
    pub was_hidden: bool,
    start: u32,
    end: u32,
}

impl Word {
    /// The bytes of the original text that it stands for.
    pub fn origin(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// The word for a link.
pub(crate) const LINK: &str = "urlz";

/// The word for a mention.
pub(crate) const MENTION: &str = "userz";

/// Splits cells into words.
pub(super) fn split(cells: &[Cell], normalised: &mut Normalised) {
    let latin = cells.iter().filter(|cell| cell.character.is_ascii_alphabetic()).count();
    let letters = cells.iter().filter(|cell| is_letter(cell.character)).count();
    let mostly_latin = latin * 2 > letters;
    for chunk in
        cells.split(|cell| cell.character.is_whitespace()).filter(|chunk| !chunk.is_empty())
    {
        if link(chunk, normalised) || mention(chunk, normalised) {
            continue;
        }
        chunk_words(chunk, mostly_latin, normalised);
    }
    join_single_letters(normalised);
}

fn link(chunk: &[Cell], normalised: &mut Normalised) -> bool {
    // No link is without either, and most words are.
    if !chunk.iter().any(|cell| matches!(cell.character, '.' | ':')) {
        return false;
    }
    let text: String = chunk.iter().take(300).map(|cell| cell.character).collect();
    let trimmed = text.trim_start_matches(['(', '[', '<', '"', '\'', '*']);
    let schemes = ["https://", "http://", "www."];
    let rest = schemes.iter().find_map(|scheme| trimmed.strip_prefix(scheme));
    let host_end =
        |rest: &str| rest.find(['/', '?', '#', ':', ')', ']', '>', ',']).unwrap_or(rest.len());
    let host = if let Some(rest) = rest {
        rest.get(..host_end(rest)).unwrap_or_default().trim_start_matches("www.")
    } else {
        let host = trimmed.get(..host_end(trimmed)).unwrap_or_default().trim_end_matches('.');
        if !is_bare_host(host) {
            return false;
        }
        host
    };
    let (Some(first), Some(last)) = (chunk.first(), chunk.last()) else { return false };
    let word = |text: &str| Word {
        text: text.to_owned(),
        kind: Kind::Link,
        readings: Vec::new(),
        was_hidden: false,
        start: first.start,
        end: last.end,
    };
    normalised.words.push(word(LINK));
    let parts = host.split(|c: char| !is_letter_or_digit(c)).filter(|part| !part.is_empty());
    normalised.words.extend(parts.take(6).map(word));
    true
}

/// Whether a chunk is a host without a scheme: `shop.example`, with a last part that is a common top-level domain.
fn is_bare_host(host: &str) -> bool {
    const DOMAINS: [&str; 24] = [
        "com", "net", "org", "info", "biz", "ru", "cn", "xyz", "top", "site", "online", "shop",
        "club", "tk", "ly", "gl", "me", "co", "io", "gd", "uk", "de", "us", "tv",
    ];
    let Some((name, domain)) = host.rsplit_once('.') else { return false };
    name.len() >= 2
        && DOMAINS.contains(&domain)
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
}

fn mention(chunk: &[Cell], normalised: &mut Normalised) -> bool {
    let [first, rest @ ..] = chunk else { return false };
    let name = rest
        .iter()
        .take_while(|cell| is_letter_or_digit(cell.character) || cell.character == '_')
        .count();
    if first.character != '@' || name < 2 {
        return false;
    }
    let end = rest.get(name - 1).map_or(first.end, |cell| cell.end);
    let text = MENTION.to_owned();
    normalised.words.push(Word {
        text,
        kind: Kind::Mention,
        readings: Vec::new(),
        was_hidden: false,
        start: first.start,
        end,
    });
    true
}

/// The words of a chunk without white space.
fn chunk_words(chunk: &[Cell], mostly_latin: bool, normalised: &mut Normalised) {
    if let Some(joined) = pulled_apart(chunk) {
        return word(&joined, mostly_latin, true, normalised);
    }
    let has_letters = chunk.iter().filter(|cell| is_letter(cell.character)).count() >= 2;
    if let Some(signs) = only_signs(chunk) {
        return word(signs, mostly_latin, false, normalised);
    }
    let mut from = 0;
    for (at, cell) in chunk.iter().enumerate() {
        let c = cell.character;
        if is_letter_or_digit(c) {
            continue;
        }
        let inner = at > 0 && at + 1 < chunk.len() && at > from;
        let after = chunk.get(at + 1..).unwrap_or_default();
        let next_is_letter = after
            .iter()
            .map(|next| next.character)
            .find(|next| !matches!(next, '@' | '$'))
            .is_some_and(is_letter_or_digit);
        let before_is_letter = at
            .checked_sub(1)
            .and_then(|before| chunk.get(before))
            .is_some_and(|before| is_letter(before.character));
        let belongs = c == '#' && at == from
            || c == '*' && inner
            || matches!(c, '@' | '$' | '!' | '|' | '+' | '€')
                && has_letters
                && next_is_letter
                && (inner || matches!(c, '@' | '$'))
            || c == '$' && has_letters && before_is_letter && after.is_empty()
            || matches!(c, '\'' | '’') && inner && next_is_letter;
        if belongs {
            continue;
        }
        word(chunk.get(from..at).unwrap_or_default(), mostly_latin, false, normalised);
        from = at + 1;
        if is_picture(c) {
            let text = c.to_string();
            let (start, end) = (cell.start, cell.end);
            normalised.words.push(Word {
                text,
                kind: Kind::Picture,
                readings: Vec::new(),
                was_hidden: false,
                start,
                end,
            });
        }
    }
    word(chunk.get(from..).unwrap_or_default(), mostly_latin, false, normalised);
}

/// A word of nothing but signs that look like letters; amounts of money have digits.
fn only_signs(chunk: &[Cell]) -> Option<&[Cell]> {
    let is_sign = |cell: &Cell| matches!(cell.character, '@' | '$' | '!' | '|' | '€');
    let is_letter_like = |cell: &Cell| matches!(cell.character, '@' | '$' | '€');
    (chunk.len() >= 3 && chunk.iter().all(is_sign) && chunk.first().is_some_and(is_letter_like))
        .then_some(chunk)
}

/// `s.p.a.m` and `s-p-a-m` without what stands between.
fn pulled_apart(chunk: &[Cell]) -> Option<Vec<Cell>> {
    let between = |pair: &[Cell]| {
        let [one, two] = pair else { return false };
        is_letter_or_digit(one.character) != is_letter_or_digit(two.character)
    };
    if chunk.len() < 5 || !chunk.windows(2).all(between) {
        return None;
    }
    let letters: Vec<Cell> =
        chunk.iter().filter(|cell| is_letter_or_digit(cell.character)).copied().collect();
    (letters.len() >= 3 && letters.iter().filter(|cell| is_letter(cell.character)).count() >= 3)
        .then_some(letters)
}

fn word(cells: &[Cell], mostly_latin: bool, was_apart: bool, normalised: &mut Normalised) {
    let (Some(first), Some(last)) = (cells.first(), cells.last()) else { return };
    let mut hidden = if was_apart { u32::try_from(cells.len()).unwrap_or(u32::MAX) } else { 0 };
    let is_topic = first.character == '#' && cells.len() > 1;
    if first.character == '#' && !is_topic {
        return;
    }
    let latin = cells.iter().filter(|cell| cell.character.is_ascii_alphabetic()).count();
    let foreign =
        cells.iter().filter(|cell| !cell.character.is_ascii() && is_letter(cell.character)).count();
    let alike = cells.iter().filter(|cell| look_alike(cell.character).is_some()).count();
    let fold = alike > 0 && (latin > 0 || mostly_latin && alike == foreign);
    let leets = !is_topic && stands_for_letters(cells);
    let mut text = String::with_capacity(cells.len());
    // With what was stretched as a pair, which some words have.
    let mut paired: Option<String> = None;
    let mut run = 0;
    let mut previous = None;
    for cell in cells {
        let mut c = cell.character;
        if matches!(c, '\'' | '’') {
            continue;
        }
        if fold && let Some(folded) = look_alike(c) {
            c = folded;
            hidden += 1;
        }
        if leets && let Some(folded) = leet(c) {
            c = folded;
            hidden += 1;
        }
        if !is_letter_or_digit(c) && !matches!(c, '*' | '#') {
            continue;
        }
        run = if previous == Some(c) { run + 1 } else { 1 };
        previous = Some(c);
        if run == 3 && is_letter(c) {
            paired.get_or_insert_with(|| text.clone());
            text.pop();
            hidden += 1;
        }
        if run < 3
            && let Some(paired) = &mut paired
        {
            paired.push(c);
        }
        if run < 3 || !is_letter(c) {
            text.push(c);
        }
    }
    let mut readings = if is_topic || leets { Vec::new() } else { readings(&text, cells) };
    if !is_topic {
        readings.extend(paired);
    }
    if text.chars().all(|c| c == '*') && readings.is_empty() {
        return;
    }
    normalised.hidden += hidden;
    let kind = if is_topic { Kind::Topic } else { Kind::Plain };
    let (start, end) = (first.start, last.end);
    normalised.words.push(Word { text, readings, kind, was_hidden: hidden > 0, start, end });
}

/// What a word with digits or signs spells if they are letters; two readings where a sign may be either of two.
fn readings(text: &str, cells: &[Cell]) -> Vec<String> {
    let is_sign = |c: char| leet(c).is_some();
    let has_any = cells.iter().any(|cell| !cell.character.is_ascii_digit());
    if !has_any || cells.len() > 20 || !cells.iter().any(|cell| is_sign(cell.character)) {
        return Vec::new();
    }
    let read = |upright: char| -> String {
        let cells = cells.iter().map(|cell| cell.character);
        let letters = cells.filter(|c| !matches!(c, '\'' | '’'));
        letters
            .map(|c| if matches!(c, '1' | '!' | '|') { upright } else { leet(c).unwrap_or(c) })
            .collect()
    };
    let (one, two) = (read('i'), read('l'));
    let mut readings = vec![one];
    if readings.first() != Some(&two) {
        readings.push(two);
    }
    readings.retain(|reading| reading != text);
    readings
}

/// Whether digits and signs in a word stand for letters: not in numbers with a unit, prices, and names of models.
fn stands_for_letters(cells: &[Cell]) -> bool {
    let letters = cells.iter().filter(|cell| is_letter(cell.character)).count();
    let digits = cells.iter().filter(|cell| cell.character.is_ascii_digit()).count();
    let signs = cells
        .iter()
        .filter(|cell| matches!(cell.character, '@' | '$' | '!' | '|' | '+' | '€'))
        .count();
    if letters < 2 || digits + signs == 0 || digits > letters {
        return false;
    }
    let leading = cells.iter().take_while(|cell| cell.character.is_ascii_digit()).count();
    let trailing = cells.iter().rev().take_while(|cell| cell.character.is_ascii_digit()).count();
    // `3am`, `10k`, `h264`, `covid19`: the digits are together at one end, as a number is.
    let is_number = signs == 0
        && (leading == digits && (leading > 1 || letters <= 2)
            || trailing == digits && trailing > 1);
    !is_number
}

/// `s p a m` as one word: three or more single letters in a row.
fn join_single_letters(normalised: &mut Normalised) {
    let single = |word: &Word| {
        let mut letters = word.text.chars();
        word.kind == Kind::Plain
            && letters.next().is_some_and(is_letter)
            && letters.next().is_none()
    };
    if normalised.words.iter().filter(|word| single(word)).count() < 3 {
        return;
    }
    let mut joined: Vec<Word> = Vec::with_capacity(normalised.words.len());
    let mut words = std::mem::take(&mut normalised.words).into_iter().peekable();
    while let Some(word) = words.next() {
        if !single(&word) {
            joined.push(word);
            continue;
        }
        let mut run = vec![word];
        while let Some(next) = words.next_if(|next| single(next)) {
            run.push(next);
        }
        let is_cjk = run.first().is_some_and(|word| word.text.chars().any(|c| c >= '\u{2e80}'));
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        if run.len() < 3 || is_cjk {
            joined.append(&mut run);
            continue;
        }
        normalised.hidden += u32::try_from(run.len()).unwrap_or(u32::MAX);
        let text = run.iter().map(|word| &*word.text).collect();
        joined.push(Word {
            text,
            kind: Kind::Plain,
            readings: Vec::new(),
            was_hidden: true,
            start: first.start,
            end: last.end,
        });
    }
    normalised.words = joined;
}

fn is_picture(character: char) -> bool {
    matches!(character, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}
