//! What every step of a lane needs.

use std::sync::Arc;

use event_runtime::{Clock, EventStore, ExecuteError, Expected, Streams, UnitOfWork};
use evm_chain::{Address, ContentToken, Nodes, NodesError, Signer, SignerError, U256, contract};
use sea_orm::{DatabaseConnection, DbErr};
use shared_schemas::{
    LaneId, MintId, envelope::Metadata, lane::PauseReason, mint::MintEvent, moderation::Subject,
};
use std::convert::Infallible;
use uuid::Uuid;

use super::{
    aggregate::Lane,
    limits::Limits,
    step::Watch,
    view::{self, LaneKey},
};
use crate::mint::aggregate::Mint;

/// Why a round of a lane ended early. The next round begins by comparing everything with the chain again.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// The database failed.
    #[error("the database fails")]
    Database(#[from] DbErr),
    /// The chain said nothing.
    #[error("the chain says nothing")]
    Chain(#[from] NodesError),
    /// The signer failed.
    #[error("nothing is signed")]
    Signer(#[from] SignerError),
    /// An event could not be recorded.
    #[error("an event cannot be recorded")]
    Record(#[from] ExecuteError<Infallible>),
    /// Another process has the lane.
    #[error("another process has taken the lane")]
    Lost,
    /// A row does not say what it must.
    #[error("a row cannot be read: {0}")]
    Row(&'static str),
}

/// One lane of this process.
pub struct LaneContext {
    /// Its events.
    pub store: EventStore,
    /// Mints.
    pub mints: Streams<Mint>,
    /// What operators have ordered.
    pub lanes: Streams<Lane>,
    /// The chain.
    pub nodes: Arc<Nodes>,
    /// The contract.
    pub contract: ContentToken,
    /// Who signs.
    pub signer: Arc<dyn Signer>,
    /// What the lane may do.
    pub limits: Limits,
    /// The clock.
    pub clock: Clock,
    /// This process.
    pub holder: Uuid,
    /// Which lane of how many this is.
    pub share: (usize, usize),
    /// Who is told of every step.
    pub watch: Watch,
}

/// What the chain says at the beginning of a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChainView {
    /// The nonce that the next transaction in a block has.
    pub(super) mined_nonce: i64,
    /// The height of the newest block.
    pub(super) height: u64,
    /// The height up to which the chain calls itself final.
    pub(super) finalized: Option<u64>,
}

impl LaneContext {
    /// Its tables' key.
    pub fn key(&self) -> LaneKey {
        LaneKey { lane: self.lane(), chain_id: number(self.nodes.chain_id()) }
    }

    /// Its id.
    pub fn id(&self) -> LaneId {
        LaneId::of(self.nodes.chain_id(), &self.address())
    }

    /// The signer's address for people.
    pub fn address(&self) -> String {
        evm_chain::checksummed(self.signer.address())
    }

    /// The signer's address for tables.
    fn lane(&self) -> String {
        self.address().to_ascii_lowercase()
    }

    pub(super) fn db(&self) -> &DatabaseConnection {
        self.store.db()
    }

    /// A transaction in which the lane is certainly still this process's.
    pub(super) async fn fenced(&self, epoch: i64) -> Result<UnitOfWork, LaneError> {
        let work = self.store.begin().await?;
        if view::holds(work.txn(), &self.key(), epoch).await? {
            Ok(work)
        } else {
            work.rollback().await?;
            Err(LaneError::Lost)
        }
    }

    /// Records what happened to a mint.
    pub(super) async fn record(
        &self,
        work: &UnitOfWork,
        id: MintId,
        decide: impl Fn(&Mint) -> Vec<MintEvent> + Send + Sync,
    ) -> Result<(), LaneError> {
        let metadata = Metadata::default();
        self.mints
            .execute_in(work, id, Expected::Any, &metadata, |mint| {
                Ok::<_, Infallible>(decide(mint))
            })
            .await?;
        Ok(())
    }

    /// Records what happened to many mints at once, each as `decide` says.
    pub(super) async fn record_all(
        &self,
        work: &UnitOfWork,
        ids: &[MintId],
        decide: impl Fn(MintId, &Mint) -> Vec<MintEvent> + Send + Sync,
    ) -> Result<(), LaneError> {
        let commands: Vec<_> = ids.iter().map(|id| (*id, Metadata::default())).collect();
        self.mints.execute_all_in(work, &commands, decide).await?;
        Ok(())
    }

    /// Pauses the lane.
    pub(super) async fn pause(
        &self,
        work: &UnitOfWork,
        reason: PauseReason,
    ) -> Result<(), LaneError> {
        let (metadata, address) = (Metadata::default(), self.address());
        self.lanes
            .execute_in(work, self.id(), Expected::Any, &metadata, |lane| {
                Ok::<_, Infallible>(lane.pause(&address, reason))
            })
            .await?;
        Ok(())
    }
}

/// The token of a post or comment.
pub fn token_of(subject: Subject) -> U256 {
    match subject {
        Subject::Post(_) => contract::token_of_post(*subject.as_bytes()),
        Subject::Comment(_) => contract::token_of_comment(*subject.as_bytes()),
    }
}

/// A number of the chain for a column.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A column as a number of the chain.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A stored token id.
pub(super) fn token(text: &str) -> Result<U256, LaneError> {
    let bytes = evm_chain::parse_word(text).ok_or(LaneError::Row("a token id"))?;
    Ok(U256::from_big_endian(&bytes))
}

/// A stored hash.
pub(super) fn hash(text: &str) -> Result<evm_chain::H256, LaneError> {
    evm_chain::parse_word(text).map(evm_chain::H256).ok_or(LaneError::Row("a hash"))
}

/// A stored address.
pub(super) fn address(text: &str) -> Option<Address> {
    text.parse().ok().filter(|address: &Address| !address.is_zero())
}
