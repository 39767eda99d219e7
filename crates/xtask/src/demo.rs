//! `demo`: the main journey against the running stack.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use local_stack::{foundry::Foundry, stack::Endpoints, state::State};
use system_tests::{client::Client, journey, token};

use crate::{location::Which, ui};

/// Walks the main journey step by step; anything unexpected ends it.
#[derive(clap::Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    which: Which,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let endpoints = running(self.which)?;
        let client = Client::new(endpoints)?;
        let report = |step: &str, outcome: &str, took: Duration| {
            ui::note(format_args!("ok  {:>6} ms  {step}: {outcome}", took.as_millis()));
        };
        let post = Box::pin(journey::walk(&client, &report)).await?;
        show_token(&client, &post).await?;
        ui::line("the whole journey works")?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Waits for the token of a post, and has it read by a program that is none of ours.
async fn show_token(client: &Client, post: &str) -> Result<()> {
    let Some(rpc) = client.endpoints().chain.clone() else {
        ui::note(
            "no token: no development chain runs, and mints wait. Install npm (Debian, Ubuntu:",
        );
        ui::note("`apt-get install npm`), then `cargo xtask down` and `cargo xtask up` bring one");
        return Ok(());
    };
    let began = Instant::now();
    let told = |state: &str| ui::note(format_args!("    {:>6} ms  {state}", millis(began)));
    let token = token::minted(client, post, told).await?;
    ensure!(token.verdict == "MATCH", "the token's provenance is {}", token.verdict);
    let document = token::document(client, &token).await?;
    ui::note(format_args!("ok  {:>6} ms  wait for the token of the post", millis(began)));
    let mut rows = vec![
        ["contract".to_owned(), token.contract.clone()],
        ["token".to_owned(), token.id.clone()],
        ["owner".to_owned(), token.owner.clone()],
        ["provenance".to_owned(), token.verdict.clone()],
        [
            "its document".to_owned(),
            document.get("name").map(ToString::to_string).unwrap_or_default(),
        ],
    ];
    match Foundry::Cast.locate_or_install(false, &|text: &str| ui::note(text)).await {
        Ok(cast) => {
            let (uri, balance) = token::read_by_cast(&cast, &rpc, &token).await?;
            ensure!(uri == token.uri, "cast reads {uri}, and provenance says {}", token.uri);
            ensure!(balance == "1", "by cast its owner has {balance} of it");
            rows.push(["uri, read by cast".to_owned(), uri]);
            rows.push(["balance, read by cast".to_owned(), balance]);
        }
        Err(error) => ui::note(format_args!("not read by another program: {error:#}")),
    }
    ui::line(ui::table(["the token of the post", ""], rows))?;
    Ok(())
}

fn millis(began: Instant) -> u128 {
    began.elapsed().as_millis()
}

/// Where the stack that runs is reached.
pub(crate) fn running(which: Which) -> Result<Endpoints> {
    let state = State::load(&which.dir())?.filter(State::is_up);
    Endpoints::of(&state.context("nothing runs: start it with `cargo xtask up`")?)
}
