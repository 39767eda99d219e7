//! Tells the code, the strings, the comments and the tests of a Rust file apart; knows no more of the language.

use std::ops::RangeInclusive;

/// A string or a comment, and the line it begins on, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) line: usize,
    pub(super) text: String,
}

/// A string literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) line: usize,
    /// As written, without quotes; escapes stay escapes.
    pub(super) text: String,
    /// The code just before it, such as `rename =`; 40 characters at most.
    pub(super) before: String,
}

/// A Rust file in its parts.
#[derive(Debug)]
pub(super) struct Source {
    /// The file with the insides of strings and comments left out; lines are kept.
    pub(super) code: String,
    /// Every string.
    pub(super) literals: Vec<Literal>,
    /// Every comment, with its slashes.
    pub(super) comments: Vec<Text>,
    /// The lines of items under `#[cfg(test)]`.
    tests: Vec<RangeInclusive<usize>>,
}

impl Source {
    pub(super) fn of(text: &str) -> Self {
        let mut lexer = Lexer { input: text.chars().collect(), ..Lexer::default() };
        lexer.run();
        let tests = tests(&lexer.code);
        Self { code: lexer.code, literals: lexer.literals, comments: lexer.comments, tests }
    }

    /// Whether a line belongs to a unit test.
    pub(super) fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&line))
    }

    /// Lines of code outside tests, with their numbers.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.code.lines().enumerate().map(|(at, line)| (at + 1, line));
        numbered.filter(|(line, _)| !self.is_test(*line))
    }

    /// Strings outside tests.
    pub(super) fn literals(&self) -> impl Iterator<Item = &Literal> {
        self.literals.iter().filter(|literal| !self.is_test(literal.line))
    }
}

struct Lexer {
    input: Vec<char>,
    at: usize,
    line: usize,
    code: String,
    literals: Vec<Literal>,
    comments: Vec<Text>,
}

impl Default for Lexer {
    fn default() -> Self {
        Self {
            input: Vec::new(),
            at: 0,
            line: 1,
            code: String::new(),
            literals: Vec::new(),
            comments: Vec::new(),
        }
    }
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.input.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn is_at(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, expected)| self.peek(ahead) == expected)
    }

    /// Takes one character into the code, or only its line break.
    fn take(&mut self, as_code: bool) -> char {
        let taken = self.peek(0);
        self.at += 1;
        if taken == '\n' {
            self.line += 1;
        }
        if as_code || taken == '\n' {
            self.code.push(taken);
        }
        taken
    }

    fn run(&mut self) {
        while self.at < self.input.len() {
            match self.peek(0) {
                '/' if self.peek(1) == '/' => self.line_comment(),
                '/' if self.peek(1) == '*' => self.block_comment(),
                '"' => self.string(),
                'r' | 'b' | 'c' if !self.follows_a_word() => self.prefixed(),
                '\'' => self.quote(),
                _ => {
                    self.take(true);
                }
            }
        }
    }

    fn follows_a_word(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.input.get(at));
        before.is_some_and(|before| before.is_alphanumeric() || *before == '_')
    }

    fn line_comment(&mut self) {
        let mut comment = Text { line: self.line, text: String::new() };
        while self.at < self.input.len() && self.peek(0) != '\n' {
            comment.text.push(self.take(false));
        }
        self.comments.push(comment);
    }

    fn block_comment(&mut self) {
        let mut comment = Text { line: self.line, text: String::new() };
        let mut depth = 0_usize;
        while self.at < self.input.len() {
            let step = if self.is_at("/*") {
                depth += 1;
                2
            } else if self.is_at("*/") {
                depth -= 1;
                2
            } else {
                1
            };
            for _ in 0..step {
                comment.text.push(self.take(false));
            }
            if depth == 0 {
                break;
            }
        }
        self.comments.push(comment);
    }

    /// A string, at its opening quote.
    fn string(&mut self) {
        let (line, before) = (self.line, self.before());
        self.take(true);
        let mut text = String::new();
        while self.at < self.input.len() && self.peek(0) != '"' {
            if self.peek(0) == '\\' {
                text.push(self.take(false));
            }
            text.push(self.take(false));
        }
        self.take(true);
        self.literals.push(Literal { line, text, before });
    }

    /// `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `c"…"`, `b'…'`, or a word that begins like one.
    fn prefixed(&mut self) {
        let mut length = 0;
        while matches!(self.peek(length), 'r' | 'b' | 'c') && length < 2 {
            length += 1;
        }
        let is_raw = (0..length).any(|ahead| self.peek(ahead) == 'r');
        let mut hashes = 0;
        while is_raw && self.peek(length + hashes) == '#' {
            hashes += 1;
        }
        match self.peek(length + hashes) {
            '"' if is_raw => {
                let (line, before) = (self.line, self.before());
                for _ in 0..=length + hashes {
                    self.take(true);
                }
                let end = format!("\"{}", "#".repeat(hashes));
                let mut text = String::new();
                while self.at < self.input.len() && !self.is_at(&end) {
                    text.push(self.take(false));
                }
                for _ in 0..=hashes {
                    self.take(true);
                }
                self.literals.push(Literal { line, text, before });
            }
            '"' | '\'' if length == 1 => {
                self.take(true);
            }
            _ => {
                // A word; taken whole, so that its middle does not look like a prefix.
                while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
                    self.take(true);
                }
            }
        }
    }

    /// A character, or a lifetime.
    fn quote(&mut self) {
        let is_character = self.peek(1) == '\\' || self.peek(2) == '\'';
        self.take(true);
        if !is_character {
            return;
        }
        if self.peek(0) == '\\' {
            self.take(false);
        }
        self.take(false);
        while self.at < self.input.len() && self.peek(0) != '\'' {
            self.take(false);
        }
        self.take(true);
    }

    fn before(&self) -> String {
        let reversed: Vec<char> = self.code.trim_end().chars().rev().take(40).collect();
        reversed.into_iter().rev().collect()
    }
}

