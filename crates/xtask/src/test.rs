//! `test`: everything that must pass.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use local_stack::binaries::{self, Binaries};
use local_stack::foundry::Foundry;
use local_stack::ports::free_port;
use local_stack::postgres::{Postgres, PostgresOptions};
use local_stack::scratch_dir;
use local_stack::secrets::{ADMIN, Secrets};
use tempfile::TempDir;
use tokio::process::Command;

use crate::location::repository;
use crate::ui;

/// Runs everything that must pass.
#[derive(clap::Args)]
pub(crate) struct Test {
    /// Leaves out the documentation, the dependency check and the tests of the whole system
    #[arg(long)]
    quick: bool,
    /// Passed on to nextest: names to filter by, or its options
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    nextest: Vec<String>,
}

/// How one step went.
enum Outcome {
    Passed,
    Failed,
    Skipped(&'static str),
}

struct Report {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

impl Test {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let found = Binaries::locate_or_install(&|text: &str| ui::note(text)).await?;
        binaries::locate_or_install_python(&|text: &str| ui::note(text)).await?;
        let anvil = Foundry::Anvil.locate_or_install(true, &|text: &str| ui::note(text)).await?;
        if !self.quick {
            binaries::locate_or_install_browser(&|text: &str| ui::note(text)).await?;
        }
        let home = Home::take(&repository().join("target/test-stack"))?;
        let mut postgres = start_postgres(&found, &home.dir).await?;
        let environment = [
            ("PEERLINK_TEST_POSTGRES_URL", postgres.admin_url("postgres")),
            ("PEERLINK_ANVIL", anvil.to_string_lossy().into_owned()),
            ("PEERLINK_REDIS_SERVER", found.redis.server.to_string_lossy().into_owned()),
        ];

        let mut reports = Vec::new();
        for step in self.steps().await {
            reports.push(step.run(&environment).await?);
        }
        postgres.stop().await?;
        show(&reports)?;
        let failed = reports.iter().any(|report| matches!(report.outcome, Outcome::Failed));
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    async fn steps(&self) -> Vec<Step> {
        let mut steps = vec![
            Step::new("format", &["fmt", "--all", "--check"]),
            Step::new("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        ];
        if !self.quick {
            let mut documentation = Step::new(
                "documentation",
                &["doc", "--workspace", "--no-deps", "--document-private-items"],
            );
            documentation.environment.push(("RUSTDOCFLAGS", "-D warnings"));
            steps.push(documentation);
        }
        steps.push(self.tests().await);
        if !self.quick {
            steps.push(dependencies().await);
        }
        steps
    }

    async fn tests(&self) -> Step {
        let nextest = succeeds(&["nextest", "--version"]).await;
        let mut arguments = if nextest { vec!["nextest", "run"] } else { vec!["test"] };
        arguments.extend(["--workspace", "--no-fail-fast"]);
        if self.quick {
            arguments.extend(["--exclude", "system-tests"]);
        }
        let mut step = Step::new("tests", &arguments);
        step.arguments.extend(self.nextest.iter().cloned());
        step
    }
}

/// `cargo deny check`, where it can be done: it needs a program and a database from outside.
async fn dependencies() -> Step {
    let mut step = Step::new("dependencies", &["deny", "check"]);
    if !succeeds(&["deny", "--version"]).await {
        step.skipped = Some("cargo-deny is not installed");
    } else if !succeeds(&["deny", "fetch", "db"]).await {
        step.skipped = Some("the advisory database cannot be reached");
    }
    step
}

/// One call of cargo.
struct Step {
    name: &'static str,
    arguments: Vec<String>,
    environment: Vec<(&'static str, &'static str)>,
    skipped: Option<&'static str>,
}

impl Step {
    fn new(name: &'static str, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { name, arguments, environment: Vec::new(), skipped: None }
    }

    async fn run(self, environment: &[(&str, String)]) -> Result<Report> {
        let Self { name, arguments, .. } = self;
        if let Some(reason) = self.skipped {
            ui::note(format_args!("\n== {name}: skipped, {reason}"));
            return Ok(Report { name, outcome: Outcome::Skipped(reason), took: Duration::ZERO });
        }
        ui::note(format_args!("\n== {name}: cargo {}", arguments.join(" ")));
        let began = Instant::now();
        let status = cargo()
            .args(&arguments)
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .envs(self.environment)
            .stdin(Stdio::null())
            .status()
            .await
            .context("cannot start cargo")?;
        let outcome = if status.success() { Outcome::Passed } else { Outcome::Failed };
        Ok(Report { name, outcome, took: began.elapsed() })
    }
}

/// The cargo that runs this program, in the repository.
fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repository()).kill_on_drop(true);
    cargo
}

async fn succeeds(arguments: &[&str]) -> bool {
    let status = cargo()
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    status.is_ok_and(|status| status.success())
}

fn show(reports: &[Report]) -> Result<()> {
    let row = |report: &Report| {
        let outcome = match report.outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed => "FAILED".to_owned(),
            Outcome::Skipped(reason) => format!("skipped: {reason}"),
        };
        [report.name.to_owned(), outcome, format!("{:.1} s", report.took.as_secs_f32())]
    };
    ui::line("")?;
    ui::line(ui::table(["step", "outcome", "time"], reports.iter().map(row)))?;
    Ok(())
}

/// The directory of the tests' PostgreSQL, held against another run at the same time.
struct Home {
    dir: PathBuf,
    _lock: Option<File>,
    _scratch: Option<TempDir>,
}

impl Home {
    /// Takes `dir`, whose databases are used again by the next run; a second run at the same time gets a
    /// directory that is thrown away.
    fn take(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let lock = File::create(dir.join("lock"))?;
        if lock.try_lock().is_ok() {
            return Ok(Self { dir: dir.to_owned(), _lock: Some(lock), _scratch: None });
        }
        let scratch = scratch_dir()?;
        Ok(Self { dir: scratch.path().to_owned(), _lock: None, _scratch: Some(scratch) })
    }
}

async fn start_postgres(found: &Binaries, dir: &Path) -> Result<Postgres> {
    let options = PostgresOptions {
        binaries: found.postgres.clone(),
        dir: dir.to_owned(),
        port: free_port()?,
        admin_password: kept_password(&dir.join("password"))?,
        durable: false,
    };
    Postgres::start(options).await
}

/// The password that the data in this directory was made with.
fn kept_password(file: &Path) -> Result<String> {
    if let Ok(password) = std::fs::read_to_string(file) {
        return Ok(password);
    }
    let password = Secrets::generate()?.postgres_password(ADMIN)?.to_owned();
    std::fs::write(file, &password)?;
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(password)
}
