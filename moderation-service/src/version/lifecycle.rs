//! What is done with versions, for people and for programs.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use event_runtime::{ExecuteError, Expected, Streams, UnitOfWork, error::chain};
use metrics::gauge;
use sea_orm::DbErr;
use service_kit::health::Degraded;
use shared_schemas::{UserId, envelope::Metadata};

use super::{
    aggregate::{Promoted, Proposed, RolledBack, VersionError, VersionId, Versions, VersionsId},
    analysers::{AnalyserError, Analysers},
    band::{Band, MINIMUM},
    files::{BadFiles, Compiled, FileHash, FileName, Files, compile},
    projection, view,
};

/// Proposes, promotes and takes back. Cheap to clone.
#[derive(Clone)]
pub struct Lifecycle {
    /// What happened to versions.
    pub versions: Streams<Versions>,
    /// Those that are ready.
    pub analysers: Arc<Analysers>,
    /// Where it is said that nothing is judged.
    pub degraded: Degraded,
}

/// What a program does not do in which the active version does not hold.
const JUDGING: &str = "judging";

/// Files that somebody brings; what is left out is taken from the active version.
#[derive(Clone, Debug, Default)]
pub struct Proposal {
    /// The files.
    pub files: Files,
    /// What the version is for.
    pub note: Option<String>,
    /// Who brings it.
    pub by: Option<UserId>,
}

