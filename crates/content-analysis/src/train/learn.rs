//! Logistic regression, one category at a time, by `AdaGrad` (Duchi, Hazan and Singer 2011).

use std::collections::BTreeMap;

use super::{
    Matrix,
    dataset::{Dataset, Example},
};
use crate::{
    Category,
    analyser::{logistic, share},
    features::{BITS, BLOCKS},
    phrases::Act,
};

const EPOCHS: usize = 4;
const RATE: f32 = 2.0;
const ACCUMULATOR: f32 = 10.0;

/// How a category is learned: found by leaving whole sources out and looking at how the model does on them.
struct Recipe {
    /// Strength of L2 regularisation, by block.
    l2: [f32; BLOCKS],
    /// A source counts as at most this many rows.
    source: f32,
    /// Texts whose label is not known are most likely harmless; this is how much that is believed.
    weak: f32,
}

const fn recipe(category: Category) -> Recipe {
    match category {
        Category::Spam | Category::SelfHarm => {
            Recipe { l2: [1e-3, 5e-4], source: 8_000.0, weak: 0.15 }
        }
        Category::Toxicity => Recipe { l2: [4e-4, 4e-4], source: 8_000.0, weak: 0.15 },
        Category::Hate => Recipe { l2: [1e-3, 2e-3], source: 5_000.0, weak: 0.3 },
        Category::Threat => Recipe { l2: [3e-3, 1e-3], source: 8_000.0, weak: 0.15 },
        Category::Sexual => Recipe { l2: [1e-4, 5e-5], source: 12_000.0, weak: 0.15 },
    }
}

/// How fast the weights of kinds of phrases are learned.
const ACT_RATE: f32 = 0.3;

/// How firmly the weight of a kind of phrase stays where it was believed to be.
const ACT_L2: f32 = 0.03;

/// Positives of a rare category count together as at least this part of the negatives.
const POSITIVE_SHARE: f32 = 0.15;

/// The most that one positive counts.
const POSITIVE_LIMIT: f32 = 12.0;

/// Smaller weights are dropped, of 127.
const PRUNED: f32 = 5.0;

/// The weights of one category.
pub(super) struct Head {
    pub(super) category: Category,
    pub(super) bias: f32,
    pub(super) acts: [f32; Act::COUNT],
    weights: [Vec<f32>; BLOCKS],
}

/// One row as one category sees it.
struct Row {
    text: usize,
    positive: bool,
    weight: f32,
}

/// Learns one category.
pub(super) fn head(
    category: Category,
    dataset: &Dataset,
    matrix: &Matrix,
    is_trained: &(dyn Fn(&Example) -> bool + Sync),
) -> Head {
    let recipe = recipe(category);
    let mut rows = rows(category, &recipe, dataset, is_trained);
    let table = || vec![0.0_f32; 1 << BITS];
    let mut weights: [Vec<f32>; BLOCKS] = std::array::from_fn(|_| table());
    let mut squares: [Vec<f32>; BLOCKS] = std::array::from_fn(|_| vec![ACCUMULATOR; 1 << BITS]);
    let believed = Act::ALL.map(|act| act.prior().get(category.index()).copied().unwrap_or(0.0));
    let (mut acts, mut act_squares) = (believed, [ACCUMULATOR; Act::COUNT]);
    let (mut bias, mut bias_square) = (0.0_f32, ACCUMULATOR);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64 ^ category.index() as u64;
    for _ in 0..EPOCHS {
        shuffle(&mut rows, &mut random);
        for row in &rows {
            let features: [&[u32]; BLOCKS] =
                std::array::from_fn(|block| matrix.of(block, row.text));
            let shares = features.map(|features| share(features.len()));
            let mut logit = bias;
            let met = matrix.acts.get(row.text).copied().unwrap_or_default();
            for (addend, is_there) in acts.iter().zip(met) {
                logit += if is_there { *addend } else { 0.0 };
            }
            for ((features, weights), share) in features.iter().zip(&weights).zip(shares) {
                let sum: f32 = features.iter().filter_map(|at| weights.get(*at as usize)).sum();
                logit += sum * share;
            }
            let error = (logistic(logit) - if row.positive { 1.0 } else { 0.0 }) * row.weight;
            bias_square += error * error * 0.01;
            bias -= RATE * 0.1 * error / libm::sqrtf(bias_square);
            for (((addend, square), before), is_there) in
                acts.iter_mut().zip(&mut act_squares).zip(&believed).zip(met)
            {
                if is_there {
                    let gradient = error + ACT_L2 * (*addend - before);
                    *square += gradient * gradient;
                    *addend -= ACT_RATE * gradient / libm::sqrtf(*square);
                }
            }
            for (block, features) in features.iter().enumerate() {
                let (Some(weights), Some(squares), Some(share), Some(l2)) = (
                    weights.get_mut(block),
                    squares.get_mut(block),
                    shares.get(block),
                    recipe.l2.get(block),
                ) else {
                    continue;
                };
                for at in *features {
                    let (Some(weight), Some(square)) =
                        (weights.get_mut(*at as usize), squares.get_mut(*at as usize))
                    else {
                        continue;
                    };
                    let gradient = error * share + l2 * *weight;
                    *square += gradient * gradient;
                    *weight -= RATE * gradient / libm::sqrtf(*square);
                }
            }
        }
    }
    Head { category, bias, acts, weights }
}

