//! From logits to probabilities (Platt 1999), on rows that the weights have not seen; every source counts alike.

use std::collections::BTreeMap;

use super::dataset::Example;
use crate::{Category, model::Calibration};

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
    let (mut slope, mut offset) = (1.0, 0.0);
    for _ in 0..50 {
        let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 1e-6, 0.0, 1e-6);
        for rows in sources.values() {
            #[expect(clippy::cast_precision_loss, reason = "at most some ten thousand")]
            let weight = 1.0 / libm::sqrt(rows.len() as f64);
            for (logit, label) in rows {
                let p = 1.0 / (1.0 + libm::exp(-(slope * logit + offset)));
                let (error, curve) = (weight * (p - label), weight * p * (1.0 - p));
                ga += error * logit;
                gb += error;
                haa += curve * logit * logit;
                hab += curve * logit;
                hbb += curve;
            }
        }
        let determinant = haa * hbb - hab * hab;
        slope -= (hbb * ga - hab * gb) / determinant;
        offset -= (haa * gb - hab * ga) / determinant;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a model keeps single precision")]
    let calibration =
        Calibration { slope: (slope as f32).clamp(0.05, 20.0), offset: offset as f32 };
    calibration
}
