//! The services, connected.

use std::time::Duration;

use chrono::{DateTime, Utc};
use event_runtime::error::chain;
use event_runtime::operator::{Order, Site, groups};
use event_runtime::{Clock, redis};
use fred::{clients::Client, interfaces::ClientLike as _};
use futures_util::future::try_join_all;
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use shared_schemas::Service;

use crate::cli::{Change, Global};
use crate::config::{self, Config};
use crate::exit::Failure;

/// How long a server may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(4);

/// Connections per service: commands ask one thing at a time.
const CONNECTIONS: u32 = 3;

/// Every service that the command is about.
pub(crate) struct Fleet {
    /// By service.
    pub(crate) sites: Vec<Site>,
}

impl Fleet {
    /// Connects to Redis and to every database, or says which of them does not answer.
    pub(crate) async fn connect(global: &Global) -> Result<Self, Failure> {
        Self::connect_with(global, None).await
    }

    /// The same with the service on the other side of what the command is about, whether or not it was chosen.
    pub(crate) async fn connect_with(
        global: &Global,
        also: Option<Service>,
    ) -> Result<Self, Failure> {
        let config = config::find(global, also)?;
        let redis = connect_redis(&config).await?;
        let connected = config.databases.iter().map(async |(service, url)| {
            let db = connect_database(*service, url).await?;
            Ok::<Site, Failure>(Site { service: *service, db, redis: redis.clone() })
        });
        Ok(Self { sites: try_join_all(connected).await? })
    }

    /// The one service that a command changes.
    pub(crate) fn only(&self) -> Result<&Site, Failure> {
        match self.sites.as_slice() {
            [site] => Ok(site),
            _ => Err(Failure::Usage("say which service with `--service`".to_owned())),
        }
    }

    /// The producer of that name.
    pub(crate) fn of(&self, service: Service) -> Result<&Site, Failure> {
        self.sites.iter().find(|site| site.service == service).ok_or_else(|| {
            Failure::Config(format!("{service} is needed too, and it is not known where it is"))
        })
    }

    /// The service whose consumer group it is.
    pub(crate) async fn of_group(&self, group: &str) -> Result<&Site, Failure> {
        for site in &self.sites {
            if groups::list(site).await?.iter().any(|row| row.consumer_group == group) {
                return Ok(site);
            }
        }
        Err(Failure::Refused(format!(
            "no service that is known here has a consumer group `{group}`; `groups ls` lists them"
        )))
    }
}

/// A client that is connected, or the reason why there is none.
pub(crate) async fn connect_redis(config: &Config) -> Result<Client, Failure> {
    let client = redis::connect(&config.redis_url)
        .map_err(|error| Failure::Config(format!("{}: {}", config.origin, chain(&error))))?;
    match tokio::time::timeout(PATIENCE, client.wait_for_connect()).await {
        Ok(Ok(())) => Ok(client),
        Ok(Err(error)) => Err(error.into()),
        Err(_elapsed) => Err(Failure::Unavailable(format!(
            "redis of {} does not answer within {} s",
            config.origin,
            PATIENCE.as_secs()
        ))),
    }
}

/// A pool whose connections see the service's schema.
pub(crate) async fn connect_database(
    service: Service,
    url: &str,
) -> Result<DatabaseConnection, Failure> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(CONNECTIONS)
        .connect_timeout(PATIENCE)
        .acquire_timeout(PATIENCE)
        .sqlx_logging(false)
        .set_schema_search_path(service.as_str().to_owned());
    Database::connect(options).await.map_err(|error| {
        Failure::Unavailable(format!("the database of {service}: {}", chain(&error)))
    })
}

/// The present moment.
pub(crate) fn now() -> DateTime<Utc> {
    Clock::System.now()
}

/// Under what terms something is changed.
pub(crate) fn order(global: &Global, change: &Change) -> Result<Order, Failure> {
    let operator = global.operator.clone().filter(|name| !name.trim().is_empty());
    let operator = operator.ok_or_else(|| {
        Failure::Usage("say who you are with `--operator`: it is kept with what you do".to_owned())
    })?;
    let reason = change.reason.clone().filter(|reason| !reason.trim().is_empty());
    Ok(Order { operator, reason, dry_run: change.dry_run })
}
