//! Load, decide, append: the one way to change anything.

use std::sync::Arc;

use sea_orm::DbErr;
use shared_schemas::{Event, envelope::Metadata};
use uuid::Uuid;

use crate::{
    Aggregate, EventStore, ExecuteError, Expected, InlineProjection, Recorded, UnitOfWork, Version,
    store::NewEvent,
};

/// How often a command that does not care about versions is decided anew when another writer created the aggregate first.
const ATTEMPTS: u32 = 5;

/// The aggregates of one kind: loads, decides and appends, with the read model in the same transaction.
pub struct Streams<A: Aggregate> {
    store: EventStore,
    read_model: Option<Arc<dyn InlineProjection<A::Event>>>,
}

// Derived, this would ask the aggregate to be `Clone` too.
impl<A: Aggregate> Clone for Streams<A> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), read_model: self.read_model.as_ref().map(Arc::clone) }
    }
}

impl<A: Aggregate> Streams<A> {
    /// Aggregates whose read model moves with every append.
    pub fn new(store: EventStore, read_model: impl InlineProjection<A::Event>) -> Self {
        Self { store, read_model: Some(Arc::new(read_model)) }
    }

    /// Aggregates that nobody queries.
    pub fn without_read_model(store: EventStore) -> Self {
        Self { store, read_model: None }
    }

    /// The store behind the aggregates.
    pub fn store(&self) -> &EventStore {
        &self.store
    }

    pub(crate) fn read_model(&self) -> Option<&dyn InlineProjection<A::Event>> {
        self.read_model.as_deref()
    }

