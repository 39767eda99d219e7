//! `requests`: what running processes were asked to do, and calling it off.

use clap::Subcommand;
use event_runtime::operator::requests::{self, Request};
use serde::Serialize;
use shared_schemas::Service;

use crate::cli::{Change, Global};
use crate::exit::{Failure, Verdict};
use crate::fleet::{Fleet, order};
use crate::ui;

/// Rebuilds and audits that running processes were asked for.
#[derive(Subcommand)]
pub(crate) enum Requests {
    /// The latest requests, newest first
    Ls {
        /// At most this many per service
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: i64,
    },
    /// Call a request off; the process that works on it stops within seconds, and the tables are as they were
    Cancel {
        /// Its number, as `requests ls` shows it
        id: i64,
        #[command(flatten)]
        change: Change,
    },
}

#[derive(Serialize)]
struct Row {
    service: Service,
    #[serde(flatten)]
    request: Request,
}

#[derive(Serialize)]
struct Cancelled {
    dry_run: bool,
    /// The number of the request; empty when it had been called off before.
    changed: Vec<i64>,
}

impl Requests {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        match self {
            Self::Ls { limit } => ls(global, &fleet, limit).await?,
            Self::Cancel { id, change } => cancel(global, &fleet, id, &change).await?,
        }
        Ok(Verdict::Clean)
    }
}

async fn ls(global: &Global, fleet: &Fleet, limit: i64) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for site in &fleet.sites {
        let requests = requests::list(site, limit).await?;
        rows.extend(requests.into_iter().map(|request| Row { service: site.service, request }));
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.request.requested_at));
    ui::show(global.json, &rows, |rows| {
        let row = |Row { service, request }: &Row| {
            let total = request.total.map(|total| format!("/{total}")).unwrap_or_default();
            [
                service.to_string(),
                request.id.to_string(),
                request.kind.clone(),
                request.name.clone(),
                request.state.clone(),
                format!("{}{total}", request.done),
                request.requested_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            ]
        };
        let header = ["service", "id", "kind", "read model", "state", "events", "asked (UTC)"];
        ui::table(header, rows.iter().map(row), "nothing was asked for")
    })
}

async fn cancel(global: &Global, fleet: &Fleet, id: i64, change: &Change) -> Result<(), Failure> {
    let (site, order) = (fleet.only()?, order(global, change)?);
    let mut changed = Vec::new();
    if requests::cancel(site, &order, id).await? {
        changed.push(id);
    } else {
        let found = requests::get(site, id).await?;
        let state = found.map_or_else(|| "not there".to_owned(), |request| request.state);
        if state != "cancelled" {
            return Err(Failure::Refused(format!(
                "request {id} of {} is {state}, so there is nothing to call off; `requests ls` lists them",
                site.service
            )));
        }
    }
    let done = Cancelled { dry_run: order.dry_run, changed };
    ui::show(global.json, &done, |done| {
        ui::changed(done.dry_run, done.changed.len(), "called off", "would be called off")
    })
}
