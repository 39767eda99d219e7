//! A TCP proxy on loopback that fails on request, for Redis and PostgreSQL alike.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

/// What the proxy does to connections, those that are open and those to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it forwards.
    None,
    /// Closes every connection at once.
    Refuse,
    /// Keeps connections open and forwards nothing. What it swallowed is lost, so a connection stays dead afterwards.
    BlackHole,
    /// Forwards requests and swallows replies. A connection that lost one stays mute afterwards.
    DropReplies,
    /// Keeps requests back and forwards them when the fault ends.
    HoldRequests,
    /// Keeps replies back and forwards them when the fault ends.
    HoldReplies,
    /// Forwards each piece this much later, in both directions.
    Delay(Duration),
    /// Answers every Redis command with this error, such as `LOADING Redis is loading the dataset in memory`.
    Answer(&'static str),
}

/// A proxy in front of one server; connections end when this is dropped.
pub struct FaultProxy {
    url: Url,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

struct Shared {
    upstream: String,
    fault: watch::Sender<Fault>,
    /// Cancelled to end all connections that are open, then replaced.
    open: Mutex<CancellationToken>,
    accepted: AtomicU64,
    commands: AtomicU64,
}

impl FaultProxy {
    /// A proxy in front of the server at `url`, whose port must be named.
    ///
    /// # Errors
    ///
    /// When the URL has no host or port, or no port is free.
    pub async fn start(url: &str) -> Result<Self> {
        let mut url = Url::parse(url)?;
        let host = url.host_str().context("no host")?;
        let upstream = format!("{host}:{}", url.port().context("no port")?);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        url.set_host(Some("127.0.0.1"))?;
        if url.set_port(Some(listener.local_addr()?.port())).is_err() {
            anyhow::bail!("{url} cannot have a port");
        }

        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            upstream,
            fault: watch::Sender::new(Fault::None),
            open: Mutex::new(stop.child_token()),
            accepted: AtomicU64::new(0),
            commands: AtomicU64::new(0),
        });
        let accepting = accept(listener, Arc::clone(&shared));
        spawn(stop.clone(), accepting);
        Ok(Self { url, shared, _stop: stop.drop_guard() })
    }

    /// The server's URL, through the proxy.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Begins one fault and ends the one before; connections that lost something stay as they are.
    pub fn set(&self, fault: Fault) {
        self.shared.fault.send_replace(fault);
        if fault == Fault::Refuse {
            self.sever();
        }
    }

    /// Closes every open connection; new ones are taken as the fault says.
    pub fn sever(&self) {
        let mut open = self.shared.open.lock().expect("no holder of this lock panics");
        open.cancel();
        *open = CancellationToken::new();
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many Redis commands have been answered with an error so far.
    pub fn commands(&self) -> u64 {
        self.shared.commands.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.sever();
    }
}

/// Runs `work` until it ends or `stop` is cancelled.
#[expect(clippy::disallowed_methods, reason = "ends with the proxy; a test waits for no shutdown")]
fn spawn(stop: CancellationToken, work: impl Future<Output: Send> + Send + 'static) {
    drop(tokio::spawn(async move { stop.run_until_cancelled_owned(work).await.map(drop) }));
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        let open = shared.open.lock().expect("no holder of this lock panics").clone();
        if *shared.fault.borrow() != Fault::Refuse {
            spawn(open, serve(client, Arc::clone(&shared)));
        }
    }
}

