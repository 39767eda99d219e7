//! What operators see and do: typed reports and commands over a service's schema and Redis, without the service's handlers.
//!
//! Every command that changes something takes an [`Order`], writes an `operator_action` row before it acts, changes nothing
//! when it is a rehearsal (`dry_run`), does nothing the second time, and refuses without the right state. What needs the
//! service's own handlers is asked of its running processes: see [`requests`].

pub mod actions;
pub mod consumers;
pub mod doctor;
pub mod epochs;
pub mod gaps;
pub mod groups;
pub mod lag;
pub mod leases;
pub mod parked;
pub mod pending;
pub mod records;
pub mod relay;
pub mod replays;
mod reply;
pub mod requests;
pub mod schema;
pub mod seek;
pub mod status;
pub mod streams;
pub mod subscriptions;
pub mod trimming;
pub mod verify;

use fred::clients::Client;
use sea_orm::{DatabaseConnection, DbErr};
use serde::Serialize;
use shared_schemas::Service;

/// One service as an operator reaches it.
#[derive(Clone)]
pub struct Site {
    /// Whose schema the connections see.
    pub service: Service,
    /// Connections whose search path is the service's schema.
    pub db: DatabaseConnection,
    /// The Redis that all services share, with the right to everything.
    pub redis: Client,
}

/// Who changes something, why, and whether it is only a rehearsal.
#[derive(Clone, Debug)]
pub struct Order {
    /// The operator's name, kept with the action.
    pub operator: String,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// Whether to say what would change and change nothing.
    pub dry_run: bool,
}

/// What a command did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done<T> {
    /// Whether nothing was changed because this was a rehearsal.
    pub dry_run: bool,
    /// What changed, or would change; empty when everything was so already.
    pub changed: Vec<T>,
}

impl<T> Done<T> {
    fn new(order: &Order, changed: Vec<T>) -> Self {
        Self { dry_run: order.dry_run, changed }
    }
}

/// Why a command did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The state does not allow it. One line: the cause and the way out.
    #[error("{cause}; {way_out}")]
    Refused {
        /// What stands in the way.
        cause: String,
        /// What to do about it.
        way_out: String,
    },
    /// The database failed.
    #[error("the database failed")]
    Storage(#[from] DbErr),
    /// Redis failed.
    #[error("redis failed")]
    Redis(#[from] fred::error::Error),
}

impl CommandError {
    fn refused(cause: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self::Refused { cause: cause.into(), way_out: way_out.into() }
    }
}

/// The refusal for a group that has no watermark in the schema of the service it was looked for in.
fn unknown_group(site: &Site, group: &str) -> CommandError {
    CommandError::refused(
        format!("{} has no consumer group `{group}`", site.service),
        "`groups ls` lists them",
    )
}
