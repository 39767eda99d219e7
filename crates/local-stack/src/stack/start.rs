//! The parts of a start.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Progress, StackOptions};
use crate::acl;
use crate::binaries::Binaries;
use crate::chain::{Chain, ChainOptions};
use crate::contract;
use crate::environment::{Minting, Wiring, environment};
use crate::foundry::Foundry;
use crate::ports::Ports;
use crate::postgres::{Postgres, PostgresOptions};
use crate::process::{Launch, ProcessId, Signal};
use crate::redis::{Access, RedisOptions, RedisServer};
use crate::secrets::{ADMIN, Secrets};
use crate::services::{DATABASE, SERVICES, ServiceSpec};
use crate::state::State;

/// The record for a new run, with the secrets of the last one.
pub(super) fn fresh_state(dir: &Path, ports: &Ports) -> Result<State> {
    let secrets = match State::load(dir)? {
        Some(last) => last.secrets,
        None => Secrets::generate()?,
    };
    Ok(State {
        secrets,
        ports: ports.clone(),
        supervisor: Some(ProcessId::current()?),
        processes: BTreeMap::new(),
        ready: false,
        postgres_data: None,
        chain: None,
    })
}

/// PostgreSQL with the database, its roles and schemas.
pub(super) async fn postgres(
    options: &StackOptions,
    dir: &Path,
    binaries: &Binaries,
    secrets: &Secrets,
) -> Result<Postgres> {
    (options.progress)(Progress::Starting("PostgreSQL".to_owned()));
    let postgres = Postgres::start(PostgresOptions {
        binaries: binaries.postgres.clone(),
        dir: dir.to_owned(),
        port: options.ports.postgres,
        admin_password: secrets.postgres_password(ADMIN)?.to_owned(),
        durable: options.durable,
    })
    .await?;
    if let Some(data) = postgres.data_dir().filter(|data| !data.starts_with(dir)) {
        let note =
            format!("PostgreSQL's user cannot enter {}: data in {}", dir.display(), data.display());
        (options.progress)(Progress::Note(note));
    }
    postgres.provision(DATABASE, |role| secrets.postgres_password(role).map(str::to_owned)).await?;
    (options.progress)(Progress::Ready("PostgreSQL".to_owned()));
    Ok(postgres)
}

/// Redis with the users of all services.
pub(super) async fn redis(
    options: &StackOptions,
    dir: &Path,
    binaries: &Binaries,
    secrets: &Secrets,
) -> Result<RedisServer> {
    (options.progress)(Progress::Starting("Redis".to_owned()));
    let redis = RedisServer::start(RedisOptions {
        binary: binaries.redis.clone(),
        dir: dir.to_owned(),
        port: options.ports.redis,
        access: Access::Users {
            acl: acl::render(secrets)?,
            admin_password: secrets.redis_password(ADMIN)?.to_owned(),
        },
        more: Vec::new(),
    })
    .await?;
    (options.progress)(Progress::Ready("Redis".to_owned()));
    Ok(redis)
}

/// The development chain with the contract's address, where there can be one; otherwise says how to get one.
pub(super) async fn chain(options: &StackOptions, dir: &Path) -> Result<Option<(Chain, String)>> {
    let note = |text: &str| (options.progress)(Progress::Note(text.to_owned()));
    let binary = match Foundry::Anvil.locate_or_install(false, &note).await {
        Ok(binary) => binary,
        Err(error) => {
            note(&format!("minting is off, and mints wait: {error:#}; then start again"));
            return Ok(None);
        }
    };
    (options.progress)(Progress::Starting("development chain".to_owned()));
    let chain = Chain::start(ChainOptions {
        binary,
        dir: dir.join("chain"),
        port: options.ports.chain,
        block_time: Duration::from_secs(1),
        kept: options.durable,
        more: Vec::new(),
    })
    .await?;
    let contract = contract::deployed(&chain.url(), &dir.join("chain")).await?;
    (options.progress)(Progress::Ready("development chain".to_owned()));
    Ok(Some((chain, contract)))
}

/// How each service is started, now and after every kill.
pub(super) fn launches(
    options: &StackOptions,
    dir: &Path,
    secrets: &Secrets,
    chain: Option<&(String, String)>,
) -> Result<BTreeMap<&'static str, Launch>> {
    let minting = Minting {
        blocks: dir.join("blocks").to_string_lossy().into_owned(),
        chain: chain.cloned(),
    };
    let mut wiring = Wiring::local(&options.ports, secrets.clone(), minting);
    wiring.log_format = options.log_format;
    wiring.anonymous_per_hour = options.anonymous_per_hour;
    wiring.user_per_hour = options.user_per_hour;
    let logs = dir.join("logs");
    // Logs may hold addresses of people.
    std::fs::set_permissions(&logs, std::fs::Permissions::from_mode(0o700))?;
    let launch = |spec: &ServiceSpec| {
        let mut variables = environment(spec, &wiring)?;
        variables.extend(options.environment.clone());
        let launch = Launch {
            name: spec.package.to_owned(),
            program: options.serve.clone(),
            args: vec!["serve".to_owned(), spec.name.to_owned()],
            environment: variables,
            log: logs.join(format!("{}.log", spec.name)),
            user: None,
            farewell: Signal::SIGKILL,
        };
        Ok((spec.name, launch))
    };
    SERVICES.iter().map(launch).collect()
}
