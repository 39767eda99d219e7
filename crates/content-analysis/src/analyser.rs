//! Scoring.

use std::sync::{Arc, OnceLock};

use crate::{
    Category, Language, Model, ModelError, Scores,
    features::{self, Rows, Token},
    normalise::{self, Normalised},
};

/// Anything that scores texts. An operator may put another model in the place of the built-in one.
pub trait Scorer: Send + Sync {
    /// A probability for each category. The same text always gets the same scores.
    fn scores(&self, text: &str) -> Scores;

    /// Which scorer this is; another version may give other scores.
    fn version(&self) -> &str;
}

/// The built-in scorer: a linear model over hashed features.
#[derive(Clone, Debug)]
pub struct Analyser {
    model: Model,
}

/// What is known of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// A probability for each category.
    pub scores: Scores,
    /// The language.
    pub language: Language,
    /// How many characters hide something, see [`Normalised::hidden`].
    pub hidden: u32,
    /// How many words were read as another word than they were written.
    pub corrected: u32,
}

/// A text ready to be scored.
pub(crate) struct Prepared {
    pub(crate) normalised: Normalised,
    pub(crate) tokens: Vec<Token>,
    pub(crate) corrected: u32,
    pub(crate) language: Language,
}

static BUILT_IN: &[u8] = include_bytes!("../data/model.bin");

impl Analyser {
    /// An analyser with a model of the caller's.
    pub fn new(model: Model) -> Self {
        Self { model }
    }

    /// The analyser with the model that comes with this crate; read once.
    ///
    /// # Errors
    ///
    /// [`ModelError`] if the crate was built with a damaged model file.
    pub fn built_in() -> Result<&'static Arc<Self>, ModelError> {
        static ANALYSER: OnceLock<Arc<Analyser>> = OnceLock::new();
        if let Some(analyser) = ANALYSER.get() {
            return Ok(analyser);
        }
        let analyser = Arc::new(Self::new(Model::from_bytes(BUILT_IN)?));
        Ok(ANALYSER.get_or_init(|| analyser))
    }

    /// The file of the model that comes with this crate.
    pub const fn built_in_file() -> &'static [u8] {
        BUILT_IN
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Scores a text, and says what else was found. Takes time linear in the length of the text.
    pub fn analyse(&self, text: &str) -> Analysis {
        let prepared = self.prepare(text);
        let logits = self.logits(&prepared);
        Analysis {
            scores: self.calibrated(logits),
            language: prepared.language,
            hidden: prepared.normalised.hidden,
            corrected: prepared.corrected,
        }
    }

    pub(crate) fn prepare(&self, text: &str) -> Prepared {
        prepare(text, &self.model)
    }

    /// The logit of each category, before calibration.
    pub(crate) fn logits(&self, prepared: &Prepared) -> [f32; Category::COUNT] {
        let mut rows = Rows::default();
        rows.read(&prepared.normalised, &prepared.tokens);
        let mut logits = self.model.bias;
        for (addends, is_there) in self.model.acts.iter().zip(rows.acts) {
            if is_there {
                for (logit, addend) in logits.iter_mut().zip(addends) {
                    *logit += addend;
                }
            }
        }
        for (block, rows) in self.model.blocks.iter().zip(&rows.blocks) {
            let mut sums = [0_i32; 8];
            for row in rows {
                if let Some(weights) = block.rows.get(*row as usize) {
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum += i32::from(*weight);
                    }
                }
            }
            let share = share(rows.len());
            for ((logit, sum), scale) in logits.iter_mut().zip(sums).zip(block.scale) {
                *logit += as_f32(sum) * scale * share;
            }
        }
        logits
    }

    pub(crate) fn calibrated(&self, logits: [f32; Category::COUNT]) -> Scores {
        let mut scores = logits;
        for (score, calibration) in scores.iter_mut().zip(&self.model.calibration) {
            *score = logistic(calibration.slope * *score + calibration.offset);
        }
        Scores::from(scores)
    }
}

/// Normalises, corrects and classifies a text.
pub(crate) fn prepare(text: &str, model: &Model) -> Prepared {
    let normalised = normalise::normalise(text);
    let language = Language::of(text, &normalised, &model.vocabulary);
    // The vocabulary is English: it would make English words of all others.
    let vocabulary =
        matches!(language, Language::English | Language::Unknown).then_some(&model.vocabulary);
    let (tokens, corrected) = features::tokens(&normalised, vocabulary, &model.classes);
    Prepared { normalised, tokens, corrected, language }
}

impl Scorer for Analyser {
    fn scores(&self, text: &str) -> Scores {
        self.analyse(text).scores
    }

    fn version(&self) -> &str {
        self.model.version()
    }
}

/// What one of `count` features contributes: long texts do not score higher for being long.
pub(crate) fn share(count: usize) -> f32 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a text has far fewer than 2^24 distinct features"
    )]
    let count = count.max(1) as f32;
    1.0 / libm::sqrtf(count)
}

/// A sum of weights; at most 127 times 2^20 of them, of which 24 bits are exact.
#[expect(
    clippy::cast_precision_loss,
    reason = "sums beyond 2^24 do not occur in texts that people write"
)]
pub(crate) fn as_f32(sum: i32) -> f32 {
    sum as f32
}

/// The logistic function, computed the same way on every machine.
pub(crate) fn logistic(logit: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-logit))
}
