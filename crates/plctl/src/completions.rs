//! `completions`: what shells need to complete this command line.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Arguments;
use crate::exit::{Failure, Verdict};

/// Writes a completion script.
#[derive(clap::Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<Verdict, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "plctl", &mut script);
        std::io::stdout().lock().write_all(&script)?;
        Ok(Verdict::Clean)
    }
}
