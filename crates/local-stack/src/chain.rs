//! A private development chain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::foundry::Foundry;
use crate::ports;
use crate::process::{Launch, Process, Signal};
use crate::wait::wait_for;

/// The number of a development chain, by custom.
pub const CHAIN_ID: u64 = 31337;

/// The first account that anvil gives coins to, and its key: known to everybody, for development only.
pub const FUNDED: (&str, &str) = (
    "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
);

/// The second of them.
pub const FUNDED_TOO: (&str, &str) = (
    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
);

/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How to start a chain.
#[derive(Clone, Debug)]
pub struct ChainOptions {
    /// The program.
    pub binary: PathBuf,
    /// Where the chain's state goes, if it is kept, and the log.
    pub dir: PathBuf,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// A block this often.
    pub block_time: Duration,
    /// The state is in `chain.json` after a stop or a kill, and the next start goes on from it.
    pub kept: bool,
    /// More arguments of the program.
    pub more: Vec<String>,
}

/// A running chain, which stops when this is dropped.
#[derive(Debug)]
pub struct Chain {
    launch: Launch,
    port: u16,
    process: Process,
}

impl Chain {
    /// Starts a chain.
    ///
    /// # Errors
    ///
    /// When the program ends early or does not answer.
    pub async fn start(options: ChainOptions) -> Result<Self> {
        std::fs::create_dir_all(&options.dir)?;
        let (port, chain_id) = (options.port.to_string(), CHAIN_ID.to_string());
        let block_time = options.block_time.as_secs_f64().to_string();
        let mut args: Vec<String> = [
            ["--host", "127.0.0.1"],
            ["--port", &port],
            ["--block-time", &block_time],
            ["--slots-in-an-epoch", "1"],
            ["--gas-limit", "30000000"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
        args.push("--quiet".to_owned());
        if !options.more.iter().any(|argument| argument == "--chain-id") {
            args.extend(["--chain-id".to_owned(), chain_id]);
        }
        if options.kept {
            let state = options.dir.join("chain.json").to_string_lossy().into_owned();
            args.extend(["--state", &state, "--state-interval", "1"].map(str::to_owned));
        }
        args.extend(options.more);
        let launch = Launch {
            name: "anvil".to_owned(),
            program: options.binary,
            args,
            environment: BTreeMap::new(),
            log: options.dir.join("chain.log"),
            user: None,
            farewell: Signal::SIGTERM,
        };
        let process = spawn(&launch, options.port).await?;
        Ok(Self { launch, port: options.port, process })
    }

    /// Starts a chain on any free port: for the tests of one crate.
    ///
    /// # Errors
    ///
    /// As [`Chain::start`], or anvil is not installed.
    pub async fn start_bare(dir: &Path, block_time: Duration, more: &[&str]) -> Result<Self> {
        let binary = Foundry::Anvil.locate().context(
            "anvil is missing: `cargo xtask test` installs it, or `npm install @foundry-rs/anvil@1.7.1` and PEERLINK_ANVIL",
        )?;
        let mut attempts = 0;
        loop {
            let started = Self::start(ChainOptions {
                binary: binary.clone(),
                dir: dir.to_owned(),
                port: ports::free_port()?,
                block_time,
                kept: false,
                more: more.iter().map(|argument| (*argument).to_owned()).collect(),
            });
            // Another program may have taken the port between our look and the chain's.
            match started.await {
                Err(_) if attempts < 4 => attempts += 1,
                result => return result,
            }
        }
    }

    /// Its JSON-RPC.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Any call, such as `anvil_reorg`.
    ///
    /// # Errors
    ///
    /// What the chain refuses, or when it does not answer.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        call(self.port, method, &params).await.with_context(|| method.to_owned())
    }

    /// Whether it runs.
    ///
    /// # Errors
    ///
    /// With the end of its log when it has ended.
    pub fn ensure_running(&mut self) -> Result<()> {
        self.process.ensure_running()
    }

    /// Number and start time of the process.
    pub fn process_id(&self) -> Option<&crate::process::ProcessId> {
        self.process.id()
    }

    /// Kills it as a crash would (SIGKILL).
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// Stops it; a kept state is on disk afterwards.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.stop(Signal::SIGTERM, Duration::from_secs(10)).await
    }

    /// Starts a stopped or killed chain again.
    ///
    /// # Errors
    ///
    /// As [`Chain::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.process = spawn(&self.launch, self.port).await?;
        Ok(())
    }
}

async fn spawn(launch: &Launch, port: u16) -> Result<Process> {
    if ports::in_use(port) {
        bail!("port {port} is in use");
    }
    let mut process = Process::spawn(launch)?;
    wait_for("start of the chain", START_LIMIT, async || {
        process.ensure_running()?;
        Ok(call(port, "eth_chainId", &json!([])).await.ok().map(|_| ()))
    })
    .await?;
    Ok(process)
}

/// One JSON-RPC call over a connection of its own.
async fn call(port: u16, method: &str, params: &Value) -> Result<Value> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let talk = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        anyhow::Ok(String::from_utf8(answer)?)
    };
    let answer = tokio::time::timeout(Duration::from_secs(10), talk)
        .await
        .context("it does not answer")??;
    let (_, body) = answer.split_once("\r\n\r\n").context("no answer of HTTP")?;
    let mut answer: Value = serde_json::from_str(body)?;
    if let Some(error) = answer.get("error") {
        bail!("{error}");
    }
    Ok(answer.get_mut("result").map(Value::take).unwrap_or_default())
}
