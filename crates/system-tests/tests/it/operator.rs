//! The operator's tool as a process, on the stack of a test.

use std::process::Stdio;

use serde_json::Value;

use crate::world::World;

/// What the operator's tool said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The operator's tool, as nobody in particular.
pub(crate) async fn operator(world: &World, arguments: &[&str]) -> Said {
    operator_as(world, "", arguments).await
}

/// The operator's tool with somebody's access token.
pub(crate) async fn operator_as(world: &World, token: &str, arguments: &[&str]) -> Said {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_operator"));
    command.arg("--stack").arg(world.stack.dir()).args(arguments);
    command.env_clear().env("USER", "ada").env("PLCTL_TOKEN", token);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    Said {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
