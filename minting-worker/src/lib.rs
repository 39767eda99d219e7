//! minting-worker: which posts and comments are to become tokens.

pub mod config;
pub mod content;
pub mod lane;
pub mod mint;
pub mod operator;
pub mod slot;

use std::process::ExitCode;

use event_runtime::Streams;
use service_kit::{Definition, Host, Parts, sql_migrations};
use shared_schemas::Service;

use crate::{
    config::Config,
    content::reactor::FollowContent,
    lane::projection::LaneReadModel,
    mint::{aggregate::Mint, api::MintApi, projection::MintReadModel},
    operator::api::OperatorApi,
};

const TITLE: &str = "PeerLink minting";

const DESCRIPTION: &str = "Mints: what is public can become a token of its author. They follow what happens to posts and comments, a moment later.";

/// What this service is.
pub fn definition() -> Definition<Config> {
    Definition {
        service: Service::Minting,
        port: 8005,
        migrations: sql_migrations!["0001_mint", "0002_lane"],
        build,
    }
}

/// Serves until told to stop; the configuration comes from the environment.
pub fn run() -> ExitCode {
    service_kit::program::serve(&definition())
}

fn build(host: &Host<Config>) -> Parts {
    let mints = Streams::<Mint>::new(host.store.clone(), MintReadModel);
    let lanes = lane::contexts(host, &mints);
    let operator = OperatorApi {
        store: host.store.clone(),
        mints: mints.clone(),
        orders: Streams::new(host.store.clone(), LaneReadModel),
        lanes: lanes.clone(),
    };
    let parts = Parts::new(host)
        .api((MintApi::new(host.store.db().clone()), operator), TITLE, DESCRIPTION)
        .runtime(|runtime| {
            runtime
                .read_model(MintReadModel)
                .read_model(LaneReadModel)
                .reactor(FollowContent::new(mints.clone()))
        });
    let (tasks, shutdown) = (host.tasks.clone(), host.shutdown.clone());
    parts.on_start(move || async move {
        lane::start(lanes, &tasks, &shutdown);
        Ok(())
    })
}
