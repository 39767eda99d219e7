//! `fuzz-api`: schemathesis over the document of every service.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};
use local_stack::stack::{Stack, StackOptions};
use system_tests::{
    client::Client,
    person::{MODERATOR, Person},
};
use tokio::process::Command;

use crate::{
    location::{executable, repository},
    ui,
};

/// The version that the results below were seen with.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// What is asked of every answer: no 5xx, no status, type or body that the document does not name, no access without a token.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                      ignored_auth,unsupported_method";

/// Starts a stack of its own and tries every operation of every service.
#[derive(clap::Args)]
pub(crate) struct FuzzApi {
    /// Only this service
    #[arg(long)]
    service: Option<String>,
    /// Inputs per operation
    #[arg(long, default_value_t = 50)]
    examples: u32,
    /// What the inputs follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl FuzzApi {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let program = install().await?;
        let dir = local_stack::scratch_dir()?;
        let mut options = StackOptions::for_tests(dir.path().to_owned(), executable()?)?;
        (options.anonymous_per_hour, options.user_per_hour) = (1_000_000, 1_000_000);
        let stack = Stack::start(options).await?;
        let outcome = Box::pin(self.on(&stack, &program)).await;
        stack.stop().await?;
        outcome
    }

    async fn on(&self, stack: &Stack, program: &Path) -> Result<ExitCode> {
        let client = Client::new(stack.endpoints().clone())?;
        let mut rows = Vec::new();
        for (name, url) in &stack.endpoints().services {
            if self.service.as_ref().is_some_and(|only| only != name) {
                continue;
            }
            // A token of its own for each: one of the operations is to sign out.
            let moderator = match Person::sign_in(&client, MODERATOR).await {
                Ok(moderator) => moderator,
                Err(_) => Person::sign_up(&client, MODERATOR, "Mo", "Derator", &["OTHER"]).await?,
            };
            let passed = self.fuzz(program, url, &moderator.token().await?).await?;
            rows.push([name.clone(), if passed { "passed" } else { "failed" }.to_owned()]);
        }
        let failed = rows.iter().any(|[_, outcome]| outcome == "failed");
        ui::line(ui::table(["service", "outcome"], rows))?;
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    async fn fuzz(&self, program: &Path, url: &str, token: &str) -> Result<bool> {
        let status = Command::new(program)
            .args(["run", &format!("{url}/openapi.json"), "--url", &format!("{url}/api/v1")])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .args([
                "--checks",
                CHECKS,
                "--phases",
                "examples,coverage,fuzzing",
                "--continue-on-failure",
            ])
            .args(["--max-examples", &self.examples.to_string(), "--seed", &self.seed.to_string()])
            // These end the session or the account that all other requests need.
            .args(["--exclude-operation-id", "signOut", "--exclude-operation-id", "deleteUser"])
            .args(["--exclude-operation-id", "changePassword"])
            // With more than one, CPython 3.11 can fail in the middle of compiling (SystemError in `ast.parse`).
            .args(["--workers", "1", "--no-color"])
            // It leaves what it learned where it runs.
            .current_dir(home())
            .status()
            .await?;
        Ok(status.success())
    }
}

/// Where schemathesis lives and keeps its notes.
fn home() -> PathBuf {
    repository().join("target/tools/schemathesis")
}

/// schemathesis in a virtual environment of its own.
async fn install() -> Result<PathBuf> {
    let home = home();
    let program = home.join("bin/st");
    if program.exists() {
        return Ok(program);
    }
    ui::note("installing schemathesis from PyPI");
    let made = Command::new("python3").args(["-m", "venv"]).arg(&home).status().await;
    ensure!(
        made.context("python3 is needed")?.success(),
        "python3 -m venv failed; is python3-venv installed?"
    );
    let installed = Command::new(home.join("bin/pip"))
        .args(["install", "--quiet", SCHEMATHESIS])
        .status()
        .await?;
    ensure!(installed.success(), "pip cannot install {SCHEMATHESIS}");
    Ok(program)
}
