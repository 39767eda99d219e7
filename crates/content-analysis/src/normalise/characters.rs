//! Character by character: compatibility forms, invisible characters, marks, case.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{Cell, Normalised, confusables};

/// Reads a text into cells: NFKC, lower case, nothing invisible, Latin letters without their marks.
pub(super) fn read(text: &str, cells: &mut Vec<Cell>, counts: &mut Normalised) {
    for (start, character) in text.char_indices() {
        let (start, end) = (offset(start), offset(start + character.len_utf8()));
        if character.is_ascii() {
            count(character, counts);
            cells.push(Cell { character: character.to_ascii_lowercase(), start, end });
            continue;
        }
        if is_ignorable(character) {
            counts.hidden += u32::from(!is_part_of_emoji(character));
            // A part of what stands before it, so that the origin of a word covers it.
            extend(cells, end);
            continue;
        }
        if is_combining_mark(character)
            && let Some(last) = cells.last()
            && (last.character.is_ascii_alphabetic() || !last.character.is_alphabetic())
        {
            extend(cells, end);
            counts.hidden += 1;
            continue;
        }
        count(character, counts);
        let before = cells.len();
        for character in std::iter::once(character).nfkc() {
            let character = bare(character);
            for character in character.to_lowercase() {
                if !is_combining_mark(character) || cells.len() == before {
                    cells.push(Cell { character, start, end });
                }
            }
        }
    }
}

/// Lets the last character of the text, which may be several cells, reach further.
fn extend(cells: &mut [Cell], end: u32) {
    let start = cells.last().map(|last| last.start);
    for cell in cells.iter_mut().rev().take_while(|cell| Some(cell.start) == start) {
        cell.end = end;
    }
}

/// A byte offset; texts beyond 4 GiB are cut there.
fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn count(character: char, counts: &mut Normalised) {
    counts.letters += u32::from(character.is_alphabetic());
    counts.capitals += u32::from(character.is_uppercase());
    counts.marks += u32::from(matches!(character, '!' | '?' | '！' | '？'));
}

/// A Latin letter without its marks; any other character as it is.
fn bare(character: char) -> char {
    if character.is_ascii() {
        return character;
    }
    let mut parts = std::iter::once(character).nfd();
    match parts.next() {
        Some(base) if base.is_ascii_alphabetic() => base,
        _ => confusables::latin_variant(character),
    }
}

/// Characters that show nothing (Unicode's `Default_Ignorable_Code_Point`).
fn is_ignorable(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Joiners and variation selectors stand in ordinary emoji, and hide nothing there.
fn is_part_of_emoji(character: char) -> bool {
    matches!(character, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{e0020}'..='\u{e007f}')
}
