//! Provenance over HTTP.

use content_pins::Places;
use poem_openapi::{Object, OpenApi, Tags, param::Path, payload::Json, types::Example};
use sea_orm::DatabaseConnection;
use service_kit::{Problem, example};
use shared_schemas::mint::MintState;
use uuid::Uuid;

use super::{
    gather::{self, Evidence, GatherError},
    verdict::Verdict,
    view::{self, Token},
};
use crate::{config::Chain, lane::context::token_of};

#[derive(Tags)]
enum Tag {
    /// Whether tokens say what their content says.
    Provenance,
}

/// Whether a token says what its content says, with everything that leads to the answer.
#[derive(Clone, Debug, Object)]
#[oai(example)]
struct Provenance {
    /// The answer.
    verdict: Verdict,
    /// The post or comment.
    content_id: Uuid,
    /// Where its mint stands.
    state: MintState,
    /// The contract, with its checksum, and the chain it is on.
    contract: String,
    /// Which chain.
    chain_id: u64,
    /// The token: `0x` and 64 hexadecimal digits.
    token_id: String,
    /// Who it was minted for.
    owner: String,
    /// The CID that the token was made of.
    minted_cid: String,
    /// The CID of what the text makes now; absent when the text or the salt is gone.
    #[oai(skip_serializing_if_is_none)]
    recomputed_cid: Option<String>,
    /// What the contract says now; empty if it knows no such token.
    uri: String,
    /// The transaction.
    tx: String,
    /// The height of the block that has it, by its receipt.
    #[oai(skip_serializing_if_is_none)]
    block: Option<u64>,
    /// The hash of that block.
    #[oai(skip_serializing_if_is_none)]
    block_hash: Option<String>,
    /// Whether that is where it was recorded, and part of the chain.
    is_in_chain: bool,
    /// The place that gave the document back, which hashes to its CID.
    #[oai(skip_serializing_if_is_none)]
    fetched_from: Option<String>,
    /// Whether moderation hides the content.
    is_moderated: bool,
    /// The version of the content that the token is about.
    #[oai(skip_serializing_if_is_none)]
    minted_version: Option<i64>,
    /// Its present version.
    #[oai(skip_serializing_if_is_none)]
    content_version: Option<i64>,
}

impl Example for Provenance {
    fn example() -> Self {
        let cid = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e".to_owned();
        Self {
            verdict: Verdict::Match,
            content_id: example::id(3),
            state: MintState::MintingCompleted,
            contract: "0x5FbDB2315678afecb367f032d93F642f64180aa3".to_owned(),
            chain_id: 31_337,
            token_id: format!("0x{}", "1f".repeat(32)),
            owner: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".to_owned(),
            minted_cid: cid.clone(),
            uri: format!("ipfs://{cid}"),
            recomputed_cid: Some(cid),
            tx: format!("0x{}", "9a".repeat(32)),
            block: Some(7),
            block_hash: Some(format!("0x{}", "b1".repeat(32))),
            is_in_chain: true,
            fetched_from: Some("embedded".to_owned()),
            is_moderated: false,
            minted_version: Some(1),
            content_version: Some(1),
        }
    }
}

/// The endpoint of provenance.
pub struct ProvenanceApi {
    /// Where the rows are.
    pub db: DatabaseConnection,
    /// Where metadata is kept.
    pub places: Places,
    /// The chain, if there is one.
    pub chain: Option<Chain>,
}

#[OpenApi(tag = "Tag::Provenance")]
impl ProvenanceApi {
    /// Check a token
    ///
    /// Makes the document of a post or comment again, fetches it, and asks the chain: for anybody, without a token. Fails with 400
    /// for a malformed id, 404 if nothing was minted of such content, and 503 while the chain cannot be asked.
    #[oai(path = "/provenance/:content_id", method = "get", operation_id = "getProvenance")]
    async fn get_provenance(&self, content_id: Path<Uuid>) -> Result<Json<Provenance>, Problem> {
        let token = view::token(&self.db, content_id.0).await?;
        let token = token.ok_or_else(|| Problem::not_found("minted content"))?;
        let chain =
            self.chain.as_ref().ok_or_else(|| Problem::unavailable("no chain is attached"))?;
        let evidence = gather::gather(&self.db, &self.places, chain, &token).await?;
        Ok(Json(shown(content_id.0, token, evidence, chain)))
    }
}

fn shown(content_id: Uuid, token: Token, evidence: Evidence, chain: &Chain) -> Provenance {
    let Evidence { links, fetched_from, block, block_hash, minted_version, content_version } =
        evidence;
    Provenance {
        verdict: links.verdict(),
        content_id,
        state: token.state,
        contract: evm_chain::checksummed(chain.contract.address),
        chain_id: chain.nodes.chain_id(),
        token_id: evm_chain::word(evm_chain::contract::id_bytes(token_of(token.subject()))),
        owner: token.owner,
        minted_cid: links.minted_cid,
        recomputed_cid: links.recomputed_cid,
        uri: links.uri,
        tx: token.tx_hash,
        block,
        block_hash,
        is_in_chain: links.is_in_chain,
        fetched_from,
        is_moderated: links.is_moderated,
        minted_version,
        content_version,
    }
}

impl From<GatherError> for Problem {
    fn from(error: GatherError) -> Self {
        match error {
            GatherError::Storage(error) => error.into(),
            GatherError::Chain(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "provenance waits for the chain in vain");
                Self::unavailable("the chain does not answer; try again")
            }
            GatherError::Document(error) => Self::internal(&error),
        }
    }
}
