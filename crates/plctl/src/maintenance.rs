//! `rebuild` and `audit`: asked of a running process of the service, because they need its handlers.

use std::time::{Duration, Instant};

use event_runtime::operator::Site;
use event_runtime::operator::requests::{self, Kind, Request};
use serde_json::json;

use crate::cli::{Change, Global};
use crate::exit::{Failure, Verdict};
use crate::fleet::{Fleet, order};
use crate::{ui, value};

/// How often it is looked how far the work is.
const POLL: Duration = Duration::from_millis(250);

/// How long a request may lie about before somebody asks whether the service runs.
const TAKEN_UP: Duration = Duration::from_secs(15);

/// What both have in common.
#[derive(clap::Args)]
pub(crate) struct Work {
    /// The read model: a category of the service's own, such as `post`, or a consumer group
    #[arg(value_name = "NAME")]
    name: String,
    /// Ask and do not wait for the end
    #[arg(long)]
    no_wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = value::duration)]
    timeout: Duration,
    #[command(flatten)]
    change: Change,
}

/// Makes a read model anew.
#[derive(clap::Args)]
pub(crate) struct Rebuild {
    #[command(flatten)]
    work: Work,
}

/// Compares a read model with its events.
#[derive(clap::Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    work: Work,
}

impl Rebuild {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        self.work.run(global, Kind::Rebuild).await
    }
}

impl Audit {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        self.work.run(global, Kind::Audit).await
    }
}

impl Work {
    async fn run(self, global: &Global, kind: Kind) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        let site = fleet.only()?;
        let order = order(global, &self.change)?;
        let Some(request) = requests::ask(site, &order, kind, &self.name).await? else {
            let plan = json!({ "dry_run": true, "service": site.service, "kind": kind, "name": self.name });
            ui::show(global.json, &plan, |_| {
                format!("{} would be asked of {} (nothing was changed)", self.name, site.service)
            })?;
            return Ok(Verdict::Clean);
        };
        let request = if self.no_wait { request } else { self.wait(site, request).await? };
        ui::show(global.json, &request, |request| {
            let result = request.result.as_ref().map(ToString::to_string);
            format!(
                "{} {}: {} {}",
                request.kind,
                request.name,
                request.state,
                result.unwrap_or_default()
            )
        })?;
        match request.state.as_str() {
            "failed" | "cancelled" => Err(Failure::Failed(format!(
                "the request {} {}",
                request.id,
                if request.state == "failed" {
                    "failed; the service's log has more"
                } else {
                    "was cancelled"
                }
            ))),
            _ if has_findings(&request) => Ok(Verdict::Findings),
            _ => Ok(Verdict::Clean),
        }
    }

    async fn wait(&self, site: &Site, mut request: Request) -> Result<Request, Failure> {
        let busy = ui::Busy::new(format!("{} {}", request.kind, request.name));
        let (began, mut is_told) = (Instant::now(), false);
        while !request.is_over() {
            if began.elapsed() > self.timeout {
                return Err(Failure::Failed(format!(
                    "request {} is still {} and goes on without us",
                    request.id, request.state
                )));
            }
            if request.state == "waiting" && began.elapsed() > TAKEN_UP && !is_told {
                is_told = true;
                ui::note(format_args!(
                    "nobody has taken it up yet: is a process of {} running?",
                    site.service
                ));
            }
            busy.at(
                u64::try_from(request.done).unwrap_or(0),
                request.total.and_then(|total| u64::try_from(total).ok()),
            );
            tokio::time::sleep(POLL).await;
            let found = requests::get(site, request.id).await?;
            request = found.ok_or_else(|| Failure::Failed("the request is gone".to_owned()))?;
        }
        Ok(request)
    }
}

/// Whether an audit found a difference.
fn has_findings(request: &Request) -> bool {
    let differences = request.result.as_ref().and_then(|result| result.get("differences"));
    differences.is_some_and(|found| {
        found.as_array().is_some_and(|rows| !rows.is_empty())
            || found.as_u64().is_some_and(|count| count > 0)
    })
}
