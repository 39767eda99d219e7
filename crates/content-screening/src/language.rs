//! Whether a text is in the language of the word rules.

use serde::Deserialize;

/// The language section of the signal file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LanguageRules {
    /// Texts with fewer words cannot be told; they count as supported.
    pub(super) min_words: usize,
    /// Share of common words, in percent, below which a text is in another language.
    pub(super) common_percent: usize,
    /// Words that hardly any sentence of the language lacks, in lower case.
    pub(super) common_words: Vec<String>,
}

/// Judges the normalised text.
pub(super) fn is_supported(normalised: &str, rules: &LanguageRules) -> bool {
    let letters = normalised.chars().filter(|c| c.is_alphabetic()).count();
    let ascii = normalised.chars().filter(char::is_ascii_alphabetic).count();
    let words: Vec<&str> = normalised
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .map(|word| word.trim_matches('\''))
        .filter(|word| word.contains(char::is_alphabetic) && !matches!(*word, "urlz" | "userz"))
        .collect();
    let common =
        words.iter().filter(|word| rules.common_words.iter().any(|common| common == *word)).count();
    let latin_script = letters == 0 || ascii * 2 > letters;
    let enough = common * 100 >= words.len() * rules.common_percent;
    if latin_script { words.len() < rules.min_words || enough } else { common >= 3 && enough }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{RuleFiles, Signals};

    fn supported(text: &str) -> bool {
        is_supported(
            text,
            &toml::from_str::<Signals>(RuleFiles::EMBEDDED.signals).unwrap().language,
        )
    }

    #[test]
    fn english_and_texts_too_short_to_tell_are_supported() {
        assert!(supported("the weather was lovely and we walked along the river"));
        assert!(supported("nice shot"));
        assert!(supported("12:30 🎉"));
    }

    #[test]
    fn other_languages_are_not() {
        assert!(!supported("сегодня мы гуляли вдоль реки и ели мороженое"));
        assert!(!supported("heute gehen wir zusammen mit den kindern durch den wald"));
        assert!(!supported("le train aura encore du retard ce soir, quelle surprise"));
        assert!(!supported("slutet av filmen var bra men början kändes lite långsam"));
    }
}