/// One connection: two directions, ended together.
async fn serve(client: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let server = TcpStream::connect(&shared.upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let connection = Connection {
        shared,
        to_client: tokio::sync::Mutex::new(to_client),
        deaf: AtomicBool::new(false),
        mute: AtomicBool::new(false),
    };
    tokio::select! {
        ended = connection.requests(from_client, to_server) => ended,
        ended = connection.replies(from_server) => ended,
    }
}

struct Connection {
    shared: Arc<Shared>,
    to_client: tokio::sync::Mutex<OwnedWriteHalf>,
    /// Has lost a request, so nothing later may arrive.
    deaf: AtomicBool,
    /// Has lost a reply, so nothing later may arrive.
    mute: AtomicBool,
}

impl Connection {
    async fn requests(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        let mut fault = self.shared.fault.subscribe();
        loop {
            let length = from.read(&mut buffer).await?;
            let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else {
                return Ok(());
            };
            loop {
                let now = *fault.borrow_and_update();
                match now {
                    _ if self.deaf.load(Ordering::SeqCst) => (),
                    Fault::Refuse => return Ok(()),
                    Fault::BlackHole => self.deaf.store(true, Ordering::SeqCst),
                    Fault::HoldRequests => {
                        changed(&mut fault).await?;
                        continue;
                    }
                    Fault::Answer(error) => self.answer(piece, error).await?,
                    Fault::Delay(delay) => {
                        tokio::time::sleep(delay).await;
                        to.write_all(piece).await?;
                    }
                    Fault::None | Fault::DropReplies | Fault::HoldReplies => {
                        to.write_all(piece).await?;
                    }
                }
                break;
            }
        }
    }

    async fn replies(&self, mut from: OwnedReadHalf) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        let mut fault = self.shared.fault.subscribe();
        loop {
            let length = from.read(&mut buffer).await?;
            let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else {
                return Ok(());
            };
            loop {
                let now = *fault.borrow_and_update();
                match now {
                    _ if self.mute.load(Ordering::SeqCst) => (),
                    Fault::Refuse => return Ok(()),
                    Fault::BlackHole | Fault::DropReplies => {
                        self.mute.store(true, Ordering::SeqCst);
                    }
                    Fault::HoldReplies => {
                        changed(&mut fault).await?;
                        continue;
                    }
                    Fault::Delay(delay) => {
                        tokio::time::sleep(delay).await;
                        self.to_client.lock().await.write_all(piece).await?;
                    }
                    Fault::None | Fault::HoldRequests | Fault::Answer(_) => {
                        self.to_client.lock().await.write_all(piece).await?;
                    }
                }
                break;
            }
        }
    }

    /// One error per command in `piece`. Clients write whole commands, so a piece begins with one.
    async fn answer(&self, piece: &[u8], error: &str) -> io::Result<()> {
        let commands = commands(piece);
        self.shared.commands.fetch_add(commands, Ordering::SeqCst);
        let mut client = self.to_client.lock().await;
        for _ in 0..commands {
            client.write_all(format!("-{error}\r\n").as_bytes()).await?;
        }
        Ok(())
    }
}

async fn changed(fault: &mut watch::Receiver<Fault>) -> io::Result<()> {
    fault.changed().await.map_err(io::Error::other)
}

/// How many commands (arrays of bulk strings, RESP2) a piece holds.
fn commands(piece: &[u8]) -> u64 {
    let mut lines = piece.split_inclusive(|byte| *byte == b'\n');
    let mut count = 0;
    while let Some(line) = lines.next() {
        let Some(words) = number_after(b'*', line) else { continue };
        count += 1;
        for _ in 0..words {
            let Some(length) = lines.next().and_then(|line| number_after(b'$', line)) else {
                break;
            };
            // The word itself may hold line ends: two bytes of its own end come with it.
            let mut taken = 0;
            while taken < length + 2 {
                let Some(line) = lines.next() else { return count };
                taken += line.len();
            }
        }
    }
    count
}

fn number_after(sign: u8, line: &[u8]) -> Option<usize> {
    let rest = line.strip_prefix(&[sign])?;
    std::str::from_utf8(rest).ok()?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::commands;

    #[test]
    fn commands_are_counted_whatever_their_words_hold() {
        let piece = b"*2\r\n$4\r\nECHO\r\n$8\r\n*1\r\n$1\r\n\r\n*1\r\n$4\r\nPING\r\n";

        assert_eq!(commands(piece), 2);
    }
}
