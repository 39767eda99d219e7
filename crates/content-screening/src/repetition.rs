//! Text that repeats itself or shouts.

use std::collections::BTreeMap;

use serde::Deserialize;
use shared_schemas::moderation::ModerationReason;

use super::Finding;

/// The repetition section of the signal file. Counts are inclusive lower bounds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RepetitionRules {
    /// The same letter or sign this often in a row.
    pub(super) character_run: usize,
    /// Weight of that.
    pub(super) character_weight: u8,
    /// The same word this often in a row.
    pub(super) word_run: usize,
    /// Weight of that.
    pub(super) word_run_weight: u8,
    /// A text of this many words,
    pub(super) word_share_words: usize,
    /// of which one word is this share in percent.
    pub(super) word_share_percent: usize,
    /// Weight of that.
    pub(super) word_share_weight: u8,
    /// The same line this often.
    pub(super) same_lines: usize,
    /// Shorter lines, in bytes, repeat in honest texts: verses, tables, separators.
    pub(super) line_bytes: usize,
    /// Weight of that.
    pub(super) line_weight: u8,
    /// A text of this many letters that have case,
    pub(super) capital_letters: usize,
    /// of which this share in percent are capitals.
    pub(super) capital_percent: usize,
    /// Weight of that.
    pub(super) capital_weight: u8,
}

impl RepetitionRules {
    /// Every weight with its name, to be checked at start.
    pub(super) fn weights(&self) -> [(&'static str, u8); 5] {
        [
            ("repetition.character_weight", self.character_weight),
            ("repetition.word_run_weight", self.word_run_weight),
            ("repetition.word_share_weight", self.word_share_weight),
            ("repetition.line_weight", self.line_weight),
            ("repetition.capital_weight", self.capital_weight),
        ]
    }
}

/// Judges how often a text repeats itself, and capitals.
pub(super) fn judge(text: &str, rules: &RepetitionRules) -> Vec<Finding> {
    let words = words(text);
    [
        characters(text, rules),
        word_run(&words, rules),
        word_share(&words, rules),
        lines(text, rules),
        capitals(text, rules),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Every word in lower case with its first and its past-the-last byte in the text.
fn words(text: &str) -> Vec<(usize, usize, String)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, c.is_alphanumeric()) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                words.push((from, at, text.get(from..at).unwrap_or_default().to_lowercase()));
                start = None;
            }
            (Some(_), true) | (None, false) => {}
        }
    }
    words
}

fn characters(text: &str, rules: &RepetitionRules) -> Option<Finding> {
    let mut run: Option<(usize, char, usize)> = None;
    // Runs of these are rules between paragraphs, drawings and pauses.
    let counts = |c: char| !c.is_whitespace() && !"-=_*#.~+…─—|".contains(c);
    for (at, c) in text.char_indices() {
        run = match run {
            Some((start, same, length)) if same == c => Some((start, same, length + 1)),
            _ => Some((at, c, 1)),
        };
        let Some((start, _, length)) = run else { continue };
        if counts(c) && length == rules.character_run {
            let explanation = format!("One character stands {length} times or more in a row.");
            return Some(finding(
                "characters",
                rules.character_weight,
                Some((start, at + c.len_utf8())),
                explanation,
            ));
        }
    }
    None
}

fn word_run(words: &[(usize, usize, String)], rules: &RepetitionRules) -> Option<Finding> {
    let run = words.chunk_by(|(.., a), (.., b)| a == b).find(|run| run.len() >= rules.word_run)?;
    let (start, ..) = run.first()?;
    let (_, end, _) = run.last()?;
    let explanation = format!("One word stands {} times in a row.", run.len());
    Some(finding("word_run", rules.word_run_weight, Some((*start, *end)), explanation))
}

fn word_share(words: &[(usize, usize, String)], rules: &RepetitionRules) -> Option<Finding> {
    if words.len() < rules.word_share_words {
        return None;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (.., word) in words {
        *counts.entry(word).or_default() += 1;
    }
    let most = counts.values().max()?;
    let share = most * 100 / words.len();
    let explanation = format!("One word makes up {share} % of the text.");
    (share >= rules.word_share_percent)
        .then(|| finding("word_share", rules.word_share_weight, None, explanation))
}

fn lines(text: &str, rules: &RepetitionRules) -> Option<Finding> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| line.len() >= rules.line_bytes) {
        *counts.entry(line).or_default() += 1;
    }
    let most = *counts.values().max()?;
    let explanation = format!("One line stands in the text {most} times.");
    (most >= rules.same_lines).then(|| finding("lines", rules.line_weight, None, explanation))
}

fn capitals(text: &str, rules: &RepetitionRules) -> Option<Finding> {
    let capitals = text.chars().filter(|c| c.is_uppercase()).count();
    let letters = capitals + text.chars().filter(|c| c.is_lowercase()).count();
    let share = capitals * 100 / letters.max(1);
    let explanation = format!("{share} % of the letters are capitals.");
    (letters >= rules.capital_letters && share >= rules.capital_percent)
        .then(|| finding("capitals", rules.capital_weight, None, explanation))
}

fn finding(rule: &str, weight: u8, span: Option<(usize, usize)>, explanation: String) -> Finding {
    Finding {
        rule: format!("repetition.{rule}"),
        category: ModerationReason::Spam,
        weight,
        span,
        explanation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{RuleFiles, Signals};

    fn found(text: &str) -> Vec<String> {
        let rules = toml::from_str::<Signals>(RuleFiles::EMBEDDED.signals).unwrap().repetition;
        judge(text, &rules).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn each_kind_of_repetition_is_named() {
        assert_eq!(found(&"!".repeat(40)), ["repetition.characters"]);
        assert!(found(&"win ".repeat(20)).contains(&"repetition.word_run".to_owned()));
        assert!(
            found(&"win now big win here ".repeat(20))
                .contains(&"repetition.word_share".to_owned())
        );
        assert_eq!(found(&"the very same line of text\n".repeat(5)), ["repetition.lines"]);
        assert_eq!(found("EVERYBODY LOOK AT THIS WONDERFUL OFFER"), ["repetition.capitals"]);
    }

    #[test]
    fn separators_laughter_and_abbreviations_are_no_repetition() {
        assert_eq!(
            found(
                "-----------------------------\nhahahaha no, NATO and the EU\n============================"
            ),
            Vec::<String>::new()
        );
    }
}
