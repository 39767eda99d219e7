//! What every service does that is not its business: configuration, HTTP, tokens, problems, pages, health, shutdown.
//!
//! A service hands a [`Definition`] to [`program::main`] and writes nothing of this itself.

pub mod allow;
pub mod caller;
pub mod config;
pub mod database;
pub mod docs;
pub mod etag;
pub mod events;
pub mod example;
pub mod health;
pub mod http;
pub mod idempotency;
pub mod label;
mod lag;
pub mod page;
pub mod problem;
pub mod program;
pub mod service;
pub mod sweep;
pub mod telemetry;
pub mod text;
pub mod trust;

pub use caller::{AnyCaller, Caller, Identity};
pub use config::{ConfigError, Env};
pub use etag::ETag;
pub use idempotency::IdempotencyKey;
pub use page::{Cursor, Limit, Page};
pub use problem::Problem;
pub use service::{Definition, Host, Parts, Running};
pub use sweep::Sweep;
pub use trust::Trust;

/// Lists SQL files of a service's `migrations/` in the order they apply.
#[macro_export]
macro_rules! sql_migrations {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", $name, ".sql")))),*]
    };
}

/// How long events of a group wait for each other that nobody waits for: counts, histories and what is decided much later. People do
/// not see a twentieth of a second, and a busy machine has more left for those who are in a hurry, such as screening.
pub const UNHURRIED: std::time::Duration = std::time::Duration::from_millis(50);
