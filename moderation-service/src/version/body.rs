//! Versions as JSON.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use content_screening::sha256;
use poem_openapi::{
    Enum, Object,
    types::{Base64, Example},
};
use sea_orm::DbErr;
use service_kit::{Problem, example};
use shared_schemas::UserId;

use super::{
    aggregate::VersionId,
    band::{Band, MINIMUM, WINDOW, millionths, share},
    files::{FileHash, FileName, Files, RULES_BYTES},
    view::{VersionRow, decoded},
};
use crate::case::api::clean_text;

/// The most characters of a note or a reason.
pub const NOTE: usize = 500;

/// Files of a new version.
#[derive(Clone, Debug, Object)]
#[oai(example, deny_unknown_fields)]
pub struct Propose {
    /// `lexicon.toml`.
    #[oai(skip_serializing_if_is_none, validator(max_length = 1_048_576))]
    pub lexicon: Option<String>,
    /// `signals.toml`.
    #[oai(skip_serializing_if_is_none, validator(max_length = 1_048_576))]
    pub signals: Option<String>,
    /// `policy.toml`.
    #[oai(skip_serializing_if_is_none, validator(max_length = 1_048_576))]
    pub policy: Option<String>,
    /// `model.bin`, in Base64; 8 MiB at most.
    #[oai(skip_serializing_if_is_none)]
    pub model: Option<Base64<Vec<u8>>>,
    /// What the version is for: up to 500 characters.
    #[oai(skip_serializing_if_is_none, validator(min_length = 1, max_length = 500))]
    pub note: Option<String>,
}

impl Propose {
    /// The files that were given, and the note.
    ///
    /// # Errors
    ///
    /// 400 for a note that is no text.
    pub fn into_parts(self) -> Result<(Files, Option<String>), Problem> {
        let Self { lexicon, signals, policy, model, note } = self;
        let texts = [
            (FileName::Lexicon, lexicon),
            (FileName::Signals, signals),
            (FileName::Policy, policy),
        ];
        let mut files = Files::new();
        for (name, text) in texts {
            files.extend(text.map(|text| (name, Arc::from(text.into_bytes()))));
        }
        files.extend(model.map(|Base64(model)| (FileName::Model, Arc::from(model))));
        let note = note.map(|note| clean_text("note", &note, NOTE)).transpose()?;
        Ok((files, note))
    }
}

impl Example for Propose {
    fn example() -> Self {
        let policy = "# From which score on …\n[thresholds.SPAM]\nhold = 55\n";
        Self {
            lexicon: None,
            signals: None,
            policy: Some(policy.chars().take(RULES_BYTES).collect()),
            model: None,
            note: Some("Holds less spam.".to_owned()),
        }
    }
}

/// Where the flag rate of a promoted version has to stay.
#[derive(Clone, Copy, Debug, PartialEq, Object)]
#[oai(rename = "FlagRateBand", deny_unknown_fields)]
pub struct BandView {
    /// The lowest share of texts that are held or removed, 0 to 1.
    #[oai(validator(minimum(value = "0"), maximum(value = "1")))]
    pub low: f64,
    /// The highest.
    #[oai(validator(minimum(value = "0"), maximum(value = "1")))]
    pub high: f64,
    /// How many judgements it takes to say anything: 20 to 500.
    #[oai(default = "minimum", validator(minimum(value = "20"), maximum(value = "500")))]
    pub minimum: u32,
}

const fn minimum() -> u32 {
    MINIMUM
}

impl BandView {
    /// As it is recorded.
    ///
    /// # Errors
    ///
    /// 422 if it is upside down.
    pub fn band(self) -> Result<Band, Problem> {
        if self.low >= self.high || self.minimum > WINDOW {
            return Err(Problem::unprocessable("band", "`low` lies below `high`"));
        }
        let (low, high) = (millionths(self.low), millionths(self.high));
        Ok(Band { low, high, minimum: self.minimum })
    }
}

impl From<Band> for BandView {
    fn from(band: Band) -> Self {
        Self { low: share(band.low), high: share(band.high), minimum: band.minimum }
    }
}

/// How a version is promoted.
#[derive(Clone, Debug, Default, Object)]
#[oai(example, deny_unknown_fields)]
pub struct Promote {
    /// Where its flag rate has to stay; otherwise from half to twice its rate in shadow.
    #[oai(skip_serializing_if_is_none)]
    pub band: Option<BandView>,
    /// Although it has judged fewer than 200 texts in shadow, or was rolled back before; takes a reason.
    #[oai(default)]
    pub force: bool,
    /// Why, if by force: up to 500 characters.
    #[oai(skip_serializing_if_is_none, validator(min_length = 1, max_length = 500))]
    pub reason: Option<String>,
}

impl Example for Promote {
    fn example() -> Self {
        Self {
            band: Some(BandView { low: 0.005, high: 0.04, minimum: MINIMUM }),
            force: false,
            reason: None,
        }
    }
}

/// Why a version is taken back.
#[derive(Clone, Debug, Object)]
#[oai(example, deny_unknown_fields)]
pub struct RollBack {
    /// In words: up to 500 characters.
    #[oai(validator(min_length = 1, max_length = 500))]
    pub reason: String,
}

impl Example for RollBack {
    fn example() -> Self {
        Self { reason: "Holds every recipe with a knife in it.".to_owned() }
    }
}

