//! `mint`: mints, lanes and the chain, as the minting worker's own API tells and does it.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::{Api, fields, items, text};
use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::ui;

/// How long an answer may take: a verification reads the whole chain.
const LIMIT: Duration = Duration::from_mins(5);

/// Where the minting worker is, and who asks.
#[derive(Args)]
pub(crate) struct Worker {
    /// The minting worker, or the gateway; otherwise the one of the stack on this machine
    #[arg(long, global = true, value_name = "URL", env = "PLCTL_MINTING_URL")]
    url: Option<String>,
    /// An access token of an administrator
    #[arg(long, global = true, value_name = "TOKEN", env = "PLCTL_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// Mints, lanes and the chain.
#[derive(Args)]
pub(crate) struct Mint {
    #[command(flatten)]
    worker: Worker,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Mints at a stage; dead letters with their reason and next step by default
    Ls {
        /// How far they are
        #[arg(long, value_enum, default_value_t = Stage::Parked)]
        stage: Stage,
        /// At most so many, up to 100
        #[arg(long, default_value_t = 50)]
        limit: u16,
    },
    /// One mint with its whole history
    Show {
        /// The mint
        id: Uuid,
    },
    /// Try a mint again that was given up
    Retry {
        /// The mint
        id: Uuid,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Cancel a mint of which nothing is signed
    Cancel {
        /// The mint
        id: Uuid,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Lanes, their wallets and the nodes; exit code 3 when one of them cannot sign or a node is away
    Lanes,
    /// What operators should know; exit code 3 while something is wrong
    Alerts,
    /// Let a lane sign nothing new
    Pause {
        /// The signer's address
        address: String,
    },
    /// Let a lane sign again
    Resume {
        /// The signer's address
        address: String,
    },
    /// Say what a lane may spend; what is left out is without a limit
    Limit {
        /// The signer's address
        address: String,
        /// It waits while a unit of gas costs more, in wei
        #[arg(long, value_name = "WEI")]
        hold_above: Option<u64>,
        /// What it may spend in 24 hours, in millionths of the chain's coin
        #[arg(long, value_name = "MILLIONTHS")]
        daily_budget: Option<u64>,
    },
    /// What a batch would cost now, and what the contract says to what waits
    Estimate {
        /// Tokens in the batch
        #[arg(long, default_value_t = 50)]
        mints: u16,
    },
    /// Compare the chain with what is recorded, both ways; exit code 3 when they differ
    Verify {
        /// The first block to read
        #[arg(long, default_value_t = 0)]
        from_block: u64,
    },
    /// Record what is on the chain and not here, from the chain alone
    Rebuild {
        /// The first block to read
        #[arg(long, default_value_t = 0)]
        from_block: u64,
        /// Say what would be recorded, and record nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// How far a mint is.
#[derive(Clone, Copy, ValueEnum)]
enum Stage {
    Requested,
    Pinned,
    Signed,
    Broadcast,
    Mined,
    Final,
    Parked,
    Withdrawn,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Pinned => "PINNED",
            Self::Signed => "SIGNED",
            Self::Broadcast => "BROADCAST",
            Self::Mined => "MINED",
            Self::Final => "FINAL",
            Self::Parked => "PARKED",
            Self::Withdrawn => "WITHDRAWN",
        }
    }
}

impl Mint {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let Worker { url, token } = self.worker;
        let api = Api::new(global, "minting", url, token, LIMIT)?;
        let json = global.json;
        let change = |path: String, done: &'static str, dry_run: bool| (path, done, dry_run);
        let (path, done, dry_run) = match self.what {
            What::Ls { stage, limit } => {
                let path = format!("/mints?stage={}&limit={limit}", stage.as_str());
                let page = api.get(&path).await?;
                ui::show(json, &page, list)?;
                return Ok(Verdict::Clean);
            }
            What::Show { id } => {
                let mint = api.get(&format!("/mints/{id}")).await?;
                ui::show(json, &mint, details)?;
                return Ok(Verdict::Clean);
            }
            What::Lanes => {
                let all = api.get("/lanes").await?;
                ui::show(json, &all, lanes)?;
                return Ok(if is_well(&all) { Verdict::Clean } else { Verdict::Findings });
            }
            What::Alerts => {
                let alerts = api.get("/alerts").await?;
                ui::show(json, &alerts, list_alerts)?;
                let goes_on = |alert: &Value| alert.get("ended_at").is_none();
                let is_well = !items(&alerts, "items").iter().any(goes_on);
                return Ok(if is_well { Verdict::Clean } else { Verdict::Findings });
            }
            What::Estimate { mints } => {
                let estimate = api.get(&format!("/estimate?mints={mints}")).await?;
                ui::show(json, &estimate, fields)?;
                return Ok(Verdict::Clean);
            }
            What::Verify { from_block } | What::Rebuild { from_block, dry_run: true } => {
                let report = api.get(&format!("/verification?from_block={from_block}")).await?;
                ui::show(json, &report, fields)?;
                let lists = ["unknown_tokens", "missing", "unrecorded", "different"];
                let is_same = lists.iter().all(|list| items(&report, list).is_empty());
                return Ok(if is_same { Verdict::Clean } else { Verdict::Findings });
            }
            What::Rebuild { from_block, dry_run: false } => {
                let path = format!("/rebuild?from_block={from_block}");
                let report = api.send(Method::POST, &path, None).await?;
                ui::show(json, &report, fields)?;
                return Ok(Verdict::Clean);
            }
            What::Limit { address, hold_above, daily_budget } => {
                let mut limits = serde_json::Map::new();
                let given = [("hold_above", hold_above), ("daily_budget", daily_budget)];
                for (name, value) in given {
                    if let Some(value) = value {
                        limits.insert(name.to_owned(), json!(value));
                    }
                }
                let path = format!("/lanes/{address}/limits");
                let lane = api.send(Method::PUT, &path, Some(Value::Object(limits))).await?;
                ui::show(json, &lane, fields)?;
                return Ok(Verdict::Clean);
            }
            What::Retry { id, dry_run } => change(format!("/mints/{id}/retry"), "retry", dry_run),
            What::Cancel { id, dry_run } => {
                change(format!("/mints/{id}/cancel"), "cancel", dry_run)
            }
            What::Pause { address } => change(format!("/lanes/{address}/pause"), "pause", false),
            What::Resume { address } => change(format!("/lanes/{address}/resume"), "resume", false),
        };
        if dry_run {
            let mint = path.rsplit_once('/').map_or(path.as_str(), |(mint, _)| mint);
            let now = api.get(mint).await?;
            ui::note(format_args!("would {done} (nothing was changed):"));
            ui::show(json, &now, fields)?;
        } else {
            let after = api.send(Method::POST, &path, None).await?;
            ui::show(json, &after, fields)?;
        }
        Ok(Verdict::Clean)
    }
}

fn list(page: &Value) -> String {
    let row = |mint: &Value| {
        let kind = mint.get("subject").map(|subject| text(subject, "kind")).unwrap_or_default();
        [
            text(mint, "id"),
            kind,
            text(mint, "stage"),
            text(mint, "park_reason"),
            text(mint, "park_detail"),
            text(mint, "next_step"),
        ]
    };
    let header = ["mint", "of", "stage", "reason", "detail", "next step"];
    ui::table(header, items(page, "items").iter().map(row), "no mints at this stage")
}

fn list_alerts(alerts: &Value) -> String {
    let row = |alert: &Value| {
        ["kind", "subject", "detail", "began_at", "ended_at"].map(|field| text(alert, field))
    };
    let header = ["alert", "about", "detail", "since", "until"];
    ui::table(header, items(alerts, "items").iter().map(row), "no alerts")
}

fn details(mint: &Value) -> String {
    let row = |fact: &Value| [text(fact, "at"), text(fact, "kind"), text(fact, "data")];
    let history = items(mint, "history").iter().map(row);
    format!("{}\n\n{}", fields(mint), ui::table(["at", "what", "with"], history, "no history"))
}

fn lanes(all: &Value) -> String {
    let row = |lane: &Value| {
        [
            text(lane, "address"),
            text(lane, "paused"),
            text(lane, "hold"),
            text(lane, "next_step"),
            text(lane, "in_flight"),
            text(lane, "spent_today"),
            text(lane, "daily_budget"),
            text(lane, "balance"),
            text(lane, "runs_dry_in_hours"),
        ]
    };
    let header = [
        "lane",
        "paused",
        "hold",
        "next step",
        "in flight",
        "spent today",
        "budget",
        "balance (wei)",
        "hours left",
    ];
    let node = |node: &Value| [text(node, "name"), text(node, "is_well"), text(node, "complaint")];
    let nodes =
        ui::table(["node", "well", "complaint"], items(all, "nodes").iter().map(node), "no nodes");
    format!(
        "{}\n\n{}\n\n{nodes}",
        fields(all),
        ui::table(header, items(all, "lanes").iter().map(row), "no lanes: minting is off")
    )
}

/// Whether every lane could sign, and every node answers.
fn is_well(all: &Value) -> bool {
    let is_free = |lane: &Value| lane.get("paused").is_none() && lane.get("hold").is_none();
    let answers = |node: &Value| node.get("is_well") == Some(&Value::Bool(true));
    items(all, "lanes").iter().all(is_free) && items(all, "nodes").iter().all(answers)
}
