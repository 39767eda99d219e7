//! An IPFS node with the RPC of Kubo (`/api/v0`).

use async_trait::async_trait;
use content_blocks::{Block, Cid, Codec};
use reqwest::{Client, Response, header::CONTENT_TYPE};
use serde::Deserialize;
use url::Url;

use crate::place::{Place, PlaceError, Root, accepted, block_of, client};

/// What separates the one part of a form from the rest; no block can contain it and still hash to its name by chance.
const BOUNDARY: &str = "7c3d1e2f9b8a4d5e-content-block";

/// A node. Blocks are put as they are, so that the node cuts nothing and its defaults change no CID.
pub struct Kubo {
    name: String,
    rpc: Url,
    client: Client,
}

#[derive(Deserialize)]
struct Put {
    #[serde(rename = "Key")]
    key: String,
}

impl Kubo {
    /// A node whose RPC is at this address, such as `http://127.0.0.1:5001`.
    pub fn new(rpc: Url) -> Self {
        let host = rpc.host_str().unwrap_or("node");
        let name = match rpc.port_or_known_default() {
            Some(port) => format!("kubo-{host}:{port}"),
            None => format!("kubo-{host}"),
        };
        Self { name, rpc, client: client() }
    }

    /// Every method of the RPC is a POST.
    fn url(&self, method: &str, parameters: &[(&str, &str)]) -> Url {
        let mut url = self.rpc.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/api/v0/{method}"));
        url.query_pairs_mut().extend_pairs(parameters);
        url
    }

    async fn post(&self, url: Url) -> Result<Response, PlaceError> {
        self.client.post(url).send().await.map_err(PlaceError::Unreachable)
    }

    async fn put(&self, block: &Block) -> Result<(), PlaceError> {
        let codec = match Codec::of(&block.cid()) {
            Some(Codec::Raw) => "raw",
            Some(Codec::DagPb) => "dag-pb",
            None => return Err(content_blocks::InvalidBlock::UnknownCodec(block.cid()).into()),
        };
        let url = self.url(
            "block/put",
            &[
                ("cid-codec", codec),
                ("mhtype", "sha2-256"),
                ("mhlen", "-1"),
                ("version", "1"),
                ("format", codec),
            ],
        );
        let mut form = format!(
            // Some nodes refuse a part without a type.
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"data\"; filename=\"block\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        form.extend_from_slice(block.bytes());
        form.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}"))
            .body(form);
        let response = accepted(request.send().await.map_err(PlaceError::Unreachable)?).await?;
        let Put { key } =
            response.json().await.map_err(|error| PlaceError::Answer(error.to_string()))?;
        same(&block.cid(), &key)
    }
}

#[async_trait]
impl Place for Kubo {
    fn name(&self) -> &str {
        &self.name
    }

    async fn keep(&self, root: Root<'_>) -> Result<(), PlaceError> {
        for block in root.blocks {
            self.put(block).await?;
        }
        let url = self.url("pin/add", &[("arg", &root.cid.to_string()), ("recursive", "true")]);
        accepted(self.post(url).await?).await?;
        Ok(())
    }

    async fn fetch(&self, cid: &Cid) -> Result<Option<Block>, PlaceError> {
        // Offline: what others have is no answer to whether this node has it.
        let url = self.url("block/get", &[("arg", &cid.to_string()), ("offline", "true")]);
        let response = self.post(url).await?;
        match accepted(response).await {
            Ok(response) => Ok(Some(block_of(cid, response).await?)),
            Err(PlaceError::Refused { said, .. }) if said.contains("not found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn release(&self, cid: &Cid, _label: &str) -> Result<(), PlaceError> {
        let url = self.url("pin/rm", &[("arg", &cid.to_string()), ("recursive", "true")]);
        match accepted(self.post(url).await?).await {
            Ok(_) => Ok(()),
            Err(PlaceError::Refused { said, .. }) if said.contains("not pinned") => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Compared as bytes: a node may spell a CID in another base, or name a node of version 0.
fn same(ours: &Cid, theirs: &str) -> Result<(), PlaceError> {
    match theirs.parse::<Cid>() {
        Ok(cid) if cid.hash() == ours.hash() && cid.codec() == ours.codec() => Ok(()),
        _ => Err(PlaceError::OtherName { ours: Box::new(*ours), theirs: theirs.to_owned() }),
    }
}
