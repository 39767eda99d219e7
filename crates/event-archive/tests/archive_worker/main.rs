//! A process that exports, for tests that kill it or take its disk away.
//!
//! `archive-worker <database> <service> <directory> <jsonl|parquet> <events per second> <events per stretch>` exports everything of a
//! service. Says `stretch` after each stretch and `done` at the end; fails with the whole chain of causes on standard error.

use std::{
    error::Error,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use event_archive::{Format, Options, export};
use event_runtime::{Clock, History};
use sea_orm::{ConnectOptions, Database};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let Err(failure) = run().await else { return ExitCode::SUCCESS };
    // Where the reader of standard error is gone, nobody wants to know.
    drop(writeln!(io::stderr(), "{}", event_runtime::error::chain(&*failure)));
    ExitCode::FAILURE
}

async fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, service, directory, format, per_second, per_stretch] = &*arguments else {
        return Err("six arguments are needed".into());
    };
    let mut options = ConnectOptions::new(database.clone());
    options.max_connections(2).sqlx_logging(false);
    let history = History::new(Database::connect(options).await?, service.parse()?);
    let format = match &**format {
        "jsonl" => Format::Jsonl,
        "parquet" => Format::Parquet,
        other => return Err(format!("{other} is no format").into()),
    };
    let options = Options {
        events_per_second: per_second.parse()?,
        stretch_events: per_stretch.parse()?,
        ..Options::all(format)
    };
    let mut files = 0;
    let mut said = Ok(());
    let exported = export(&[history], Path::new(directory), &options, &Clock::System, |progress| {
        if progress.files > files {
            files = progress.files;
            said = writeln!(io::stdout(), "stretch");
        }
    })
    .await;
    said?;
    exported?;
    writeln!(io::stdout(), "done")?;
    Ok(())
}