/// Why files are not taken.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// They do not hold.
    #[error(transparent)]
    Files(#[from] BadFiles),
    /// The database failed.
    #[error("the version cannot be kept")]
    Storage(#[from] DbErr),
    /// The event could not be recorded.
    #[error("the version cannot be recorded")]
    Execute(#[from] ExecuteError<VersionError>),
    /// They took a thread with them.
    #[error("the files cannot be read")]
    Compile(#[from] tokio::task::JoinError),
}

/// A promotion that somebody asks for.
#[derive(Clone, Debug)]
pub struct Promotion {
    /// The version.
    pub version: VersionId,
    /// Where its flag rate has to stay, if the caller knows better than its shadow.
    pub band: Option<Band>,
    /// Why although it has not judged enough.
    pub forced: Option<String>,
    /// Who asks.
    pub by: UserId,
}

impl Lifecycle {
    /// Takes files as a version. Says whether it is a new one.
    ///
    /// # Errors
    ///
    /// [`ProposeError`]; nothing is kept then.
    pub async fn propose(
        &self,
        proposal: Proposal,
        metadata: &Metadata,
    ) -> Result<(VersionId, bool), ProposeError> {
        let Proposal { mut files, note, by } = proposal;
        let work = self.versions.store().begin().await?;
        let base = match view::active(work.txn()).await? {
            Some(active) => view::hashes(work.txn(), &active).await?,
            None => BTreeMap::new(),
        };
        for name in FileName::ALL {
            if files.contains_key(&name) {
                continue;
            }
            let kept = match base.get(&name) {
                Some(hash) => view::file(work.txn(), &hash.sha256).await?.map(Arc::from),
                None => super::files::embedded().remove(&name),
            };
            files.extend(kept.map(|contents| (name, contents)));
        }
        let (compiled, files) = self.compile(files).await?;
        let id = compiled.id.clone();
        let is_new = self.record(work, &id, &Proposal { files, note, by }, metadata).await?;
        if id != self.analysers.built_in().id {
            self.analysers.keep(Arc::new(compiled));
        }
        Ok((id, is_new))
    }

    async fn record(
        &self,
        work: UnitOfWork,
        version: &VersionId,
        Proposal { files, note, by }: &Proposal,
        metadata: &Metadata,
    ) -> Result<bool, ProposeError> {
        projection::keep_files(work.txn(), files).await?;
        let hashes = files.iter().map(|(name, bytes)| (*name, FileHash::of(bytes))).collect();
        let (version, note) = (version.clone(), note.clone());
        let proposed = Proposed { version, files: hashes, note, by: *by };
        let is_new = AtomicBool::new(false);
        self.versions
            .execute_in(&work, VersionsId, Expected::Any, metadata, |versions| {
                let events = versions.propose(proposed.clone());
                is_new.store(!events.is_empty(), Ordering::Relaxed);
                Ok::<_, VersionError>(events)
            })
            .await?;
        work.commit().await?;
        Ok(is_new.into_inner())
    }

    async fn compile(&self, files: Files) -> Result<(Compiled, Files), ProposeError> {
        let models = self.analysers.models();
        tokio::task::spawn_blocking(move || {
            let model = files.get(&FileName::Model).map(|model| content_screening::sha256(model));
            let shared = models.into_iter().find(|(_, sha256)| Some(sha256) == model.as_ref());
            let compiled = compile(&files, shared)?;
            Ok((compiled, files))
        })
        .await?
    }

    /// Lets a version judge in shadow from now on.
    ///
    /// # Errors
    ///
    /// As [`Versions::start_shadow`].
    pub async fn start_shadow(
        &self,
        version: &VersionId,
        apart: bool,
        metadata: &Metadata,
    ) -> Result<(), ExecuteError<VersionError>> {
        self.versions
            .execute(VersionsId, Expected::Any, metadata, |versions| {
                versions.start_shadow(version, apart)
            })
            .await?;
        Ok(())
    }

    /// Ends the shadow of a version.
    ///
    /// # Errors
    ///
    /// As [`Versions::end_shadow`].
    pub async fn end_shadow(
        &self,
        version: &VersionId,
        metadata: &Metadata,
    ) -> Result<(), ExecuteError<VersionError>> {
        self.versions
            .execute(VersionsId, Expected::Any, metadata, |versions| versions.end_shadow(version))
            .await?;
        Ok(())
    }

    /// Makes a version active, once whatever is being judged has been judged.
    ///
    /// # Errors
    ///
    /// As [`Versions::promote`].
    pub async fn promote(
        &self,
        promotion: Promotion,
        metadata: &Metadata,
    ) -> Result<(), ExecuteError<VersionError>> {
        let Promotion { version, band, forced, by } = promotion;
        let work = self.versions.store().begin().await?;
        view::seize(work.txn()).await?;
        let in_shadow = view::shadow_rate(work.txn(), &version).await?;
        let band = match band {
            Some(band) => Some(band),
            None if in_shadow.judged >= u64::from(MINIMUM) => Some(Band::around(in_shadow)),
            None => None,
        };
        let promoted = Promoted { version, previous: None, band, in_shadow, forced, by };
        self.versions
            .execute_in(&work, VersionsId, Expected::Any, metadata, |versions| {
                versions.promote(promoted.clone())
            })
            .await?;
        work.commit().await?;
        Ok(())
    }

    /// Takes the promotion of a version back.
    ///
    /// # Errors
    ///
    /// As [`Versions::roll_back`].
    pub async fn roll_back(
        &self,
        version: &VersionId,
        because: String,
        by: Option<UserId>,
        metadata: &Metadata,
    ) -> Result<(), ExecuteError<VersionError>> {
        let work = self.versions.store().begin().await?;
        view::seize(work.txn()).await?;
        let row = view::find(work.txn(), version).await?;
        let since = row.as_ref().and_then(|row| row.promoted_at);
        let band = row.and_then(|row| row.band).map(view::decoded).transpose()?;
        let flag_rate = view::flag_rate(work.txn(), version, since).await?;
        let fallen =
            RolledBack { version: version.clone(), to: None, flag_rate, band, because, by };
        self.versions
            .execute_in(&work, VersionsId, Expected::Any, metadata, |versions| {
                versions.roll_back(fallen.clone())
            })
            .await?;
        work.commit().await?;
        Ok(())
    }

    /// Looks whether the active version holds in this program. If it does not, what is published waits to be judged, health and log
    /// say so and what to do, and everything else is served: taking the version back is one of these things.
    ///
    /// # Errors
    ///
    /// [`AnalyserError::Storage`].
    pub async fn look(&self) -> Result<bool, AnalyserError> {
        let db = self.versions.store().db();
        let built_in = &self.analysers.built_in().id;
        let active = view::active(db).await;
        let active = active.map_err(|error| AnalyserError::Storage(built_in.clone(), error))?;
        let active = active.unwrap_or_else(|| built_in.clone());
        let holds = match self.analysers.get(db, &active).await {
            Ok(_) => true,
            Err(error @ AnalyserError::Storage(..)) => return Err(error),
            Err(error @ (AnalyserError::Files(..) | AnalyserError::Compile(..))) => {
                let why = format!(
                    "nothing is judged: {}; take it back (plctl moderation version rollback {active} --reason TEXT), or run the \
                     program that took its files",
                    chain(&error)
                );
                if self.degraded.begin(JUDGING, why.clone()) {
                    tracing::error!(version = %active, why, "the active version does not hold in this program");
                }
                false
            }
        };
        if holds && self.degraded.end(JUDGING) {
            tracing::info!(version = %active, "what was published is judged again");
        }
        gauge!("moderation_judging").set(u8::from(holds));
        Ok(holds)
    }

    /// What is done before anything is judged: the built-in version is made known, it is looked whether the active one holds in this
    /// program, and what this instance alone judges by is put in shadow.
    ///
    /// # Errors
    ///
    /// Everything that keeps this instance from serving.
    pub async fn start(&self, shadow: Option<Files>) -> Result<(), Box<dyn Error + Send + Sync>> {
        let nobody = Metadata::default();
        let store = self.versions.store();
        let built_in = &self.analysers.built_in().id;
        if view::find(store.db(), built_in).await?.is_none() {
            let note = Some("What the program was built with.".to_owned());
            let files = Proposal { files: super::files::embedded(), note, by: None };
            self.record(store.begin().await?, built_in, &files, &nobody).await?;
        }
        let holds = self.look().await?;
        let Some(files) = shadow else { return Ok(()) };
        if !holds {
            tracing::error!(
                "what this instance alone judges by is left out until it is started again"
            );
            return Ok(());
        }
        let note = Some("What an instance was started with, to judge in shadow.".to_owned());
        let (version, _) = self.propose(Proposal { files, note, by: None }, &nobody).await?;
        match self.start_shadow(&version, true, &nobody).await {
            Err(ExecuteError::Refused(VersionError::Active)) => {
                tracing::info!(%version, "the files of the shadow are those that decide");
                Ok(())
            }
            started => Ok(started?),
        }
    }
}
