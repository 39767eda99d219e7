//! What was found: a table for people, JSON for programs, a page for the documentation.

use std::{fmt::Write as _, fs, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use comfy_table::{ContentArrangement, Table, presets};
use event_runtime::Clock;
use serde::Serialize;

/// What a figure must be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// The share of the limit must be at least this.
    Share(f64),
    /// The figure must be below this.
    Below(f64),
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) section: &'static str,
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What it is compared with, in the same unit and from the same run.
    pub(crate) limit: Option<f64>,
    pub(crate) goal: Option<Goal>,
}

impl Figure {
    pub(crate) fn new(
        section: &'static str,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Self { section, what: what.into(), value, unit, limit: None, goal: None }
    }

    /// Compared with a limit.
    #[must_use]
    pub(crate) fn of(mut self, limit: f64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Held against a goal.
    #[must_use]
    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    /// Whether the goal is met; `None` without one.
    pub(crate) fn is_met(&self) -> Option<bool> {
        Some(match self.goal? {
            Goal::Share(share) => self.share()? >= share,
            Goal::Below(most) => self.value < most,
        })
    }

    fn share(&self) -> Option<f64> {
        Some(self.value / self.limit?)
    }

    fn cells(&self) -> [String; 7] {
        [
            self.section.to_owned(),
            self.what.clone(),
            format!("{} {}", rounded(self.value), self.unit),
            self.limit.map(rounded).unwrap_or_default(),
            self.share().map(|share| format!("{:.0} %", share * 100.0)).unwrap_or_default(),
            self.goal.map(said).unwrap_or_default(),
            self.is_met().map(|met| if met { "yes" } else { "NO" }).unwrap_or_default().to_owned(),
        ]
    }
}

const HEADER: [&str; 7] = ["section", "what", "measured", "limit", "share", "goal", "met"];

fn said(goal: Goal) -> String {
    match goal {
        Goal::Share(share) => format!(">= {:.0} %", share * 100.0),
        Goal::Below(most) => format!("< {}", rounded(most)),
    }
}

/// Three digits that say something, and no more.
fn rounded(value: f64) -> String {
    if value >= 100.0 || value == 0.0 {
        let digits = format!("{value:.0}");
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(' ');
            }
            text.push(digit);
        }
        text
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// The machine and the moment.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Circumstances {
    pub(crate) command: String,
    pub(crate) date: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    /// Load average of the last minute before the first measurement; the machine may have had other things to do.
    pub(crate) load_before: f64,
    pub(crate) load_after: f64,
}

impl Circumstances {
    pub(crate) fn now(command: String) -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).with_context(|| path.to_owned());
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo")?, "MemTotal").context("no MemTotal")?;
        let kilobytes: f64 = memory.trim_end_matches(" kB").parse()?;
        Ok(Self {
            command,
            date: Clock::System.now().format("%Y-%m-%d %H:%M UTC").to_string(),
            processor: field(&read("/proc/cpuinfo")?, "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: kilobytes / 1024.0 / 1024.0,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load_before: load()?,
            load_after: 0.0,
        })
    }
}

/// The load average of the last minute.
pub(crate) fn load() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().context("no load average")?.parse()?)
}

/// Everything that one run found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) circumstances: Circumstances,
    pub(crate) figures: Vec<Figure>,
}

impl Report {
    /// The table for people.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(HEADER)
            .add_rows(self.figures.iter().map(Figure::cells));
        table.to_string()
    }

    /// Whether no goal was missed.
    pub(crate) fn is_met(&self) -> bool {
        self.figures.iter().all(|figure| figure.is_met() != Some(false))
    }

    /// Writes the JSON.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        Ok(fs::write(path, serde_json::to_string_pretty(self)? + "\n")?)
    }

    /// Writes the page, which names the JSON beside it.
    pub(crate) fn save_page(&self, path: &Path, json: &str) -> Result<()> {
        let Circumstances { command, date, processor, cores, kernel, .. } = &self.circumstances;
        let mut page = format!(
            "# Minting, measured\n\nWritten by `{command}` on {date}; the raw figures are in [{json}]({json}).\n\n\
             {processor}, {cores} cores, {:.0} GiB, Linux {kernel}; the worker, Redis, PostgreSQL (which waits for the disk) and the\n\
             chain (anvil, blocks of 30 million gas every second) share them. Load average {:.1} before and {:.1} after.\n\n\
             The limit is what the gas of the blocks buys in the same run: block gas limit ÷ measured gas of a mint ÷ block time.\n\
             The share is what the worker made of it.\n\n",
            self.circumstances.memory_gib,
            self.circumstances.load_before,
            self.circumstances.load_after,
        );
        rows(&mut page, HEADER, self.figures.iter().map(Figure::cells))?;
        Ok(fs::write(path, page)?)
    }
}

fn rows<const N: usize>(
    page: &mut String,
    header: [&str; N],
    cells: impl Iterator<Item = [String; N]>,
) -> Result<()> {
    writeln!(page, "| {} |\n|{}", header.join(" | "), "---|".repeat(N))?;
    for row in cells {
        writeln!(page, "| {} |", row.join(" | "))?;
    }
    Ok(())
}

/// One line of the result.
pub(crate) fn line(text: impl std::fmt::Display) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// One line beside the result.
pub(crate) fn note(text: impl std::fmt::Display) {
    // Without a standard error there is nobody to tell.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_or_missed_and_a_figure_without_one_is_neither() {
        let figure = Figure::new("s", "w", 70.0, "events/s");

        assert_eq!(figure.is_met(), None);
        assert_eq!(figure.clone().of(100.0).goal(Goal::Share(0.6)).is_met(), Some(true));
        assert_eq!(figure.clone().of(100.0).goal(Goal::Share(0.8)).is_met(), Some(false));
        assert_eq!(figure.goal(Goal::Below(70.0)).is_met(), Some(false));
    }

    #[test]
    fn figures_are_rounded_to_what_they_say() {
        assert_eq!(rounded(1_234_567.8), "1 234 568");
        assert_eq!(rounded(0.0), "0");
        assert_eq!(rounded(3.456), "3.46");
        assert_eq!(rounded(34.56), "34.6");
    }
}
