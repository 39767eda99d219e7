//! Words and phrases that speak for a category, weighed by the words around them.

use std::fmt::Write;

use aho_corasick::BuildError;

use super::findings::Strongest;
use super::normalise::Normalised;
use super::rules::RuleProblem;
use super::{ContentKind, Finding};

mod context;
mod file;
mod masked;
mod matches;
mod phrase;

pub(super) use file::LexiconFile;

use context::{Lead, Surroundings};
use file::{Aim, ContextRules, Rule};
use masked::MaskedWords;
use matches::{Match, Matcher, Owner, Phrase};

/// The compiled lexicon file.
pub(super) struct Lexicon {
    rules: Vec<Rule>,
    context: ContextRules,
    matcher: Matcher,
    masked: MaskedWords,
    surroundings: Surroundings,
}

/// The text to look through, in both forms.
pub(super) struct Text<'a> {
    pub(super) original: &'a str,
    pub(super) normalised: &'a Normalised,
    pub(super) kind: ContentKind,
    pub(super) language_supported: bool,
}

/// Whether a phrase is aimed at a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aimed {
    /// Nothing says so.
    No,
    /// It stands alone in an answer: most likely, but not plainly enough to remove it without a person.
    Probably,
    /// Somebody is addressed.
    Plainly,
}

/// What changes the weight of a match.
struct Circumstances {
    aimed: Aimed,
    /// What is left of the weight in percent, and why.
    lowered: Vec<(u8, &'static str)>,
}

impl Lexicon {
    /// Compiles the file, noting every phrase that is written wrongly.
    ///
    /// # Errors
    /// When the phrases are too many for the automaton.
    pub(super) fn compile(
        file: LexiconFile,
        problems: &mut Vec<RuleProblem>,
    ) -> Result<Self, BuildError> {
        let LexiconFile { context, rules } = file;
        let mut phrases = Vec::new();
        for (place, rule) in rules.iter().enumerate() {
            add_phrases(&mut phrases, Owner::Rule(place), &rule.phrases, &rule.suffixes, problems);
        }
        add_phrases(&mut phrases, Owner::Allowed, &context.allowed, &[], problems);
        add_phrases(&mut phrases, Owner::Reporting, &context.reporting, &[], problems);
        add_phrases(&mut phrases, Owner::Joking, &context.joking, &[], problems);
        let matcher = Matcher::new(phrases)?;
        let weight = |rule: usize| rules.get(rule).map_or(0, |rule| rule.weight);
        let masked =
            MaskedWords::new(matcher.single_words().map(|(word, rule)| (word, weight(rule))));
        let surroundings = Surroundings::new(&context);
        Ok(Self { rules, context, matcher, masked, surroundings })
    }

    /// Judges the words of a text; of one phrase only its strongest use counts.
    pub(super) fn judge(&self, text: &Text<'_>) -> Vec<Finding> {
        let filled = self.masked.fill_in(text.normalised.text());
        let matches = self.matcher.find(&filled, text.normalised);
        if matches.is_empty() {
            return Vec::new();
        }
        let reporting = context::cues(&matches, Owner::Reporting);
        let joking = context::cues(&matches, Owner::Joking);
        let quotations = context::quotations(text.original);
        let mut strongest = Strongest::default();
        for found in matches::outermost(matches) {
            let Owner::Rule(rule) = found.owner else { continue };
            let (Some(rule), Some(phrase)) =
                (self.rules.get(rule), self.matcher.phrase(found.phrase))
            else {
                continue;
            };
            let Some(span) = text.normalised.original_span(found.start, found.end) else {
                continue;
            };
            let mut circumstances = self.circumstances(&filled, &found, rule, text.kind);
            let mut lower = |applies: bool, percent: u8, why: &'static str| {
                if applies {
                    circumstances.lowered.push((percent, why));
                }
            };
            lower(
                context::is_quoted(&quotations, span),
                self.context.quoted_percent,
                "it is quoted",
            );
            lower(
                context::is_near(&reporting, &found),
                self.context.reported_percent,
                "it reports what others say",
            );
            lower(
                context::is_near(&joking, &found),
                self.context.joking_percent,
                "it seems to be a joke or a game",
            );
            let foreign = !text.language_supported && phrase.is_single_word();
            lower(foreign, self.context.foreign_percent, "the text is in another language");
            strongest.offer(
                (found.phrase, rule.id.as_str()),
                finding(rule, &circumstances, span, phrase, text.original),
            );
        }
        strongest.into_findings()
    }

