//! The parts of a start.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Result;

use super::{Progress, StackOptions};
use crate::acl;
use crate::binaries::Binaries;
use crate::environment::{Wiring, environment};
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

/// How each service is started, now and after every kill.
pub(super) fn launches(
    options: &StackOptions,
    dir: &Path,
    secrets: &Secrets,
) -> Result<BTreeMap<&'static str, Launch>> {
    let mut wiring = Wiring::local(&options.ports, secrets.clone());
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
