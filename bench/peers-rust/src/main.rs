//! `peers-rust <library> produce <redis> <key> <events> <aggregates> <rate>` publishes and prints how long it took.
//! `peers-rust <library> consume <redis> <key> <member> <log>` handles by writing one line each, until it is killed.
//!
//! The same two commands exist for every peer, so that one program can compare them.

mod message;
mod omni;
mod sea;

use anyhow::{Context as _, Result, bail};
use message::Trial;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [library, "produce", redis, key, events, aggregates, rate] => {
            let trial = Trial {
                events: events.parse()?,
                aggregates: aggregates.parse()?,
                rate: rate.parse()?,
            };
            let began = std::time::Instant::now();
            match *library {
                "sea-streamer" => sea::produce(redis, key, trial).await?,
                "omniqueue" => omni::produce(redis, key, trial).await?,
                other => bail!("no library `{other}`"),
            }
            println!("{{\"seconds\": {}}}", began.elapsed().as_secs_f64());
            Ok(())
        }
        [library, "consume", redis, key, member, log] => {
            let log = message::Log::open(log).context("cannot open the log")?;
            match *library {
                "sea-streamer" => sea::consume(redis, key, member, log).await,
                "omniqueue" => omni::consume(redis, key, member, log).await,
                other => bail!("no library `{other}`"),
            }
        }
        _ => bail!("usage: peers-rust <sea-streamer|omniqueue> <produce|consume> ..."),
    }
}
