//! `bench`: a pointer, since measuring needs servers of its own and not those that are in use.

use serde_json::json;

use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::ui;

/// Says where the measurements are.
#[derive(clap::Args)]
pub(crate) struct Bench {}

impl Bench {
    #[expect(clippy::unused_self, reason = "every command is run the same way")]
    pub(crate) fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let report = json!({ "command": "cargo xtask bench events" });
        ui::show(global.json, &report, |_| {
            "Measurements need servers of their own: `cargo xtask bench events` starts them, measures and stops them."
                .to_owned()
        })?;
        Ok(Verdict::Clean)
    }
}
