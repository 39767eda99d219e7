//! Recorded judgements, made again and compared.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use clap::Args;
use content_analysis::Model;
use content_screening::{Analyser as _, RuleAnalyser, RuleFiles};
use event_runtime::operator::records::Range;

use super::flip::Flip;
use super::judge::Judge;
use super::read::{Item, Stores};
use super::report::{Report, Run};
use super::tally::Tally;
use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::fleet::Fleet;
use crate::{ui, value};

/// The private event that has a judgement.
const JUDGEMENT: &str = "screening.completed.v1";

/// What judges again, and what is done with what it says.
#[derive(Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    files: Files,
    /// Judgements of then or later: RFC 3339, or how long ago
    #[arg(long, value_name = "TIME", value_parser = value::moment)]
    from: Option<DateTime<Utc>>,
    /// Judgements of before: RFC 3339, or how long ago
    #[arg(long, value_name = "TIME", value_parser = value::moment)]
    to: Option<DateTime<Utc>>,
    #[command(flatten)]
    output: Output,
}

/// What other rules would have done lately.
#[derive(Args)]
pub(crate) struct WhatIf {
    #[command(flatten)]
    files: Files,
    /// How many days back
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3_660))]
    days: u16,
    #[command(flatten)]
    output: Output,
}

/// Rules and a model; those of this program where none are named.
#[derive(Args)]
struct Files {
    /// Thresholds, TOML
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Words and phrases, TOML
    #[arg(long, value_name = "FILE")]
    lexicon: Option<PathBuf>,
    /// Weights of links, repetition and flooding, TOML
    #[arg(long, value_name = "FILE")]
    signals: Option<PathBuf>,
    /// A trained model
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

#[derive(Args)]
struct Output {
    /// Where `report.json` and `flips.jsonl`, one line for each changed judgement, are written
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show what was written in the examples
    #[arg(long)]
    show_texts: bool,
    /// How many threads judge; otherwise one for each processor
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

impl Replay {
    pub(super) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let Self { files, from, to, output } = self;
        let report = replay(global, &files, (from, to), &output).await?;
        ui::show(global.json, &report, Report::text)?;
        Ok(if report.is_same() { Verdict::Clean } else { Verdict::Findings })
    }
}

impl WhatIf {
    pub(super) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let Self { files, days, output } = self;
        let from = value::moment(&format!("{days}d")).map_err(Failure::Usage)?;
        let report = replay(global, &files, (Some(from), None), &output).await?;
        ui::show(global.json, &report, Report::what_if)?;
        Ok(if report.is_same() { Verdict::Clean } else { Verdict::Findings })
    }
}

async fn replay(
    global: &Global,
    files: &Files,
    (from, to): (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    output: &Output,
) -> Result<Report, Failure> {
    let judge = Arc::new(files.judge(output.show_texts)?);
    let fleet = Fleet::connect(global).await?;
    let stores = Stores::of(&fleet)?;
    let threads = output
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get), usize::from);
    let mut flips = output.out.as_deref().map(Flips::create).transpose()?;
    let started = Instant::now();
    let range = Range { event_type: JUDGEMENT, from, to, up_to: stores.head().await? };
    let busy = ui::Busy::new("judging again");
    let total = if busy.is_shown() { Some(stores.count(range).await?) } else { None };
    let mut tally = Tally::default();
    let mut items = stores.page(range, 0).await?;
    while let Some(last) = items.last() {
        // While these are judged, the next ones are read.
        let after = last.record.position;
        let judging = tokio::task::spawn_blocking({
            let judge = Arc::clone(&judge);
            move || in_parts(&judge, &items, threads)
        });
        let (next, judged) = tokio::join!(stores.page(range, after), judging);
        let (counted, changed) =
            judged.map_err(|error| Failure::failed("a thread ended early", &error))??;
        tally.merge(counted);
        if let Some(flips) = &mut flips {
            flips.write(&changed)?;
        }
        busy.at(tally.recorded, total);
        items = next?;
    }
    drop(busy);
    let run = Run {
        analyser: judge.analyser.version().to_string(),
        from,
        to,
        seconds: started.elapsed().as_secs_f64(),
        threads,
    };
    let report = Report::new(run, tally);
    if let Some(flips) = flips {
        flips.finish(&report)?;
    }
    Ok(report)
}

/// Judges parts of some judgements side by side; what comes of it is in their order.
fn in_parts(judge: &Judge, items: &[Item], threads: usize) -> Result<(Tally, Vec<Flip>), Failure> {
    let parts = items.chunks(items.len().div_ceil(threads).max(1));
    std::thread::scope(|scope| {
        let running: Vec<_> = parts.map(|part| scope.spawn(move || judge.judge(part))).collect();
        let (mut tally, mut flips) = (Tally::default(), Vec::new());
        for thread in running {
            let (counted, changed) = thread
                .join()
                .map_err(|_panic| Failure::Failed("a thread ended early".to_owned()))?;
            tally.merge(counted);
            flips.extend(changed);
        }
        Ok((tally, flips))
    })
}

impl Files {
    fn judge(&self, shows_texts: bool) -> Result<Judge, Failure> {
        let policy = self.policy.as_deref().map(read).transpose()?;
        let lexicon = self.lexicon.as_deref().map(read).transpose()?;
        let signals = self.signals.as_deref().map(read).transpose()?;
        let built_in = RuleFiles::EMBEDDED;
        let rules = RuleFiles {
            lexicon: lexicon.as_deref().unwrap_or(built_in.lexicon),
            signals: signals.as_deref().unwrap_or(built_in.signals),
            policy: policy.as_deref().unwrap_or(built_in.policy),
        };
        let model =
            match &self.model {
                None => Arc::clone(content_analysis::Analyser::built_in().map_err(|error| {
                    Failure::failed("the built-in model cannot be used", &error)
                })?),
                Some(path) => {
                    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
                    let model = Model::from_bytes(&bytes)
                        .map_err(|error| Failure::Config(format!("{}: {error}", path.display())))?;
                    Arc::new(content_analysis::Analyser::new(model))
                }
            };
        let analyser = RuleAnalyser::new(rules, Arc::clone(&model))
            .map_err(|error| Failure::Config(error.to_string()))?;
        Ok(Judge { analyser, shows_texts })
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::Config(format!("{} cannot be read: {error}", path.display()))
}

/// The files of a replay.
struct Flips {
    dir: PathBuf,
    lines: BufWriter<File>,
}

impl Flips {
    fn create(dir: &Path) -> Result<Self, Failure> {
        let unwritten = |error: io::Error| {
            Failure::failed(format!("cannot write into {}", dir.display()), &error)
        };
        fs::create_dir_all(dir).map_err(unwritten)?;
        let lines = File::create(dir.join("flips.jsonl")).map_err(unwritten)?;
        Ok(Self { dir: dir.to_owned(), lines: BufWriter::new(lines) })
    }

    fn write(&mut self, flips: &[Flip]) -> Result<(), Failure> {
        for flip in flips {
            serde_json::to_writer(&mut self.lines, flip)
                .map_err(|error| Failure::failed("a line cannot be written", &error))?;
            self.lines.write_all(b"\n")?;
        }
        Ok(())
    }

    fn finish(mut self, report: &Report) -> Result<(), Failure> {
        self.lines.flush()?;
        let json = serde_json::to_vec_pretty(report)
            .map_err(|error| Failure::failed("the report has no JSON form", &error))?;
        let path = self.dir.join("report.json");
        fs::write(&path, json)
            .map_err(|error| Failure::failed(format!("cannot write {}", path.display()), &error))
    }
}
