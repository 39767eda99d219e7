//! Text that people wrote: one form, bounded, and nothing in it that a database or a terminal chokes on.

use std::ops::RangeInclusive;

use unicode_normalization::UnicodeNormalization;

/// Why a text is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Shorter or longer than it may be.
    #[error("holds {found} characters where {min} to {max} are allowed")]
    Length {
        /// Unicode scalar values after trimming.
        found: usize,
        /// The fewest.
        min: usize,
        /// The most.
        max: usize,
    },
    /// Contains a control character other than a tab or a line break.
    #[error("contains the control character U+{:04X}", u32::from(*.0))]
    Control(char),
}

/// The text in normal form C (UAX #15), without white space around it, of a length in Unicode scalar values.
///
/// # Errors
///
/// [`TextError`] says what is wrong with it.
pub fn clean(text: &str, length: &RangeInclusive<usize>) -> Result<String, TextError> {
    if let Some(control) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(TextError::Control(control));
    }
    let text: String = text.trim().nfc().collect();
    let found = text.chars().count();
    if length.contains(&found) {
        Ok(text)
    } else {
        Err(TextError::Length { found, min: *length.start(), max: *length.end() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_and_decomposed_spellings_become_one() {
        assert_eq!(clean("cafe\u{301}", &(1..=10)), clean("caf\u{e9}", &(1..=10)));
    }

    #[test]
    fn white_space_alone_is_empty() {
        assert_eq!(clean(" \n ", &(1..=10)), Err(TextError::Length { found: 0, min: 1, max: 10 }));
    }

    #[test]
    fn control_characters_are_refused_and_line_breaks_are_not() {
        assert_eq!(clean("a\u{0}b", &(1..=10)), Err(TextError::Control('\0')));
        assert!(clean("a\nb\tc", &(1..=10)).is_ok());
    }
}
