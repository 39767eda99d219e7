//! `train-moderation`: makes the model of content analysis from labelled files, the same bits from the same files.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::{location::repository, ui};

/// Where the model is committed.
const MODEL: &str = "crates/content-analysis/data/model.bin";

/// Train the model of content analysis, and print how it does on rows that it was not trained on
#[derive(clap::Args)]
pub(crate) struct TrainModeration {
    /// A directory with `dev_open.tsv.gz` and `lexicon_profanity_en.csv`; docs/moderation.md says what they hold
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Sources to leave out, so that the table shows texts of an unseen kind; the committed model is then left alone
    #[arg(long, value_name = "SOURCE", value_delimiter = ',')]
    hold_out: Vec<String>,
}

impl TrainModeration {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let data = self.data.canonicalize().with_context(|| {
            format!("there is no directory {}; name one with --data", self.data.display())
        })?;
        ensure!(
            data.join("dev_open.tsv.gz").is_file(),
            "{} has no dev_open.tsv.gz",
            data.display()
        );
        let root = repository();
        ui::note("building the trainer");
        let mut command = Command::new(env!("CARGO"));
        command
            .args(["run", "--quiet", "--profile", "measure", "--package", "content-analysis"])
            .args(["--features", "train", "--bin", "train-moderation", "--"])
            .arg(data)
            .current_dir(&root);
        if self.hold_out.is_empty() {
            command.arg(MODEL);
        } else {
            command.arg("--hold-out").arg(self.hold_out.join(","));
        }
        let status = command.status().await.context("cannot start cargo")?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
