//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use shared_schemas::Service;

use crate::exit::{Failure, Verdict};
use crate::{
    actions, analyse, bench, completions, consumers, doctor, epoch, events, export, gaps, groups,
    lag, lease, maintenance, mint, moderation, parked, pending, relay, replay, requests, schema,
    streams, top, trim, verify,
};

/// The whole command line.
#[derive(Parser)]
#[command(name = "plctl", version, about, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Args)]
pub(crate) struct Global {
    /// Print the report as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Only this service; may be repeated
    #[arg(long, global = true, value_name = "SERVICE")]
    pub(crate) service: Vec<Service>,
    /// A TOML file with `redis_url` and a table `[databases]` of URLs by service
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The directory of a stack on this machine; otherwise `target/local` here or above
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) stack: Option<PathBuf>,
    /// Who you are, kept with everything you change
    #[arg(long, global = true, value_name = "NAME", env = "USER", hide_env_values = true)]
    pub(crate) operator: Option<String>,
}

/// What every command that changes something understands.
#[derive(Args)]
pub(crate) struct Change {
    /// Say what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Why, kept with the action
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// What can be asked and done.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Events at a glance
    #[command(subcommand)]
    Events(events::Events),
    /// How far every group is behind
    Lag(lag::Lag),
    /// The streams in Redis
    #[command(subcommand)]
    Streams(streams::Streams),
    /// Consumer groups: watermarks, pausing, moving
    #[command(subcommand)]
    Groups(groups::Groups),
    /// Members of groups as Redis knows them
    #[command(subcommand)]
    Consumers(consumers::Consumers),
    /// Who works on which partition
    #[command(subcommand)]
    Lease(lease::Lease),
    /// What was delivered and not acknowledged
    #[command(subcommand)]
    Pending(pending::Pending),
    /// Events that could not be applied
    #[command(subcommand)]
    Parked(parked::Parked),
    /// Publishing
    #[command(subcommand)]
    Relay(relay::Relay),
    /// The generations of streams
    #[command(subcommand)]
    Epoch(epoch::Epoch),
    /// Let what everybody has read leave the streams
    Trim(trim::Trim),
    /// Holes between store and readers
    #[command(subcommand)]
    Gaps(gaps::Gaps),
    /// Published events again, for another reader
    #[command(subcommand)]
    Replay(replay::Replay),
    /// Published events in files that prove their completeness
    Export(export::Export),
    /// Check every promise of the runtime; exit code 3 when one is broken
    Verify(verify::Verify),
    /// Event types in the stores
    #[command(subcommand)]
    Schema(schema::Schema),
    /// Make a read model anew, in a running process of its service
    Rebuild(maintenance::Rebuild),
    /// Compare a read model with its events, in a running process of its service
    Audit(maintenance::Audit),
    /// What running processes were asked to do: rebuilds and audits
    #[command(subcommand)]
    Requests(requests::Requests),
    /// Mints, lanes and the chain
    Mint(mint::Mint),
    /// Judgements of texts: made again, compared and changed in batches; versions of the analyser
    #[command(subcommand)]
    Moderation(moderation::Moderation),
    /// What operators did
    Actions(actions::Actions),
    /// Score the texts of a file, without any service
    Analyse(analyse::Analyse),
    /// Where the measurements are
    Bench(bench::Bench),
    /// Watch streams, groups, lag and parked events
    Top(top::Top),
    /// Ask whether everything is as it should be
    Doctor(doctor::Doctor),
    /// A completion script for a shell
    Completions(completions::Completions),
}

impl Command {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        match self {
            Self::Events(command) => command.run(global).await,
            Self::Lag(command) => command.run(global).await,
            Self::Streams(command) => command.run(global).await,
            Self::Groups(command) => command.run(global).await,
            Self::Consumers(command) => command.run(global).await,
            Self::Lease(command) => command.run(global).await,
            Self::Pending(command) => command.run(global).await,
            Self::Parked(command) => command.run(global).await,
            Self::Relay(command) => command.run(global).await,
            Self::Epoch(command) => command.run(global).await,
            Self::Trim(command) => command.run(global).await,
            Self::Gaps(command) => command.run(global).await,
            Self::Replay(command) => command.run(global).await,
            Self::Export(command) => command.run(global).await,
            Self::Verify(command) => command.run(global).await,
            Self::Schema(command) => command.run(global).await,
            Self::Rebuild(command) => command.run(global).await,
            Self::Audit(command) => command.run(global).await,
            Self::Requests(command) => command.run(global).await,
            Self::Mint(command) => Box::pin(command.run(global)).await,
            Self::Moderation(command) => Box::pin(command.run(global)).await,
            Self::Actions(command) => command.run(global).await,
            Self::Analyse(command) => command.run(global).await,
            Self::Bench(command) => command.run(global),
            Self::Top(command) => command.run(global).await,
            Self::Doctor(command) => command.run(global).await,
            Self::Completions(command) => command.run(),
        }
    }
}
