//! Logistic regression, one category at a time, by AdaGrad (Duchi, Hazan and Singer 2011).

use std::collections::BTreeMap;

use super::{
    Matrix,
    dataset::{Dataset, Example},
};
use crate::{
    Category,
    analyser::{logistic, share},
    features::{BITS, BLOCKS},
};

const EPOCHS: usize = 4;
const RATE: f32 = 2.0;
const ACCUMULATOR: f32 = 10.0;
const L2: [f32; BLOCKS] = [2e-5, 1e-5];

/// A source counts as at most this many rows.
const SOURCE: f32 = 12_000.0;

/// Ordinary texts whose label is not known are most likely harmless in rare categories; this is how much that is believed.
const WEAK: f32 = 0.15;

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
    let mut rows = rows(category, dataset, is_trained);
    let table = || vec![0.0_f32; 1 << BITS];
    let mut weights: [Vec<f32>; BLOCKS] = std::array::from_fn(|_| table());
    let mut squares: [Vec<f32>; BLOCKS] = std::array::from_fn(|_| vec![ACCUMULATOR; 1 << BITS]);
    let (mut bias, mut bias_square) = (0.0_f32, ACCUMULATOR);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64 ^ category.index() as u64;
    for _ in 0..EPOCHS {
        shuffle(&mut rows, &mut random);
        for row in &rows {
            let features: [&[u32]; BLOCKS] =
                std::array::from_fn(|block| matrix.of(block, row.text));
            let shares = features.map(|features| share(features.len()));
            let mut logit = bias;
            for ((features, weights), share) in features.iter().zip(&weights).zip(shares) {
                let sum: f32 = features.iter().filter_map(|at| weights.get(*at as usize)).sum();
                logit += sum * share;
            }
            let error = (logistic(logit) - if row.positive { 1.0 } else { 0.0 }) * row.weight;
            bias_square += error * error * 0.01;
            bias -= RATE * 0.1 * error / libm::sqrtf(bias_square);
            for (block, features) in features.iter().enumerate() {
                let (Some(weights), Some(squares), Some(share), Some(l2)) = (
                    weights.get_mut(block),
                    squares.get_mut(block),
                    shares.get(block),
                    L2.get(block),
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
    Head { category, bias, weights }
}

/// The rows that say something about a category, each with how much it counts.
fn rows(
    category: Category,
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
        let weight = if count > SOURCE { SOURCE / count } else { 1.0 };
        match label(example) {
            Some(positive) => rows.push(Row { text, positive, weight }),
            None if is_weak_negative(category, example, text) => {
                rows.push(Row { text, positive: false, weight: WEAK });
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
        Category::Sexual | Category::SelfHarm => example.source == "goemotions" || text % 3 == 0,
        Category::Spam | Category::Threat => example.source == "goemotions",
        Category::Toxicity | Category::Hate => false,
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