/// Where a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "AnalyserVersionState", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VersionState {
    /// Nobody judges by it.
    Proposed,
    /// It judges everything, and nothing follows from that.
    Shadow,
    /// It decides.
    Active,
    /// A later version decides.
    Retired,
    /// It was taken back.
    RolledBack,
}

impl VersionState {
    fn of_column(text: &str) -> Result<Self, DbErr> {
        match text {
            "PROPOSED" => Ok(Self::Proposed),
            "SHADOW" => Ok(Self::Shadow),
            "ACTIVE" => Ok(Self::Active),
            "RETIRED" => Ok(Self::Retired),
            "ROLLED_BACK" => Ok(Self::RolledBack),
            _ => Err(DbErr::Type(format!("{text} is no state of a version"))),
        }
    }
}

/// A file of a version.
#[derive(Clone, Debug, Object)]
pub struct VersionFile {
    /// Its name.
    pub name: FileName,
    /// SHA-256, in lower-case hexadecimal.
    pub sha256: String,
    /// How long it is.
    pub bytes: u64,
}

/// A version of the analyser.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "AnalyserVersion")]
pub struct VersionView {
    /// SHA-256 over its files: 64 hexadecimal digits.
    pub id: String,
    /// Where it stands.
    pub state: VersionState,
    /// Whether the service that answers was built with it. It decides wherever no version was promoted.
    pub built_in: bool,
    /// Its files.
    pub files: Vec<VersionFile>,
    /// What it is for.
    #[oai(skip_serializing_if_is_none)]
    pub note: Option<String>,
    /// Who brought it; absent if a program brought its own.
    #[oai(skip_serializing_if_is_none)]
    pub proposed_by: Option<UserId>,
    /// When.
    pub proposed_at: DateTime<Utc>,
    /// Since when it is in shadow.
    #[oai(skip_serializing_if_is_none)]
    pub shadow_since: Option<DateTime<Utc>>,
    /// Whether only the instance that was started with it judges by it.
    pub shadow_apart: bool,
    /// Who promoted it last.
    #[oai(skip_serializing_if_is_none)]
    pub promoted_by: Option<UserId>,
    /// When.
    #[oai(skip_serializing_if_is_none)]
    pub promoted_at: Option<DateTime<Utc>>,
    /// Why that was by force.
    #[oai(skip_serializing_if_is_none)]
    pub forced: Option<String>,
    /// Where its flag rate has to stay; absent where nobody watches it.
    #[oai(skip_serializing_if_is_none)]
    pub band: Option<BandView>,
    /// When it was taken back last.
    #[oai(skip_serializing_if_is_none)]
    pub rolled_back_at: Option<DateTime<Utc>>,
    /// By whom; absent if it was its flag rate.
    #[oai(skip_serializing_if_is_none)]
    pub rolled_back_by: Option<UserId>,
    /// Why.
    #[oai(skip_serializing_if_is_none)]
    pub rolled_back_because: Option<String>,
}

impl VersionView {
    /// A version as it is stored; `decides` is whether nothing was promoted, so that the built-in version decides.
    ///
    /// # Errors
    ///
    /// [`DbErr`] for a row that is none.
    pub fn new(row: VersionRow, built_in: &VersionId, decides: bool) -> Result<Self, DbErr> {
        let files: std::collections::BTreeMap<FileName, FileHash> = decoded(row.files)?;
        let band: Option<Band> = row.band.map(decoded).transpose()?;
        let is_built_in = row.id == built_in.as_str();
        let stored = VersionState::of_column(&row.state)?;
        let state = if is_built_in && decides { VersionState::Active } else { stored };
        Ok(Self {
            id: row.id,
            state,
            built_in: is_built_in,
            files: files
                .into_iter()
                .map(|(name, FileHash { sha256, bytes })| VersionFile { name, sha256, bytes })
                .collect(),
            note: row.note,
            proposed_by: row.proposed_by.map(UserId),
            proposed_at: row.proposed_at,
            shadow_since: row.shadow_since,
            shadow_apart: row.shadow_apart,
            promoted_by: row.promoted_by.map(UserId),
            promoted_at: row.promoted_at,
            forced: row.forced,
            band: band.map(BandView::from),
            rolled_back_at: row.rolled_back_at,
            rolled_back_by: row.rolled_back_by.map(UserId),
            rolled_back_because: row.rolled_back_because,
        })
    }
}

/// A version for documents.
pub fn id_example() -> String {
    sha256(b"example")
}

impl Example for VersionView {
    fn example() -> Self {
        let file = |name: FileName| VersionFile {
            name,
            sha256: sha256(name.as_str().as_bytes()),
            bytes: 1_010,
        };
        Self {
            id: id_example(),
            state: VersionState::Shadow,
            built_in: false,
            files: FileName::ALL.map(file).to_vec(),
            note: Some("Holds less spam.".to_owned()),
            proposed_by: Some(UserId(example::id(1))),
            proposed_at: example::moment(),
            shadow_since: Some(example::moment()),
            shadow_apart: false,
            promoted_by: None,
            promoted_at: None,
            forced: None,
            band: None,
            rolled_back_at: None,
            rolled_back_by: None,
            rolled_back_because: None,
        }
    }
}

/// Versions.
#[derive(Clone, Debug, Object)]
pub struct VersionList {
    /// Newest first, at most 100.
    pub items: Vec<VersionView>,
}
