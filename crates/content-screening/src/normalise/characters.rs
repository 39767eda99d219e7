//! What single characters are: ignorable, of a script, or drawn like a Latin letter.

/// Draws nothing: zero width, bidirectional controls, variation selectors, soft hyphen and the like
/// (`Default_Ignorable_Code_Point`), and control characters that are not white space.
pub(super) fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
        || (c.is_control() && !c.is_whitespace())
}

/// Belongs to the Latin script.
pub(super) fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic()
        || (c.is_alphabetic()
            && matches!(c,
                '\u{AA}' | '\u{BA}' | '\u{C0}'..='\u{2AF}' | '\u{1D00}'..='\u{1D7F}' | '\u{1E00}'..='\u{1EFF}'
                | '\u{2C60}'..='\u{2C7F}' | '\u{A720}'..='\u{A7FF}' | '\u{AB30}'..='\u{AB6F}'))
}

/// The letter inside a white on black circle or square, which NFKC leaves alone.
pub(super) fn enclosed_letter(c: char) -> Option<char> {
    let place = match c {
        '\u{1F150}'..='\u{1F169}' => u32::from(c) - 0x1F150,
        '\u{1F170}'..='\u{1F189}' => u32::from(c) - 0x1F170,
        _ => return None,
    };
    char::from_u32(u32::from('a') + place)
}

/// The plain letter of a Latin letter with a stroke, without its dot, or in phonetic small capitals.
pub(super) fn plain_latin(c: char) -> Option<char> {
    Some(match c {
        'ᴀ' | 'ɑ' => 'a',
        'ʙ' | 'ƀ' => 'b',
        'ᴄ' => 'c',
        'ᴅ' | 'đ' | 'ð' => 'd',
        'ᴇ' | 'ɛ' => 'e',
        'ꜰ' | 'ƒ' => 'f',
        'ɢ' | 'ɡ' => 'g',
        'ʜ' | 'ħ' => 'h',
        'ɪ' | 'ı' | 'ɨ' | 'ɩ' => 'i',
        'ᴊ' => 'j',
        'ᴋ' => 'k',
        'ʟ' | 'ł' => 'l',
        'ᴍ' => 'm',
        'ɴ' => 'n',
        'ᴏ' | 'ø' => 'o',
        'ᴘ' => 'p',
        'ʀ' => 'r',
        'ꜱ' => 's',
        'ᴛ' | 'ŧ' => 't',
        'ᴜ' => 'u',
        'ᴠ' => 'v',
        'ᴡ' => 'w',
        'ʏ' => 'y',
        'ᴢ' | 'ƶ' => 'z',
        _ => return None,
    })
}

/// The Latin letter that a lower-case letter of another script is drawn like.
///
/// Only for tokens that mix scripts or stand in Latin text: applied to everything, it turns Russian into gibberish.
pub(super) fn latin_look_alike(c: char) -> Option<char> {
    Some(match c {
        'а' | 'α' => 'a',
        'в' | 'ь' | 'β' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'ё' | 'є' | 'ε' | 'э' => 'e',
        'ғ' => 'f',
        'ԍ' => 'g',
        'н' | 'һ' | 'հ' => 'h',
        'і' | 'ї' | 'ι' | 'ί' => 'i',
        'ј' | 'ϳ' => 'j',
        'к' | 'κ' => 'k',
        'ӏ' => 'l',
        'м' => 'm',
        'п' | 'η' | 'ո' => 'n',
        'о' | 'ο' | 'ό' | 'օ' | 'σ' | 'ө' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' | 'я' => 'r',
        'ѕ' | 'ς' => 's',
        'т' | 'τ' => 't',
        'ц' | 'υ' | 'ս' | 'µ' | 'μ' => 'u',
        'ѵ' | 'ν' => 'v',
        'ԝ' | 'ω' | 'ш' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'ү' | 'γ' => 'y',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_drawn_is_ignorable_and_white_space_is_not() {
        for c in ['\u{200B}', '\u{200D}', '\u{202E}', '\u{FE0F}', '\u{AD}', '\u{FEFF}', '\u{7}'] {
            assert!(is_ignorable(c), "{c:?}");
        }
        for c in [' ', '\n', '\t', 'a', 'ß', '\u{A0}'] {
            assert!(!is_ignorable(c), "{c:?}");
        }
    }

    #[test]
    fn look_alikes_are_of_other_scripts_than_latin() {
        for c in ('\u{80}'..='\u{FFFF}').filter(|&c| latin_look_alike(c).is_some()) {
            assert!(!is_latin(c), "{c:?}");
        }
    }
}
