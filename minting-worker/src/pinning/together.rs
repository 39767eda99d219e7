//! Keeps the metadata of many mints in a few statements, where nothing stands in the way of any of them.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::atomic::{AtomicBool, Ordering},
};

use event_runtime::Job;
use shared_schemas::{MintId, UserId, consent::TextWish, envelope, moderation::Subject};

use super::job::{KeepError, Metadatas, Task, made, pin};
use crate::{
    consent, content,
    metadata::view::{self, Draft},
    mint::{
        self,
        aggregate::{Mint, Pin, Stage},
    },
    wallet,
};

impl Metadatas {
    /// `false` if anything about one of the mints is out of the ordinary: it waits for nothing, its content has changed, it was
    /// begun before. Each of them is then seen to by itself, and what is kept of it by then is found again.
    pub(super) async fn keep_together(&self, jobs: &[Job]) -> Result<bool, KeepError> {
        let tasks: Vec<Task> = jobs
            .iter()
            .map(|job| serde_json::from_value(job.payload.clone()))
            .collect::<Result<_, _>>()?;
        let (db, clock) = (self.mints.store().db(), self.mints.store().clock());
        let ids: Vec<MintId> = tasks.iter().map(|task| task.mint_id).collect();
        let requested = mint::view::requested(db, &ids).await?;
        if requested.len() != ids.len() || view::is_any_known(db, &ids).await? {
            return Ok(false);
        }
        let Some(drafts) = self.drafts(&requested).await? else { return Ok(false) };
        let kept =
            self.put(&drafts.iter().map(|(draft, _)| draft.clone()).collect::<Vec<_>>()).await?;

        let work = self.mints.store().begin().await?;
        let (pins, drafts): (HashMap<MintId, Pin>, Vec<Draft>) = drafts
            .into_iter()
            .map(|(draft, owner)| ((draft.mint_id, pin(&draft.metadata, owner)), draft))
            .unzip();
        let commands: Vec<(MintId, envelope::Metadata)> =
            tasks.into_iter().map(|task| (task.mint_id, task.metadata)).collect();
        let are_waiting = AtomicBool::new(true);
        let decide = |id, mint: &Mint| {
            if mint.stage != Stage::Requested || mint.is_tombstoned {
                are_waiting.store(false, Ordering::Relaxed);
            }
            pins.get(&id).map(|pin| mint.pin(pin)).unwrap_or_default()
        };
        self.mints.execute_all_in::<Infallible>(&work, &commands, decide).await?;
        let are_current = view::count_current(work.txn(), &drafts).await? == drafts.len();
        if !are_current || !are_waiting.into_inner() {
            work.rollback().await?;
            return Ok(false);
        }
        let now = clock.now();
        view::checked(work.txn(), &ids, &kept, now, now + self.audit_interval).await?;
        work.commit().await?;
        Ok(true)
    }

    /// What the tokens are to say, and whose they will be; `None` if it cannot be said of one of them.
    async fn drafts(
        &self,
        requested: &[(MintId, Subject, UserId)],
    ) -> Result<Option<Vec<(Draft, String)>>, KeepError> {
        let db = self.mints.store().db();
        let authors = || requested.iter().map(|(_, _, author)| author);
        let subjects = requested.iter().map(|(_, subject, _)| subject);
        let contents = content::view::find_all(db, subjects).await?;
        let given = consent::view::find_all(db, authors()).await?;
        let wallets = wallet::view::find_all(db, authors()).await?;
        let mut drafts = Vec::with_capacity(requested.len());
        for (mint_id, subject, author_id) in requested {
            let (Some(content), Some(wallet)) = (contents.get(subject), wallets.get(author_id))
            else {
                return Ok(None);
            };
            let text = given.get(author_id).map_or(TextWish::Commitment, |given| given.text);
            let made = made(*subject, content, text, None)?;
            let Some(((metadata, salt), content_version)) = made.zip(content.version) else {
                return Ok(None);
            };
            let draft =
                Draft { mint_id: *mint_id, content_version, text_wish: text, salt, metadata };
            drafts.push((draft, wallet.address.clone()));
        }
        Ok(Some(drafts))
    }
}
