//! How sure a share of counted judgements is.

/// Where the true share may lie after `hits` of `of`, `z` standard deviations to either side: 0 to 1; everywhere, if nothing was
/// counted.
///
/// The score interval of E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
/// American Statistical Association 22 (1927). Unlike the textbook's interval it holds for few cases and for shares near 0
/// and 1.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 judgements")]
pub fn wilson(hits: u64, of: u64, z: f64) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, p, z2) = (of as f64, hits as f64 / of as f64, z * z);
    let centre = p + z2 / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    (((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_tables() {
        // Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        for (hits, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (from, to) = wilson(hits, of, 1.959_963_984_540_054);
            assert!((from - low).abs() < 5e-4 && (to - high).abs() < 5e-4, "{from} {to}");
        }
        assert_eq!(wilson(0, 0, 1.96), (0.0, 1.0));
    }
}
