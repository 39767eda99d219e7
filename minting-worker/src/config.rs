//! The settings of this service: the chain, its nodes, and the keys.

use std::{path::PathBuf, sync::Arc, time::Duration};

use evm_chain::{Address, ContentToken, LocalSigner, Nodes, Signer};
use service_kit::{Env, config::Settings};
use url::Url;

use crate::{alert::config::AlertConfig, lane::limits::Limits, settings::ContentConfig};

/// How long a node may take for an answer.
const NODE_LIMIT: Duration = Duration::from_secs(10);

/// What the service is told besides what every service is told.
#[derive(Clone)]
pub struct Config {
    /// The chain; `None` if nothing is minted here, and requests wait.
    pub chain: Option<Chain>,
    /// What is decided about content, and where its metadata is kept.
    pub content: ContentConfig,
    /// What operators are told, and where.
    pub alerts: AlertConfig,
}

/// The chain, or none.
struct OnChain(Option<Chain>);

/// What is minted where, and by whom.
#[derive(Clone)]
pub struct Chain {
    /// `CHAIN_RPC_URLS`, separated by commas, and `CHAIN_ID`.
    pub nodes: Arc<Nodes>,
    /// `MINT_CONTRACT`.
    pub contract: ContentToken,
    /// `MINT_KEYSTORES` (files of version 3, separated by commas) under `MINT_KEYSTORE_PASSWORD`, or `MINT_DEV_KEYS`.
    pub signers: Vec<Arc<dyn Signer>>,
    /// What a lane may do.
    pub limits: Limits,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Option<Self> {
        // All are read before any is missed, so that the mistakes of all are reported.
        let (content, chain) = (ContentConfig::read(env), OnChain::read(env));
        let alerts = AlertConfig::read(env);
        Some(Self { chain: chain?.0, content: content?, alerts: alerts? })
    }
}

impl Settings for OnChain {
    fn read(env: &mut Env) -> Option<Self> {
        let urls: String = env.optional_secret("CHAIN_RPC_URLS", "")?;
        if urls.trim().is_empty() {
            return Some(Self(None));
        }
        let (urls, chain_id) = (node_urls(env, &urls), env.required::<u64>("CHAIN_ID"));
        let contract = contract(env);
        let signers = signers(env, urls.as_deref().unwrap_or_default());
        let limits = Limits::read(env);
        let (urls, chain_id) = (urls?, chain_id?);
        let nodes = match Nodes::new(chain_id, urls, NODE_LIMIT) {
            Ok(nodes) => Arc::new(nodes),
            Err(error) => {
                return env.mistake("CHAIN_RPC_URLS", &format!("cannot be used: {error}"));
            }
        };
        let (contract, signers, limits) = (contract?, signers?, limits?);
        Some(Self(Some(Chain { nodes, contract, signers, limits })))
    }
}

fn node_urls(env: &mut Env, text: &str) -> Option<Vec<Url>> {
    let mut urls = Vec::new();
    for text in text.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        match Url::parse(text) {
            Ok(url) if ["http", "https"].contains(&url.scheme()) => urls.push(url),
            // Not shown: it may hold a key.
            Ok(_) | Err(_) => {
                return env.mistake("CHAIN_RPC_URLS", "has what is no http or https URL");
            }
        }
    }
    Some(urls)
}

fn contract(env: &mut Env) -> Option<ContentToken> {
    let text: String = env.required("MINT_CONTRACT")?;
    match text.parse::<Address>() {
        Ok(address) if !address.is_zero() => Some(ContentToken { address }),
        Ok(_) | Err(_) => {
            env.mistake("MINT_CONTRACT", "is no address: `0x` and 40 hexadecimal digits")
        }
    }
}

fn signers(env: &mut Env, urls: &[Url]) -> Option<Vec<Arc<dyn Signer>>> {
    let keystores: String = env.or_default("MINT_KEYSTORES", "")?;
    let password: String = env.optional_secret("MINT_KEYSTORE_PASSWORD", "")?;
    let keys: String = env.optional_secret("MINT_DEV_KEYS", "")?;
    let listed = |text: &str| -> Vec<String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let mut signers: Vec<Arc<dyn Signer>> = Vec::new();
    for file in listed(&keystores) {
        match LocalSigner::open(&PathBuf::from(&file), &password) {
            Ok(signer) => signers.push(Arc::new(signer)),
            Err(error) => return env.mistake("MINT_KEYSTORES", &format!("has {file}: {error}")),
        }
    }
    let keys = listed(&keys);
    let is_local = |url: &Url| matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if !keys.is_empty() && !urls.iter().all(is_local) {
        return env.mistake("MINT_DEV_KEYS", "is for chains on this machine; use MINT_KEYSTORES");
    }
    for key in keys {
        match LocalSigner::from_hex(&key) {
            Ok(signer) => signers.push(Arc::new(signer)),
            Err(error) => {
                return env.mistake("MINT_DEV_KEYS", &format!("has one that is wrong: {error}"));
            }
        }
    }
    if signers.is_empty() {
        return env.mistake(
            "MINT_KEYSTORES",
            "is not set, and neither is MINT_DEV_KEYS: nobody would sign",
        );
    }
    let mut addresses: Vec<_> = signers.iter().map(|signer| signer.address()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.len() < signers.len() {
        return env.mistake("MINT_KEYSTORES", "has a key twice");
    }
    Some(signers)
}