/// The rows that say something about a category, each with how much it counts.
fn rows(
    category: Category,
    recipe: &Recipe,
    dataset: &Dataset,
    is_trained: &(dyn Fn(&Example) -> bool + Sync),
) -> Vec<Row> {
    let label = |example: &Example| example.labels.get(category.index()).copied().flatten();
    let mut labelled: BTreeMap<&str, f32> = BTreeMap::new();
    let trained = || dataset.examples.iter().enumerate().filter(|(_, example)| is_trained(example));
    for (_, example) in trained().filter(|(_, example)| label(example).is_some()) {
        *labelled.entry(&example.source).or_default() += 1.0;
    }
    let mut rows = Vec::new();
    for (text, example) in trained() {
        let count = labelled.get(&*example.source).copied().unwrap_or(0.0);
        let weight = if count > recipe.source { recipe.source / count } else { 1.0 };
        match label(example) {
            Some(positive) => rows.push(Row { text, positive, weight }),
            None if is_weak_negative(category, example, text) => {
                rows.push(Row { text, positive: false, weight: recipe.weak });
            }
            None => (),
        }
    }
    let sum = |positive: bool| {
        rows.iter().filter(|row| row.positive == positive).map(|row| row.weight).sum::<f32>()
    };
    let factor = (sum(false) * POSITIVE_SHARE / sum(true).max(1.0)).clamp(1.0, POSITIVE_LIMIT);
    for row in rows.iter_mut().filter(|row| row.positive) {
        row.weight *= factor;
    }
    rows
}

/// Ordinary comments, and for the rarest categories one text in three of every other source.
fn is_weak_negative(category: Category, example: &Example, text: usize) -> bool {
    match category {
        Category::Sexual | Category::SelfHarm => {
            example.source == "goemotions" || text.is_multiple_of(3)
        }
        Category::Spam | Category::Threat | Category::Toxicity | Category::Hate => {
            example.source == "goemotions"
        }
    }
}

/// Fisher and Yates, with a generator of its own (xorshift*, Marsaglia 2003) so that every machine deals the same.
fn shuffle(rows: &mut [Row], random: &mut u64) {
    for at in (1..rows.len()).rev() {
        *random ^= *random >> 12;
        *random ^= *random << 25;
        *random ^= *random >> 27;
        let place = random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        rows.swap(at, usize::try_from(place).unwrap_or(0) % (at + 1));
    }
}

impl Head {
    /// The weights of one block in steps of an int8, and what a step is worth.
    pub(super) fn quantised(&self, block: usize) -> (Vec<i8>, f32) {
        let weights: &[f32] = self.weights.get(block).map_or(&[], |weights| weights);
        let mut sizes: Vec<f32> =
            weights.iter().map(|weight| weight.abs()).filter(|size| *size > 0.0).collect();
        sizes.sort_by(f32::total_cmp);
        // The largest weights are few: cutting them costs less than coarser steps for all.
        let largest =
            sizes.get(sizes.len().saturating_sub(1 + sizes.len() / 2_000)).copied().unwrap_or(1.0);
        let step = largest / 127.0;
        let quantise = |weight: &f32| {
            let steps = libm::roundf(weight / step).clamp(-127.0, 127.0);
            #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of an int8")]
            let steps = if steps.abs() <= PRUNED { 0 } else { steps as i8 };
            steps
        };
        (weights.iter().map(quantise).collect(), step)
    }
}
