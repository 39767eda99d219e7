//! The population stability index.
//!
//! `PSI = Σ (cᵢ − rᵢ) · ln(cᵢ / rᵢ)` over the shares of current and reference values in each bin. The usual reading (Siddiqi 2006,
//! Credit Risk Scorecards): below 0.1 nothing has changed, from 0.1 something has, from 0.2 or 0.25 on so much that the model
//! should be looked at. Half a count is added to every bin, so that an empty one is no infinity. Of windows of `n` and `m` texts
//! that are alike, it is `(bins − 1) · (1/n + 1/m)` in the mean (Yurdakul 2018): 0.09 for twice [`MINIMUM`].

/// How many bins a histogram has.
pub const BINS: usize = 10;

/// Where bins end, in thousandths: closer together where most texts are.
pub const EDGES: [i32; BINS - 1] = [5, 10, 20, 50, 100, 200, 400, 600, 800];

/// From this index on it is an alarm.
pub const ALARM: f64 = 0.2;

/// How few texts in a window say nothing.
pub const MINIMUM: u64 = 200;

/// How many texts there are in each bin.
pub type Histogram = [u64; BINS];

/// The index of two histograms; `None` if one of them has too few texts to say anything.
pub fn index(current: &Histogram, reference: &Histogram) -> Option<f64> {
    let (n, m) = (current.iter().sum::<u64>(), reference.iter().sum::<u64>());
    if n.min(m) < MINIMUM {
        return None;
    }
    Some(psi(current, reference))
}

fn psi(current: &[u64], reference: &[u64]) -> f64 {
    let total = |counts: &[u64]| counts.iter().map(|count| smoothed(*count)).sum::<f64>();
    let (n, m) = (total(current), total(reference));
    let bins = current.iter().zip(reference);
    bins.map(|(current, reference)| {
        let (c, r) = (smoothed(*current) / n, smoothed(*reference) / m);
        (c - r) * (c / r).ln()
    })
    .sum()
}

#[expect(clippy::cast_precision_loss, reason = "nobody judges 2^53 texts")]
fn smoothed(count: u64) -> f64 {
    count as f64 + 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_that_of_an_example_worked_by_hand() {
        // c = 20.5, 30.5, 50.5 and r = 40.5, 30.5, 30.5 of 101.5:
        // -0.19704 · ln 0.50617 + 0 + 0.19704 · ln 1.65574 = 0.13416 + 0.09936.
        let index = psi(&[20, 30, 50], &[40, 30, 30]);

        assert!((index - 0.23352).abs() < 1e-4, "{index}");
    }

    #[test]
    fn what_has_not_changed_is_zero_and_an_empty_bin_is_no_infinity() {
        let same: Histogram = [100, 50, 40, 30, 20, 10, 5, 3, 2, 1];
        let mut emptied = same;
        emptied[0] = 0;

        assert!(index(&same, &same).unwrap().abs() < 1e-12);
        assert!(index(&emptied, &same).is_none(), "161 texts say nothing");
        assert!(psi(&emptied, &same) > ALARM);
    }

    #[test]
    fn a_window_with_few_texts_says_nothing() {
        let few: Histogram = [MINIMUM - 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let many: Histogram = [0, 0, 0, 0, 0, 0, 0, 0, 0, 10_000];

        assert_eq!(index(&few, &many), None);
    }
}
