//! Undoes spelling that keeps a word readable but not searchable.

use super::Piece;

/// Fewer letters set apart are initials or an enumeration.
const MIN_LETTERS_SET_APART: usize = 3;

/// Makes `i d i o t` and `i.d.i.o.t` one word: single letters with the same single separator between them.
pub(super) fn join_single_letters(pieces: &[Piece]) -> Vec<Piece> {
    let mut joined = Vec::with_capacity(pieces.len());
    let mut at = 0;
    while let Some(&piece) = pieces.get(at) {
        let letters = letters_set_apart(pieces, at);
        if letters < MIN_LETTERS_SET_APART {
            joined.push(piece);
            at += 1;
            continue;
        }
        let length = 2 * letters - 1;
        let run = pieces.get(at..at + length).unwrap_or_default();
        let alphabetic = run.iter().filter(|piece| piece.ch.is_alphabetic()).count();
        if alphabetic * 2 > letters {
            joined.extend(run.iter().step_by(2).map(|&piece| Piece { joined: true, ..piece }));
        } else {
            joined.extend_from_slice(run);
        }
        at += length;
    }
    joined
}

/// How many letters, from this place on, stand alone with the same separator between them.
fn letters_set_apart(pieces: &[Piece], first: usize) -> usize {
    let char_at = |at: usize| pieces.get(at).map(|piece| piece.ch);
    let is_word = |at: Option<usize>| at.and_then(char_at).is_some_and(char::is_alphanumeric);
    let stands_alone =
        |at: usize| is_word(Some(at)) && !is_word(at.checked_sub(1)) && !is_word(at.checked_add(1));
    if !stands_alone(first) {
        return 0;
    }
    let Some(separator) = char_at(first + 1).filter(|c| " .-_*/,~|·•".contains(*c)) else {
        return 1;
    };
    let mut letters = 1;
    while char_at(first + 2 * letters - 1) == Some(separator) && stands_alone(first + 2 * letters) {
        letters += 1;
    }
    letters
}

/// Makes `sooooo` `so`: three or more of the same letter become one, marked as stretched. Digits are quantities.
pub(super) fn shorten_runs(pieces: &[Piece]) -> Vec<Piece> {
    let mut shortened = Vec::with_capacity(pieces.len());
    for run in pieces.chunk_by(|a, b| a.ch == b.ch) {
        match run {
            [first, _, .., last] if first.ch.is_alphabetic() => {
                shortened.push(Piece { end: last.end, stretched: true, ..*first });
            }
            _ => shortened.extend_from_slice(run),
        }
    }
    shortened
}

/// Makes white space one space, and hyphens and underscores between letters too: `mother-in-law` is three words.
pub(super) fn separate_words(pieces: &[Piece]) -> Vec<Piece> {
    let mut separated: Vec<Piece> = Vec::with_capacity(pieces.len());
    for (at, &piece) in pieces.iter().enumerate() {
        let in_word = |at: Option<usize>| {
            at.and_then(|at| pieces.get(at)).is_some_and(|p| p.ch.is_alphanumeric())
        };
        let between = in_word(at.checked_sub(1)) && in_word(at.checked_add(1));
        let ch = if matches!(piece.ch, '-' | '_') && between { ' ' } else { piece.ch };
        match separated.last_mut() {
            Some(last) if last.ch == ' ' && ch == ' ' => last.end = piece.end,
            _ => separated.push(Piece { ch, ..piece }),
        }
    }
    separated
}

#[cfg(test)]
mod tests {
    use crate::normalise::Normalised;

    fn normal(text: &str) -> String {
        Normalised::of(text, &[]).text().to_owned()
    }

    #[test]
    fn two_initials_and_enumerated_numbers_are_not_joined() {
        assert_eq!(normal("J. R. met Bob, e.g. at 1 2 3 4"), "j. r. met bob, e.g. at 1 2 3 4");
    }

    #[test]
    fn words_set_apart_by_wider_space_stay_words() {
        assert_eq!(normal("h e l l o  w o r l d"), "hello world");
    }

    #[test]
    fn doubled_letters_stay_and_longer_runs_become_one() {
        assert_eq!(
            normal("goood  boook--keeper\n\nwell-known 1000"),
            "god bok--keeper well known 1000"
        );
    }
}
