//! Versions of the analyser, through moderation-service's own API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::api::{Api, fields, items, text};
use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::ui;

/// How long an answer may take: a model has megabytes and is read whole.
const LIMIT: Duration = Duration::from_mins(1);

/// Digits of an id in tables; as many are enough to name a version.
const SHORT: usize = 12;

/// Versions of rules, policy and model.
#[derive(Args)]
pub(crate) struct Version {
    /// The moderation service; otherwise the one of the stack on this machine. The gateway takes no models
    #[arg(long, global = true, value_name = "URL", env = "PLCTL_MODERATION_URL")]
    url: Option<String>,
    /// An access token of an administrator
    #[arg(long, global = true, value_name = "TOKEN", env = "PLCTL_TOKEN", hide_env_values = true)]
    token: Option<String>,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// All versions, newest first
    List,
    /// Bring files as a version; what is left out is taken from the active one
    Propose {
        /// Words and phrases
        #[arg(long, value_name = "FILE")]
        lexicon: Option<PathBuf>,
        /// Weights of signals, and levels of the model's probabilities
        #[arg(long, value_name = "FILE")]
        signals: Option<PathBuf>,
        /// Thresholds
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// The trained model
        #[arg(long, value_name = "FILE")]
        model: Option<PathBuf>,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// Say what would be sent, and send nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Let a version judge beside the active one, without effect
    Shadow {
        /// The version, or the first digits of its id
        id: String,
        /// End it instead
        #[arg(long)]
        end: bool,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// What a version would change, by what it said in shadow
    Compare {
        /// The version, or the first digits of its id
        id: String,
    },
    /// Let everything be decided by a version from now on
    Promote {
        /// The version, or the first digits of its id
        id: String,
        /// Although it has judged too little in shadow, or was rolled back before
        #[arg(long, requires = "reason")]
        force: bool,
        /// Why, if by force
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// The lowest share of texts that may be held or removed, 0 to 1
        #[arg(long, value_name = "SHARE", requires = "high")]
        low: Option<f64>,
        /// The highest; otherwise twice the share in shadow
        #[arg(long, value_name = "SHARE", requires = "low")]
        high: Option<f64>,
        /// How many judgements it takes to say anything, 20 to 500
        #[arg(long, default_value_t = 100)]
        minimum: u32,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Take the promotion of a version back
    Rollback {
        /// The version, or the first digits of its id
        id: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// How the texts change; exit code 3 when that is an alarm
    Drift,
}

impl Version {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let Self { url, token, what } = self;
        let api = Api::new(global, "moderation", url, token, LIMIT)?;
        let json = global.json;
        match what {
            What::List => ui::show(json, &api.get("/versions").await?, list)?,
            What::Propose { lexicon, signals, policy, model, note, dry_run } => {
                let proposal = proposal(lexicon, signals, policy, model, note)?;
                if dry_run {
                    let names: Vec<&str> = proposal.keys().map(String::as_str).collect();
                    ui::note(format_args!("would propose {} (nothing was sent)", names.join(", ")));
                    return Ok(Verdict::Clean);
                }
                let body = Some(Value::Object(proposal));
                ui::show(json, &api.send(Method::POST, "/versions", body).await?, details)?;
            }
            What::Shadow { id, end, dry_run } => {
                let method = if end { Method::DELETE } else { Method::POST };
                let change = Change { verb: "shadow", method, body: None, dry_run };
                change.carry_out(&api, json, &id).await?;
            }
            What::Compare { id } => {
                let path = format!("/versions/{}/comparison", full(&api, &id).await?);
                ui::show(json, &api.get(&path).await?, comparison)?;
            }
            What::Promote { id, force, reason, low, high, minimum, dry_run } => {
                let mut body = Map::from_iter([("force".to_owned(), json!(force))]);
                body.extend(reason.map(|reason| ("reason".to_owned(), json!(reason))));
                let band = low.zip(high).map(|(low, high)| {
                    ("band".to_owned(), json!({ "low": low, "high": high, "minimum": minimum }))
                });
                body.extend(band);
                let body = Some(Value::Object(body));
                let change = Change { verb: "promote", method: Method::POST, body, dry_run };
                change.carry_out(&api, json, &id).await?;
            }
            What::Rollback { id, reason, dry_run } => {
                let body = Some(json!({ "reason": reason }));
                let change = Change { verb: "rollback", method: Method::POST, body, dry_run };
                change.carry_out(&api, json, &id).await?;
            }
            What::Drift => {
                let report = api.get("/drift").await?;
                ui::show(json, &report, drift)?;
                if is_alarming(&report) {
                    return Ok(Verdict::Findings);
                }
            }
        }
        Ok(Verdict::Clean)
    }
}

/// Something that is done with one version.
struct Change {
    verb: &'static str,
    method: Method,
    body: Option<Value>,
    dry_run: bool,
}

impl Change {
    async fn carry_out(self, api: &Api, json: bool, id: &str) -> Result<(), Failure> {
        let Self { verb, method, body, dry_run } = self;
        let version = format!("/versions/{}", full(api, id).await?);
        if dry_run {
            ui::note(format_args!("would {method} {verb} (nothing was changed):"));
            return ui::show(json, &api.get(&version).await?, details);
        }
        ui::show(json, &api.send(method, &format!("{version}/{verb}"), body).await?, details)
    }
}

/// The whole id of the only version that begins so.
async fn full(api: &Api, id: &str) -> Result<String, Failure> {
    let list = api.get("/versions").await?;
    let ids = items(&list, "items").iter().map(|version| text(version, "id"));
    let mut found = ids.filter(|whole| whole.starts_with(id));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => {
            Err(Failure::Usage(format!("more than one version begins with {id}")))
        }
        (None, _) => Err(Failure::Refused(format!("no version begins with {id}"))),
    }
}

fn proposal(
    lexicon: Option<PathBuf>,
    signals: Option<PathBuf>,
    policy: Option<PathBuf>,
    model: Option<PathBuf>,
    note: Option<String>,
) -> Result<Map<String, Value>, Failure> {
    let mut proposal = Map::new();
    for (name, path) in [("lexicon", lexicon), ("signals", signals), ("policy", policy)] {
        let Some(path) = path else { continue };
        let contents = String::from_utf8(read(&path)?)
            .map_err(|error| Failure::failed(format!("{} is no text", path.display()), &error))?;
        proposal.insert(name.to_owned(), json!(contents));
    }
    if let Some(path) = model {
        proposal.insert("model".to_owned(), json!(STANDARD.encode(read(&path)?)));
    }
    if proposal.is_empty() {
        return Err(Failure::Usage("name at least one file".to_owned()));
    }
    proposal.extend(note.map(|note| ("note".to_owned(), json!(note))));
    Ok(proposal)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::failed(format!("{} cannot be read", path.display()), &error))
}

fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}