    fn circumstances(
        &self,
        text: &str,
        found: &Match,
        rule: &Rule,
        kind: ContentKind,
    ) -> Circumstances {
        let lead = self.surroundings.lead(text, found.start);
        let mut lowered = Vec::new();
        if lead == Lead::Negated {
            lowered.push((self.context.negated_percent, "it is denied"));
        }
        let own = lead == Lead::Own || context::is_own_behind(text, found.end);
        if own && rule.aim == Aim::Context {
            lowered.push((self.context.own_percent, "the author speaks of themself"));
        }
        let addressed = lead == Lead::Addressed || context::is_addressed_behind(text, found.end);
        let aimed = match rule.aim {
            Aim::Always => Aimed::Plainly,
            Aim::Context if addressed => Aimed::Plainly,
            Aim::Context if is_whole_answer(text, found, kind) => Aimed::Probably,
            Aim::Context | Aim::Never => Aimed::No,
        };
        Circumstances { aimed, lowered }
    }
}

/// A comment of one or two words is said to whom it answers, most likely.
fn is_whole_answer(text: &str, found: &Match, kind: ContentKind) -> bool {
    let around = text.len() - (found.end - found.start);
    match kind {
        ContentKind::Comment => around <= 12 && text.split_whitespace().take(3).count() <= 2,
        ContentKind::Post => false,
    }
}

fn finding(
    rule: &Rule,
    circumstances: &Circumstances,
    span: (usize, usize),
    phrase: &Phrase,
    original: &str,
) -> Finding {
    let full = match circumstances.aimed {
        Aimed::No => rule.weight,
        Aimed::Probably | Aimed::Plainly => rule.directed_weight.unwrap_or(rule.weight),
    };
    let left = circumstances
        .lowered
        .iter()
        .fold(u32::from(full), |weight, (percent, _)| weight * u32::from(*percent) / 100);
    let weight = u8::try_from(left).unwrap_or(u8::MAX).max(1);
    let directed = circumstances.aimed == Aimed::Plainly && circumstances.lowered.is_empty();
    let mut explanation = rule.explanation.clone();
    let written = original.get(span.0..span.1).unwrap_or_default();
    if written.to_lowercase() != phrase.text {
        write!(explanation, " Read as \"{}\".", phrase.text).expect("a string takes every write");
    }
    if circumstances.aimed != Aimed::No && rule.aim == Aim::Context {
        explanation.push_str(" It is aimed at a person, so it weighs more.");
    }
    for (_, why) in &circumstances.lowered {
        write!(explanation, " It weighs less because {why}.").expect("a string takes every write");
    }
    let id = if directed { format!("{}.directed", rule.id) } else { rule.id.clone() };
    Finding { rule: id, category: rule.category, weight, span: Some(span), explanation }
}

fn add_phrases(
    phrases: &mut Vec<Phrase>,
    owner: Owner,
    lines: &[String],
    suffixes: &[String],
    problems: &mut Vec<RuleProblem>,
) {
    for line in lines {
        match phrase::expand(line) {
            Ok(expanded) => {
                for text in expanded {
                    let ended = suffixes
                        .iter()
                        .map(|suffix| Phrase { owner, text: format!("{text}{suffix}") });
                    phrases.extend(ended.collect::<Vec<_>>());
                    phrases.push(Phrase { owner, text });
                }
            }
            Err(e) => {
                problems.push(RuleProblem::new("lexicon.toml", format!("phrase `{line}`: {e}")));
            }
        }
    }
}
