//! Changed judgements carried out as a batch, and taken back, by moderation-service's own API.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use content_screening::Verdict as Judged;
use reqwest::Method;
use serde_json::{Value, json};
use shared_schemas::moderation::Subject;
use shared_schemas::{BatchId, CaseId};

use super::flip::{Change, Flip};
use crate::api::{Api, fields, items, text};
use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::ui;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_mins(1);

/// How often somebody looks how far a batch is.
const LOOK: Duration = Duration::from_millis(300);

/// What the service takes in one request, with room for what is around the judgements.
const PART_BYTES: usize = 56 * 1024;

/// Judgements that it takes in one request.
const PART_ITEMS: usize = 100;

/// Parts that it takes of one batch.
const PARTS: usize = 10_000;

/// Where moderation-service is, and who asks.
#[derive(Args)]
pub(super) struct Service {
    /// The moderation service, or the gateway; otherwise the one of the stack on this machine
    #[arg(long, value_name = "URL", env = "PLCTL_MODERATION_URL")]
    url: Option<String>,
    /// An access token of an administrator
    #[arg(long, value_name = "TOKEN", env = "PLCTL_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// Carries changed judgements out as one batch.
#[derive(Args)]
pub(crate) struct Apply {
    /// What `replay --out` has written
    #[arg(long, value_name = "FILE")]
    flips: PathBuf,
    /// Only these changes, such as `HOLD->ALLOW,ALLOW->HOLD`
    #[arg(long, value_name = "CHANGES", value_delimiter = ',')]
    only: Vec<Kind>,
    /// Only so many, the same ones whenever it is asked
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Why, kept with the batch
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    service: Service,
}

/// Undoes a batch.
#[derive(Args)]
pub(crate) struct Revert {
    /// The batch
    batch: BatchId,
    /// Why, kept with the batch
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Say what would be undone, and undo nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    service: Service,
}

/// Lists batches, or shows one.
#[derive(Args)]
pub(crate) struct Batches {
    /// Only this one, with what it left alone
    batch: Option<BatchId>,
    #[command(flatten)]
    service: Service,
}

/// From one verdict to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    from: Judged,
    to: Judged,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let verdict = |word: &str| word.trim().parse::<Judged>().map_err(|error| error.to_string());
        let (from, to) =
            text.split_once("->").ok_or_else(|| format!("`{text}` is not like HOLD->ALLOW"))?;
        Ok(Self { from: verdict(from)?, to: verdict(to)? })
    }
}

impl Service {
    fn api(self, global: &Global) -> Result<Api, Failure> {
        Api::new(global, "moderation", self.url, self.token, LIMIT)
    }
}

/// Which lines of a file are meant.
struct Selection<'a> {
    path: &'a Path,
    only: &'a [Kind],
    sample: Option<BTreeSet<CaseId>>,
}

/// What would be sent.
#[derive(Default)]
struct Plan {
    batch: Option<BatchId>,
    analyser: String,
    /// Judgements in each part.
    parts: Vec<usize>,
    items: u64,
}

impl Apply {
    pub(super) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let Self { flips, only, sample, reason, dry_run, service } = self;
        let selection = Selection::new(&flips, &only, sample)?;
        let plan = selection.plan(&reason)?;
        let Plan { batch: Some(batch), analyser, parts, items } = plan else {
            return Err(Failure::Refused(format!("{} has nothing of the kind", flips.display())));
        };
        let plan = json!({
            "batch_id": batch, "analyser": analyser, "items": items, "parts": parts.len(),
            "dry_run": dry_run,
        });
        if dry_run {
            ui::show(global.json, &plan, fields)?;
            return Ok(Verdict::Clean);
        }
        let api = service.api(global)?;
        let busy = ui::Busy::new("sending");
        let mut lines = selection.lines()?;
        for (part, size) in parts.iter().enumerate() {
            let chosen = lines.by_ref().take(*size).collect::<Result<Vec<_>, _>>()?;
            let body = json!({
                "batch_id": batch, "reason": reason, "analyser": analyser, "parts": parts.len(),
                "part": part, "flips": chosen.iter().map(body).collect::<Vec<_>>(),
            });
            api.send(Method::POST, "/batches", Some(body)).await?;
            busy.at(part as u64 + 1, Some(parts.len() as u64));
        }
        drop(busy);
        let done = wait(&api, batch, "APPLIED").await?;
        finish(global, &done, "refused")
    }
}

impl Revert {
    pub(super) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let Self { batch, reason, dry_run, service } = self;
        let api = service.api(global)?;
        if dry_run {
            let now = api.get(&format!("/batches/{batch}")).await?;
            ui::note("would be undone (nothing was changed):");
            ui::show(global.json, &now, shown)?;
            return Ok(Verdict::Clean);
        }
        let path = format!("/batches/{batch}/revert");
        api.send(Method::POST, &path, Some(json!({ "reason": reason }))).await?;
        let done = wait(&api, batch, "UNDONE").await?;
        finish(global, &done, "kept")
    }
}

impl Batches {
    pub(super) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let api = self.service.api(global)?;
        if let Some(batch) = self.batch {
            ui::show(global.json, &api.get(&format!("/batches/{batch}")).await?, shown)?;
        } else {
            let page = api.get("/batches?limit=100").await?;
            ui::show(global.json, &page, list)?;
        }
        Ok(Verdict::Clean)
    }
}

