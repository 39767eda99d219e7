//! Where stacks live.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use local_stack::ports::Ports;

/// Which of several stacks beside each other is meant.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Which {
    /// Moves every port up, for a second stack beside the first
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) port_offset: u16,
}

impl Which {
    /// The directory of the stack, with its data, logs and record.
    pub(crate) fn dir(self) -> PathBuf {
        match self.port_offset {
            0 => repository().join("target/local"),
            offset => repository().join(format!("target/local-{offset}")),
        }
    }

    pub(crate) fn ports(self) -> Result<Ports> {
        Ports::shifted(self.port_offset)
    }

    /// The command that stops this stack, to be told to people.
    pub(crate) fn down(self) -> String {
        [vec!["cargo xtask down".to_owned()], self.arguments()].concat().join(" ")
    }

    /// The same choice on a command line, to be told to people or to be passed on.
    pub(crate) fn arguments(self) -> Vec<String> {
        match self.port_offset {
            0 => Vec::new(),
            offset => vec!["--port-offset".to_owned(), offset.to_string()],
        }
    }
}

/// The repository that this program was built from.
pub(crate) fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// This program, for a child that becomes a service.
pub(crate) fn executable() -> Result<PathBuf> {
    std::env::current_exe().context("this program cannot find its own executable")
}