    /// Decides one command in a transaction of its own. `decide` may run again if another writer came first.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::Refused`] with the aggregate's own word; [`ExecuteError::VersionConflict`] if it is not at `expected`.
    pub async fn execute<R: Send>(
        &self,
        id: A::Id,
        expected: Expected,
        metadata: &Metadata,
        decide: impl Fn(&A) -> Result<Vec<A::Event>, R> + Send + Sync,
    ) -> Result<Version, ExecuteError<R>> {
        // Without a read model there is one statement to commit, which is a transaction by itself.
        if self.read_model.is_none()
            && let Some(version) = self.execute_at_once(id, expected, metadata, &decide).await?
        {
            return Ok(version);
        }
        // Most commands are alone with their aggregate, and a lock would cost them a statement. One that is overtaken between
        // its decision and its append decides again, under the lock: a hundred writers of one aggregate then wait in line.
        let mut attempt = 1;
        loop {
            let work = self.store.begin().await?;
            let is_locked = attempt > 1;
            match self.decide(&work, id.into(), expected, metadata, &decide, is_locked).await {
                Ok(Some(version)) => {
                    work.commit().await?;
                    return Ok(version);
                }
                Ok(None) if attempt < ATTEMPTS => attempt += 1,
                Ok(None) => {
                    let (_, version) = self.load(&work, id.into(), false).await?;
                    return Err(conflict(version));
                }
                Err(ExecuteError::VersionConflict { .. })
                    if expected == Expected::Any && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// `None` if the aggregate has moved on meanwhile.
    async fn execute_at_once<R: Send>(
        &self,
        id: A::Id,
        expected: Expected,
        metadata: &Metadata,
        decide: &(impl Fn(&A) -> Result<Vec<A::Event>, R> + Send + Sync),
    ) -> Result<Option<Version>, ExecuteError<R>> {
        let (id, db): (Uuid, _) = (id.into(), self.store.db());
        // What is to be new has no history to read; if it is not new, the append finds out.
        let (state, version) = match expected {
            Expected::New => (A::default(), Version(0)),
            Expected::Any | Expected::Exactly(_) => {
                fold(id, self.store.history(db, A::Event::CATEGORY, id).await?)?
            }
        };
        if !expected.holds_for(version) {
            return Err(conflict(version));
        }
        let events = decide(&state).map_err(ExecuteError::Refused)?;
        if events.is_empty() {
            return Ok(Some(version));
        }
        let new = encode(&events)?;
        let appended = self.store.append(db, A::Event::CATEGORY, id, version, &new, metadata).await;
        let appended = match appended.map_err(conflict_or(version)) {
            Ok(Some(appended)) => appended,
            Ok(None) | Err(ExecuteError::VersionConflict { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        metrics::counter!("events_appended_total").increment(appended.ids.len() as u64);
        self.store.wake_relay();
        Ok(Some(appended.version))
    }

    /// Decides one command inside a transaction that does more than this. The aggregate stays as the decision found it until
    /// that transaction ends, even if the decision changed nothing. One that has no events yet cannot be held; `decide` runs
    /// again if another writer creates it first.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute); the caller drops the unit of work.
    pub async fn execute_in<R: Send>(
        &self,
        work: &UnitOfWork,
        id: A::Id,
        expected: Expected,
        metadata: &Metadata,
        decide: impl Fn(&A) -> Result<Vec<A::Event>, R> + Send + Sync,
    ) -> Result<Version, ExecuteError<R>> {
        let id: Uuid = id.into();
        for _ in 0..ATTEMPTS {
            let decided = self.decide(work, id, expected, metadata, &decide, true).await?;
            if let Some(version) = decided {
                return Ok(version);
            }
            // Another writer has just created it; now there is something to lock.
        }
        Err(conflict(self.load(work, id, false).await?.1))
    }

    /// `None` if the aggregate has moved on meanwhile.
    async fn decide<R: Send>(
        &self,
        work: &UnitOfWork,
        id: Uuid,
        expected: Expected,
        metadata: &Metadata,
        decide: &(impl Fn(&A) -> Result<Vec<A::Event>, R> + Send + Sync),
        is_locked: bool,
    ) -> Result<Option<Version>, ExecuteError<R>> {
        // What is to be new has no history to read; if it is not new, the append finds out.
        let (state, version) = match expected {
            Expected::New => (A::default(), Version(0)),
            Expected::Any | Expected::Exactly(_) => self.load(work, id, is_locked).await?,
        };
        if !expected.holds_for(version) {
            return Err(conflict(version));
        }
        let events = decide(&state).map_err(ExecuteError::Refused)?;
        if events.is_empty() {
            return Ok(Some(version));
        }
        let appended = self.append(work, id, version, events, metadata).await?;
        if appended.is_none() && expected == Expected::New {
            return Err(conflict(self.load(work, id, false).await?.1));
        }
        Ok(appended)
    }

    /// The state of one aggregate and its version, read without a lock.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute), short of refusals.
    pub async fn state(
        &self,
        id: A::Id,
    ) -> Result<(A, Version), ExecuteError<std::convert::Infallible>> {
        let history = self.store.history(self.store.db(), A::Event::CATEGORY, id.into()).await?;
        fold(id.into(), history)
    }

    async fn load<R>(
        &self,
        work: &UnitOfWork,
        id: Uuid,
        is_locked: bool,
    ) -> Result<(A, Version), ExecuteError<R>> {
        let history = if is_locked {
            self.store.locked_history(work.txn(), A::Event::CATEGORY, id).await?
        } else {
            self.store.history(work.txn(), A::Event::CATEGORY, id).await?
        };
        fold(id, history)
    }

    /// `None` if the aggregate has moved on.
    async fn append<R>(
        &self,
        work: &UnitOfWork,
        id: Uuid,
        expected: Version,
        events: Vec<A::Event>,
        metadata: &Metadata,
    ) -> Result<Option<Version>, ExecuteError<R>> {
        let new = encode(&events)?;
        let appended = self
            .store
            .append(work.txn(), A::Event::CATEGORY, id, expected, &new, metadata)
            .await
            .map_err(conflict_or(expected))?;
        let Some(appended) = appended else { return Ok(None) };
        work.appended(appended.ids.len() as u64);

        if let Some(read_model) = &self.read_model {
            for ((event, id_of_event), version) in
                events.into_iter().zip(&appended.ids).zip(expected.0 + 1..)
            {
                let recorded = Recorded {
                    id: *id_of_event,
                    aggregate_id: id,
                    version: Version(version),
                    occurred_at: appended.occurred_at,
                    metadata: metadata.clone(),
                    event,
                };
                read_model.apply(work.txn(), &recorded).await?;
            }
        }
        Ok(Some(appended.version))
    }
}

pub(crate) fn encode<E: Event, R>(events: &[E]) -> Result<Vec<NewEvent>, ExecuteError<R>> {
    let mut new = Vec::with_capacity(events.len());
    for event in events {
        new.push(NewEvent { raw: event.encode()?, is_public: event.is_public() });
    }
    Ok(new)
}

/// Rebuilds the state; the owner refuses to decide when it does not know every event.
pub(crate) fn fold<A: Aggregate, R>(
    id: Uuid,
    history: Vec<crate::RecordedEvent>,
) -> Result<(A, Version), ExecuteError<R>> {
    let mut state = A::default();
    let mut version = Version(0);
    for recorded in history {
        version = recorded.aggregate_version;
        match recorded.open::<A::Event>()? {
            Some(recorded) => state = state.evolve(&recorded.event),
            None => {
                return Err(ExecuteError::UnknownEvent {
                    aggregate_type: A::Event::CATEGORY,
                    aggregate_id: id,
                    event_type: recorded.raw.event_type,
                });
            }
        }
    }
    Ok((state, version))
}

/// A command that found its aggregate somewhere else.
pub(crate) fn conflict<R>(actual: Version) -> ExecuteError<R> {
    metrics::counter!("events_append_conflicts_total").increment(1);
    ExecuteError::VersionConflict { actual }
}

/// Two writers that create the same aggregate meet at a unique constraint.
fn conflict_or<R>(expected: Version) -> impl FnOnce(DbErr) -> ExecuteError<R> {
    move |error| match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => conflict(expected),
        _ => ExecuteError::Storage(error),
    }
}
