//! Letters that look like Latin ones. After Unicode Technical Standard #39, for the letters that people really use to hide words.

/// A letter of another script as the Latin letter that it looks like.
pub(super) fn look_alike(character: char) -> Option<char> {
    if character.is_ascii() {
        return None;
    }
    Some(match character {
        'а' | 'α' => 'a',
        'в' | 'β' | 'ь' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'ё' | 'є' | 'ε' => 'e',
        'ғ' => 'f',
        'ɡ' => 'g',
        'н' | 'һ' | 'η' => 'h',
        'і' | 'ї' | 'ι' | 'ӏ' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'м' => 'm',
        'п' => 'n',
        'о' | 'ο' | 'σ' | 'ө' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' | 'я' => 'r',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ц' => 'u',
        'ν' | 'ѵ' => 'v',
        'ω' | 'ш' | 'ԝ' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        _ => return None,
    })
}

/// Latin letters of unusual form, small capitals and the like, as the ordinary letter.
pub(super) fn latin_variant(character: char) -> char {
    match character {
        'ı' | 'ɪ' | 'ɩ' => 'i',
        'ł' | 'ʟ' => 'l',
        'ø' | 'ɵ' | 'ᴏ' => 'o',
        'đ' | 'ð' | 'ᴅ' => 'd',
        'ħ' | 'ʜ' => 'h',
        'ŧ' | 'ᴛ' => 't',
        'ƀ' | 'ʙ' => 'b',
        'ᴀ' | 'ɑ' => 'a',
        'ᴄ' => 'c',
        'ᴇ' | 'ɛ' => 'e',
        'ꜰ' => 'f',
        'ɢ' => 'g',
        'ᴊ' => 'j',
        'ᴋ' => 'k',
        'ᴍ' => 'm',
        'ɴ' => 'n',
        'ᴘ' => 'p',
        'ʀ' => 'r',
        'ꜱ' => 's',
        'ᴜ' | 'ʊ' => 'u',
        'ᴠ' => 'v',
        'ᴡ' => 'w',
        'ʏ' => 'y',
        'ᴢ' => 'z',
        // Letters in circles and squares that have no compatibility form.
        '\u{1f130}'..='\u{1f149}' => letter(character, 0x1f130),
        '\u{1f150}'..='\u{1f169}' => letter(character, 0x1f150),
        '\u{1f170}'..='\u{1f189}' => letter(character, 0x1f170),
        '\u{1f1e6}'..='\u{1f1ff}' => character,
        other => other,
    }
}

fn letter(character: char, from: u32) -> char {
    u8::try_from(u32::from(character) - from).map_or(character, |at| char::from(b'a' + at))
}

/// A digit or sign that stands for a letter.
pub(super) fn leet(character: char) -> Option<char> {
    Some(match character {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        _ => return None,
    })
}
