//! Keeps metadata in enough places and tells the mint so; gives it up.

use std::{
    convert::Infallible,
    slice,
    sync::atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use aws_lc_rs::rand;
use chrono::TimeDelta;
use content_blocks::{Block, Cid};
use content_pins::{Kept, NotEnough, PlaceError, Places, Root};
use event_runtime::{
    ExecuteError, Expected, Job, JobOutcome, JobWorker, Streams, UnitOfWork, error::chain,
};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use shared_schemas::{MintId, consent::TextWish, envelope, moderation::Subject};

use crate::{
    consent,
    content::{self, view::Content},
    metadata::{
        document::{About, DocumentError, Metadata, hex},
        view::{self, Draft, Stored},
    },
    mint::{
        self,
        aggregate::{Mint, Pin, Stage},
    },
    wallet,
};

/// The kind of job that keeps metadata.
pub(super) const KEEP: &str = "mint.keep_metadata";
/// The kind of job that gives it up.
pub(crate) const GIVE_UP: &str = "mint.give_up_metadata";

/// What a job is about.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Task {
    pub(crate) mint_id: MintId,
    pub(crate) metadata: envelope::Metadata,
}

/// What both jobs work with.
#[derive(Clone)]
pub struct Metadatas {
    /// The mints.
    pub mints: Streams<Mint>,
    /// Where metadata is kept.
    pub places: Places,
    /// How often the places are asked for it.
    pub audit_interval: TimeDelta,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error("the database failed")]
    Storage(#[from] DbErr),
    #[error("the mint could not be moved")]
    Mint(#[from] ExecuteError<Infallible>),
    #[error("too few places keep the metadata")]
    NotEnough(#[from] NotEnough),
    #[error("a place did not give the metadata up")]
    Release(#[from] PlaceError),
    #[error("there is no document of the content")]
    Document(#[from] DocumentError),
    #[error("there is no randomness")]
    Randomness(#[from] aws_lc_rs::error::Unspecified),
    #[error("the content changed meanwhile; its newer text is next")]
    Changed,
    #[error("the job is malformed")]
    Malformed(#[from] serde_json::Error),
}

/// Keeps the metadata of a mint that waits for it.
pub struct KeepMetadata(pub Metadatas);

#[async_trait]
impl JobWorker for KeepMetadata {
    fn kind(&self) -> &'static str {
        KEEP
    }

    /// A place may be away for days: a mint waits, and is not given up.
    fn max_attempts(&self) -> i32 {
        i32::MAX
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        outcome(self.0.keep(job).await)
    }

    fn at_once(&self) -> u16 {
        50
    }

    async fn run_together(&self, jobs: &[Job]) -> bool {
        self.0.keep_together(jobs).await.unwrap_or_else(|error| {
            tracing::debug!(error = chain(&error), "metadata is kept one by one");
            false
        })
    }
}

/// Gives up the metadata of a mint that is withdrawn, or whose content went away.
pub struct GiveUpMetadata(pub Metadatas);

#[async_trait]
impl JobWorker for GiveUpMetadata {
    fn kind(&self) -> &'static str {
        GIVE_UP
    }

    fn max_attempts(&self) -> i32 {
        i32::MAX
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        outcome(self.0.give_up(job).await)
    }
}

fn outcome(done: Result<(), KeepError>) -> JobOutcome {
    match done {
        Ok(()) => JobOutcome::Done,
        Err(error @ (KeepError::Document(_) | KeepError::Malformed(_))) => {
            JobOutcome::Fail(Box::new(error))
        }
        Err(
            error @ (KeepError::Storage(_)
            | KeepError::Mint(_)
            | KeepError::NotEnough(_)
            | KeepError::Release(_)
            | KeepError::Randomness(_)
            | KeepError::Changed),
        ) => JobOutcome::Retry(Box::new(error)),
    }
}

impl Metadatas {
    async fn keep(&self, job: &Job) -> Result<(), KeepError> {
        let Task { mint_id, metadata: cause } = serde_json::from_value(job.payload.clone())?;
        let store = self.mints.store();
        let (mint, _) = self.mints.state(mint_id).await?;
        let Some(listed) = mint::view::find(store.db(), mint_id, None).await? else {
            return Ok(());
        };
        if mint.stage == Stage::Withdrawn {
            // Perhaps an attempt was cut off between what it kept and the withdrawal.
            return self.give_up(job).await;
        }
        if mint.stage != Stage::Requested {
            if !mint.is_tombstoned {
                // What was put away with a tombstone is given to its places again by the audit.
                view::take_back(store.db(), mint_id, store.clock().now()).await?;
            }
            return Ok(());
        }
        let Some(content) = content::view::find(store.db(), listed.subject).await? else {
            return Ok(());
        };
        let (Some(version), Some(wallet)) =
            (content.version, wallet::view::find(store.db(), content.author_id).await?)
        else {
            // Whatever took the wallet away has the mint withdrawn.
            return Ok(());
        };
        let given = consent::view::find(store.db(), content.author_id).await?;
        let text = given.map_or(TextWish::Commitment, |given| given.text);
        let known = view::find(store.db(), mint_id).await?;
        let Some((metadata, salt)) = made(listed.subject, &content, text, known)? else {
            return Ok(());
        };
        let pin = pin(&metadata, wallet.address);
        let cids = [metadata.document.cid(), metadata.image.cid()];
        let draft = Draft { mint_id, content_version: version, text_wish: text, salt, metadata };
        let kept = self.put(slice::from_ref(&draft)).await?;

        let work = store.begin().await?;
        let is_wanted = self.hold(&work, mint_id, &cause, Some(&pin)).await?;
        if !is_wanted {
            // Withdrawn while it was kept, and perhaps given up before all of it was there.
            return self.release(work, mint_id, cids).await;
        }
        let content = content::view::find(work.txn(), listed.subject).await?;
        let stored = view::find(work.txn(), mint_id).await?;
        let is_same = content.and_then(|content| content.version) == Some(version)
            && stored.is_some_and(|stored| stored.cid == pin.cid);
        if !is_same {
            return Err(KeepError::Changed);
        }
        let now = store.clock().now();
        view::checked(work.txn(), &[mint_id], &kept, now, now + self.audit_interval).await?;
        work.commit().await?;
        Ok(())
    }

    /// Stores what tokens are to say and keeps it everywhere. Stored before anything is kept anywhere: a second attempt keeps the
    /// same, and what is kept can be given up.
    pub(super) async fn put(&self, drafts: &[Draft]) -> Result<Kept, KeepError> {
        view::put_all(self.mints.store().db(), drafts).await?;
        let labelled =
            drafts.iter().map(|draft| (draft.mint_id.to_string(), draft.metadata.blocks()));
        let labelled: Vec<(String, [Block; 2])> = labelled.collect();
        let roots = labelled.iter().flat_map(|(label, blocks)| {
            blocks.iter().map(move |block| Root {
                cid: block.cid(),
                label,
                blocks: slice::from_ref(block),
            })
        });
        Ok(self.places.keep(&roots.collect::<Vec<_>>()).await?)
    }

    async fn give_up(&self, job: &Job) -> Result<(), KeepError> {
        let Task { mint_id, metadata: cause } = serde_json::from_value(job.payload.clone())?;
        let work = self.mints.store().begin().await?;
        let is_wanted = self.hold(&work, mint_id, &cause, None).await?;
        let Some(stored) = view::find(work.txn(), mint_id).await?.filter(|_| !is_wanted) else {
            // Requested again meanwhile, or given up before.
            return Ok(());
        };
        let metadata = stored.metadata();
        let (mint, _) = self.mints.state(mint_id).await?;
        let listed = mint::view::find(self.mints.store().db(), mint_id, None).await?;
        let content = match listed {
            Some(listed) => content::view::find(work.txn(), listed.subject).await?,
            None => None,
        };
        // Moderation may show again what it hides; its author alone has it forgotten.
        let is_only_hidden = content
            .is_some_and(|content| content.hidden && content.published && content.body.is_some());
        if mint.is_tombstoned && is_only_hidden {
            let label = mint_id.to_string();
            for cid in [metadata.document.cid(), metadata.image.cid()] {
                self.places.release(&cid, &label).await?;
            }
            view::put_away(work.txn(), mint_id).await?;
            work.commit().await?;
            return Ok(());
        }
        self.release(work, mint_id, [metadata.document.cid(), metadata.image.cid()]).await
    }

    /// Keeps a mint as it is until the work ends, and says whether its metadata is wanted; pins it if it is and waits for that.
    async fn hold(
        &self,
        work: &UnitOfWork,
        mint_id: MintId,
        cause: &envelope::Metadata,
        pin: Option<&Pin>,
    ) -> Result<bool, KeepError> {
        let is_wanted = AtomicBool::new(false);
        self.mints
            .execute_in(work, mint_id, Expected::Any, cause, |mint| {
                let is_gone = mint.is_tombstoned
                    || matches!(mint.stage, Stage::Unrequested | Stage::Withdrawn);
                is_wanted.store(!is_gone, Ordering::Relaxed);
                Ok::<_, Infallible>(pin.map(|pin| mint.pin(pin)).unwrap_or_default())
            })
            .await?;
        Ok(is_wanted.into_inner())
    }

    /// Gives blocks up everywhere and forgets the salt, while nobody can ask for the mint again.
    async fn release(
        &self,
        work: UnitOfWork,
        mint_id: MintId,
        cids: [Cid; 2],
    ) -> Result<(), KeepError> {
        let label = mint_id.to_string();
        for cid in cids {
            self.places.release(&cid, &label).await?;
        }
        view::forget(work.txn(), mint_id).await?;
        work.commit().await?;
        Ok(())
    }
}

/// What a mint is told of its metadata.
pub(super) fn pin(metadata: &Metadata, owner: String) -> Pin {
    let document = metadata.document.cid();
    Pin { cid: document.to_string(), digest: hex(document.hash().digest()), owner }
}

/// The metadata of content and its salt: the salt of before, if it is about the same text. `None` if the text is gone.
pub(super) fn made(
    subject: Subject,
    content: &Content,
    text: TextWish,
    known: Option<Stored>,
) -> Result<Option<(Metadata, Vec<u8>)>, KeepError> {
    let salt = match known {
        Some(known) if Some(known.content_version) == content.version => known.salt,
        Some(_) | None => {
            let mut salt = vec![0; 32];
            rand::fill(&mut salt)?;
            salt
        }
    };
    let Some(about) = about(subject, content, text, &salt) else { return Ok(None) };
    Ok(Some((Metadata::of(&about)?, salt)))
}

/// What is said of content; `None` if its text is gone.
pub fn about<'a>(
    subject: Subject,
    content: &'a Content,
    text: TextWish,
    salt: &'a [u8],
) -> Option<About<'a>> {
    Some(About {
        subject,
        category: content.category?,
        title: content.title.as_deref(),
        body: content.body.as_deref()?,
        published_at: content.published_at?,
        text,
        salt,
    })
}
