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
            && (last.character.is_ascii_alphabetic() || !is_letter(last.character))
        {
            extend(cells, end);
            counts.hidden += 1;
            continue;
        }
        count(character, counts);
        if is_in_plain_block(character) {
            // One letter, in its only form, and with one letter as its lower case.
            let character = character.to_lowercase().next().unwrap_or(character);
            cells.push(Cell { character, start, end });
            continue;
        }
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
    counts.letters += u32::from(is_letter(character));
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

/// [`char::is_alphabetic`], quickly for the letters that most texts are written in.
pub(super) fn is_letter(character: char) -> bool {
    character.is_ascii_alphabetic()
        || !character.is_ascii() && (is_in_plain_block(character) || character.is_alphabetic())
}

/// [`char::is_alphanumeric`], quickly for the letters that most texts are written in.
pub(super) fn is_letter_or_digit(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || !character.is_ascii() && (is_in_plain_block(character) || character.is_alphanumeric())
}

/// Blocks of letters that have no compatibility form and no marks of their own: Cyrillic, kana, ideographs, Hangul.
fn is_in_plain_block(character: char) -> bool {
    matches!(character,
        '\u{400}'..='\u{45f}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}')
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_ways_give_what_the_slow_ones_give() {
        for character in '\0'..=char::MAX {
            assert_eq!(is_letter(character), character.is_alphabetic(), "{character:?}");
            assert_eq!(is_letter_or_digit(character), character.is_alphanumeric(), "{character:?}");
            if is_in_plain_block(character) {
                let slow: Vec<char> = std::iter::once(character)
                    .nfkc()
                    .map(bare)
                    .flat_map(char::to_lowercase)
                    .collect();
                assert_eq!(slow, [character.to_lowercase().next().unwrap()], "{character:?}");
            }
        }
    }
}
