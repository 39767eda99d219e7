//! `schema`: event types in the stores.

use clap::Subcommand;
use event_runtime::operator::schema::{self, EventType, Readable};
use serde::Serialize;
use shared_schemas::Service;

use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::fleet::Fleet;
use crate::{gaps, ui};

/// Event types in the stores.
#[derive(Subcommand)]
pub(crate) enum Schema {
    /// Every event type with its version, and how many there are
    Ls,
    /// Decode every stored event as readers of this build would; exit code 3 when one cannot be read
    Check,
}

#[derive(Serialize)]
struct Of<T> {
    service: Service,
    #[serde(flatten)]
    of: T,
}

impl Schema {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        match self {
            Self::Ls => {
                let mut rows = Vec::new();
                for site in &fleet.sites {
                    let types = schema::list(site).await?.into_iter();
                    rows.extend(types.map(|of| Of { service: site.service, of }));
                }
                ui::show(global.json, &rows, |rows| list(rows))?;
                Ok(Verdict::Clean)
            }
            Self::Check => {
                let mut rows = Vec::new();
                for site in &fleet.sites {
                    let busy = ui::Busy::new(format!("reading the events of {}", site.service));
                    let of = schema::check(site, &|count| busy.at(count, None)).await?;
                    rows.push(Of { service: site.service, of });
                }
                ui::show(global.json, &rows, |rows| readable(rows))?;
                let is_clean = rows.iter().all(|row| row.of.findings.is_empty());
                Ok(if is_clean { Verdict::Clean } else { Verdict::Findings })
            }
        }
    }
}

fn list(rows: &[Of<EventType>]) -> String {
    let row = |Of { service, of }: &Of<EventType>| {
        let who = if of.is_public { "everybody" } else { "its service" };
        [service.to_string(), of.event_type.clone(), who.to_owned(), of.events.to_string()]
    };
    ui::table(["service", "type", "read by", "events"], rows.iter().map(row), "no events")
}

fn readable(rows: &[Of<Readable>]) -> String {
    let row = |Of { service, of }: &Of<Readable>| {
        let unreadable = of.findings.len().to_string();
        [service.to_string(), of.decoded.to_string(), of.private.to_string(), unreadable]
    };
    let header = ["service", "decoded", "of its service alone", "unreadable"];
    let table = ui::table(header, rows.iter().map(row), "no service");
    format!("{table}\n\n{}", gaps::findings(rows.iter().flat_map(|row| &row.of.findings)))
}
