//! `train-moderation DIRECTORY [MODEL] [--hold-out SOURCE,...]`: trains the model and prints how it does.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    time::Instant,
};

use anyhow::{Context as _, Result};
use content_analysis::train::{Options, train};

fn main() -> Result<()> {
    let mut options = Options::default();
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--hold-out" {
            let sources =
                arguments.next().context("--hold-out needs sources, separated by commas")?;
            options.hold_out = sources.split(',').map(str::to_owned).collect();
        } else {
            paths.push(argument.into());
        }
    }
    let data = paths
        .first()
        .context("usage: train-moderation DIRECTORY [MODEL] [--hold-out SOURCE,...]")?;
    let started = Instant::now();
    let trained = train(data, &options)?;
    let file = trained.model.to_bytes()?;
    let mut out = io::stdout().lock();
    write!(out, "{}", trained.table)?;
    writeln!(
        out,
        "model {} from {} rows in {:.1} s, {:.2} MB",
        trained.model.version(),
        trained.rows,
        started.elapsed().as_secs_f64(),
        f64::from(u32::try_from(file.len())?) / 1e6
    )?;
    if let Some(path) = paths.get(1) {
        std::fs::write(path, file).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
