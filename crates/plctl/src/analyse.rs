//! `analyse`: scores of texts in a file, so that anyone can measure the analyser on texts of their own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use content_analysis::{Analyser, Scores};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::ui;

/// Lines that are read before they are scored.
const BATCH: usize = 8_192;

/// Score the texts of a file, without any service
#[derive(Args)]
pub(crate) struct Analyse {
    /// Lines of `{"id": …, "text": "…"}`; `-` is standard input
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Where lines of `{"id": …, "scores": {"spam": 0.01, …}}` go, in the same order; `-` is standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How many threads score; otherwise one for each processor
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

/// Other members of a line are of no interest here.
#[derive(Deserialize)]
struct Line {
    /// Any JSON value; it is written as it was read.
    id: Value,
    text: String,
}

#[derive(Serialize)]
struct Scored<'a> {
    id: &'a Value,
    scores: Scores,
}

/// What was done.
#[derive(Serialize)]
struct Report {
    texts: u64,
    bytes: u64,
    seconds: f64,
    texts_per_second: f64,
    threads: usize,
    model: String,
}

impl Analyse {
    #[expect(clippy::unused_async, reason = "every command is awaited")]
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let threads = self.threads.map_or_else(
            || std::thread::available_parallelism().map_or(1, NonZero::get),
            usize::from,
        );
        let analyser = Analyser::built_in()
            .map_err(|error| Failure::failed("the built-in model cannot be used", &error))?;
        let mut input = open(&self.file)?;
        let is_shown = self.out != Path::new("-");
        let mut output = create(&self.out)?;
        let busy = ui::Busy::new("scoring texts");
        let started = Instant::now();
        let (mut texts, mut bytes, mut number) = (0, 0, 0);
        loop {
            let lines = batch(&mut *input, &mut number, &self.file)?;
            if lines.is_empty() {
                break;
            }
            texts += lines.len() as u64;
            bytes += lines.iter().map(|line| line.text.len() as u64).sum::<u64>();
            for part in score(analyser, &lines, threads)? {
                output.write_all(&part).map_err(|error| unwritten(&self.out, &error))?;
            }
            busy.at(texts, None);
        }
        output.flush().map_err(|error| unwritten(&self.out, &error))?;
        let seconds = started.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 texts")]
        let texts_per_second = texts as f64 / seconds.max(1e-9);
        let model = analyser.model().version().to_owned();
        let report = Report { texts, bytes, seconds, texts_per_second, threads, model };
        if is_shown {
            ui::show(global.json, &report, text)?;
        }
        Ok(Verdict::Clean)
    }
}

fn text(report: &Report) -> String {
    format!(
        "{} texts of {} bytes scored in {:.1} s: {:.0} a second on {} threads, reading and writing included. Model {}.",
        report.texts,
        report.bytes,
        report.seconds,
        report.texts_per_second,
        report.threads,
        report.model
    )
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path)
        .map_err(|error| Failure::failed(format!("cannot read {}", path.display()), &error))?;
    Ok(Box::new(BufReader::new(file)))
}

fn create(path: &Path) -> Result<Box<dyn Write>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::new(io::stdout().lock())));
    }
    let file = File::create(path).map_err(|error| unwritten(path, &error))?;
    Ok(Box::new(BufWriter::new(file)))
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot write {}", path.display()), error)
}

/// The next lines; none at the end.
fn batch(input: &mut dyn BufRead, number: &mut u64, path: &Path) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    let mut bytes = Vec::new();
    while lines.len() < BATCH {
        bytes.clear();
        let read = input
            .read_until(b'\n', &mut bytes)
            .map_err(|error| Failure::failed(format!("cannot read {}", path.display()), &error))?;
        if read == 0 {
            break;
        }
        *number += 1;
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let line = serde_json::from_slice(&bytes).map_err(|error| {
            Failure::Failed(format!(
                "line {number} of {} is not {{\"id\": …, \"text\": \"…\"}}: {error}",
                path.display()
            ))
        })?;
        lines.push(line);
    }
    Ok(lines)
}

/// The lines to write, in order, part by part.
fn score(analyser: &Analyser, lines: &[Line], threads: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let parts = lines.chunks(lines.len().div_ceil(threads).max(1));
    std::thread::scope(|scope| {
        let running: Vec<_> =
            parts.map(|part| scope.spawn(move || score_part(analyser, part))).collect();
        let ended = running.into_iter().map(|thread| {
            thread.join().map_err(|_panic| Failure::Failed("a thread ended early".to_owned()))?
        });
        ended.collect()
    })
}

fn score_part(analyser: &Analyser, lines: &[Line]) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::with_capacity(lines.len() * 160);
    for line in lines {
        let scored = Scored { id: &line.id, scores: analyser.analyse(&line.text).scores };
        serde_json::to_writer(&mut out, &scored)
            .map_err(|error| Failure::failed("a line has no JSON form", &error))?;
        out.push(b'\n');
    }
    Ok(out)
}