/// The lines of every item under `#[cfg(test)]`.
fn tests(code: &str) -> Vec<RangeInclusive<usize>> {
    let mut ranges = Vec::new();
    let mut lines = code.lines().enumerate();
    while let Some((begin, line)) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            continue;
        }
        let mut depth = 0_i32;
        let mut opened = false;
        let mut end = begin;
        for (at, line) in lines.by_ref() {
            end = at;
            for character in line.chars() {
                match character {
                    '{' => {
                        depth += 1;
                        opened = true;
                    }
                    '}' => depth -= 1,
                    _ => {}
                }
            }
            if (opened && depth <= 0) || (!opened && line.trim_end().ends_with(';')) {
                break;
            }
        }
        ranges.push(begin + 1..=end + 1);
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &Source) -> Vec<&str> {
        source.literals.iter().map(|literal| &*literal.text).collect()
    }

    #[test]
    fn strings_of_every_form_are_found_and_left_out_of_the_code() {
        let source = Source::of(
            "a(\"one\", r\"two\", r#\"th\"ree\"#, b\"four\", br##\"fi\"#ve\"##, \"s\\\"ix\"); bread(r)",
        );

        assert_eq!(texts(&source), ["one", "two", "th\"ree", "four", "fi\"#ve", "s\\\"ix"]);
        assert!(!source.code.contains("ree") && source.code.ends_with("bread(r)"));
    }

    #[test]
    fn a_quote_in_a_character_or_a_comment_opens_no_string() {
        let source = Source::of(
            "f('\"', '\\'', b'\"'); // \"no\nlet s: &'a str = \"yes\"; /* \" /* */ */ g()",
        );

        assert_eq!(texts(&source), ["yes"]);
        assert_eq!(source.comments.len(), 2);
        assert!(source.code.ends_with("g()"));
    }

    #[test]
    fn a_string_knows_its_line_and_what_stands_before_it() {
        let source = Source::of("\n#[serde(rename =\n  \"post.published.v1\")]");

        let [literal] = &source.literals[..] else { panic!("{source:?}") };
        assert_eq!(literal.line, 3);
        assert!(literal.before.ends_with("rename ="));
    }

    #[test]
    fn only_items_under_cfg_test_are_tests() {
        let source = Source::of(
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { let s = \"}\"; }\n}\nfn c() {}\n#[cfg(test)]\nmod far;\nfn d() {}",
        );

        let product: Vec<usize> = source.lines().map(|(line, _)| line).collect();
        assert_eq!(product, [1, 6, 9]);
    }
}