/// Waits until a batch has come so far.
async fn wait(api: &Api, batch: BatchId, state: &str) -> Result<Value, Failure> {
    let busy = ui::Busy::new("carrying out");
    loop {
        let now = api.get(&format!("/batches/{batch}")).await?;
        let is_over = text(&now, "state") == state || text(&now, "state") == "UNDONE";
        if is_over {
            return Ok(now);
        }
        busy.at(
            now.get("done").and_then(Value::as_u64).unwrap_or(0),
            now.get("parts").and_then(Value::as_u64),
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// Shows what became of a batch; what was left alone is a finding.
fn finish(global: &Global, batch: &Value, left: &str) -> Result<Verdict, Failure> {
    ui::show(global.json, batch, shown)?;
    let is_clean = batch.get(left).and_then(Value::as_u64) == Some(0);
    Ok(if is_clean { Verdict::Clean } else { Verdict::Findings })
}

fn shown(batch: &Value) -> String {
    let row = |refusal: &Value| {
        [
            text(refusal, "step"),
            text(refusal, "subject_kind"),
            text(refusal, "subject_id"),
            text(refusal, "subject_version"),
            text(refusal, "refusal"),
        ]
    };
    let header = ["step", "kind", "subject", "version", "left alone, because"];
    let refusals = items(batch, "refusals").iter().map(row);
    format!("{}\n\n{}", fields(batch), ui::table(header, refusals, "nothing was left alone"))
}

fn list(page: &Value) -> String {
    let row = |batch: &Value| {
        [
            text(batch, "id"),
            text(batch, "state"),
            text(batch, "items"),
            text(batch, "changed"),
            text(batch, "refused"),
            text(batch, "undone"),
            text(batch, "opened_at"),
            text(batch, "reason").chars().take(60).collect(),
        ]
    };
    let header = ["batch", "state", "items", "changed", "left", "undone", "opened", "reason"];
    ui::table(header, items(page, "items").iter().map(row), "no batch was ever sent")
}

/// A changed judgement as the service wants it.
fn body(flip: &Flip) -> Value {
    let (kind, id) = match flip.subject {
        Subject::Post(id) => ("POST", id.0),
        Subject::Comment(id) => ("COMMENT", id.0),
    };
    json!({
        "subject_kind": kind, "subject_id": id, "subject_version": flip.subject_version,
        "from": flip.from, "to": flip.to, "analysis": flip.analysis,
    })
}

impl<'a> Selection<'a> {
    /// With a sample, those with the lowest case ids, which are hashes.
    fn new(path: &'a Path, only: &'a [Kind], sample: Option<usize>) -> Result<Self, Failure> {
        let mut selection = Self { path, only, sample: None };
        if let Some(most) = sample {
            let mut chosen = BTreeSet::new();
            for flip in selection.lines()? {
                chosen.insert(flip?.case_id);
                if chosen.len() > most {
                    chosen.pop_last();
                }
            }
            selection.sample = Some(chosen);
        }
        Ok(selection)
    }

    /// Verdicts that changed, of records that nobody altered.
    fn lines(&self) -> Result<impl Iterator<Item = Result<Flip, Failure>> + '_, Failure> {
        let failed = |error: std::io::Error| {
            Failure::failed(format!("cannot read {}", self.path.display()), &error)
        };
        let file = File::open(self.path).map_err(failed)?;
        let parsed = (1..).zip(BufReader::new(file).lines()).map(move |(number, line)| {
            let line = line.map_err(failed)?;
            serde_json::from_str::<Flip>(&line).map_err(|error| {
                Failure::Failed(format!(
                    "line {number} of {} is no changed judgement: {error}",
                    self.path.display()
                ))
            })
        });
        Ok(parsed.filter(|flip| flip.as_ref().map_or(true, |flip| self.has(flip))))
    }

    fn has(&self, flip: &Flip) -> bool {
        let kind = Kind { from: flip.from, to: flip.to };
        flip.change == Change::Verdict
            && !flip.is_altered
            && (self.only.is_empty() || self.only.contains(&kind))
            && self.sample.as_ref().is_none_or(|sample| sample.contains(&flip.case_id))
    }

    /// How the lines are cut into parts. The batch has its id from what is in it: who sends the same again, sends nothing new.
    fn plan(&self, reason: &str) -> Result<Plan, Failure> {
        let mut plan = Plan::default();
        let (mut bytes, mut count) = (0, 0);
        for flip in self.lines()? {
            let flip = flip?;
            if plan.items > 0 && plan.analyser != flip.to_version {
                return Err(Failure::Refused(format!(
                    "{} has judgements of more than one analyser",
                    self.path.display()
                )));
            }
            let before = plan
                .batch
                .map_or_else(|| reason.as_bytes().to_vec(), |id| id.0.as_bytes().to_vec());
            let line = body(&flip).to_string();
            plan.batch = Some(BatchId::derive(&[&before, line.as_bytes()]));
            plan.analyser = flip.to_version;
            plan.items += 1;
            if count == PART_ITEMS || (count > 0 && bytes + line.len() > PART_BYTES) {
                plan.parts.push(count);
                (bytes, count) = (0, 0);
            }
            bytes += line.len() + 1;
            count += 1;
        }
        if count > 0 {
            plan.parts.push(count);
        }
        if plan.parts.len() > PARTS {
            return Err(Failure::Refused(format!(
                "{} judgements are more than one batch takes; choose some with `--only` or `--sample`",
                plan.items
            )));
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_two_verdicts_with_an_arrow() {
        let kind = Kind { from: Judged::Hold, to: Judged::Allow };
        assert_eq!("HOLD->ALLOW".parse(), Ok(kind));
        for wrong in ["HOLD", "HOLD->", "hold->allow", "HOLD=>ALLOW"] {
            assert!(wrong.parse::<Kind>().is_err(), "{wrong}");
        }
    }
}
