//! `export`: published events in files that prove their completeness.

use std::path::PathBuf;

use clap::ValueEnum;
use event_archive::{ArchiveError, Exported, Manifest, Options, Progress, Verification};
use event_runtime::Clock;
use serde::Serialize;

use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::fleet::Fleet;
use crate::select::{Select, sources};
use crate::ui;

/// Exports published events; called again, it continues where it stopped.
#[derive(clap::Args)]
pub(crate) struct Export {
    /// The directory of the archive
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The form of the files
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    format: Format,
    #[command(flatten)]
    select: Select,
    /// Events a second at most; 0 for as many as there are
    #[arg(long, value_name = "N", default_value_t = 0)]
    rate: u32,
    /// Read the archive again, and say what is missing, changed or too much; exit code 3 when it is not whole
    #[arg(long)]
    verify: bool,
    /// Say how many events there are to look at, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// The form of the files.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One CloudEvents document per line
    Jsonl,
    /// Apache Parquet
    Parquet,
}

#[derive(Serialize)]
struct Report<'a> {
    manifest: &'a Manifest,
    manifest_sha256: &'a str,
    verification: Option<&'a Verification>,
}

#[derive(Serialize)]
struct Plan {
    dry_run: bool,
    /// Published events of the services, before any filter.
    published: u64,
}

impl Export {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        let sources = sources(&fleet);
        if self.dry_run {
            let mut plan = Plan { dry_run: true, published: 0 };
            for source in &sources {
                let heads = source.heads().await?;
                plan.published += heads.iter().map(|head| head.sequence).sum::<u64>();
            }
            ui::show(global.json, &plan, |plan| {
                format!(
                    "{} published events would be looked at (nothing was written)",
                    plan.published
                )
            })?;
            return Ok(Verdict::Clean);
        }
        let format = match self.format {
            Format::Jsonl => event_archive::Format::Jsonl,
            Format::Parquet => event_archive::Format::Parquet,
        };
        let options = Options {
            filter: self.select.into(),
            events_per_second: self.rate,
            ..Options::all(format)
        };
        let busy = ui::Busy::new("exporting");
        let report = |progress: &Progress| busy.at(progress.done, Some(progress.total));
        let exported =
            event_archive::export(&sources, &self.directory, &options, &Clock::System, report)
                .await?;
        drop(busy);
        let verification = if self.verify {
            let _busy = ui::Busy::new("verifying");
            let directory = self.directory.clone();
            let verified =
                tokio::task::spawn_blocking(move || event_archive::verify(&directory)).await;
            Some(
                verified
                    .map_err(|error| Failure::failed("the archive was not verified", &error))??,
            )
        } else {
            None
        };
        show(global, &exported, verification.as_ref())?;
        let is_whole = verification.is_none_or(|verification| verification.is_whole());
        Ok(if is_whole { Verdict::Clean } else { Verdict::Findings })
    }
}

fn show(
    global: &Global,
    exported: &Exported,
    verification: Option<&Verification>,
) -> Result<(), Failure> {
    let Exported { manifest, manifest_sha256 } = exported;
    let report = Report { manifest, manifest_sha256, verification };
    ui::show(global.json, &report, |report| {
        let mut lines = vec![
            format!("{} events in {} files", manifest.count, manifest.files.len()),
            format!("sha256 of the manifest: {manifest_sha256}"),
        ];
        if let Some(verification) = report.verification {
            lines.push(match verification.findings.len() {
                0 => "verified: whole".to_owned(),
                count => format!("NOT WHOLE: {count} findings"),
            });
            lines.extend(verification.findings.iter().map(|finding| format!("  {finding:?}")));
        }
        lines.join("\n")
    })
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        Self::failed("the archive", &error)
    }
}
