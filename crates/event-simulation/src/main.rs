//! Looks for an order of events in which the runtime breaks a promise.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use anyhow::Result;
use clap::Parser;
use event_simulation::{Violation, replay, run};
use indicatif::{ProgressBar, ProgressStyle};

/// Run the event runtime's rules through seeded worlds full of faults.
#[derive(Parser)]
struct Arguments {
    /// How many worlds
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Tell one world step by step instead
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    replay: Option<u64>,
    /// How many at a time; as many as there are processors if not given
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.replay {
        let (trace, result) = replay(seed, None);
        let mut out = io::stdout().lock();
        for line in trace {
            writeln!(out, "{line}")?;
        }
        return Ok(if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    search(&arguments)
}

fn search(arguments: &Arguments) -> Result<ExitCode> {
    let bar = ProgressBar::new(arguments.seeds);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {human_pos}/{human_len} worlds, {per_sec}, {eta} left",
    )?);
    let threads = arguments
        .threads
        .or_else(|| thread::available_parallelism().ok().map(Into::into))
        .unwrap_or(1)
        .max(1);
    let (next, steps, events, faults) =
        (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let found: Vec<(u64, Violation)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= arguments.seeds {
                            return None;
                        }
                        let seed = arguments.from + number;
                        match run(seed, None) {
                            Ok(report) => {
                                steps.fetch_add(report.steps as u64, Ordering::Relaxed);
                                events.fetch_add(report.events as u64, Ordering::Relaxed);
                                faults.fetch_add(report.faults as u64, Ordering::Relaxed);
                            }
                            Err(violation) => {
                                // The others stop at their next world.
                                next.store(u64::MAX / 2, Ordering::Relaxed);
                                return Some((seed, violation));
                            }
                        }
                        bar.inc(1);
                    }
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok().flatten()).collect()
    });
    bar.finish_and_clear();
    let mut out = io::stdout().lock();
    if let Some((seed, violation)) = found.first() {
        writeln!(out, "seed {seed}: {violation}")?;
        writeln!(out, "cargo run -p event-simulation -- --replay {seed}")?;
        return Ok(ExitCode::FAILURE);
    }
    writeln!(
        out,
        "{} worlds, {} steps, {} events, {} faults: every promise was kept",
        arguments.seeds,
        steps.into_inner(),
        events.into_inner(),
        faults.into_inner()
    )?;
    Ok(ExitCode::SUCCESS)
}
