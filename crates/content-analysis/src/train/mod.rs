//! The trainer: labelled files in, a model out; the same files give the same bits.

mod calibrate;
mod dataset;
mod disguise;
mod learn;
mod lists;
mod report;

use std::path::Path;

use anyhow::{Context as _, Result};

pub use report::Table;

use crate::{
    Analyser, Category, Language, Model,
    abstraction::Classes,
    correct::Vocabulary,
    features::{self, BLOCKS, Rows},
    model::{Block, Calibration},
    normalise,
    phrases::Act,
};
use dataset::{Dataset, Example, Split};
use disguise::Disguise;
use learn::Head;

/// What a training run may be asked to do differently.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Sources to leave out of the training rows, so that the table shows how the model does on texts of an unseen kind.
    pub hold_out: Vec<String>,
}

/// A trained model and how it does on rows that it was not trained on.
pub struct Trained {
    /// The model.
    pub model: Model,
    /// Figures by category and source.
    pub table: Table,
    /// How many rows it was trained on.
    pub rows: usize,
}

/// The features of many texts, one after another.
#[derive(Default)]
struct Matrix {
    rows: [Vec<u32>; BLOCKS],
    ends: [Vec<usize>; BLOCKS],
    acts: Vec<[bool; Act::COUNT]>,
}

impl Matrix {
    fn push(&mut self, rows: &Rows) {
        for ((all, ends), rows) in self.rows.iter_mut().zip(&mut self.ends).zip(&rows.blocks) {
            all.extend_from_slice(rows);
            ends.push(all.len());
        }
        self.acts.push(rows.acts);
    }

    /// The features of all texts.
    fn of_all(dataset: &Dataset, vocabulary: &Vocabulary, classes: &Classes) -> Self {
        let mut matrix = Matrix::default();
        let mut rows = Rows::default();
        for example in &dataset.examples {
            let normalised = normalise::normalise(&example.text);
            let english = matches!(
                Language::of(&example.text, &normalised, vocabulary),
                Language::English | Language::Unknown
            );
            let (tokens, _) = features::tokens(&normalised, english.then_some(vocabulary), classes);
            rows.read(&normalised, &tokens);
            matrix.push(&rows);
        }
        matrix
    }

    /// The features of one text in one block.
    fn of(&self, block: usize, text: usize) -> &[u32] {
        let (Some(rows), Some(ends)) = (self.rows.get(block), self.ends.get(block)) else {
            return &[];
        };
        let start = text.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
        let end = ends.get(text).copied().unwrap_or(start);
        rows.get(start..end).unwrap_or_default()
    }
}

