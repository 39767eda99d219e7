//! Reads digits and signs as the letters they are drawn like (`1d10t`), but not in numbers, units and prices.

use super::Piece;

/// What follows a number without a space: `5kg` is a quantity, `5hit` is not.
const UNITS: &[&str] = &[
    "am", "bn", "bps", "cal", "cc", "cm", "db", "deg", "eur", "fps", "ft", "gb", "gbp", "ghz",
    "hp", "hr", "hrs", "hz", "in", "kb", "kcal", "kg", "khz", "km", "kmh", "kph", "kw", "kwh",
    "lb", "lbs", "mb", "mg", "mhz", "mi", "min", "mins", "ml", "mm", "mp", "mph", "ms", "nd", "nm",
    "oz", "pm", "ppm", "pt", "px", "rd", "sec", "secs", "sq", "st", "tb", "th", "usd", "week",
    "weeks", "wk", "wks", "day", "days", "year", "years", "yr", "yrs", "star", "stars", "times",
    "way", "ways",
];

/// Signs that stand for letters inside a word.
fn is_sign(c: char) -> bool {
    matches!(c, '@' | '$' | '!' | '|')
}

/// Replaces digits and signs by letters in every token that holds letters and is no quantity.
pub(super) fn fold(pieces: &mut [Piece]) {
    let in_token = |c: char| c.is_alphanumeric() || is_sign(c);
    for token in pieces.chunk_by_mut(|a, b| in_token(a.ch) == in_token(b.ch)) {
        fold_token(token);
    }
}

fn fold_token(token: &mut [Piece]) {
    let is_edge = |piece: &Piece| matches!(piece.ch, '!' | '|');
    let start = token.iter().take_while(|piece| is_edge(piece)).count();
    let trailing = token.iter().rev().take_while(|piece| is_edge(piece) || piece.ch == '@').count();
    let Some(core) = token.get_mut(start..token.len().saturating_sub(trailing)) else {
        return;
    };
    let chars: Vec<char> = core.iter().map(|piece| piece.ch).collect();
    if !holds_disguised_word(&chars) {
        return;
    }
    for (at, piece) in core.iter_mut().enumerate() {
        let before = at.checked_sub(1).and_then(|at| chars.get(at)).copied();
        let after = chars.get(at + 1).copied();
        piece.ch = letter(piece.ch, at, before, after);
    }
}

fn holds_disguised_word(chars: &[char]) -> bool {
    let letters = chars.iter().filter(|c| c.is_ascii_alphabetic()).count();
    let digits = chars.iter().filter(|c| c.is_ascii_digit()).count();
    let signs = chars.iter().filter(|c| is_sign(**c)).count();
    let foreign = letters + digits + signs < chars.len();
    !foreign
        && letters > 0
        && digits + signs > 0
        && digits <= 2 * letters
        && !is_quantity(chars, digits)
}

/// A price, a number with a unit, or a name with a number behind it (`covid19`).
fn is_quantity(chars: &[char], digits: usize) -> bool {
    let leading = chars.iter().take_while(|c| c.is_ascii_digit()).count();
    let trailing = chars.iter().rev().take_while(|c| c.is_ascii_digit()).count();
    let price = matches!(chars, ['$', digit, ..] if digit.is_ascii_digit());
    let number_first =
        digits > 0 && leading == digits && chars.iter().all(char::is_ascii_alphanumeric);
    let rest: String = chars.iter().skip(leading).collect();
    let measured =
        number_first && (leading >= 2 || rest.len() < 3 || UNITS.contains(&rest.as_str()));
    // `ki11` is a word, `covid19` a name with a number.
    let twins = trailing == 2 && matches!(chars, [.., a, b] if a == b);
    let numbered = !twins
        && digits > 0
        && trailing == digits
        && trailing >= 2
        && chars.first().is_some_and(char::is_ascii_alphabetic);
    price || measured || numbered
}

/// A one, an exclamation mark or a bar is `i` or `l`: `l` when doubled, behind a vowel, or before one at the start.
fn letter(c: char, at: usize, before: Option<char>, after: Option<char>) -> char {
    let is_letterlike = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    match c {
        '0' => 'o',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        '8' => 'b',
        '9' => 'g',
        '1' | '|' => i_or_l(c, at, before, after),
        // Further right it rather ends a sentence: `great!thanks`.
        '!' if (1..4).contains(&at) && is_letterlike(before) && is_letterlike(after) => 'i',
        c => c,
    }
}

fn i_or_l(c: char, at: usize, before: Option<char>, after: Option<char>) -> char {
    let is_vowel = |c: Option<char>| c.is_some_and(|c| "aeou034@".contains(c));
    let doubled = before == Some(c) || after == Some(c);
    if doubled || is_vowel(before) || (at == 0 && is_vowel(after)) { 'l' } else { 'i' }
}

#[cfg(test)]
mod tests {
    use crate::normalise::Normalised;

    fn normal(text: &str) -> String {
        Normalised::of(text, &[]).text().to_owned()
    }

    #[test]
    fn digits_and_signs_inside_words_are_letters() {
        for (disguised, word) in [
            ("1d10t", "idiot"),
            ("sh!t", "shit"),
            ("a$$hole", "asshole"),
            ("k1ll", "kill"),
            ("ki11", "kill"),
            ("1oser", "loser"),
            ("b1tch", "bitch"),
            ("m0r0n", "moron"),
        ] {
            assert_eq!(normal(disguised), word, "{disguised}");
        }
    }

    #[test]
    fn an_exclamation_between_sentences_stays() {
        assert_eq!(normal("great!thanks a lot!!"), "great!thanks a lot!!");
    }

    #[test]
    fn addresses_and_prices_are_left_alone() {
        assert_eq!(normal("US 5$ or $20"), "us 5$ or $20");
    }
}
