//! `consumers`: members of groups as Redis knows them.

use std::time::Duration;

use clap::Subcommand;
use event_runtime::operator::consumers::{self, Consumer, Reaped};

use crate::cli::{Change, Global};
use crate::exit::{Failure, Verdict};
use crate::fleet::{Fleet, order};
use crate::{ui, value};

/// Members of consumer groups.
#[derive(Subcommand)]
pub(crate) enum Consumers {
    /// Every member of every group
    Ls,
    /// Remove members that were handed nothing for long and have nothing pending
    Reap {
        /// Only of this group
        #[arg(long, value_name = "GROUP")]
        group: Option<String>,
        /// How long a member must have been handed nothing
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = value::duration)]
        idle: Duration,
        #[command(flatten)]
        change: Change,
    },
}

impl Consumers {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        match self {
            Self::Ls => {
                let mut all = Vec::new();
                for site in &fleet.sites {
                    all.extend(consumers::list(site).await?);
                }
                ui::show(global.json, &all, |all| list(all, "no members"))?;
            }
            Self::Reap { group, idle, change } => {
                let order = order(global, &change)?;
                let mut reaped = Vec::new();
                for site in &fleet.sites {
                    let idle = value::as_ms(idle);
                    reaped.push(consumers::reap(site, &order, group.as_deref(), idle).await?);
                }
                ui::show(global.json, &reaped, |reaped| outcome(reaped))?;
            }
        }
        Ok(Verdict::Clean)
    }
}

fn outcome(reaped: &[Reaped]) -> String {
    let removed: Vec<&Consumer> = reaped.iter().flat_map(|reaped| &reaped.done.changed).collect();
    let kept: Vec<&Consumer> = reaped.iter().flat_map(|reaped| &reaped.kept).collect();
    let dry_run = reaped.iter().any(|reaped| reaped.done.dry_run);
    let mut lines = vec![ui::changed(dry_run, removed.len(), "removed", "would be removed")];
    let member =
        |consumer: &&Consumer| format!("  {} {} {}", consumer.key, consumer.group, consumer.name);
    lines.extend(removed.iter().map(member));
    if !kept.is_empty() {
        lines.push(format!("kept, because entries are pending for them: {}", kept.len()));
        lines.extend(kept.iter().map(|Consumer { key, group, name, pending, .. }| {
            format!("  {key} {group} {name}: {pending} pending; `pending claim {group}`")
        }));
    }
    lines.join("\n")
}

fn list(consumers: &[Consumer], none: &str) -> String {
    let row = |consumer: &Consumer| {
        [
            consumer.key.clone(),
            consumer.group.clone(),
            consumer.name.clone(),
            consumer.pending.to_string(),
            format!("{} s", consumer.idle_ms / 1_000),
        ]
    };
    ui::table(["stream", "group", "member", "pending", "idle"], consumers.iter().map(row), none)
}
