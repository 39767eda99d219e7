//! minting-worker: which posts and comments are to become tokens, and what those tokens say.

pub mod alert;
pub mod config;
pub mod consent;
pub mod content;
pub mod lane;
pub mod metadata;
pub mod mint;
pub mod operator;
pub mod pinning;
pub mod provenance;
pub mod settings;
pub mod slot;
pub mod wallet;

use std::{convert::Infallible, process::ExitCode};

use event_runtime::{ExecuteError, Streams};
use poem::get;
use service_kit::{Definition, Host, Parts, Problem, sql_migrations};
use shared_schemas::{Service, consent::ConsentEvent, mint::MintEvent, wallet::WalletEvent};

use crate::{
    alert::tell::TellAlerts,
    config::Config,
    consent::{api::ConsentApi, projection::ConsentReadModel},
    content::{decide::Decide, due, reactor::FollowContent},
    lane::projection::LaneReadModel,
    metadata::api::MetadataApi,
    mint::{api::MintApi, projection::MintReadModel},
    operator::api::OperatorApi,
    pinning::{
        audit, gateway,
        job::{GiveUpMetadata, KeepMetadata, Metadatas},
        reactor::FollowMints,
    },
    provenance::api::ProvenanceApi,
    wallet::{api::WalletApi, projection::WalletReadModel},
};

const TITLE: &str = "PeerLink minting";

const DESCRIPTION: &str = "Mints: what is public, and what its author wants a token of, becomes one. They follow what happens to posts and comments, a moment later.";

/// What this service is.
pub fn definition() -> Definition<Config> {
    Definition {
        service: Service::Minting,
        port: 8005,
        migrations: sql_migrations![
            "0001_mint",
            "0002_lane",
            "0003_content",
            "0004_clearance",
            "0005_alert"
        ],
        build,
    }
}

/// Serves until told to stop; the configuration comes from the environment.
pub fn run() -> ExitCode {
    service_kit::program::serve(&definition())
}

fn build(host: &Host<Config>) -> Parts {
    let (store, content) = (host.store.clone(), &host.config.content);
    let db = store.db().clone();
    let mints = Streams::new(store.clone(), MintReadModel);
    let consents = Streams::new(store.clone(), ConsentReadModel);
    let wallets = Streams::new(store.clone(), WalletReadModel);
    let decide = Decide { mints: mints.clone(), delay: content.delay };
    let lanes = lane::contexts(host, &mints);
    let operator = OperatorApi {
        store: store.clone(),
        mints: mints.clone(),
        orders: Streams::new(store.clone(), LaneReadModel),
        lanes: lanes.clone(),
    };
    let metadatas =
        Metadatas { mints, places: content.places.clone(), audit_interval: content.audit_interval };
    let blocks = content.store.clone();
    let api = (
        MintApi::new(db.clone()),
        operator,
        ConsentApi { consents },
        WalletApi { wallets },
        MetadataApi { db: db.clone(), store: blocks.clone() },
        ProvenanceApi {
            db: db.clone(),
            places: content.places.clone(),
            chain: host.config.chain.clone(),
        },
    );
    let served = gateway::endpoint(db.clone(), blocks.clone());
    let served_too = gateway::endpoint(db, blocks.clone());
    let (tasks, shutdown) = (host.tasks.clone(), host.shutdown.clone());
    let chain = host.config.chain.clone();
    let alerts = host.config.alerts.clone();
    let tell = TellAlerts { receiver: alerts.receiver.clone(), clock: host.clock.clone() };
    let (deciding, auditing) = (decide.clone(), metadatas.clone());
    Parts::new(host)
        .api(api, TITLE, DESCRIPTION)
        .at_root("/ipfs/:cid", get(served).head(served_too))
        .runtime(|runtime| {
            runtime
                .read_model::<MintEvent>(MintReadModel)
                .read_model(LaneReadModel)
                .read_model::<ConsentEvent>(ConsentReadModel)
                .read_model::<WalletEvent>(WalletReadModel)
                .reactor(FollowContent::new(decide))
                .reactor(FollowMints)
                .worker(KeepMetadata(metadatas.clone()))
                .worker(GiveUpMetadata(metadatas))
                .worker(tell)
        })
        .on_start(move || async move {
            if let Some(chain) = &chain {
                lane::checks::compare(chain).await?;
            }
            tasks.spawn(alert::watch::run(lanes.clone(), alerts, shutdown.clone()));
            lane::start(lanes, &tasks, &shutdown);
            tasks.spawn(due::run(deciding, store, shutdown.clone()));
            tasks.spawn(audit::run(auditing, blocks, shutdown));
            Ok(())
        })
}

/// The problem of a command that cannot be refused.
pub(crate) fn unrefused(error: ExecuteError<Infallible>) -> Problem {
    match error {
        ExecuteError::Refused(never) => match never {},
        ExecuteError::VersionConflict { .. } => Problem::precondition_failed(),
        ExecuteError::Storage(error) => error.into(),
        error @ (ExecuteError::UnknownEvent { .. }
        | ExecuteError::Decode(_)
        | ExecuteError::Encode(_)) => Problem::internal(&error),
    }
}
