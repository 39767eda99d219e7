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
        Self::start_with(false).await
    }

    /// The same, with a development chain.
    pub(crate) async fn start_on_chain() -> Self {
        Self::start_with(true).await
    }

    async fn start_with(chain: bool) -> Self {
        // Where PostgreSQL's unprivileged user may enter.
        let dir = local_stack::scratch_dir().unwrap();
        let mut options =
            StackOptions::for_tests(dir.path().to_owned(), env!("CARGO_BIN_EXE_services").into())
                .unwrap();
        options.chain = chain;
        let stack = Stack::start(options).await.unwrap();
        let client = Client::new(stack.endpoints().clone()).unwrap();
        Self { stack, client, _dir: dir }
    }
}
