//! Processes of a service, to be killed or weighed: this program again, as a worker.

use std::path::Path;

use anyhow::Result;
use local_stack::process::{Launch, Process, Signal};

use crate::{bed::Bed, worker::Role};

/// Starts a process that plays `role` on the bed; it ends when this is dropped.
pub(crate) fn start(bed: &Bed, role: Role, directory: &Path) -> Result<Process> {
    spawn(bed, role, directory, None)
}

/// Starts a consumer that handles by writing lines.
pub(crate) fn start_lines(bed: &Bed, directory: &Path, lines: &Path) -> Result<Process> {
    spawn(bed, Role::Lines, directory, Some(lines))
}

fn spawn(bed: &Bed, role: Role, directory: &Path, lines: Option<&Path>) -> Result<Process> {
    let url = if role == Role::Relay { &bed.post_url } else { &bed.engagement_url };
    Process::spawn(&Launch {
        name: format!("worker {role:?}"),
        program: std::env::current_exe()?,
        args: ["worker", role.as_str(), url, &bed.redis_url, &bed.partitions.to_string()]
            .into_iter()
            .map(str::to_owned)
            .chain(lines.map(|lines| lines.to_string_lossy().into_owned()))
            .collect(),
        environment: std::collections::BTreeMap::new(),
        log: directory.join("worker.log"),
        user: None,
        farewell: Signal::SIGKILL,
    })
}
