//! The payload that every peer carries, and the log in which every handled message is one line.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Bytes of a payload as JSON.
const BYTES: usize = 300;

/// How much is published, and how fast.
#[derive(Clone, Copy)]
pub struct Trial {
    pub events: u64,
    pub aggregates: u64,
    /// Messages per second; 0 for as fast as possible.
    pub rate: f64,
}

/// One message: the `n`-th of aggregate `a`, meant to be sent at `t` (microseconds since the Unix epoch).
#[derive(Serialize, Deserialize)]
pub struct Message {
    pub a: u64,
    pub n: u64,
    pub t: u64,
    pub p: String,
}

pub fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

impl Trial {
    /// Message `number` of the trial, at its time.
    pub async fn at(&self, began: (Instant, u64), number: u64) -> String {
        let mut moment = micros();
        if self.rate > 0.0 {
            let offset = Duration::from_secs_f64(number as f64 / self.rate);
            tokio::time::sleep_until(began.0 + offset).await;
            moment = began.1 + offset.as_micros() as u64;
        }
        let mut message = Message {
            a: number % self.aggregates + 1,
            n: number / self.aggregates + 1,
            t: moment,
            p: String::new(),
        };
        let bare = serde_json::to_string(&message).unwrap_or_default().len();
        message.p = "x".repeat(BYTES.saturating_sub(bare));
        serde_json::to_string(&message).unwrap_or_default()
    }
}

/// Lines `aggregate number intended handled`, each written at once: what was handled is known even after a kill.
pub struct Log(File);

impl Log {
    pub fn open(path: &str) -> Result<Self> {
        Ok(Self(OpenOptions::new().create(true).append(true).open(path)?))
    }

    pub fn handle(&mut self, payload: &[u8]) -> Result<()> {
        let Message { a, n, t, .. } = serde_json::from_slice(payload)?;
        let line = format!("{a} {n} {t} {}\n", micros());
        Ok(self.0.write_all(line.as_bytes())?)
    }
}
