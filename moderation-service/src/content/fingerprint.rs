//! What tells two texts to be the same.

use content_screening::sha256;
use unicode_normalization::UnicodeNormalization;

/// Letters and digits below which texts are the same by chance: "thank you", "happy birthday".
const DISTINCTIVE: usize = 20;

/// SHA-256, in hexadecimal, of the text's letters and digits in lower case: what stands between them tells no texts apart.
/// `None` for texts too short to be told apart.
pub fn text_hash(text: &str) -> Option<String> {
    let letters: String =
        text.nfkc().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect();
    if letters.chars().count() < DISTINCTIVE {
        return None;
    }
    Some(sha256(letters.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_spacing_and_signs_make_no_other_text() {
        let one = text_hash("Buy the best followers now!").unwrap();

        assert_eq!(text_hash("  buy THE best…followers\u{200b} now").as_deref(), Some(&*one));
        assert_ne!(text_hash("Buy the best flowers now, dear").as_deref(), Some(&*one));
        assert_eq!(one.len(), 64);
    }

    #[test]
    fn what_everybody_says_is_nobodys_text() {
        assert_eq!(text_hash("Happy birthday!"), None);
        assert_eq!(text_hash("👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍"), None);
    }
}
