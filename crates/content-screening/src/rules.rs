//! The rule files and everything that can be wrong with them.

use std::fmt::Display;
use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::flooding::FloodingRules;
use super::language::LanguageRules;
use super::lexicon::{Lexicon, LexiconFile};
use super::links::LinkRules;
use super::model::ModelRules;
use super::policy::Policy;
use super::repetition::RepetitionRules;

/// The texts of the three rule files.
#[derive(Clone, Copy, Debug)]
pub struct RuleFiles<'a> {
    /// Words and phrases, TOML.
    pub lexicon: &'a str,
    /// Weights of links, repetition, flooding; common words; TOML.
    pub signals: &'a str,
    /// Thresholds, TOML.
    pub policy: &'a str,
}

impl RuleFiles<'static> {
    /// The files this service was built with.
    pub const EMBEDDED: Self = Self {
        lexicon: include_str!("../rules/lexicon.toml"),
        signals: include_str!("../rules/signals.toml"),
        policy: include_str!("../rules/policy.toml"),
    };
}

/// One thing that is wrong with a rule file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {message}")]
pub struct RuleProblem {
    file: &'static str,
    message: String,
}

impl RuleProblem {
    pub(super) fn new(file: &'static str, message: impl Display) -> Self {
        Self { file, message: message.to_string() }
    }
}

/// Everything that is wrong with the rule files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rule files have {} problems: {}", .0.len(), join(.0))]
pub struct RuleFilesError(pub Vec<RuleProblem>);

fn join(problems: &[RuleProblem]) -> String {
    problems.iter().map(RuleProblem::to_string).collect::<Vec<_>>().join("; ")
}

/// The signal file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signals {
    pub(super) model: ModelRules,
    pub(super) links: LinkRules,
    pub(super) repetition: RepetitionRules,
    pub(super) flooding: FloodingRules,
    pub(super) language: LanguageRules,
}

/// The rule files, checked and compiled.
pub(super) struct Compiled {
    pub(super) lexicon: Lexicon,
    pub(super) signals: Signals,
    pub(super) policy: Policy,
}

/// Reads all files and reports everything that is wrong with any of them together.
pub(super) fn compile(files: RuleFiles<'_>) -> Result<Compiled, RuleFilesError> {
    let mut problems = Vec::new();
    let lexicon = read::<LexiconFile>("lexicon.toml", files.lexicon, &mut problems);
    let signals = read::<Signals>("signals.toml", files.signals, &mut problems);
    let policy = read::<Policy>("policy.toml", files.policy, &mut problems);
    if let Some(signals) = &signals {
        check_signals(signals, &mut problems);
        signals.model.check(&mut problems);
    }
    if let Some(policy) = &policy {
        policy.check(&mut problems);
    }
    let lexicon = lexicon.and_then(|file| {
        check_lexicon(&file, &mut problems);
        match Lexicon::compile(file, &mut problems) {
            Ok(lexicon) => Some(lexicon),
            Err(e) => {
                problems.push(RuleProblem::new("lexicon.toml", e));
                None
            }
        }
    });
    match (lexicon, signals, policy) {
        (Some(lexicon), Some(signals), Some(policy)) if problems.is_empty() => {
            Ok(Compiled { lexicon, signals, policy })
        }
        _ => Err(RuleFilesError(problems)),
    }
}

fn read<T: DeserializeOwned>(
    file: &'static str,
    text: &str,
    problems: &mut Vec<RuleProblem>,
) -> Option<T> {
    toml::from_str(text)
        .map_err(|e| problems.push(RuleProblem::new(file, e.to_string().trim_end())))
        .ok()
}

fn check_lexicon(file: &LexiconFile, problems: &mut Vec<RuleProblem>) {
    let mut problem = |message: String| problems.push(RuleProblem::new("lexicon.toml", message));
    for (place, rule) in file.rules.iter().enumerate() {
        let id = &rule.id;
        if !id.starts_with("lexicon.") || id.ends_with(".directed") {
            problem(format!("rule `{id}`: an id is `lexicon.<name>`"));
        }
        if file.rules.iter().take(place).any(|earlier| earlier.id == *id) {
            problem(format!("rule `{id}` stands in the file twice"));
        }
        for weight in [Some(rule.weight), rule.directed_weight].into_iter().flatten() {
            if !(1..=100).contains(&weight) {
                problem(format!("rule `{id}`: a weight is 1 to 100, not {weight}"));
            }
        }
        if rule.explanation.trim().is_empty() || rule.phrases.is_empty() {
            problem(format!("rule `{id}` needs an explanation and phrases"));
        }
    }
    for (name, percent) in file.context.percentages() {
        if percent > 100 {
            problem(format!("{name} is 0 to 100, not {percent}"));
        }
    }
}

fn check_signals(signals: &Signals, problems: &mut Vec<RuleProblem>) {
    let weights = signals
        .links
        .weights()
        .into_iter()
        .chain(signals.repetition.weights())
        .chain(signals.flooding.weights());
    for (name, weight) in weights {
        if !(1..=100).contains(&weight) {
            problems.push(RuleProblem::new(
                "signals.toml",
                format!("{name}: a weight is 1 to 100, not {weight}"),
            ));
        }
    }
}

/// SHA-256 over the files, each with its length in front so that no two sets of files look alike.
pub(super) fn fingerprint(files: &[&str]) -> String {
    let mut bytes = Vec::new();
    for file in files {
        bytes.extend_from_slice(&(file.len() as u64).to_be_bytes());
        bytes.extend_from_slice(file.as_bytes());
    }
    sha256(&bytes)
}

/// SHA-256 in lower-case hexadecimal, as `sha256sum` shows it.
pub fn sha256(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    hash.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes every write");
        text
    })
}
