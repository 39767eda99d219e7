//! A stack of its own for a test.

use local_stack::stack::{Stack, StackOptions};
use system_tests::client::Client;
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) client: Client,
    _dir: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        // Where PostgreSQL's unprivileged user may enter.
        let dir = local_stack::scratch_dir().unwrap();
        let options =
            StackOptions::for_tests(dir.path().to_owned(), env!("CARGO_BIN_EXE_services").into())
                .unwrap();
        let stack = Stack::start(options).await.unwrap();
        let client = Client::new(stack.endpoints().clone()).unwrap();
        Self { stack, client, _dir: dir }
    }
}
