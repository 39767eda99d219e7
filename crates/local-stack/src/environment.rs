//! The environment variables that a service is started with.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use crate::chain::CHAIN_ID;
use crate::contract::LANE_KEY;
use crate::ports::Ports;
use crate::secrets::Secrets;
use crate::services::{DATABASE, SERVICES, ServiceSpec};

/// How a service writes its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

/// Where a service listens and where others reach it.
#[derive(Clone, Debug)]
pub struct Address {
    /// `address:port` to bind.
    pub listen: String,
    /// The base URL that other services use.
    pub internal_url: String,
    /// The base URL that people use.
    pub public_url: String,
}

/// What the minting worker is told of the place it runs in.
#[derive(Clone, Debug)]
pub struct Minting {
    /// The directory of the blocks that tokens name.
    pub blocks: String,
    /// The JSON-RPC of a development chain and the contract's address there; without one, mints wait.
    pub chain: Option<(String, String)>,
}

/// Everything that decides the environment of the services of one stack.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// By service name.
    pub services: BTreeMap<&'static str, Address>,
    /// `host:port` of PostgreSQL.
    pub postgres: String,
    /// `host:port` of Redis.
    pub redis: String,
    /// `host:port` of the mail sink's SMTP side.
    pub smtp: String,
    /// Passwords and keys.
    pub secrets: Secrets,
    /// What the minting worker is told.
    pub minting: Minting,
    /// How services write their logs.
    pub log_format: LogFormat,
    /// Requests per hour and address that the gateway lets through without a token.
    pub anonymous_per_hour: u32,
    /// Requests per hour and user that the gateway lets through.
    pub user_per_hour: u32,
}

impl Wiring {
    /// Processes on this machine, all on loopback.
    pub fn local(ports: &Ports, secrets: Secrets, minting: Minting) -> Self {
        let address = |spec: &ServiceSpec| {
            let listen = format!("127.0.0.1:{}", ports.service(spec.name));
            let url = format!("http://{listen}");
            (spec.name, Address { listen, internal_url: url.clone(), public_url: url })
        };
        Self {
            services: SERVICES.iter().map(address).collect(),
            postgres: format!("127.0.0.1:{}", ports.postgres),
            redis: format!("127.0.0.1:{}", ports.redis),
            smtp: format!("127.0.0.1:{}", ports.smtp),
            secrets,
            minting,
            log_format: LogFormat::Human,
            anonymous_per_hour: 100_000,
            user_per_hour: 100_000,
        }
    }

    /// The containers of `docker-compose-local.yaml`, which reach each other by name.
    pub fn compose() -> Self {
        let address = |spec: &ServiceSpec| {
            let address = Address {
                listen: format!("0.0.0.0:{}", spec.port),
                internal_url: format!("http://{}:{}", spec.name, spec.port),
                public_url: format!("http://127.0.0.1:{}", spec.port),
            };
            (spec.name, address)
        };
        Self {
            services: SERVICES.iter().map(address).collect(),
            postgres: "postgres:5432".to_owned(),
            redis: "redis:6379".to_owned(),
            smtp: "mail:1025".to_owned(),
            secrets: Secrets::compose(),
            // Nothing else can be written there. What is lost with the container is put back from the database.
            minting: Minting { blocks: "/tmp/blocks".to_owned(), chain: None },
            log_format: LogFormat::Json,
            anonymous_per_hour: 100_000,
            user_per_hour: 100_000,
        }
    }
}

/// The whole environment of one service: every name here is read by `service-kit` or by that service.
///
/// # Errors
///
/// When the wiring lacks an address or a password, which only a wiring made by hand can.
pub fn environment(spec: &ServiceSpec, wiring: &Wiring) -> Result<BTreeMap<String, String>> {
    let address = |name: &str| {
        wiring.services.get(name).with_context(|| format!("no address of the service `{name}`"))
    };
    let own = address(spec.name)?;
    let redis_password = wiring.secrets.redis_password(spec.name)?;
    let log_format = match wiring.log_format {
        LogFormat::Human => "human",
        LogFormat::Json => "json",
    };

    let mut variables = BTreeMap::new();
    let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
    set("LISTEN_ADDR", own.listen.clone());
    set("PUBLIC_URL", own.public_url.clone());
    set("REDIS_URL", format!("redis://{}:{redis_password}@{}", spec.name, wiring.redis));
    set("EVENT_PARTITIONS", "2".to_owned());
    set("LOG_FORMAT", log_format.to_owned());
    set("LOG_FILTER", "info".to_owned());
    set("TOKEN_ISSUER", address("gateway")?.public_url.clone());
    set("TOKEN_AUDIENCE", "peerlink".to_owned());
    if spec.schema.is_some() {
        set("EVENT_RETENTION", "10000".to_owned());
        set("AUDIT_INTERVAL", "3600".to_owned());
        let password = wiring.secrets.postgres_password(spec.name)?;
        let url = format!("postgres://{}:{password}@{}/{DATABASE}", spec.name, wiring.postgres);
        set("DATABASE_URL", url);
    }
    match spec.name {
        "auth" => {
            set("KEY_ENCRYPTION_KEY", wiring.secrets.key_encryption_key.clone());
            set("SMTP_URL", format!("smtp://{}", wiring.smtp));
            set("MAIL_FROM", "PeerLink <no-reply@peerlink.invalid>".to_owned());
            set("DEMO_ACCOUNTS", "true".to_owned());
            set("MODERATOR_EMAILS", "moderator@demo.peerlink.invalid".to_owned());
            set("ANALYST_EMAILS", "analyst@demo.peerlink.invalid".to_owned());
            set("ADMIN_EMAILS", "admin@demo.peerlink.invalid".to_owned());
        }
        "moderation" => {
            set("TWO_REVIEWERS_FROM", "10000".to_owned());
            set("STRIKE_LADDER", "3 mute 24h, 5 suspend 7d, 8 review".to_owned());
        }
        "minting" => {
            set("BLOCKS_DIR", wiring.minting.blocks.clone());
            // A demonstration is short.
            set("MINT_DELAY", "2".to_owned());
            if let Some((url, contract)) = &wiring.minting.chain {
                set("CHAIN_RPC_URLS", url.clone());
                set("CHAIN_ID", CHAIN_ID.to_string());
                set("MINT_CONTRACT", contract.clone());
                set("MINT_DEV_KEYS", LANE_KEY.to_owned());
                // The chain of one machine has one node.
                set("MINT_BATCH_AGE_MS", "500".to_owned());
                set("MINT_CONFIRMATIONS", "2".to_owned());
            }
        }
        "gateway" => {
            for service in SERVICES.iter().filter(|service| service.name != spec.name) {
                let name = format!("{}_URL", service.name.to_uppercase());
                set(&name, address(service.name)?.internal_url.clone());
            }
            set("RATE_LIMIT_ANONYMOUS_PER_HOUR", wiring.anonymous_per_hour.to_string());
            set("RATE_LIMIT_USER_PER_HOUR", wiring.user_per_hour.to_string());
            set("TRUSTED_PROXY_HOPS", "0".to_owned());
        }
        _ => {}
    }
    Ok(variables)
}
