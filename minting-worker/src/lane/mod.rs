//! Lanes: each signer puts mints on the chain, one transaction after the other.
//!
//! A nonce of a lane exists only together with a signed transaction, in one row that is committed before anybody sends it. There is
//! no counter that could drift: what to do next always follows from comparing the rows with the chain. What a node says to a
//! transaction decides nothing.

pub mod aggregate;
mod batch;
pub mod checks;
pub mod context;
mod find;
pub mod limits;
mod observe;
pub mod projection;
mod resend;
mod settle;
mod sign;
pub mod step;
pub mod view;
pub mod worker;

use std::sync::Arc;

use event_runtime::Streams;
use service_kit::Host;
use shared_schemas::MintId;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{config::Config, mint::aggregate::Mint};
use context::LaneContext;
use projection::LaneReadModel;
use worker::LaneWorker;

/// The lanes of a process, one for each of its signers; none if it has no chain.
pub fn contexts(host: &Host<Config>, mints: &Streams<Mint>) -> Vec<Arc<LaneContext>> {
    let Some(chain) = &host.config.chain else { return Vec::new() };
    let holder = MintId::new(host.clock.now()).into();
    let of = chain.signers.len();
    let context = |(at, signer): (usize, &Arc<dyn evm_chain::Signer>)| {
        Arc::new(LaneContext {
            store: host.store.clone(),
            mints: mints.clone(),
            lanes: Streams::new(host.store.clone(), LaneReadModel),
            nodes: Arc::clone(&chain.nodes),
            contract: chain.contract,
            signer: Arc::clone(signer),
            limits: chain.limits,
            clock: host.clock.clone(),
            holder,
            share: (at, of),
            watch: step::unwatched(),
        })
    };
    chain.signers.iter().enumerate().map(context).collect()
}

/// Starts lanes; they stop with the process.
pub fn start(lanes: Vec<Arc<LaneContext>>, tasks: &TaskTracker, shutdown: &CancellationToken) {
    if lanes.is_empty() {
        tracing::warn!("minting is off: CHAIN_RPC_URLS is not set, and mints wait");
    }
    for lane in lanes {
        tracing::info!(lane = lane.address(), chain = lane.nodes.chain_id(), "a lane is open");
        tasks.spawn(LaneWorker::new(lane).run(shutdown.clone()));
    }
}
