//! The limits of Redis itself: the three commands of a delivery, pipelined by a client that does nothing else.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};

/// Commands in flight when appending.
const APPENDS: u64 = 256;
/// Entries per read.
const COUNT: u64 = 500;
/// Ids per acknowledgement.
const IDS: u64 = 100;

/// Events per second of each command, and of all three after one another on one core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ceiling {
    pub(crate) append: f64,
    pub(crate) read: f64,
    pub(crate) acknowledge: f64,
}

impl Ceiling {
    /// What one Redis could carry if nothing else cost anything.
    pub(crate) fn events_per_second(self) -> f64 {
        1.0 / (1.0 / self.append + 1.0 / self.read + 1.0 / self.acknowledge)
    }
}

/// Measures with entries of these fields.
pub(crate) async fn ceiling(
    port: u16,
    events: u64,
    fields: Vec<(String, String)>,
) -> Result<Ceiling> {
    tokio::task::spawn_blocking(move || measure(port, events, &fields)).await?
}

fn measure(port: u16, events: u64, fields: &[(String, String)]) -> Result<Ceiling> {
    let mut redis = Connection::open(port)?;
    redis.call(&["DEL", "raw"])?;
    redis.call(&["XGROUP", "CREATE", "raw", "g", "0", "MKSTREAM"])?;

    let began = Instant::now();
    for first in (1..=events).step_by(APPENDS as usize) {
        let last = (first + APPENDS - 1).min(events);
        for sequence in first..=last {
            let id = format!("{sequence}-0");
            let mut words = vec!["XADD", "raw", &id];
            words.extend(fields.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]));
            redis.queue(&words);
        }
        redis.flush(last + 1 - first)?;
    }
    let append = events as f64 / began.elapsed().as_secs_f64();

    let began = Instant::now();
    let mut reads = events.div_ceil(COUNT);
    let count = COUNT.to_string();
    while reads > 0 {
        let flight = reads.min(4);
        for _ in 0..flight {
            redis.queue(&["XREADGROUP", "GROUP", "g", "c", "COUNT", &count, "STREAMS", "raw", ">"]);
        }
        redis.flush(flight)?;
        reads -= flight;
    }
    let read = events as f64 / began.elapsed().as_secs_f64();

    let began = Instant::now();
    let ids: Vec<String> = (1..=events).map(|sequence| format!("{sequence}-0")).collect();
    for flight in ids.chunks((IDS * 16) as usize) {
        let mut commands = 0;
        for ids in flight.chunks(IDS as usize) {
            let mut words = vec!["XACK", "raw", "g"];
            words.extend(ids.iter().map(String::as_str));
            redis.queue(&words);
            commands += 1;
        }
        redis.flush(commands)?;
    }
    let acknowledge = events as f64 / began.elapsed().as_secs_f64();
    redis.call(&["DEL", "raw"])?;
    Ok(Ceiling { append, read, acknowledge })
}

/// A connection that sends what was queued at once, and reads answers without keeping them.
struct Connection {
    stream: TcpStream,
    answers: BufReader<TcpStream>,
    queued: Vec<u8>,
    line: String,
    rest: Vec<u8>,
}

impl Connection {
    fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let answers = BufReader::with_capacity(1 << 18, stream.try_clone()?);
        Ok(Self { stream, answers, queued: Vec::new(), line: String::new(), rest: Vec::new() })
    }

    fn queue(&mut self, words: &[&str]) {
        self.queued.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.queued.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            self.queued.extend_from_slice(word.as_bytes());
            self.queued.extend_from_slice(b"\r\n");
        }
    }

    fn flush(&mut self, answers: u64) -> Result<()> {
        self.stream.write_all(&self.queued)?;
        self.queued.clear();
        for _ in 0..answers {
            self.skip()?;
        }
        Ok(())
    }

    fn call(&mut self, words: &[&str]) -> Result<()> {
        self.queue(words);
        self.flush(1)
    }

    /// Reads one answer, whatever it is, unless it is an error.
    fn skip(&mut self) -> Result<()> {
        self.line.clear();
        self.answers.read_line(&mut self.line)?;
        let (kind, rest) = self.line.split_at_checked(1).context("Redis closed the connection")?;
        let length = || rest.trim().parse::<i64>();
        match kind {
            "+" | ":" => Ok(()),
            "-" => bail!("Redis refused: {}", rest.trim()),
            "$" => {
                let length = u64::try_from(length()? + 2)?;
                self.rest.clear();
                let read = (&mut self.answers).take(length).read_to_end(&mut self.rest)?;
                ensure!(read as u64 == length, "Redis closed the connection");
                Ok(())
            }
            "*" => {
                for _ in 0..length()? {
                    self.skip()?;
                }
                Ok(())
            }
            other => bail!("Redis answered {other:?}"),
        }
    }
}
