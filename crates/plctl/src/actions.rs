//! `actions`: who did what, and why.

use event_runtime::operator::actions::{Action, list};
use serde::Serialize;
use shared_schemas::Service;

use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::fleet::Fleet;
use crate::ui;

/// Lists what operators did, newest first.
#[derive(clap::Args)]
pub(crate) struct Actions {
    /// At most this many per service
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: i64,
}

#[derive(Serialize)]
struct Row {
    service: Service,
    #[serde(flatten)]
    action: Action,
}

impl Actions {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        let mut rows = Vec::new();
        for site in &fleet.sites {
            let actions = list(site, self.limit).await?;
            rows.extend(actions.into_iter().map(|action| Row { service: site.service, action }));
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.action.acted_at));
        ui::show(global.json, &rows, |rows| {
            let row = |Row { service, action }: &Row| {
                [
                    action.acted_at.format("%Y-%m-%d %H:%M:%S").to_string(),
                    service.to_string(),
                    action.operator.clone(),
                    action.command.clone(),
                    action.arguments.to_string().chars().take(60).collect(),
                    ui::or_dash(action.reason.as_deref()),
                ]
            };
            let header = ["at (UTC)", "service", "operator", "command", "arguments", "reason"];
            ui::table(header, rows.iter().map(row), "no operator has changed anything")
        })?;
        Ok(Verdict::Clean)
    }
}
