//! The analyser by rules and by the trained model.

use std::collections::BTreeSet;
use std::sync::Arc;

use content_analysis::Scorer;
use shared_schemas::moderation::ModerationReason;

use super::lexicon::Text;
use super::normalise::{Normalised, mentions};
use super::policy::{Asked, Known, Ruling};
use super::rules::{self, Compiled};
use super::{
    Analyser, AnalyserVersion, Analysis, Behaviour, Content, Finding, RuleFiles, RuleFilesError,
    RuleProblem,
};
use super::{findings, flooding, language, links, model, repetition};

/// What is behind this many bytes is not read; the text is then held, so that nothing hides there.
pub const MAX_ANALYSED_BYTES: usize = 64 * 1024;

/// To be raised with every change of the code that changes a judgement.
const NAME: &str = "peerlink-rules/3";

/// Links of one text that are compared with those of others; no honest text has more.
const MAX_LINK_KEYS: usize = 50;

/// Weight of a text that is too long to be read whole: it is always held.
const TOO_LONG_WEIGHT: u8 = 100;

/// Judges by rules that are written down in files and explain themselves.
pub struct RuleAnalyser {
    version: AnalyserVersion,
    rules: Compiled,
    model: Arc<content_analysis::Analyser>,
    /// Gives the probabilities in place of the model, which then only says where in the text they come from.
    scorer: Option<Arc<dyn Scorer>>,
}

impl RuleAnalyser {
    /// An analyser with the rules and the model this program was built with.
    ///
    /// # Errors
    /// Everything that is wrong with the files; a test keeps that from being shipped.
    pub fn embedded() -> Result<Self, RuleFilesError> {
        Self::from_files(RuleFiles::EMBEDDED)
    }

    /// An analyser with these rules and the built-in model.
    ///
    /// # Errors
    /// Everything that is wrong with the files, together.
    pub fn from_files(files: RuleFiles<'_>) -> Result<Self, RuleFilesError> {
        let model = content_analysis::Analyser::built_in()
            .map_err(|error| RuleFilesError(vec![RuleProblem::new("model.bin", error)]))?;
        Self::new(files, Arc::clone(model))
    }

    /// An analyser with these rules and this model.
    ///
    /// # Errors
    /// Everything that is wrong with the files, together.
    pub fn new(
        files: RuleFiles<'_>,
        model: Arc<content_analysis::Analyser>,
    ) -> Result<Self, RuleFilesError> {
        let version = AnalyserVersion {
            name: NAME.to_owned(),
            rules_sha256: rules::fingerprint(&[files.lexicon, files.signals]),
            policy_sha256: rules::sha256(files.policy.as_bytes()),
            model: model.model().version().to_owned(),
        };
        Ok(Self { version, rules: rules::compile(files)?, model, scorer: None })
    }

    /// The same analyser with the probabilities of another scorer, such as a larger model that the operator runs. The
    /// version names both.
    #[must_use]
    pub fn with_scorer(mut self, scorer: Arc<dyn Scorer>) -> Self {
        self.version.model = format!("{}+{}", self.model.model().version(), scorer.version());
        self.scorer = Some(scorer);
        self
    }
}

impl Analyser for RuleAnalyser {
    fn version(&self) -> &AnalyserVersion {
        &self.version
    }

    fn analyse(&self, content: &Content<'_>, behaviour: &Behaviour) -> Analysis {
        let Compiled { lexicon, signals, policy } = &self.rules;
        let read = content.text.floor_char_boundary(MAX_ANALYSED_BYTES);
        let original = content.text.get(..read).unwrap_or_default();
        let links = links::find(original, &signals.links);
        let link_spans: Vec<(usize, usize)> =
            links.iter().map(|link| (link.start, link.end)).collect();
        let normalised = Normalised::of(original, &link_spans);
        let language_supported = language::is_supported(normalised.text(), &signals.language);

        let mut found = lexicon.judge(&Text {
            original,
            normalised: &normalised,
            kind: content.kind,
            language_supported,
        });
        let by_model = model::judge(original, &self.model, self.scorer.as_deref(), &signals.model);
        found.extend(by_model.found);
        found.extend(policy.lists.judge(&links));
        let links = policy.lists.counted(links);
        found.extend(links::judge(original, &links, &signals.links));
        found.extend(repetition::judge(original, &signals.repetition));
        found.extend(flooding::judge(behaviour, !links.is_empty(), &signals.flooding));
        let asked = Asked {
            kind: content.kind,
            original,
            normalised: &normalised,
            language: by_model.language,
            links: links.len(),
            mentions: mentioned(original).len(),
            behaviour,
            model: &by_model.scores,
        };
        found.extend(policy.rules.iter().filter_map(|rule| rule.judge(&asked)));
        if read < content.text.len() {
            found.push(too_long((read, content.text.len())));
        }
        let findings = findings::arrange(found);
        let scores = findings::scores(&findings);
        let known = Known { behaviour, language: by_model.language, language_supported };
        let Ruling { verdict, reasons, labels, would } = policy.decide(&scores, &findings, known);
        Analysis {
            verdict,
            reasons,
            scores,
            findings,
            model: by_model.scores,
            language_unsupported: !language_supported,
            language: by_model.language.to_owned(),
            disguised: by_model.disguised,
            labels,
            would,
        }
    }

    fn links(&self, text: &str) -> Vec<String> {
        let read = text.floor_char_boundary(MAX_ANALYSED_BYTES);
        let links = links::find(text.get(..read).unwrap_or_default(), &self.rules.signals.links);
        let keys: BTreeSet<String> = links.iter().map(links::Link::key).collect();
        keys.into_iter().take(MAX_LINK_KEYS).collect()
    }

    fn mentions(&self, text: &str) -> u32 {
        let read = text.floor_char_boundary(MAX_ANALYSED_BYTES);
        let names = mentioned(text.get(..read).unwrap_or_default());
        u32::try_from(names.len()).unwrap_or(u32::MAX)
    }
}

/// The names that a text mentions, each once.
fn mentioned(text: &str) -> BTreeSet<String> {
    mentions(text)
        .filter_map(|place| text.get(place.start + 1..place.end))
        .map(str::to_lowercase)
        .collect()
}

fn too_long(span: (usize, usize)) -> Finding {
    Finding {
        rule: "limits.too_long".to_owned(),
        category: ModerationReason::RulesViolation,
        weight: TOO_LONG_WEIGHT,
        span: Some(span),
        explanation: format!("Only the first {MAX_ANALYSED_BYTES} bytes of the text were read."),
    }
}
