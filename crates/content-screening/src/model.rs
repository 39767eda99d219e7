//! What the trained model says of a text, as findings beside those of the rules.

use std::collections::BTreeMap;

use content_analysis::{Analyser, Category, Language, Scorer, normalise::part};
use serde::Deserialize;
use shared_schemas::moderation::ModerationReason;

use super::{Finding, rules::RuleProblem};

/// From which probabilities on a category counts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelRules {
    spam: Levels,
    toxicity: Levels,
    hate: Levels,
    threat: Levels,
    sexual: Levels,
    self_harm: Levels,
    /// Weight of a finding at `label`.
    label_weight: u8,
    /// Weight of a finding at `hold`; it grows to 99 where the model is sure.
    hold_weight: u8,
}

/// Probabilities in thousandths.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Levels {
    /// Worth a mention.
    label: u16,
    /// Worth a person's time.
    hold: u16,
}

/// Spans that are shown for one category.
const SPANS: usize = 3;

/// Shows where, without counting.
const SPAN_WEIGHT: u8 = 1;

/// Probabilities of one text, in thousandths, by category; the same on every machine.
pub(super) type Scores = BTreeMap<Category, u16>;

/// What the model says of one text.
pub(super) struct Judged {
    pub(super) found: Vec<Finding>,
    pub(super) scores: Scores,
    /// ISO 639-3; `und` when unknown.
    pub(super) language: &'static str,
    /// See [`super::Analysis::corrected`].
    pub(super) corrected: u32,
}

impl ModelRules {
    /// Notes everything that is wrong with the levels.
    pub(super) fn check(&self, problems: &mut Vec<RuleProblem>) {
        let mut problem =
            |message: String| problems.push(RuleProblem::new("signals.toml", message));
        for category in Category::ALL {
            let Levels { label, hold } = self.levels(category);
            if !(1..hold).contains(&label) || hold >= 1_000 {
                let name = category.as_str();
                problem(format!("model.{name}: label is 1 or more, hold above it and below 1000"));
            }
        }
        if !(1..self.hold_weight).contains(&self.label_weight) || self.hold_weight >= 99 {
            problem(
                "model: label_weight is 1 or more, hold_weight above it and below 99".to_owned(),
            );
        }
    }

    const fn levels(&self, category: Category) -> Levels {
        match category {
            Category::Spam => self.spam,
            Category::Toxicity => self.toxicity,
            Category::Hate => self.hate,
            Category::Threat => self.threat,
            Category::Sexual => self.sexual,
            Category::SelfHarm => self.self_harm,
        }
    }

    fn weight(&self, category: Category, score: u16) -> Option<u8> {
        let Levels { label, hold } = self.levels(category);
        let between = |from: u16, to: u16, low: u8, high: u8| {
            let way = u32::from(score - from) * u32::from(high - low) / u32::from(to - from);
            low + u8::try_from(way).unwrap_or(0)
        };
        match score {
            score if score >= hold => Some(between(hold, 1_000, self.hold_weight, 99)),
            score if score >= label => {
                Some(between(label, hold, self.label_weight, self.hold_weight - 1))
            }
            _ => None,
        }
    }
}

/// The findings of the model, its probabilities and what it took the text for. Hate and threats count only in the language that the model knows; in one
/// it does not know at all, the rest is mentioned and never holds.
pub(super) fn judge(
    text: &str,
    analyser: &Analyser,
    other: Option<&dyn Scorer>,
    rules: &ModelRules,
) -> Judged {
    let mut analysis = analyser.analyse(text);
    if let Some(other) = other {
        analysis.scores = other.scores(text);
    }
    let mut found = Vec::new();
    let mut scores = Scores::new();
    for category in Category::ALL {
        let score = thousandths(analysis.scores.get(category));
        scores.insert(category, score);
        let Some(weight) = rules.weight(category, score) else { continue };
        // Who speaks of hurting himself uses the words of threats, and threatens nobody.
        let despair = thousandths(analysis.scores.self_harm);
        if category == Category::Threat && despair >= rules.self_harm.hold {
            continue;
        }
        let weight = match (category, analysis.language) {
            (_, Language::English | Language::Unknown) => weight,
            (Category::Hate | Category::Threat, _) => continue,
            (_, Language::Partial(_)) => weight,
            (_, Language::Unsupported(_)) => weight.min(rules.label_weight),
        };
        let mut spans = analyser.explain(text, category).contributions.into_iter();
        let mut spans = spans
            .by_ref()
            .take(SPANS)
            .filter(|one| one.weight > 0.0 && !part(text, one.span.clone()).is_empty())
            .map(|one| (one.span.start, one.span.end));
        let rule = format!("model.{}", category.as_str());
        let reason = reason(category);
        found.push(Finding {
            rule: rule.clone(),
            category: reason,
            weight,
            span: spans.next(),
            explanation: format!("The text as a whole reads like {}.", describe(category)),
        });
        found.extend(spans.map(|span| Finding {
            rule: rule.clone(),
            category: reason,
            weight: SPAN_WEIGHT,
            span: Some(span),
            explanation: "These words contribute most to that.".to_owned(),
        }));
    }
    let language = analysis.language.code();
    Judged { found, scores, language, corrected: analysis.corrected }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
fn thousandths(probability: f32) -> u16 {
    (probability.clamp(0.0, 1.0) * 1_000.0) as u16
}

const fn reason(category: Category) -> ModerationReason {
    match category {
        Category::Spam => ModerationReason::Spam,
        Category::Toxicity => ModerationReason::OffensiveContent,
        Category::Hate => ModerationReason::Racism,
        Category::Threat => ModerationReason::Threat,
        Category::Sexual => ModerationReason::Nudity,
        Category::SelfHarm => ModerationReason::SelfHarm,
    }
}

const fn describe(category: Category) -> &'static str {
    match category {
        Category::Spam => "unasked advertising",
        Category::Toxicity => "an insult or gross obscenity",
        Category::Hate => "an attack on people for what they are",
        Category::Threat => "a threat",
        Category::Sexual => "sexual content",
        Category::SelfHarm => "somebody who may hurt himself",
    }
}
