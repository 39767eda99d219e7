//! What the words around a phrase say about it.

use std::collections::HashSet;

use super::file::ContextRules;
use super::matches::{Match, Owner};

/// How many words in front of a phrase are looked at.
const WORDS_BEFORE: usize = 6;
/// Reporting and joking words this many bytes before or behind a phrase belong to it.
const NEAR_BYTES: usize = 60;
/// A quotation longer than this, in bytes, is rather a stray quotation mark.
const MAX_QUOTATION_BYTES: usize = 600;

/// What the words in front of a phrase do to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    /// Nothing.
    None,
    /// They aim it at somebody.
    Addressed,
    /// They deny it.
    Negated,
    /// The author speaks of themself.
    Own,
}

/// The word lists, ready to look up.
pub(super) struct Surroundings {
    addressing: HashSet<String>,
    own: HashSet<String>,
    negations: HashSet<String>,
    fillers: HashSet<String>,
}

impl Surroundings {
    pub(super) fn new(rules: &ContextRules) -> Self {
        let both = |words: &[String]| {
            words.iter().flat_map(|word| [word.clone(), word.replace('\'', "")]).collect()
        };
        Self {
            addressing: both(&rules.addressing),
            own: both(&rules.own),
            negations: both(&rules.negations),
            fillers: both(&rules.fillers),
        }
    }

    /// Reads backwards from the phrase, over filler words, within the sentence.
    pub(super) fn lead(&self, text: &str, at: usize) -> Lead {
        let mut nearer = "";
        for word in words_before(text, at) {
            if self.negations.contains(word) {
                return Lead::Negated;
            }
            // `your idiot brother` is about the brother, `your an idiot` is a slip for "you're".
            if self.addressing.contains(word)
                || (word == "your" && matches!(nearer, "a" | "an" | "such" | "so" | "just"))
            {
                return Lead::Addressed;
            }
            if self.own.contains(word) {
                return Lead::Own;
            }
            if !self.fillers.contains(word) {
                return Lead::None;
            }
            nearer = word;
        }
        Lead::None
    }
}

/// Whether the phrase is followed by words that aim it at somebody: `idiots like you`.
pub(super) fn is_addressed_behind(text: &str, end: usize) -> bool {
    is_followed_by(text, end, &["like you", "like u", "such as you"])
}

/// Whether the phrase is followed by words that turn it on the author: `a fag myself`.
pub(super) fn is_own_behind(text: &str, end: usize) -> bool {
    is_followed_by(text, end, &["myself", "ourselves", "like me", "like us"])
}

fn is_followed_by(text: &str, end: usize, words: &[&str]) -> bool {
    let rest = text.get(end..).unwrap_or_default().trim_start_matches(' ');
    let ends = |after: &str| !after.starts_with(|c: char| c.is_alphanumeric() || c == '\'');
    words.iter().any(|words| rest.strip_prefix(words).is_some_and(ends))
}

fn words_before(text: &str, at: usize) -> impl Iterator<Item = &str> {
    let from = text.floor_char_boundary(at.saturating_sub(120));
    let before = text.get(from..at).unwrap_or_default();
    let in_sentence = |word: &&str| !word.ends_with(['.', '!', '?', ';', ':']);
    before
        .rsplit(' ')
        .take_while(in_sentence)
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .take(WORDS_BEFORE)
}

/// Whether words of this kind stand near the phrase and outside it.
pub(super) fn is_near(cues: &[(usize, usize)], phrase: &Match) -> bool {
    let from = phrase.start.saturating_sub(NEAR_BYTES);
    let first = cues.partition_point(|&(start, _)| start < from);
    let near = cues.iter().skip(first).take_while(|&&(start, _)| start <= phrase.end + NEAR_BYTES);
    near.into_iter().any(|&(start, end)| end <= phrase.start || start >= phrase.end)
}

/// The places of the words of one kind, by start.
pub(super) fn cues(matches: &[Match], owner: Owner) -> Vec<(usize, usize)> {
    matches.iter().filter(|m| m.owner == owner).map(|m| (m.start, m.end)).collect()
}

/// The quoted parts of an original text, by start and not overlapping: between quotation marks, and paragraphs behind `>`.
///
/// A text that is quotation as a whole quotes nobody: the marks are then a way past this rule.
pub(super) fn quotations(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, char)> = None;
    for (at, c) in text.char_indices() {
        match open {
            Some((start, close)) if c == close => {
                found.push((start, at + c.len_utf8()));
                open = None;
            }
            Some((start, _)) if at - start > MAX_QUOTATION_BYTES => {
                open = closing(c).map(|close| (at, close));
            }
            Some(_) => {}
            None => open = closing(c).map(|close| (at, close)),
        }
    }
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('>') {
            found.push((line_start, line_start + line.len()));
        }
        line_start += line.len();
    }
    let whole = text.trim().len();
    found.retain(|(start, end)| (end - start) * 10 < whole * 8);
    found.sort_unstable();
    merged(found)
}

fn merged(spans: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    let mut merged: Vec<(usize, usize)> = Vec::with_capacity(spans.len());
    for (start, end) in spans {
        match merged.last_mut() {
            Some(last) if start < last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

fn closing(c: char) -> Option<char> {
    match c {
        '"' => Some('"'),
        '“' | '„' => Some('”'),
        '«' => Some('»'),
        '»' => Some('«'),
        _ => None,
    }
}

/// Whether a span of the original lies inside a quotation.
pub(super) fn is_quoted(quotations: &[(usize, usize)], (start, end): (usize, usize)) -> bool {
    let behind = quotations.partition_point(|&(from, _)| from <= start);
    behind.checked_sub(1).and_then(|last| quotations.get(last)).is_some_and(|&(_, to)| end <= to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_found_by_marks_and_by_paragraph() {
        let text =
            "> quoted line\nshe wrote \"one\" and «two» and “three” in her long letter to us";
        let quoted: Vec<&str> = quotations(text)
            .into_iter()
            .map(|(start, end)| text.get(start..end).unwrap())
            .collect();

        assert_eq!(quoted, ["> quoted line\n", "\"one\"", "«two»", "“three”"]);
    }

    #[test]
    fn a_text_in_quotation_marks_as_a_whole_quotes_nobody() {
        assert_eq!(quotations("\"all of this is in quotation marks\""), []);
    }
}
