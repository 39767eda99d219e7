//! The operator's tool: looks at events, streams and consumer groups, and intervenes.
//!
//! One module per noun of the command line. What is asked of databases and Redis is `event_runtime::operator`; this crate finds
//! the services, shows reports as tables or JSON, and turns outcomes into exit codes. It knows no service's code, so that it
//! can be built and handed out alone.

mod actions;
mod analyse;
mod api;
mod bench;
pub mod cli;
mod completions;
mod config;
mod consumers;
mod doctor;
mod epoch;
mod events;
mod exit;
mod export;
mod fleet;
mod gaps;
mod groups;
mod lag;
mod lease;
mod maintenance;
mod mint;
mod moderation;
mod parked;
mod pending;
pub mod reference;
mod relay;
mod replay;
mod requests;
mod schema;
mod select;
mod streams;
mod top;
mod trim;
mod ui;
mod value;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

use cli::Arguments;

/// Runs the program as its command line says.
pub fn main() -> ExitCode {
    let Arguments { global, command } = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            ui::note(format_args!("error: cannot start the async runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(Box::pin(command.run(&global)));
    // A connection that waits for a server that is gone must not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(verdict) => verdict.into(),
        Err(failure) => {
            ui::note(&failure);
            failure.into()
        }
    }
}
