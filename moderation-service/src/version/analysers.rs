//! Versions that are ready to judge.

use std::sync::{Arc, Mutex, PoisonError};

use event_runtime::{ApplyError, UnitOfWork};
use sea_orm::{ConnectionTrait, DbErr};

use super::{
    aggregate::VersionId,
    files::{BadFiles, Compiled, FileName, compile},
    view,
};

/// So many versions are kept ready besides the built-in one: the active one, the one before it, and two shadows.
const KEPT: usize = 4;

/// Why a version cannot judge here.
#[derive(Debug, thiserror::Error)]
pub enum AnalyserError {
    /// The database failed.
    #[error("the files of version {0} cannot be read")]
    Storage(VersionId, #[source] DbErr),
    /// This program does not understand the files; the one that took them did.
    #[error("version {0} does not hold in this program")]
    Files(VersionId, #[source] BadFiles),
    /// It took a thread with it.
    #[error("version {0} could not be read")]
    Compile(VersionId, #[source] tokio::task::JoinError),
}

impl From<AnalyserError> for ApplyError {
    /// Nothing is wrong with the event: it waits until the version can judge.
    fn from(error: AnalyserError) -> Self {
        match error {
            AnalyserError::Storage(_, error) => error.into(),
            AnalyserError::Files(..) | AnalyserError::Compile(..) => {
                tracing::error!(error = event_runtime::error::chain(&error), "nothing is judged");
                Self::not_yet(error)
            }
        }
    }
}

/// Versions that are ready to judge; the files of others are read when they are asked for.
pub struct Analysers {
    built_in: Arc<Compiled>,
    /// Last used last.
    kept: Mutex<Vec<Arc<Compiled>>>,
}

impl Analysers {
    /// With the version that this program was built with.
    pub fn new(built_in: Arc<Compiled>) -> Self {
        Self { built_in, kept: Mutex::new(Vec::new()) }
    }

    /// The version that this program was built with.
    pub fn built_in(&self) -> &Arc<Compiled> {
        &self.built_in
    }

    /// The version that judges now. Until the unit of work ends no other can be promoted.
    ///
    /// # Errors
    ///
    /// [`AnalyserError`]; what was to be judged waits.
    pub async fn active(&self, work: &UnitOfWork) -> Result<Arc<Compiled>, AnalyserError> {
        let read = |error| AnalyserError::Storage(self.built_in.id.clone(), error);
        view::hold(work.txn()).await.map_err(read)?;
        match view::active(work.txn()).await.map_err(read)? {
            None => Ok(Arc::clone(&self.built_in)),
            Some(id) => self.get(work.txn(), &id).await,
        }
    }

    /// One version.
    ///
    /// # Errors
    ///
    /// [`AnalyserError`].
    pub async fn get(
        &self,
        connection: &impl ConnectionTrait,
        id: &VersionId,
    ) -> Result<Arc<Compiled>, AnalyserError> {
        if let Some(ready) = self.ready(id) {
            return Ok(ready);
        }
        let storage = |error| AnalyserError::Storage(id.clone(), error);
        let hashes = view::hashes(connection, id).await.map_err(storage)?;
        let models: Vec<_> = self.models();
        let mut files = super::files::Files::new();
        let mut shared = None;
        for (name, hash) in hashes {
            // A model is much larger than all the rest, and mostly the same as before.
            if name == FileName::Model
                && let Some(model) = models.iter().find(|(_, sha256)| *sha256 == hash.sha256)
            {
                shared = Some(model.clone());
                continue;
            }
            let contents = view::file(connection, &hash.sha256).await.map_err(storage)?;
            files.extend(contents.map(|contents| (name, Arc::from(contents))));
        }
        let compiled = tokio::task::spawn_blocking(move || compile(&files, shared)).await;
        let compiled = compiled.map_err(|error| AnalyserError::Compile(id.clone(), error))?;
        let compiled = compiled.map_err(|error| AnalyserError::Files(id.clone(), error))?;
        if compiled.id != *id {
            let mistake = format!("they come to version {}", compiled.id);
            return Err(AnalyserError::Files(id.clone(), BadFiles(vec![mistake])));
        }
        Ok(self.keep(Arc::new(compiled)))
    }

    /// Keeps a version ready.
    pub fn keep(&self, compiled: Arc<Compiled>) -> Arc<Compiled> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|one| one.id != compiled.id);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(Arc::clone(&compiled));
        compiled
    }

    /// Models that are in memory, with the hashes of their files.
    pub fn models(&self) -> Vec<(Arc<content_analysis::Analyser>, String)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(&self.built_in)
            .chain(kept.iter())
            .map(|one| (Arc::clone(&one.model), one.model_sha256.clone()))
            .collect()
    }

    fn ready(&self, id: &VersionId) -> Option<Arc<Compiled>> {
        if self.built_in.id == *id {
            return Some(Arc::clone(&self.built_in));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|one| one.id == *id)?;
        let found = kept.remove(place);
        kept.push(Arc::clone(&found));
        Some(found)
    }
}
