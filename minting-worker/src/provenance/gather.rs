//! Looks at every link again: nothing of what this service remembers of the chain or of the places is taken for true.

use content_blocks::Cid;
use content_pins::Places;
use evm_chain::{ContentToken, H256, NodesError};
use sea_orm::{DatabaseConnection, DbErr};
use shared_schemas::moderation::Subject;

use super::{verdict::Links, view::Token};
use crate::{
    config::Chain,
    content,
    lane::context::token_of,
    metadata::{
        document::{DocumentError, Metadata},
        view,
    },
    pinning::job::about,
};

#[derive(Debug, thiserror::Error)]
pub(super) enum GatherError {
    #[error("the database failed")]
    Storage(#[from] DbErr),
    #[error("the chain cannot be read")]
    Chain(#[from] NodesError),
    #[error("the document cannot be made again")]
    Document(#[from] DocumentError),
}

/// What was found, beside what it comes to.
pub(super) struct Evidence {
    pub(super) links: Links,
    /// The place that gave the document.
    pub(super) fetched_from: Option<String>,
    /// Where the receipt says that the token is.
    pub(super) block: Option<u64>,
    pub(super) block_hash: Option<String>,
    /// The version of the content's aggregate that the token is about, and the present one.
    pub(super) minted_version: Option<i64>,
    pub(super) content_version: Option<i64>,
}

pub(super) async fn gather(
    db: &DatabaseConnection,
    places: &Places,
    chain: &Chain,
    token: &Token,
) -> Result<Evidence, GatherError> {
    let subject = token.subject();
    let uri = uri(chain, subject).await?;
    let (block, block_hash, is_in_chain) = receipt(chain, token).await?;
    let content = content::view::find(db, subject).await?;
    let verdict = content::view::verdict(db, subject).await?;
    let stored = view::find(db, token.id).await?;
    let about = match (&content, &stored) {
        (Some(content), Some(stored)) => about(subject, content, stored.text_wish, &stored.salt),
        _ => None,
    };
    let recomputed = about.map(|about| Metadata::of(&about)).transpose()?;
    let fetched_from = fetched(places, &token.cid).await;
    let is_hidden = content.as_ref().is_some_and(|content| content.hidden);
    Ok(Evidence {
        links: Links {
            minted_cid: token.cid.clone(),
            recomputed_cid: recomputed.map(|metadata| metadata.document.cid().to_string()),
            uri,
            is_in_chain,
            is_fetched: fetched_from.is_some(),
            is_moderated: is_hidden || (verdict.blocks && verdict.deleted),
        },
        fetched_from,
        block,
        block_hash,
        minted_version: stored.map(|stored| stored.content_version),
        content_version: content.and_then(|content| content.version),
    })
}

/// What the contract says now; empty if it knows no such token.
async fn uri(chain: &Chain, subject: Subject) -> Result<String, NodesError> {
    let call = [ContentToken::uri(token_of(subject))];
    let answers = chain.nodes.read(chain.contract.address, &call, None).await?;
    let said = answers.into_iter().find_map(Result::ok);
    Ok(said.and_then(|said| ContentToken::text_in(&said)).unwrap_or_default())
}

/// Where the transaction is, and whether that is part of the chain and the place where we saw it.
async fn receipt(
    chain: &Chain,
    token: &Token,
) -> Result<(Option<u64>, Option<String>, bool), NodesError> {
    let hash = evm_chain::parse_word(&token.tx_hash).map(H256::from).unwrap_or_default();
    let receipt = chain.nodes.receipts(&[hash]).await?.into_iter().flatten().next();
    let Some(receipt) = receipt else { return Ok((None, None, false)) };
    let height = receipt.block_number.0;
    let at_height = chain.nodes.block_hashes(&[height]).await?.into_iter().flatten().next();
    let block_hash = evm_chain::word(receipt.block_hash.0);
    let is_as_recorded = token.block == i64::try_from(height).ok()
        && token.block_hash.as_deref() == Some(block_hash.as_str());
    let is_in_chain =
        receipt.status.0 == 1 && at_height == Some(receipt.block_hash) && is_as_recorded;
    Ok((Some(height), Some(block_hash), is_in_chain))
}

async fn fetched(places: &Places, cid: &str) -> Option<String> {
    let cid: Cid = cid.parse().ok()?;
    match places.fetch(&cid).await {
        Ok(found) => found.map(|(place, _)| place),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::info!(error, %cid, "no place gives a document back");
            None
        }
    }
}
