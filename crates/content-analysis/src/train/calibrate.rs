//! From logits to probabilities (Platt 1999), on rows that the weights have not seen; every source counts alike.
//!
//! Of spam and toxicity, the probability among texts as they come. The other harms are so rare that no probability would be
//! worth looking at: there it is the probability if harmful and harmless texts were equally many.

use std::collections::BTreeMap;

use super::dataset::Example;
use crate::{Category, model::Calibration};

/// How firmly the calibration stays near the identity.
const PRIOR: f64 = 0.5;

/// Fits slope and offset by Newton's method.
pub(super) fn platt<'a>(
    category: Category,
    judged: impl Iterator<Item = &'a (&'a Example, [f32; Category::COUNT])>,
) -> Calibration {
    let mut sources: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for (example, logits) in judged {
        let label = example.labels.get(category.index()).copied().flatten();
        if let (Some(label), Some(logit)) = (label, logits.get(category.index())) {
            sources
                .entry(&example.source)
                .or_default()
                .push((f64::from(*logit), f64::from(u8::from(label))));
        }
    }
    let is_balanced = !matches!(category, Category::Spam | Category::Toxicity);
    let (mut slope, mut offset) = (1.0, 0.0);
    for _ in 0..50 {
        let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 1e-6, 0.0, 1e-6);
        for rows in sources.values() {
            #[expect(clippy::cast_precision_loss, reason = "at most some ten thousand")]
            let (count, positives) = (rows.len() as f64, rows.iter().map(|row| row.1).sum::<f64>());
            if is_balanced && (positives < 1.0 || positives >= count) {
                continue;
            }
            for (logit, label) in rows {
                let class = if *label > 0.5 { positives } else { count - positives };
                let balance = if is_balanced { count / (2.0 * class) } else { 1.0 };
                let weight = balance / libm::sqrt(count);
                let p = 1.0 / (1.0 + libm::exp(-(slope * logit + offset)));
                let (error, curve) = (weight * (p - label), weight * p * (1.0 - p));
                ga += error * logit;
                gb += error;
                haa += curve * logit * logit;
                hab += curve * logit;
                hbb += curve;
            }
        }
        // A prior around the logit as it is, worth a few rows: with a handful of positives Newton's steps would run away.
        ga += PRIOR * (slope - 1.0);
        gb += PRIOR * offset;
        haa += PRIOR;
        hbb += PRIOR;
        let determinant = haa * hbb - hab * hab;
        slope -= ((hbb * ga - hab * gb) / determinant).clamp(-1.0, 1.0);
        offset -= ((haa * gb - hab * ga) / determinant).clamp(-1.0, 1.0);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a model keeps single precision")]
    let calibration =
        Calibration { slope: (slope as f32).clamp(0.05, 20.0), offset: offset as f32 };
    calibration
}
