//! Numbers: percentiles, what the disk costs, what a process weighs.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// The value below which a share of the values lie; 0 for none.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).copied().unwrap_or(0.0)
}

/// The value in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// Milliseconds that one page takes to the disk on which `directory` is, again and again.
pub(crate) fn sync_cost(directory: &Path, rounds: usize) -> Result<Vec<f64>> {
    let path = directory.join("sync-cost");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&path)?;
    let page = [7; 8192];
    let mut costs = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let began = Instant::now();
        file.write_all(&page)?;
        File::sync_data(&file)?;
        costs.push(millis(began.elapsed()));
    }
    std::fs::remove_file(path)?;
    Ok(costs)
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Megabytes of memory that a process holds.
pub(crate) fn resident_megabytes(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kilobytes / 1024.0)
}

/// Seconds of processor time that a process has used, with the children that it has waited for.
fn processor_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may itself hold spaces and parentheses; fields 14 to 17 of proc(5) are times.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks: f64 = fields.split(' ').skip(11).take(4).filter_map(|f| f.parse::<f64>().ok()).sum();
    Some(ticks / 100.0)
}

/// Processor time by who used it. Unlike a clock on the wall it hardly depends on what else the machine does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Processor {
    pub(crate) ours: f64,
    pub(crate) redis: f64,
    pub(crate) postgres: f64,
}

impl Processor {
    /// What this process and both servers have used so far, in seconds.
    pub(crate) fn now(redis: u32, postgres: u32) -> Result<Self> {
        let mut used = processor_seconds(postgres).context("PostgreSQL is gone")?;
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            if parent(pid) == Some(postgres) {
                used += processor_seconds(pid).unwrap_or(0.0);
            }
        }
        Ok(Self {
            ours: processor_seconds(std::process::id()).context("no /proc")?,
            redis: processor_seconds(redis).context("Redis is gone")?,
            postgres: used,
        })
    }

    /// Microseconds per event since an earlier moment.
    pub(crate) fn per_event(self, before: Self, events: u64) -> Self {
        let each = |now: f64, before: f64| (now - before) * 1e6 / events as f64;
        Self {
            ours: each(self.ours, before.ours),
            redis: each(self.redis, before.redis),
            postgres: each(self.postgres, before.postgres),
        }
    }
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=1_000).map(f64::from).collect();

        assert!((percentile(&values, 0.999) - 999.0).abs() < f64::EPSILON);
        assert!((median(&values) - 500.0).abs() < f64::EPSILON);
        assert!(percentile(&[], 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn this_process_weighs_something() {
        assert!(resident_megabytes(std::process::id()).unwrap() > 1.0);
    }
}
