//! `cargo xtask`: the local stack, and the repository's own chores.

mod bench;
mod demo;
mod demo_data;
mod down;
mod drill;
mod fuzz_api;
mod location;
mod serve;
mod soak;
mod status;
mod supervise;
mod test;
mod tidy;
mod train_moderation;
mod ui;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything on this machine, and stop it with Ctrl-C
    Up(up::Up),
    /// Stop a stack that was started with `up --detach`
    Down(down::Down),
    /// Show what runs
    Status(status::Status),
    /// Walk the main journey against the running stack
    Demo(demo::Demo),
    /// Run everything that must pass
    Test(test::Test),
    /// Load a stack of its own, with or without kills, and recount every total
    Soak(soak::Soak),
    /// Faults on purpose
    Drill(drill::Drill),
    /// Try every operation of every service with inputs that nobody would think of
    FuzzApi(fuzz_api::FuzzApi),
    /// Measure
    Bench(bench::Bench),
    /// Train the model of content analysis
    TrainModeration(train_moderation::TrainModeration),
    /// Check the architecture and write the generated documents
    Tidy(tidy::Tidy),
    /// Become one service; the configuration comes from the environment
    #[command(hide = true)]
    Serve(serve::Serve),
    /// Run a stack in the background, as `up --detach` does
    #[command(hide = true)]
    Supervise(supervise::Supervise),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    // A service brings its own runtime.
    if let Command::Serve(serve) = command {
        return serve.run();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Up(up) => Box::pin(up.run()).await,
            Command::Down(down) => down.run().await,
            Command::Status(status) => status.run().await,
            Command::Demo(demo) => Box::pin(demo.run()).await,
            Command::Test(test) => Box::pin(test.run()).await,
            Command::Soak(soak) => Box::pin(soak.run()).await,
            Command::Drill(drill) => drill.run().await,
            Command::FuzzApi(fuzz) => Box::pin(fuzz.run()).await,
            Command::Bench(bench) => Box::pin(bench.run()).await,
            Command::TrainModeration(train) => train.run().await,
            Command::Tidy(tidy) => tidy.run(),
            Command::Supervise(supervise) => Box::pin(supervise.run()).await,
            Command::Serve(serve) => serve.run(),
        }
    })
}
