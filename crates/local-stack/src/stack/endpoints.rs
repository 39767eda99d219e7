//! Where a stack is reached, and whether it answers.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::secrets::ADMIN;
use crate::services::DATABASE;
use crate::state::State;

/// Where people and programs reach a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// The front door, `http://127.0.0.1:8080`.
    pub gateway: String,
    /// Base URLs by service name, the gateway included.
    pub services: BTreeMap<String, String>,
    /// The mail sink's page.
    pub mail: String,
    /// The mail sink's SMTP side.
    pub smtp: String,
    /// The PostgreSQL superuser's URL of the database.
    pub postgres: String,
    /// The URL of the Redis user that may do everything.
    pub redis: String,
    /// The JSON-RPC of the development chain, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
}

impl Endpoints {
    /// What the record of a stack says.
    ///
    /// # Errors
    ///
    /// When the record lacks a password.
    pub fn of(state: &State) -> Result<Self> {
        let http = |port: u16| format!("http://127.0.0.1:{port}");
        let State { secrets, ports, .. } = state;
        Ok(Self {
            gateway: http(ports.service("gateway")),
            services: ports
                .services
                .iter()
                .map(|(name, port)| (name.clone(), http(*port)))
                .collect(),
            mail: http(ports.mail),
            smtp: format!("smtp://127.0.0.1:{}", ports.smtp),
            postgres: format!(
                "postgres://{ADMIN}:{}@127.0.0.1:{}/{DATABASE}",
                secrets.postgres_password(ADMIN)?,
                ports.postgres
            ),
            redis: format!(
                "redis://{ADMIN}:{}@127.0.0.1:{}",
                secrets.redis_password(ADMIN)?,
                ports.redis
            ),
            chain: state.chain.clone(),
        })
    }

    /// The base URL of a service.
    ///
    /// # Errors
    ///
    /// When there is no service of that name.
    pub fn service(&self, name: &str) -> Result<&str> {
        self.services.get(name).map(String::as_str).with_context(|| format!("no service `{name}`"))
    }
}

pub(super) fn http_client() -> Result<reqwest::Client> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
    Ok(client)
}

pub(super) async fn is_ready(http: &reqwest::Client, base_url: &str) -> bool {
    let answer = http.get(format!("{base_url}/readyz")).send().await;
    answer.is_ok_and(|answer| answer.status() == reqwest::StatusCode::OK)
}

/// Whether the services of these endpoints are ready, by name.
///
/// # Errors
///
/// When no HTTP client can be made.
pub async fn readiness(endpoints: &Endpoints) -> Result<BTreeMap<String, bool>> {
    let http = http_client()?;
    let mut ready = BTreeMap::new();
    for (name, url) in &endpoints.services {
        ready.insert(name.clone(), is_ready(&http, url).await);
    }
    Ok(ready)
}
