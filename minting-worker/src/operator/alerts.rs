//! Alerts as operators see them.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use service_kit::example;
use uuid::Uuid;

use crate::alert::view::Alert;

/// Alerts.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "MintAlerts")]
pub struct ShownAlerts {
    /// What is wrong first, then what was.
    pub items: Vec<ShownAlert>,
}

impl Example for ShownAlerts {
    fn example() -> Self {
        Self { items: vec![ShownAlert::example()] }
    }
}

/// Something that operators should know.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "MintAlert")]
pub struct ShownAlert {
    /// Its id; a message about it has this id and what happened.
    pub id: Uuid,
    /// `BALANCE_LOW`, `RUNS_DRY`, `LANE_STUCK`, `PARKED`, `REORG` or `FOREIGN_NONCE`.
    pub kind: String,
    /// The lane's address, or `mints`.
    pub subject: String,
    /// In words.
    pub detail: String,
    /// Since when.
    pub began_at: DateTime<Utc>,
    /// Until when; missing while it goes on.
    #[oai(skip_serializing_if_is_none)]
    pub ended_at: Option<DateTime<Utc>>,
}

impl From<Alert> for ShownAlert {
    fn from(alert: Alert) -> Self {
        let Alert { id, kind, subject, detail, began_at, ended_at } = alert;
        Self { id, kind, subject, detail, began_at, ended_at }
    }
}

impl Example for ShownAlert {
    fn example() -> Self {
        Self {
            id: example::id(7),
            kind: "RUNS_DRY".to_owned(),
            subject: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".to_owned(),
            detail: "runs dry in 6 hours at today's rate".to_owned(),
            began_at: example::moment(),
            ended_at: None,
        }
    }
}
