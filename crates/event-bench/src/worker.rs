//! One process of a service.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use event_runtime::{RuntimeBuilder, trim::Retention};
use shared_schemas::Service;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{bed, sample};

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Publishes what the producer has recorded.
    Relay,
    /// Handles events by doing nothing.
    Nothing,
    /// Handles events by counting in rows.
    Rows,
    /// Handles events by logging them as rows.
    Log,
    /// Handles events by writing lines.
    Lines,
}

impl Role {
    /// The word on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Nothing => "nothing",
            Self::Rows => "rows",
            Self::Log => "log",
            Self::Lines => "lines",
        }
    }
}

/// Becomes one process of a service, until SIGTERM.
#[derive(clap::Args)]
pub(crate) struct Worker {
    role: Role,
    database_url: String,
    redis_url: String,
    partitions: u16,
    /// Where [`Role::Lines`] writes.
    lines: Option<PathBuf>,
}

impl Worker {
    pub(crate) async fn run(self) -> Result<std::process::ExitCode> {
        let service = match self.role {
            Role::Relay => Service::Post,
            Role::Nothing | Role::Rows | Role::Log | Role::Lines => Service::Engagement,
        };
        let store = bed::store(&self.database_url, service, self.partitions).await?;
        let builder = RuntimeBuilder::new(store, self.redis_url);
        let runtime = match self.role {
            // As services do.
            Role::Relay => builder.trim(Retention::default()),
            Role::Nothing => builder.projection(sample::Nothing::default()),
            Role::Rows => builder.projection(sample::Rows { refuses: false }),
            Role::Log => builder.projection(sample::Log),
            Role::Lines => {
                let path = self.lines.context("where to write")?;
                builder.projection(sample::Lines::open(&path)?)
            }
        }
        .build();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        runtime.start(&tasks, &shutdown)?;
        signal(SignalKind::terminate())?.recv().await;
        shutdown.cancel();
        tasks.close();
        tasks.wait().await;
        Ok(std::process::ExitCode::SUCCESS)
    }
}
