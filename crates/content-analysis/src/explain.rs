//! Why a text got its score: the model is linear, so the answer is exact.

use std::collections::HashMap;
use std::ops::Range;

use crate::{
    Analyser, Category,
    analyser::{as_f32, share},
    features::{self, BLOCKS},
    phrases::{self, Act},
};

/// What one part of a text contributed to a logit.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Bytes of the original text, on character boundaries.
    pub span: Range<usize>,
    /// How much it raised (or, negative, lowered) the logit.
    pub weight: f32,
}

/// Why a text got its score in one category.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The category.
    pub category: Category,
    /// The logit before calibration. `bias` + `whole` + the weights of all contributions, to within rounding.
    pub logit: f32,
    /// What every text starts with.
    pub bias: f32,
    /// What figures about the whole text contributed: its length, its links, its capitals.
    pub whole: f32,
    /// What the words contributed, the largest first. Spans of one word; a feature of several words counts for each alike.
    pub contributions: Vec<Contribution>,
}

impl Analyser {
    /// Explains the score of a text in one category.
    pub fn explain(&self, text: &str, category: Category) -> Explanation {
        let prepared = self.prepare(text);
        let mut first: [HashMap<u32, Range<usize>>; BLOCKS] = Default::default();
        features::visit(&prepared.normalised, &prepared.tokens, |feature| {
            if let Some(block) = first.get_mut(feature.block) {
                block.entry(feature.index).or_insert(feature.tokens);
            }
        });
        let logit = self.logits(&prepared).get(category.index()).copied().unwrap_or(0.0);
        let bias = self.model().bias.get(category.index()).copied().unwrap_or(0.0);
        let mut weights = vec![0.0_f32; prepared.tokens.len()];
        let mut whole = 0.0;
        for (block, features) in self.model().blocks.iter().zip(&first) {
            let scale =
                block.scale.get(category.index()).copied().unwrap_or(0.0) * share(features.len());
            let mut features: Vec<(&u32, &Range<usize>)> = features.iter().collect();
            features.sort_unstable_by_key(|(row, _)| **row);
            for (row, tokens) in features {
                let weight =
                    block.rows.get(*row as usize).and_then(|row| row.get(category.index()));
                let weight = as_f32(i32::from(weight.copied().unwrap_or(0))) * scale;
                if tokens.is_empty() {
                    whole += weight;
                }
                let each = weight * share(tokens.len()) * share(tokens.len());
                for token in weights.get_mut(tokens.clone()).unwrap_or_default() {
                    *token += each;
                }
            }
        }
        let mut is_counted = [false; Act::COUNT];
        for (act, tokens) in phrases::find(&prepared.tokens) {
            let addends = self.model().acts.get(act as usize);
            let addend =
                addends.and_then(|addends| addends.get(category.index())).copied().unwrap_or(0.0);
            // A kind of phrase counts once; its first place is shown.
            if is_counted.get_mut(act as usize).is_some_and(|is| !std::mem::replace(is, true)) {
                let each = addend * share(tokens.len()) * share(tokens.len());
                for token in weights.get_mut(tokens).unwrap_or_default() {
                    *token += each;
                }
            }
        }
        let mut contributions: Vec<Contribution> = Vec::new();
        for (token, weight) in prepared.tokens.iter().zip(weights) {
            // Parts of one word, such as those of a link, stand in one place.
            match contributions.last_mut() {
                Some(last) if last.span == token.origin => last.weight += weight,
                _ => contributions.push(Contribution { span: token.origin.clone(), weight }),
            }
        }
        contributions
            .sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.span.start.cmp(&b.span.start)));
        Explanation { category, logit, bias, whole, contributions }
    }
}