fn list(list: &Value) -> String {
    let row = |version: &Value| {
        [
            short(&text(version, "id")),
            text(version, "state"),
            text(version, "built_in"),
            text(version, "proposed_at"),
            text(version, "promoted_at"),
            text(version, "note"),
        ]
    };
    let header = ["version", "state", "built in", "proposed", "promoted", "note"];
    ui::table(header, items(list, "items").iter().map(row), "no versions")
}

fn details(version: &Value) -> String {
    let row = |file: &Value| [text(file, "name"), text(file, "bytes"), text(file, "sha256")];
    let files = items(version, "files").iter().map(row);
    format!("{}\n\n{}", fields(version), ui::table(["file", "bytes", "sha256"], files, "no files"))
}

/// `21 of 1000 = 2.1 % (1.4 to 3.2)`.
fn rate(rate: Option<&Value>) -> String {
    let Some(rate) = rate else { return "-".to_owned() };
    let percent = |field: &str| 100.0 * rate.get(field).and_then(Value::as_f64).unwrap_or_default();
    format!(
        "{} of {} = {:.1} % ({:.1} to {:.1})",
        text(rate, "count"),
        text(rate, "of"),
        percent("share"),
        percent("low"),
        percent("high")
    )
}

fn comparison(comparison: &Value) -> String {
    let moderators = comparison.get("moderators");
    let agreed = |side: &str| rate(moderators.and_then(|both| both.get(side)));
    let rates = [
        ["flagged".to_owned(), rate(comparison.get("live")), rate(comparison.get("shadow"))],
        ["moderators agree".to_owned(), agreed("live"), agreed("shadow")],
    ];
    let verdict = |row: &Value| [text(row, "live"), text(row, "shadow"), text(row, "count")];
    let category = |row: &Value| {
        [text(row, "category"), text(row, "live"), text(row, "shadow"), text(row, "both")]
    };
    let example =
        |row: &Value| [text(row, "live"), text(row, "shadow"), text(row, "kind"), text(row, "id")];
    let rows = |field| items(comparison, field).iter();
    [
        ui::table(["", "active", "in shadow"], rates, ""),
        ui::table(
            ["active", "in shadow", "texts"],
            rows("verdicts").map(verdict),
            "nothing judged",
        ),
        ui::table(
            ["category", "active", "in shadow", "both"],
            rows("categories").map(category),
            "no category asked for a decision",
        ),
        ui::table(
            ["active", "in shadow", "kind", "text"],
            rows("examples").map(example),
            "no text is judged otherwise",
        ),
    ]
    .join("\n\n")
}

fn drift(report: &Value) -> String {
    let of = |window: &str, field: &str| rate(report.get(window).and_then(|one| one.get(field)));
    let row = |field: &str| [field.to_owned(), of("current", field), of("reference", field)];
    let category = |one: &Value| [text(one, "category"), text(one, "psi"), text(one, "alarm")];
    let categories = items(report, "categories").iter().map(category);
    format!(
        "{}\n\n{}\n\nwords are hidden more often than before: {}",
        ui::table(["texts", "last day", "two weeks before"], ["flagged", "corrected"].map(row), ""),
        ui::table(["category", "stability index", "alarm"], categories, "nothing judged"),
        text(report, "evasion_alarm"),
    )
}

fn is_alarming(report: &Value) -> bool {
    let is_set = |value: &Value, field: &str| value.get(field) == Some(&Value::Bool(true));
    is_set(report, "evasion_alarm")
        || items(report, "categories").iter().any(|category| is_set(category, "alarm"))
}
