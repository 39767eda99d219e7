//! A pinning service with the IPFS Pinning Service API.

use std::time::Duration;

use async_trait::async_trait;
use content_blocks::{Block, Cid};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use url::Url;

use crate::place::{Place, PlaceError, Root, accepted, block_of, client};

/// How often a service is asked how far it is.
const POLL: Duration = Duration::from_millis(500);

/// How often in a row, before the next attempt begins anew: a service may take its time.
const POLLS: u32 = 20;

/// Where a service is and how it is used.
#[derive(Clone, Debug)]
pub struct ServiceSettings {
    /// The API, such as `https://pins.example/psa`.
    pub api: Url,
    /// What it is told to believe us by.
    pub token: String,
    /// Where what it keeps can be fetched: a gateway, without the `/ipfs`.
    pub gateway: Url,
    /// Where it finds the blocks: multiaddresses of nodes that have them.
    pub origins: Vec<String>,
}

/// A service that fetches content from us and keeps it.
pub struct PinningService {
    name: String,
    settings: ServiceSettings,
    client: Client,
}

#[derive(Deserialize)]
struct Pin {
    requestid: String,
    status: String,
    #[serde(default)]
    info: serde_json::Value,
}

#[derive(Deserialize)]
struct Pins {
    results: Vec<Pin>,
}

impl PinningService {
    /// A service.
    pub fn new(settings: ServiceSettings) -> Self {
        let name = format!("service-{}", settings.api.host_str().unwrap_or("unnamed"));
        Self { name, settings, client: client() }
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.settings.api.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/pins{path}"));
        url
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, PlaceError> {
        let request = request.bearer_auth(&self.settings.token);
        let response = accepted(request.send().await.map_err(PlaceError::Unreachable)?).await?;
        response.json().await.map_err(|error| PlaceError::Answer(error.to_string()))
    }

    /// The pins of a CID under a label.
    async fn pins(&self, cid: &Cid, label: &str) -> Result<Vec<Pin>, PlaceError> {
        let mut url = self.url("");
        url.query_pairs_mut()
            .append_pair("cid", &cid.to_string())
            .append_pair("name", label)
            .append_pair("status", "queued,pinning,pinned,failed");
        let Pins { results } = self.ask(self.client.get(url)).await?;
        Ok(results)
    }
}

#[async_trait]
impl Place for PinningService {
    fn name(&self) -> &str {
        &self.name
    }

    async fn keep(&self, root: Root<'_>) -> Result<(), PlaceError> {
        let known = self.pins(&root.cid, root.label).await?;
        let mut pin = if let Some(pin) = known.into_iter().find(|pin| pin.status != "failed") {
            pin
        } else {
            let body = json!({
                "cid": root.cid.to_string(),
                "name": root.label,
                "origins": self.settings.origins,
            });
            self.ask(self.client.post(self.url("")).json(&body)).await?
        };
        for _ in 0..POLLS {
            match pin.status.as_str() {
                "pinned" => return Ok(()),
                "failed" => return Err(PlaceError::GaveUp(pin.info.to_string())),
                _ => {}
            }
            tokio::time::sleep(POLL).await;
            let url = self.url(&format!("/{}", pin.requestid));
            pin = self.ask(self.client.get(url)).await?;
        }
        Err(PlaceError::GaveUp(format!("still {} after a while", pin.status)))
    }

    async fn fetch(&self, cid: &Cid) -> Result<Option<Block>, PlaceError> {
        let mut url = self.settings.gateway.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/ipfs/{cid}"));
        url.query_pairs_mut().append_pair("format", "raw");
        let response = self.client.get(url).send().await.map_err(PlaceError::Unreachable)?;
        if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(None);
        }
        Ok(Some(block_of(cid, accepted(response).await?).await?))
    }

    async fn release(&self, cid: &Cid, label: &str) -> Result<(), PlaceError> {
        for pin in self.pins(cid, label).await? {
            let url = self.url(&format!("/{}", pin.requestid));
            let request = self.client.delete(url).bearer_auth(&self.settings.token);
            let response = request.send().await.map_err(PlaceError::Unreachable)?;
            if response.status() != StatusCode::NOT_FOUND {
                accepted(response).await?;
            }
        }
        Ok(())
    }
}
