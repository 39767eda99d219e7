//! How fast to replay.

use std::{fmt, str::FromStr, time::Duration};

use chrono::TimeDelta;

/// How fast to replay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as it happened; 1 is as it happened, 0.5 half as fast. More than 0, at most 1 000 000.
    Times(f64),
    /// As fast as the receiver takes it.
    Max,
}

/// Why a text is no speed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no speed; write `1x`, `10x`, `0.5x` or `max`")]
pub struct SpeedError(String);

impl Speed {
    /// How long after the first event another one is due that happened so much later.
    pub(super) fn delay(self, later: TimeDelta) -> Duration {
        let later = later.to_std().unwrap_or(Duration::ZERO);
        match self {
            Self::Times(times) => {
                Duration::try_from_secs_f64(later.as_secs_f64() / times).unwrap_or(later)
            }
            Self::Max => Duration::ZERO,
        }
    }
}

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, SpeedError> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let times = text.strip_suffix('x').and_then(|times| times.parse().ok());
        match times {
            Some(times) if times > 0.0 && times <= 1e6 => Ok(Self::Times(times)),
            Some(_) | None => Err(SpeedError(text.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(times) => write!(f, "{times}x"),
            Self::Max => f.write_str("max"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_read_and_shown() {
        for text in ["1x", "10x", "0.5x", "max"] {
            assert_eq!(text.parse::<Speed>().unwrap().to_string(), text);
        }
        for text in ["", "x", "0x", "-1x", "10", "NaNx", "infx", "2000000x", "fast"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
    }

    #[test]
    fn ten_times_as_fast_is_a_tenth_of_the_time() {
        let minute = TimeDelta::minutes(1);

        assert_eq!(Speed::Times(10.0).delay(minute), Duration::from_secs(6));
        assert_eq!(Speed::Times(0.5).delay(minute), Duration::from_mins(2));
        assert_eq!(Speed::Max.delay(minute), Duration::ZERO);
        assert_eq!(Speed::Times(1.0).delay(-minute), Duration::ZERO);
    }
}
