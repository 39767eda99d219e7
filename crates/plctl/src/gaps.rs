//! `gaps`: holes between store and readers.

use clap::Subcommand;
use event_runtime::operator::gaps::{self, Course, Finding};

use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::fleet::Fleet;
use crate::ui;

/// Holes between store and readers.
#[derive(Subcommand)]
pub(crate) enum Gaps {
    /// Compare store, publication, stream and watermarks; exit code 3 when something is missing
    Check,
}

impl Gaps {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let Self::Check = self;
        let fleet = Fleet::connect(global).await?;
        let found = {
            let _busy = ui::Busy::new("following every event");
            gaps::check(&fleet.sites).await?
        };
        ui::show(global.json, &found, |found| {
            let header = ["partition", "numbered", "head", "stream", "entries", "slowest reader"];
            let courses = ui::table(header, found.courses.iter().map(row), "no partitions");
            format!("{courses}\n\n{}", findings(&found.findings))
        })?;
        Ok(if found.findings.is_empty() { Verdict::Clean } else { Verdict::Findings })
    }
}

fn row(course: &Course) -> [String; 6] {
    [
        format!("{}/{}", course.service, course.partition),
        course.numbered.to_string(),
        course.head.to_string(),
        format!("{}..{}", course.first, course.last),
        course.length.to_string(),
        ui::or_dash(course.slowest.as_ref().map(|(group, at)| format!("{group} at {at}"))),
    ]
}

/// What is wrong, one line each.
pub(crate) fn findings<'a>(found: impl IntoIterator<Item = &'a Finding>) -> String {
    let row = |finding: &Finding| {
        let place = finding.partition.map_or_else(
            || finding.service.to_string(),
            |partition| format!("{}/{partition}", finding.service),
        );
        [finding.rule.to_owned(), place, finding.what.clone()]
    };
    ui::table(["rule", "where", "what"], found.into_iter().map(row), "nothing is wrong")
}