/// Trains a model on `dev_open.tsv.gz` and the word list beside it.
///
/// # Errors
///
/// If the files cannot be read or are not of the documented form.
pub fn train(directory: &Path, options: &Options) -> Result<Trained> {
    let mut dataset = Dataset::read(&directory.join("dev_open.tsv.gz"))?;
    let class_words = lists::read(&directory.join("lexicon_profanity_en.csv"))?;
    let is_held_out = |example: &Example| options.hold_out.contains(&example.source);
    let is_trained = |example: &Example| example.split == Split::Train && !is_held_out(example);

    let mut classes = Classes::own();
    for (word, class) in &class_words {
        classes.add(word, *class);
    }
    let trained = dataset.examples.iter().filter(|example| is_trained(example));
    let vocabulary = vocabulary(
        trained,
        &class_words.iter().map(|(word, _)| &**word).collect::<Vec<_>>(),
        &classes,
    );
    let disguised = disguised(&dataset, &is_trained, &classes);
    dataset.examples.extend(disguised);
    let matrix = Matrix::of_all(&dataset, &vocabulary, &classes);

    let heads: Vec<Head> = std::thread::scope(|scope| {
        let (dataset, matrix) = (&dataset, &matrix);
        let halves = [
            [Category::Toxicity, Category::Spam, Category::Sexual],
            [Category::Hate, Category::Threat, Category::SelfHarm],
        ];
        let threads = halves.map(|half| {
            scope.spawn(move || {
                half.map(|category| learn::head(category, dataset, matrix, &is_trained))
            })
        });
        let mut heads: Vec<Head> =
            threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect();
        heads.sort_by_key(|head| head.category);
        heads
    });
    anyhow::ensure!(heads.len() == Category::COUNT, "a thread of the trainer ended early");

    let mut scale = [[0.0; Category::COUNT]; BLOCKS];
    let mut blocks: Vec<Block> = Vec::new();
    for (block, scale) in scale.iter_mut().enumerate() {
        let quantised: Vec<(Vec<i8>, f32)> =
            heads.iter().map(|head| head.quantised(block)).collect();
        for (scale, (_, step)) in scale.iter_mut().zip(&quantised) {
            *scale = *step;
        }
        let mut rows = vec![[0_i8; 8]; 1 << features::BITS];
        for (at, row) in rows.iter_mut().enumerate() {
            for (weight, (column, _)) in row.iter_mut().zip(&quantised) {
                *weight = column.get(at).copied().unwrap_or(0);
            }
        }
        blocks.push(Block { rows, scale: *scale });
    }
    let blocks: [Block; BLOCKS] = blocks.try_into().ok().context("two blocks")?;
    let mut bias = [0.0; Category::COUNT];
    for (bias, head) in bias.iter_mut().zip(&heads) {
        *bias = head.bias;
    }
    let raw = [Calibration { slope: 1.0, offset: 0.0 }; Category::COUNT];
    let mut acts = [[0.0; Category::COUNT]; Act::COUNT];
    for (at, addends) in acts.iter_mut().enumerate() {
        for (addend, head) in addends.iter_mut().zip(&heads) {
            *addend = head.acts.get(at).copied().unwrap_or(0.0);
        }
    }
    let draft = Model::new(blocks, bias, acts, raw, vocabulary, class_words);

    let analyser = Analyser::new(draft);
    let judged: Vec<(&Example, [f32; Category::COUNT])> = dataset
        .examples
        .iter()
        .filter(|example| example.split == Split::Valid || is_held_out(example))
        .map(|example| (example, analyser.logits(&analyser.prepare(&example.text))))
        .collect();
    let mut model = analyser.model().clone();
    for (category, calibration) in Category::ALL.iter().zip(&mut model.calibration) {
        let known = judged.iter().filter(|(example, _)| !is_held_out(example));
        *calibration = calibrate::platt(*category, known);
    }
    let model = Model::new(
        model.blocks,
        model.bias,
        model.acts,
        model.calibration,
        model.vocabulary,
        model.class_words,
    );
    let analyser = Analyser::new(model);
    let scored: Vec<_> = judged
        .into_iter()
        .map(|(example, logits)| (example, analyser.calibrated(logits)))
        .collect();
    let table = Table::of(&scored, &options.hold_out, &analyser);
    let rows = dataset.examples.iter().filter(|example| is_trained(example)).count();
    Ok(Trained { model: analyser.model().clone(), table, rows })
}

/// Every fourth English text once more as somebody would write it who hides from a filter, so that the disguise itself says
/// nothing.
fn disguised(
    dataset: &Dataset,
    is_trained: &dyn Fn(&Example) -> bool,
    classes: &Classes,
) -> Vec<Example> {
    let trained = dataset.examples.iter().filter(|example| is_trained(example));
    let english = trained.filter(|example| example.language == "en");
    let ways = Disguise::ALL.iter().cycle();
    let disguise = |(example, way): (&Example, &Disguise)| Example {
        text: way.hide(&example.text, classes),
        ..example.clone()
    };
    english.step_by(4).zip(ways).map(disguise).collect()
}

/// Words of the lists count as seen so often at least.
const LISTED: u32 = 60;

/// The most common English words of the training rows, and the words of the lists.
fn vocabulary<'a>(
    examples: impl Iterator<Item = &'a Example>,
    listed: &[&str],
    classes: &Classes,
) -> Vocabulary {
    let mut counts: std::collections::BTreeMap<String, u32> = std::collections::BTreeMap::new();
    for example in examples.filter(|example| example.language == "en") {
        for word in normalise::normalise(&example.text).words {
            let is_word = word.kind == normalise::Kind::Plain
                && !word.was_hidden
                && (2..=20).contains(&word.text.len())
                && word.text.bytes().all(|byte| byte.is_ascii_lowercase());
            if is_word {
                *counts.entry(word.text).or_default() += 1;
            }
        }
    }
    let mut words: Vec<(String, u32)> =
        counts.into_iter().filter(|(_, count)| *count >= 6).collect();
    words.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    words.truncate(30_000);
    // Words that people hide are what a corrector is for, however seldom they were seen in full.
    for (word, count) in &mut words {
        if word.len() >= 4 && listed.contains(&&**word) {
            *count = (*count).max(LISTED);
        }
    }
    for word in listed {
        let is_word = word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_lowercase());
        if is_word && !words.iter().any(|(known, _)| known == word) {
            words.push(((*word).to_owned(), LISTED));
        }
    }
    let weight = |count: u32| {
        let logarithm = libm::log(f64::from(count)) * 16.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 255"
        )]
        let weight = logarithm.clamp(0.0, 255.0) as u8;
        weight
    };
    Vocabulary::new(
        words.into_iter().map(|(word, count)| (word.into(), weight(count))).collect(),
        classes,
    )
}
