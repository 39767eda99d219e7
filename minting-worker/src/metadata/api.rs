//! Metadata over HTTP: what one's tokens say, as a document or all together in an archive.

use content_blocks::{Cid, Store, gateway};
use poem::Body;
use poem_openapi::{
    ApiResponse, Object, OpenApi, Tags,
    param::Path,
    payload::{Binary, Json},
    types::Example,
};
use sea_orm::DatabaseConnection;
use serde_json::Value;
use service_kit::{Caller, Problem, example};
use shared_schemas::{MintId, consent::TextWish};

use super::{
    document::hex,
    view::{self, Stored},
};
use crate::{mint, pinning};

#[derive(Tags)]
enum Tag {
    /// What tokens say.
    Metadata,
}

/// What a token says, and what its author needs to prove its text.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "MintMetadata")]
struct ShownMetadata {
    /// The document's CID: version 1, raw, SHA-256.
    cid: String,
    /// The document, as everybody can read it at `/ipfs/{cid}?format=raw`.
    document: Value,
    /// What it says of the text.
    text: TextWish,
    /// What hides the text in the commitment: `0x` and 64 hexadecimal digits. With the text it is the proof; keep it to yourself.
    salt: String,
    /// The places that gave every block back when they were asked last.
    kept_at: Vec<String>,
    /// What the others said.
    not_kept_at: Vec<String>,
}

impl Example for ShownMetadata {
    fn example() -> Self {
        Self {
            cid: "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e".to_owned(),
            document: serde_json::json!({ "name": "PeerLink post" }),
            text: TextWish::Commitment,
            salt: format!("0x{}", example::id(1).simple().to_string().repeat(2)),
            kept_at: vec!["embedded".to_owned()],
            not_kept_at: Vec::new(),
        }
    }
}

impl TryFrom<Stored> for ShownMetadata {
    type Error = serde_json::Error;

    fn try_from(stored: Stored) -> Result<Self, serde_json::Error> {
        Ok(Self {
            document: serde_json::from_slice(&stored.document)?,
            cid: stored.cid,
            text: stored.text_wish,
            salt: hex(&stored.salt),
            kept_at: stored.kept_at,
            not_kept_at: stored.not_kept_at,
        })
    }
}

#[derive(ApiResponse)]
enum Exported {
    /// An archive: `CARv1`, whose roots are the documents.
    #[oai(status = 200, content_type = "application/vnd.ipld.car")]
    Archive(Binary<Body>),
}

/// The endpoints of metadata.
pub struct MetadataApi {
    /// Where the rows are.
    pub db: DatabaseConnection,
    /// Where the blocks are.
    pub store: Store,
}

#[OpenApi(tag = "Tag::Metadata")]
impl MetadataApi {
    /// Read what a token says
    ///
    /// For its author alone, since it has the salt. Fails with 400 for a malformed id, 401 without a token, and 404 if there is
    /// no such mint, it is somebody else's, or there is no document of it: not yet, or not any more.
    #[oai(path = "/mints/:mint_id/metadata", method = "get", operation_id = "getMintMetadata")]
    async fn get_metadata(
        &self,
        caller: Caller,
        mint_id: Path<MintId>,
    ) -> Result<Json<ShownMetadata>, Problem> {
        let owned = mint::view::find(&self.db, mint_id.0, Some(caller.user_id())).await?;
        let stored = match owned {
            Some(mint) => view::find(&self.db, mint.id).await?,
            None => None,
        };
        let stored = stored.ok_or_else(|| Problem::not_found("metadata"))?;
        Ok(Json(stored.try_into().map_err(|error: serde_json::Error| Problem::internal(&error))?))
    }

    /// Export what all own tokens say
    ///
    /// An archive (`CARv1`) with every document and picture, which any IPFS node imports: nobody needs this platform to keep what
    /// is theirs. Fails with 401 without a token.
    #[oai(path = "/mints/export", method = "get", operation_id = "exportMintMetadata")]
    async fn export(&self, caller: Caller) -> Result<Exported, Problem> {
        let mut roots: Vec<Cid> = Vec::new();
        for (cid, image_cid) in view::cids_of_author(&self.db, caller.user_id()).await? {
            for cid in [cid, image_cid] {
                let cid: Cid =
                    cid.parse().map_err(|error: cid::Error| Problem::internal(&error))?;
                if !roots.contains(&cid) && self.store.has(&cid) {
                    roots.push(cid);
                }
            }
        }
        let archive = gateway::Archive::new(self.store.clone(), &roots);
        Ok(Exported::Archive(Binary(pinning::gateway::streamed(archive))))
    }
}
