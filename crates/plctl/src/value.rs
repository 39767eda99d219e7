//! Values of the command line that are more than a word.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::Clock;

/// A length of time: `500ms`, `30s`, `10m`, `2h`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|error| format!("no number: {error}"))?;
    let ms = match unit {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("`{unit}` is no unit: ms, s, m, h or d")),
    };
    number.checked_mul(ms).map(Duration::from_millis).ok_or_else(|| "too long".to_owned())
}

/// A moment: RFC 3339, or how long ago it was, such as `15m`.
pub(crate) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    let ago = duration(text)
        .map_err(|error| format!("neither RFC 3339 nor a time ago such as `15m`: {error}"))?;
    let ago = TimeDelta::from_std(ago).map_err(|error| error.to_string())?;
    Clock::System.now().checked_sub_signed(ago).ok_or_else(|| "too long ago".to_owned())
}

/// Milliseconds, for Redis.
pub(crate) fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_units_and_seconds_need_none() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("2h"), Ok(Duration::from_hours(2)));
        for wrong in ["", "h", "5 weeks", "-1s", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_moment_is_a_date_or_a_while_ago() {
        let date = moment("2026-11-21T10:00:00+01:00").unwrap();

        assert_eq!(date.to_rfc3339(), "2026-11-21T09:00:00+00:00");
        assert!(moment("1h").unwrap() < Clock::System.now());
        assert!(moment("yesterday").is_err());
    }
}
