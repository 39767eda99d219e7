//! What people and programs see: results on standard output, everything else on standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::exit::Failure;

/// One line of a result.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}") {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// One line beside the result.
pub(crate) fn note(text: impl Display) {
    // Without a standard error there is nobody to tell.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// A report as JSON for programs, or as text for people.
pub(crate) fn show<T: Serialize>(
    json: bool,
    report: &T,
    text: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    if json {
        let json = serde_json::to_string_pretty(report)
            .map_err(|error| Failure::failed("the report has no JSON form", &error))?;
        line(json)
    } else {
        line(text(report).trim_end())
    }
}

/// One JSON document on one line.
pub(crate) fn json_line(report: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string(report)
        .map_err(|error| Failure::failed("the report has no JSON form", &error))?;
    line(json)
}

/// A table for people; cells are never broken, so that ids can be copied. A sentence when there are no rows.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    without_rows: &str,
) -> String {
    let rows: Vec<[String; N]> = rows.into_iter().collect();
    if rows.is_empty() {
        return without_rows.to_owned();
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header)
        .add_rows(rows);
    table.to_string()
}

/// Shows that something is going on, on a terminal only.
pub(crate) struct Busy(Option<ProgressBar>);

impl Busy {
    /// Work of unknown length.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_message(what.into());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        }))
    }

    /// Whether anybody sees it.
    pub(crate) fn is_shown(&self) -> bool {
        self.0.is_some()
    }

    /// What is being done now.
    pub(crate) fn say(&self, what: impl Into<String>) {
        if let Some(bar) = &self.0 {
            bar.set_message(what.into());
        }
    }

    /// How much of how much is done.
    pub(crate) fn at(&self, done: u64, total: Option<u64>) {
        let Some(bar) = &self.0 else { return };
        if let (Some(total), None) = (total, bar.length()) {
            let style = ProgressStyle::with_template(
                "{spinner} [{bar:24}] {pos}/{len} {msg} {per_sec} {eta}",
            );
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_length(total);
        }
        bar.set_position(done);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Something that may be absent.
pub(crate) fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// `yes` or nothing, so that the rare case stands out.
pub(crate) fn yes(is_so: bool) -> String {
    if is_so { "yes".to_owned() } else { String::new() }
}

/// What a change did, as a sentence before its rows.
pub(crate) fn changed(dry_run: bool, count: usize, did: &str, would: &str) -> String {
    match (count, dry_run) {
        (0, _) => "nothing to change".to_owned(),
        (count, false) => format!("{did}: {count}"),
        (count, true) => format!("{would}: {count} (nothing was changed)"),
    }
}
