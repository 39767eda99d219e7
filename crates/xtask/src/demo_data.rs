//! Demo data: planted once, shown to people.

use anyhow::Result;
use local_stack::stack::Endpoints;
use system_tests::{
    client::Client,
    person::{PASS_PHRASE, Person},
    seed,
    workload::Done,
};

use crate::ui;

/// Plants the demo data unless they are there.
pub(crate) async fn plant(endpoints: &Endpoints) -> Result<()> {
    let client = Client::new(endpoints.clone())?;
    if seed::is_planted(&client).await? {
        return Ok(());
    }
    let done = Done::default();
    ui::with_count("demo data", seed::STEPS, || done.count(), seed::plant(&client, &done)).await
}

/// Whom to sign in as, and a token that is good for five minutes.
pub(crate) async fn show(endpoints: &Endpoints) -> Result<()> {
    let client = Client::new(endpoints.clone())?;
    if !seed::is_planted(&client).await? {
        return Ok(());
    }
    let rows = seed::sign_ins().into_iter().map(|sign_in| [sign_in.role.to_owned(), sign_in.email]);
    ui::line("")?;
    ui::line(ui::table(["account", "sign in as"], rows))?;
    ui::line(format_args!("\npass phrase of everybody: {PASS_PHRASE}"))?;
    if let Some(first) = seed::sign_ins().first() {
        let token = Person::sign_in(&client, &first.email).await?.token().await?;
        ui::line(format_args!("a token of {}, good for five minutes:\n{token}", first.email))?;
    }
    Ok(())
}
