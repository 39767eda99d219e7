//! How a model does on rows that it was not trained on.

use std::{collections::BTreeMap, fmt};

use super::{dataset::Example, disguise::Disguise};
use crate::{Analyser, Category, Scorer as _, Scores};

/// Figures by category and source.
#[derive(Clone, Debug)]
pub struct Table {
    lines: Vec<Line>,
    disguises: Vec<(Disguise, f64)>,
    is_held_out: Vec<String>,
}

#[derive(Clone, Debug)]
struct Line {
    category: Category,
    source: String,
    rows: usize,
    positives: usize,
    area: f64,
    recall: f64,
    recall_ordinary: f64,
    calibration_error: f64,
}

/// The source of ordinary comments.
const ORDINARY: &str = "goemotions";

impl Table {
    pub(super) fn of(
        scored: &[(&Example, Scores)],
        held_out: &[String],
        analyser: &Analyser,
    ) -> Self {
        let mut lines = Vec::new();
        for category in Category::ALL {
            let threshold = threshold(scored, category);
            let mut sources: BTreeMap<String, Vec<(f32, bool)>> = BTreeMap::new();
            for (example, scores) in scored {
                if let Some(Some(label)) = example.labels.get(category.index()) {
                    let source = format!("{}/{}", example.source, example.language);
                    sources.entry(source).or_default().push((scores.get(category), *label));
                }
            }
            lines.extend(
                sources
                    .into_iter()
                    .filter_map(|(source, rows)| line(category, source, rows, threshold)),
            );
        }
        Self { lines, disguises: disguises(scored, analyser), is_held_out: held_out.to_vec() }
    }
}

/// Of the English texts that are found to be toxic, how many still are when their words are disguised.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn disguises(scored: &[(&Example, Scores)], analyser: &Analyser) -> Vec<(Disguise, f64)> {
    let classes = &analyser.model().classes;
    let threshold = threshold(scored, Category::Toxicity);
    let found: Vec<&Example> = scored
        .iter()
        .filter(|(example, scores)| {
            example.language == "en"
                && example.labels.get(Category::Toxicity.index()) == Some(&Some(true))
                && scores.toxicity > threshold
        })
        .map(|(example, _)| *example)
        .take(1_000)
        .collect();
    let kept = |disguise: &Disguise| {
        let kept = found
            .iter()
            .filter(|example| {
                analyser.scores(&disguise.hide(&example.text, classes)).toxicity > threshold
            })
            .count();
        (*disguise, kept as f64 / found.len().max(1) as f64)
    };
    Disguise::ALL.iter().map(kept).collect()
}

/// The score that one ordinary comment in a hundred reaches.
fn threshold(scored: &[(&Example, Scores)], category: Category) -> f32 {
    let mut ordinary: Vec<f32> = scored
        .iter()
        .filter(|(example, _)| example.source == ORDINARY)
        .map(|(_, scores)| scores.get(category))
        .collect();
    ordinary.sort_by(|a, b| b.total_cmp(a));
    ordinary.get(ordinary.len() / 100).copied().unwrap_or(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn line(
    category: Category,
    source: String,
    mut rows: Vec<(f32, bool)>,
    threshold: f32,
) -> Option<Line> {
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let positives = rows.iter().filter(|(_, label)| *label).count();
    let negatives = rows.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let (mut area, mut hits, mut misses, mut recall) = (0.0, 0.0, 0.0, 0.0);
    for ties in rows.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let found = ties.iter().filter(|(_, label)| *label).count() as f64;
        let wrong = ties.len() as f64 - found;
        area += wrong * (hits + found / 2.0);
        hits += found;
        misses += wrong;
        if misses <= 0.01 * negatives as f64 {
            recall = hits / positives as f64;
        }
    }
    let flagged = rows.iter().filter(|(score, label)| *label && *score > threshold).count();
    let mut bins = [(0.0, 0.0); 10];
    for (score, label) in &rows {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 9")]
        let bin = ((score * 10.0) as usize).min(9);
        if let Some(bin) = bins.get_mut(bin) {
            bin.0 += f64::from(*score);
            bin.1 += f64::from(u8::from(*label));
        }
    }
    Some(Line {
        category,
        source,
        rows: rows.len(),
        positives,
        area: area / (positives as f64 * negatives as f64),
        recall,
        recall_ordinary: flagged as f64 / positives as f64,
        calibration_error: bins.iter().map(|(sum, count)| (sum - count).abs()).sum::<f64>()
            / rows.len() as f64,
    })
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:10} {:22} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6}",
            "category", "source", "rows", "pos", "AUC", "R@1%", "RB1", "ECE"
        )?;
        for line in &self.lines {
            writeln!(
                f,
                "{:10} {:22} {:6} {:6} {:6.3} {:6.3} {:6.3} {:6.3}",
                line.category.as_str(),
                self.mark(&line.source),
                line.rows,
                line.positives,
                line.area,
                line.recall,
                line.recall_ordinary,
                line.calibration_error
            )?;
        }
        let sum: f64 = self.disguises.iter().map(|(_, kept)| kept).sum();
        let count = u32::try_from(self.disguises.len()).unwrap_or(1);
        writeln!(f, "recall kept under disguise, mean {:.3}", sum / f64::from(count))?;
        for (disguise, kept) in &self.disguises {
            writeln!(f, "  {:26} {kept:.3}", disguise.as_str())?;
        }
        Ok(())
    }
}

impl Table {
    /// Sources that the model has never seen are marked.
    fn mark(&self, source: &str) -> String {
        let is_held_out = self.is_held_out.iter().any(|one| source.starts_with(&format!("{one}/")));
        if is_held_out { format!("*{source}") } else { source.to_owned() }
    }
}
