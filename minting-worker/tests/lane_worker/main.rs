//! A process with one lane, for tests that kill it.
//!
//! `lane-worker <database> <node urls> <contract> <key> <seed> [<step> <times>]` works until it is killed; with a step, it kills
//! itself (SIGKILL) when it comes to that step for the given time.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use event_runtime::{Clock, EventStore, Streams};
use evm_chain::{ContentToken, LocalSigner, Nodes};
use minting_worker::{
    lane::{
        context::LaneContext,
        limits::Limits,
        projection::LaneReadModel,
        step::{Step, Watch, unwatched},
        worker::LaneWorker,
    },
    mint::projection::MintReadModel,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use shared_schemas::Service;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

type Failure = Box<dyn Error + Send + Sync>;

/// The chain of tests.
const CHAIN: u64 = 31337;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut arguments = arguments.iter().map(String::as_str);
    let mut next = |name: &'static str| arguments.next().ok_or(format!("no {name}"));
    let (database, urls, contract) = (next("database")?, next("urls")?, next("contract")?);
    let (key, seed) = (next("key")?, next("seed")?);
    let watch = match (next("step"), next("times")) {
        (Ok(step), Ok(times)) => killer(step, times.parse()?)?,
        _ => unwatched(),
    };

    let db = service_kit::database::connect(database, "minting").await?;
    let store = EventStore::open(db, Service::Minting, 2, Clock::System).await?;
    let urls = urls.split(',').map(str::parse).collect::<Result<Vec<url::Url>, _>>()?;
    let context = LaneContext {
        mints: Streams::new(store.clone(), MintReadModel),
        lanes: Streams::new(store.clone(), LaneReadModel),
        store,
        nodes: Arc::new(Nodes::new(CHAIN, urls, Duration::from_secs(3))?),
        contract: ContentToken { address: contract.parse()? },
        signer: Arc::new(LocalSigner::from_hex(key)?),
        limits: Limits {
            batch_items: 5,
            batch_gas: 8_000_000,
            batch_age: Duration::from_millis(100),
            in_flight: 16,
            confirmations: 3,
            needs_finalized: false,
            fee_cap: 10_000_000_000_000,
            bump_after: Duration::from_millis(1500),
            poll: Duration::from_millis(50),
        },
        clock: Clock::System,
        holder: Uuid::from_u128(seed.parse()?),
        share: (0, 1),
        watch,
    };
    LaneWorker::new(Arc::new(context)).run(CancellationToken::new()).await;
    Ok(())
}

/// Ends this process at a step, without any farewell.
fn killer(step: &str, times: u32) -> Result<Watch, Failure> {
    let step = *Step::ALL.iter().find(|one| one.as_str() == step).ok_or("no such step")?;
    let left = AtomicU32::new(times);
    Ok(Arc::new(move |at| {
        if at == step && left.fetch_sub(1, Ordering::Relaxed) == 1 {
            kill(Pid::this(), Signal::SIGKILL).expect("a process may kill itself");
        }
    }))
}
