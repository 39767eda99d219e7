//! The band in which the flag rate of a promoted version has to stay.

use content_screening::interval::wilson;
use serde::{Deserialize, Serialize};

/// Standard deviations of the interval that is shown with a rate: 95 % of all samples.
pub const SHOWN: f64 = 1.96;

/// Standard deviations by which a rate must be outside its band before a version is rolled back: it is asked every few
/// seconds, and a version must not fall to chance.
pub const SURE: f64 = 3.0;

/// How many of the last judgements of a version its rate is taken of.
pub const WINDOW: u32 = 500;

/// How few judgements say nothing, unless whoever promotes says otherwise.
pub const MINIMUM: u32 = 100;

/// A default band reaches at least up to this rate, in millionths: one flagged text in fifty.
const FLOOR: u32 = 20_000;

/// A whole, in millionths.
pub const WHOLE: u32 = 1_000_000;

/// How many of how many texts were held or removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagRate {
    /// Held or removed.
    pub flagged: u64,
    /// Judged.
    pub judged: u64,
}

impl FlagRate {
    /// The share, 0 to 1; 0 of nothing.
    pub fn share(self) -> f64 {
        if self.judged == 0 { 0.0 } else { float(self.flagged) / float(self.judged) }
    }

    /// Where the true rate may lie, `z` standard deviations to either side: see [`wilson`].
    pub fn interval(self, z: f64) -> (f64, f64) {
        wilson(self.flagged, self.judged, z)
    }
}

/// The band of a version; shares in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Band {
    /// The lowest share.
    pub low: u32,
    /// The highest share.
    pub high: u32,
    /// How many judgements it takes to say anything.
    pub minimum: u32,
}

impl Band {
    /// From half to twice the rate that was seen before.
    pub fn around(seen: FlagRate) -> Self {
        let low = millionths(seen.share() / 2.0);
        let high = millionths(seen.share() * 2.0).max(FLOOR);
        Self { low, high, minimum: MINIMUM }
    }

    /// Whether a rate is outside, and not by chance: its whole interval of [`SURE`] lies on one side.
    pub fn is_left_by(self, seen: FlagRate) -> bool {
        let (from, to) = seen.interval(SURE);
        seen.judged >= u64::from(self.minimum) && (from > share(self.high) || to < share(self.low))
    }
}

/// A share of 0 to 1 in millionths.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1 000 000")]
pub fn millionths(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * f64::from(WHOLE)).round() as u32
}

/// Millionths as a share of 0 to 1.
pub fn share(millionths: u32) -> f64 {
    f64::from(millionths) / f64::from(WHOLE)
}

#[expect(clippy::cast_precision_loss, reason = "nobody judges 2^53 texts")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rate(flagged: u64, judged: u64) -> FlagRate {
        FlagRate { flagged, judged }
    }

    #[test]
    fn a_band_reaches_from_half_to_twice_and_is_never_too_narrow() {
        assert_eq!(
            Band::around(rate(30, 1_000)),
            Band { low: 15_000, high: 60_000, minimum: MINIMUM }
        );
        assert_eq!(Band::around(rate(0, 1_000)), Band { low: 0, high: FLOOR, minimum: MINIMUM });
        assert_eq!(Band::around(rate(900, 1_000)).high, WHOLE);
    }

    #[test]
    fn a_band_is_left_on_either_side_and_not_by_chance() {
        let band = Band { low: 20_000, high: 80_000, minimum: 100 };

        assert!(band.is_left_by(rate(120, 500)), "far too many");
        assert!(band.is_left_by(rate(0, 500)), "far too few");
        assert!(!band.is_left_by(rate(50, 500)), "a little too many may be chance");
        assert!(!band.is_left_by(rate(25, 500)), "inside");
        assert!(!band.is_left_by(rate(99, 99)), "too few to say anything");
    }
}
