//! What figures come to.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use content_screening::Category;
use sea_orm::{ConnectionTrait, DbErr};

use super::{
    stability::{ALARM, BINS, Histogram, MINIMUM, index},
    view::{self, BinRow, WindowRow},
};
use crate::version::band::{FlagRate, SURE};

/// The current window, before the last judgement.
pub const CURRENT: TimeDelta = TimeDelta::days(1);

/// The reference window, before the current one.
pub const REFERENCE: TimeDelta = TimeDelta::days(14);

/// Words that are hidden so many times as often as before are hidden on purpose.
const EVASION: f64 = 1.5;

/// What a window comes to.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Held or removed.
    pub flagged: FlagRate,
    /// With a word that was read as another than it was written.
    pub corrected: FlagRate,
    /// Of each category's probabilities.
    pub histograms: BTreeMap<Category, Histogram>,
}

/// The current window beside the reference window.
#[derive(Clone, Debug)]
pub struct Drift {
    /// The model that judged last; both windows are of its judgements alone.
    pub model: String,
    /// When it did.
    pub until: DateTime<Utc>,
    /// The last day.
    pub current: Window,
    /// Two weeks before it.
    pub reference: Window,
}

impl Drift {
    /// The population stability index of a category; `None` if there is too little to say anything.
    pub fn stability(&self, category: Category) -> Option<f64> {
        let histogram = |window: &Window| window.histograms.get(&category).copied();
        index(&histogram(&self.current)?, &histogram(&self.reference)?)
    }

    /// Whether the probabilities of a category are spread so differently that the model should be looked at.
    pub fn is_alarming(&self, category: Category) -> bool {
        self.stability(category).is_some_and(|index| index >= ALARM)
    }

    /// Whether words are hidden from the model half as often again as before, and not by chance.
    pub fn is_evasive(&self) -> bool {
        let (now, before) = (self.current.corrected, self.reference.corrected);
        let enough = now.judged >= MINIMUM && before.judged >= MINIMUM;
        enough && now.interval(SURE).0 > EVASION * before.share()
    }
}

/// Compares the last day with the weeks before; `None` where nothing was judged yet.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn drift(connection: &impl ConnectionTrait) -> Result<Option<Drift>, DbErr> {
    let Some(last) = view::last(connection).await? else { return Ok(None) };
    let until = last.judged_at;
    let since = until - CURRENT;
    let (now, before) = ((since, until), (since - REFERENCE, since));
    let current = window(
        &view::window(connection, &last.model, now).await?,
        &view::bins(connection, &last.model, now).await?,
    );
    let reference = window(
        &view::window(connection, &last.model, before).await?,
        &view::bins(connection, &last.model, before).await?,
    );
    Ok(Some(Drift { model: last.model, until, current, reference }))
}

fn window(row: &WindowRow, bins: &[BinRow]) -> Window {
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    let rate = |some: i64| FlagRate { flagged: count(some), judged: count(row.judged) };
    Window {
        flagged: rate(row.flagged),
        corrected: rate(row.corrected),
        histograms: histograms(bins),
    }
}

/// The histograms that bins come to; a category of which there are none has none.
pub fn histograms<'a>(bins: impl IntoIterator<Item = &'a BinRow>) -> BTreeMap<Category, Histogram> {
    let mut histograms = BTreeMap::new();
    for row in bins {
        let category = Category::ALL.into_iter().find(|one| one.as_str() == row.category);
        let Some(category) = category else { continue };
        let histogram: &mut Histogram = histograms.entry(category).or_insert([0; BINS]);
        let bin = usize::try_from(row.bin).ok().and_then(|bin| histogram.get_mut(bin));
        if let Some(bin) = bin {
            *bin += u64::try_from(row.count).unwrap_or(0);
        }
    }
    histograms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift(now: FlagRate, before: FlagRate) -> Drift {
        let window = |corrected| Window { corrected, ..Window::default() };
        Drift {
            model: "m".to_owned(),
            until: DateTime::UNIX_EPOCH,
            current: window(now),
            reference: window(before),
        }
    }

    #[test]
    fn hidden_words_are_an_alarm_when_they_are_many_more_and_not_by_chance() {
        let rate = |flagged, judged| FlagRate { flagged, judged };
        let before = rate(100, 5_000);

        assert!(drift(rate(80, 1_000), before).is_evasive());
        assert!(!drift(rate(25, 1_000), before).is_evasive(), "a little more");
        assert!(!drift(rate(20, 100), before).is_evasive(), "too few texts");
    }

    #[test]
    fn a_category_without_texts_has_no_index() {
        let drift = drift(FlagRate::default(), FlagRate::default());

        assert_eq!(drift.stability(Category::Spam), None);
        assert!(!drift.is_alarming(Category::Spam));
    }
}
