//! What people see: results on standard output, progress on standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use local_stack::stack::{Progress, ProgressSink};

/// One line of a result.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// One line beside the result.
pub(crate) fn note(text: impl Display) {
    // Without a standard error there is nobody to tell.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// An error with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    note(format_args!("error: {error:#}"));
}

/// A table for people; lines are never broken, so that URLs can be copied.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header)
        .add_rows(rows);
    table
}

/// Shows how far a start has come: a bar on a terminal, lines elsewhere.
#[derive(Clone)]
pub(crate) struct Steps {
    bar: Option<ProgressBar>,
    began: Instant,
}

impl Steps {
    /// A start of `count` parts.
    pub(crate) fn new(count: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(count);
            let style = ProgressStyle::with_template("{spinner} [{bar:24}] {pos}/{len} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, began: Instant::now() }
    }

    /// What a starting stack tells its progress to.
    pub(crate) fn sink(&self) -> ProgressSink {
        let steps = self.clone();
        Arc::new(move |progress| steps.show(&progress))
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn show(&self, progress: &Progress) {
        let seconds = self.began.elapsed().as_secs_f32();
        match (&self.bar, progress) {
            (Some(bar), Progress::Starting(name)) => bar.set_message(format!("starting {name}")),
            (Some(bar), Progress::Ready(name)) => {
                bar.inc(1);
                bar.set_message(format!("{name} is ready"));
            }
            (Some(bar), Progress::Note(text)) => bar.println(text),
            (None, Progress::Starting(name)) => {
                note(format_args!("{seconds:6.1} s  starting {name}"));
            }
            (None, Progress::Ready(name)) => note(format_args!("{seconds:6.1} s  ready: {name}")),
            (None, Progress::Note(text)) => note(format_args!("{seconds:6.1} s  {text}")),
        }
    }
}

/// Does long work and shows how far it is: a bar on a terminal, a line now and then elsewhere.
pub(crate) async fn with_count<T>(
    what: &str,
    total: usize,
    count: impl Fn() -> usize,
    work: impl Future<Output = T>,
) -> T {
    let bar = ProgressBar::new(total as u64);
    let style = ProgressStyle::with_template("{spinner} [{bar:24}] {pos}/{len} {msg} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    let terminal = io::stderr().is_terminal();
    tokio::pin!(work);
    let mut said = Instant::now();
    loop {
        tokio::select! {
            result = &mut work => {
                bar.finish_and_clear();
                return result;
            }
            () = tokio::time::sleep(Duration::from_millis(200)) => bar.set_position(count() as u64),
        }
        if !terminal && said.elapsed() > Duration::from_secs(5) {
            said = Instant::now();
            note(format_args!("{what}: {} of {total}", count()));
        }
    }
}
