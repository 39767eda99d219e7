//! `verify`: the promises of the runtime, checked.

use event_runtime::operator::verify::{self, Check};

use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::fleet::Fleet;
use crate::{gaps, ui};

/// Checks density, order, content of streams, watermarks, trimming and the park.
#[derive(clap::Args)]
pub(crate) struct Verify {}

impl Verify {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let Self {} = self;
        let fleet = Fleet::connect(global).await?;
        let checks = {
            let busy = ui::Busy::new("verifying");
            let progress = |service, check: &'static str| busy.say(format!("{service}: {check}"));
            verify::run(&fleet.sites, &progress).await?
        };
        ui::show(global.json, &checks, |checks| {
            let row = |check: &Check| {
                let verdict = match check.findings.len() {
                    0 => "holds".to_owned(),
                    count => format!("BROKEN ({count})"),
                };
                let (service, name) = (check.service.to_string(), check.check.to_owned());
                [service, name, check.looked_at.to_string(), verdict]
            };
            let table = ui::table(
                ["service", "promise", "looked at", "verdict"],
                checks.iter().map(row),
                "no service",
            );
            let found = checks.iter().flat_map(|check| &check.findings);
            format!("{table}\n\n{}", gaps::findings(found))
        })?;
        let is_clean = checks.iter().all(|check| check.findings.is_empty());
        Ok(if is_clean { Verdict::Clean } else { Verdict::Findings })
    }
}
