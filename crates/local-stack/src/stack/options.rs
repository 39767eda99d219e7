//! How to start a stack, and what is told while it starts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;

use crate::environment::LogFormat;
use crate::ports::Ports;

/// What happens while a stack starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something began to start.
    Starting(String),
    /// It takes requests.
    Ready(String),
    /// Something people should know.
    Note(String),
}

/// Is told what happens.
pub type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;

/// How to start a stack.
#[derive(Clone)]
pub struct StackOptions {
    /// Where all data, logs and the record are.
    pub dir: PathBuf,
    /// Where everything listens.
    pub ports: Ports,
    /// The program that becomes a service when it is started with `serve <name>`.
    pub serve: PathBuf,
    /// `false` loses data when the machine crashes, and is faster: for tests.
    pub durable: bool,
    /// Starts a development chain for the minting worker, where anvil is there or npm can install it.
    pub chain: bool,
    /// How services write their logs.
    pub log_format: LogFormat,
    /// Requests per hour and address that the gateway lets through without a token.
    pub anonymous_per_hour: u32,
    /// Requests per hour and user that the gateway lets through.
    pub user_per_hour: u32,
    /// Further variables of all services; they win over ours.
    pub environment: BTreeMap<String, String>,
    /// Is told what happens.
    pub progress: ProgressSink,
}

impl StackOptions {
    /// A stack for tests in `dir`: free ports, nothing durable, no word about progress.
    ///
    /// # Errors
    ///
    /// When there are too few free ports.
    pub fn for_tests(dir: PathBuf, serve: PathBuf) -> Result<Self> {
        Ok(Self { durable: false, ..Self::new(dir, serve, Ports::free()?) })
    }

    /// A durable stack with the rate limits of a local demo.
    pub fn new(dir: PathBuf, serve: PathBuf, ports: Ports) -> Self {
        Self {
            dir,
            ports,
            serve,
            durable: true,
            chain: false,
            log_format: LogFormat::Human,
            anonymous_per_hour: 100_000,
            user_per_hour: 100_000,
            environment: BTreeMap::new(),
            progress: Arc::new(drop),
        }
    }
}
