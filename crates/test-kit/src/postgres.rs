//! A database per test, on a server that all tests share.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use local_stack::{binaries::PostgresBinaries, process::ProcessId};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbErr};
use url::Url;

use crate::shared_server;

/// The superuser's URL of the server to use; without it one is started and shared.
const SERVER: &str = "PEERLINK_TEST_POSTGRES_URL";

/// Databases of tests begin with this, followed by the number of the process that made them.
const PREFIX: &str = "test_";

/// An empty database; it is dropped soon after this is, whoever is connected to it.
pub struct TestDatabase {
    server: Url,
    name: String,
}

impl TestDatabase {
    /// Makes a database, and drops those that killed test processes have left.
    ///
    /// # Errors
    ///
    /// When there is no server and none can be started.
    pub async fn create() -> Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "set by the test runner, for tests alone")]
        let server = match std::env::var(SERVER) {
            Ok(url) => url,
            Err(_) => shared_server::url().await?,
        };
        let server = Url::parse(&server).context(SERVER)?;
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).context("no randomness")?;
        let name = format!("{PREFIX}{}_{:016x}", std::process::id(), u64::from_le_bytes(random));

        let admin =
            connect(server.as_str(), 1).await.context("the server of the test databases")?;
        sweep(&admin).await?;
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await?;
        admin.close().await?;
        Ok(Self { server, name })
    }

    /// A copy of a database, made by `pg_dump` and `psql` as an operator would move it.
    ///
    /// # Errors
    ///
    /// What the two programs say.
    pub async fn restored_from(original: &Self) -> Result<Self> {
        let copy = Self::create().await?;
        let dump = tempfile::NamedTempFile::new()?;
        dump_into(dump.path(), &original.url(), &[]).await?;
        load_from(dump.path(), &copy.url()).await?;
        Ok(copy)
    }

    /// A backup of one schema, made by `pg_dump`.
    ///
    /// # Errors
    ///
    /// What the program says.
    pub async fn back_up(&self, schema: &str) -> Result<Backup> {
        let file = tempfile::NamedTempFile::new()?;
        dump_into(file.path(), &self.url(), &["--schema", schema]).await?;
        Ok(Backup { schema: schema.to_owned(), file })
    }

    /// Puts a schema back to where it was, by `psql`. What happened since is gone.
    ///
    /// # Errors
    ///
    /// What the program says.
    pub async fn restore(&self, backup: &Backup) -> Result<()> {
        let admin = connect(&self.url(), 1).await?;
        admin.execute_unprepared(&format!("DROP SCHEMA \"{}\" CASCADE", backup.schema)).await?;
        admin.close().await?;
        load_from(backup.file.path(), &self.url()).await
    }

    /// The superuser's URL of the database.
    pub fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.into()
    }

    /// Makes a schema if it does not exist; the superuser's URL of connections that use it.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn schema(&self, name: &str) -> Result<String> {
        let admin = connect(&self.url(), 1).await?;
        // Two that find no schema would both make it, and the index of names refuses the second; so they take turns.
        let make = format!(
            "BEGIN; SELECT pg_advisory_xact_lock(hashtext('test-kit:schema')); CREATE SCHEMA IF NOT EXISTS \"{name}\"; COMMIT"
        );
        admin.execute_unprepared(&make).await?;
        admin.close().await?;
        let mut url = Url::parse(&self.url())?;
        // Not `query_pairs_mut`: PostgreSQL's own programs do not read `+` as a space.
        url.set_query(Some(&format!("options=-c%20search_path%3D{name}")));
        Ok(url.into())
    }

    /// A pool of at most ten connections that use a schema, which is made if it does not exist.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn connect(&self, schema: &str) -> Result<DatabaseConnection> {
        Ok(connect(&self.schema(schema).await?, 10).await?)
    }
}

/// What [`TestDatabase::back_up`] made.
pub struct Backup {
    schema: String,
    file: tempfile::NamedTempFile,
}

async fn dump_into(file: &Path, url: &str, more: &[&str]) -> Result<()> {
    run("pg_dump", file, url, more).await
}

async fn load_from(file: &Path, url: &str) -> Result<()> {
    run("psql", file, url, &["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"]).await
}

async fn run(program: &str, file: &Path, url: &str, more: &[&str]) -> Result<()> {
    let mut command = tokio::process::Command::new(program_of_postgres(program)?);
    command.args(["--no-password", "--dbname", url, "--file"]).arg(file).args(more);
    let output = command.output().await.with_context(|| format!("cannot start {program}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}", errors.trim());
    Ok(())
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), std::mem::take(&mut self.name));
        // A thread with a runtime of its own, for which nobody waits: PostgreSQL drops a database only when every connection on
        // the server has noticed, and one of them may just be signing in on the thread that we would block. What is not done
        // before the process ends is done by the next test.
        drop(std::thread::spawn(move || -> Result<()> {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
                let admin = connect(server.as_str(), 1).await?;
                drop_database(&admin, &name).await?;
                Ok(admin.close().await?)
            })
        }));
    }
}

async fn connect(url: &str, connections: u32) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).sqlx_logging(false);
    Database::connect(options).await
}

async fn drop_database(admin: &DatabaseConnection, name: &str) -> Result<(), DbErr> {
    let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    admin.execute_unprepared(&statement).await?;
    Ok(())
}

/// A client program, next to the server's if it is there, else from `PATH`.
fn program_of_postgres(name: &str) -> Result<PathBuf> {
    let beside = PostgresBinaries::locate()?.directory.join(name);
    Ok(if beside.exists() { beside } else { name.into() })
}

/// Drops the databases of processes that are no more.
async fn sweep(admin: &DatabaseConnection) -> Result<()> {
    let query = sea_orm::raw_sql!(
        Postgres,
        "SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%\\_%'"
    );
    for row in admin.query_all_raw(query).await? {
        let name: String = row.try_get("", "datname")?;
        let process = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('_'))
            .and_then(|(process, _)| process.parse().ok());
        if process.is_some_and(|process| ProcessId::of(process).is_none()) {
            // Another test may sweep at the same time, and be faster.
            drop(drop_database(admin, &name).await);
        }
    }
    Ok(())
}
