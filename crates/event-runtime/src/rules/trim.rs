//! How much of a stream may go.

/// A consumer group that must have finished with an entry before it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Required {
    /// The group.
    pub group: String,
    /// Everything up to here took effect in it for good, or is parked.
    pub sequence: u64,
}

/// How much of a stream may go, as far as the store knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Entries up to here may go.
    pub sequence: u64,
    /// The group because of which no more may go; `None` if the rest is kept for its own sake.
    pub held_by: Option<String>,
}

/// The limit for a stream that ends at `end` and whose last `retention` entries are kept for readers that come later. It
/// never lies beyond what the slowest of the required groups has finished.
pub fn trim_limit(end: u64, retention: u64, required: &[Required]) -> Limit {
    let kept = Limit { sequence: end.saturating_sub(retention), held_by: None };
    match required.iter().min_by_key(|required| required.sequence) {
        Some(slowest) if slowest.sequence < kept.sequence => {
            Limit { sequence: slowest.sequence, held_by: Some(slowest.group.clone()) }
        }
        Some(_) | None => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, sequence: u64) -> Required {
        Required { group: name.to_owned(), sequence }
    }

    #[test]
    fn nothing_goes_that_the_slowest_group_has_not_finished() {
        let groups = [group("quick", 90), group("slow", 12), group("middle", 50)];

        let limit = trim_limit(100, 10, &groups);

        assert_eq!(limit, Limit { sequence: 12, held_by: Some("slow".to_owned()) });
        assert_eq!(trim_limit(100, 10, &[group("new", 0)]).sequence, 0);
    }

    #[test]
    fn the_last_entries_stay_whoever_has_read_them() {
        let done = [group("done", 100)];

        assert_eq!(trim_limit(100, 30, &done), Limit { sequence: 70, held_by: None });
        assert_eq!(trim_limit(100, 0, &done).sequence, 100);
        assert_eq!(trim_limit(100, 101, &done).sequence, 0);
        assert_eq!(trim_limit(100, 30, &[]).sequence, 70);
    }
}
