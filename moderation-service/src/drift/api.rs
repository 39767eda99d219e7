//! The endpoint of drift.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use content_screening::Category;
use event_runtime::EventStore;
use poem_openapi::{Object, OpenApi, payload::Json, types::Example};
use service_kit::{Caller, Problem, example};

use super::{
    report::{CURRENT, Drift, REFERENCE, Window, drift, histograms},
    stability::Histogram,
    view::{self, BinRow, DayRow},
};
use crate::{
    case::api::{Tag, require_moderator},
    version::{band::FlagRate, shadow::body::Rate},
};

/// The endpoint.
pub struct DriftApi {
    /// Where the figures are.
    pub store: EventStore,
}

/// What a window comes to.
#[derive(Clone, Debug, Object)]
pub struct DriftWindow {
    /// Where it begins.
    pub from: DateTime<Utc>,
    /// Where it ends.
    pub to: DateTime<Utc>,
    /// Held or removed.
    pub flagged: Rate,
    /// With a word that the model read as another than it was written.
    pub corrected: Rate,
}

/// How the model's probabilities of one category are spread.
#[derive(Clone, Debug, Object)]
pub struct CategoryDrift {
    /// The category.
    pub category: String,
    /// The population stability index; absent where a window has fewer than 200 texts.
    #[oai(skip_serializing_if_is_none)]
    pub psi: Option<f64>,
    /// Whether it is 0.2 or more.
    pub alarm: bool,
    /// Texts by probability in the current window; bins end at 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8 and 1.
    pub current: Vec<u64>,
    /// In the reference window.
    pub reference: Vec<u64>,
}

/// The texts of one day and language.
#[derive(Clone, Debug, Object)]
pub struct DriftDay {
    /// The day, UTC.
    pub day: NaiveDate,
    /// ISO 639-3, or `und`.
    pub language: String,
    /// How many were judged.
    pub judged: u64,
    /// How many of them were held or removed.
    pub flagged: u64,
    /// In how many a word was read as another.
    pub corrected: u64,
    /// Texts by probability, by category.
    pub scores: BTreeMap<String, Vec<u64>>,
}

/// How the texts of the last day differ from those of the two weeks before it.
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub struct DriftReport {
    /// The trained model; only what it judged is compared.
    #[oai(skip_serializing_if_is_none)]
    pub model: Option<String>,
    /// The last day.
    #[oai(skip_serializing_if_is_none)]
    pub current: Option<DriftWindow>,
    /// The two weeks before.
    #[oai(skip_serializing_if_is_none)]
    pub reference: Option<DriftWindow>,
    /// By category.
    pub categories: Vec<CategoryDrift>,
    /// Whether words are hidden from the model half as often again as before.
    pub evasion_alarm: bool,
    /// By day and language, latest first.
    pub days: Vec<DriftDay>,
}

impl Example for DriftReport {
    fn example() -> Self {
        let mut window = Window::default();
        window.histograms.insert(Category::Spam, [300, 100, 50, 20, 10, 5, 5, 4, 3, 3]);
        window.flagged = FlagRate { flagged: 9, judged: 500 };
        window.corrected = FlagRate { flagged: 14, judged: 500 };
        let drift = Drift {
            model: "b5ad0f2c9e8d4a17".to_owned(),
            until: example::moment(),
            current: window.clone(),
            reference: window,
        };
        let day = DayRow {
            day: example::moment().date_naive(),
            language: "eng".to_owned(),
            judged: 500,
            flagged: 9,
            corrected: 14,
        };
        report(&drift, vec![day], &[])
    }
}

#[OpenApi(tag = "Tag::Versions")]
impl DriftApi {
    /// Read how the texts change
    ///
    /// The last day beside the two weeks before it: flag rate, the spread of the model's probabilities with its population
    /// stability index, and how often words were hidden; and the same by day and language. Of what the present model judged. Empty
    /// where nothing was judged yet. Fails with 401 without a token and 403 for anyone but moderators and administrators.
    #[oai(path = "/moderation/drift", method = "get", operation_id = "readModerationDrift")]
    async fn read_drift(&self, caller: Caller) -> Result<Json<DriftReport>, Problem> {
        require_moderator(&caller)?;
        let db = self.store.db();
        let Some(drift) = drift(db).await? else {
            return Ok(Json(DriftReport {
                model: None,
                current: None,
                reference: None,
                categories: vec![],
                evasion_alarm: false,
                days: vec![],
            }));
        };
        let from = drift.until - CURRENT - REFERENCE;
        let days = view::days(db, &drift.model, from).await?;
        let bins = view::bins_of_days(db, &drift.model, from).await?;
        Ok(Json(report(&drift, days, &bins)))
    }
}

fn report(drift: &Drift, days: Vec<DayRow>, bins: &[BinRow]) -> DriftReport {
    let since = drift.until - CURRENT;
    let window = |window: &Window, from, to| DriftWindow {
        from,
        to,
        flagged: window.flagged.into(),
        corrected: window.corrected.into(),
    };
    let texts = |window: &Window, category| {
        window.histograms.get(&category).map_or_else(Vec::new, |texts: &Histogram| texts.to_vec())
    };
    let category = |category: Category| CategoryDrift {
        category: category.as_str().to_owned(),
        psi: drift.stability(category),
        alarm: drift.is_alarming(category),
        current: texts(&drift.current, category),
        reference: texts(&drift.reference, category),
    };
    DriftReport {
        model: Some(drift.model.clone()),
        current: Some(window(&drift.current, since, drift.until)),
        reference: Some(window(&drift.reference, since - REFERENCE, since)),
        categories: Category::ALL.into_iter().map(category).collect(),
        evasion_alarm: drift.is_evasive(),
        days: days.into_iter().map(|row| day(row, bins)).collect(),
    }
}

fn day(row: DayRow, bins: &[BinRow]) -> DriftDay {
    let own = bins.iter().filter(|bin| {
        bin.day == Some(row.day) && bin.language.as_deref() == Some(row.language.as_str())
    });
    let scores = histograms(own).into_iter();
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    DriftDay {
        day: row.day,
        judged: count(row.judged),
        flagged: count(row.flagged),
        corrected: count(row.corrected),
        scores: scores
            .map(|(category, texts)| (category.as_str().to_owned(), texts.to_vec()))
            .collect(),
        language: row.language,
    }
}
