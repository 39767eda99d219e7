//! A private PostgreSQL, and what a role may see.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use local_stack::binaries::PostgresBinaries;
use local_stack::ports::free_port;
use local_stack::postgres::{Postgres, PostgresOptions};
use local_stack::scratch_dir;
use local_stack::secrets::{ADMIN, Secrets};
use tempfile::TempDir;

struct Fixture {
    dir: TempDir,
    binaries: PostgresBinaries,
    secrets: Secrets,
    postgres: Postgres,
}

impl Fixture {
    async fn start() -> Self {
        Self::start_in(scratch_dir().unwrap()).await
    }

    async fn start_in(dir: TempDir) -> Self {
        let secrets = Secrets::generate().unwrap();
        let binaries = PostgresBinaries::locate().unwrap();
        let postgres = Postgres::start(PostgresOptions {
            binaries: binaries.clone(),
            dir: dir.path().to_owned(),
            port: free_port().unwrap(),
            admin_password: secrets.postgres_password(ADMIN).unwrap().to_owned(),
            durable: false,
        });
        Self { postgres: postgres.await.unwrap(), dir, binaries, secrets }
    }

    async fn provision(&self) {
        let password = |role: &str| self.secrets.postgres_password(role).map(str::to_owned);
        self.postgres.provision("peerlink", password).await.unwrap();
    }

    fn psql(&self, role: &str, database: &str, sql: &str) -> Output {
        let url = self.postgres.url(role, self.secrets.postgres_password(role).unwrap(), database);
        Command::new(self.binaries.directory.join("psql"))
            .args([&url, "-X", "-A", "-t", "-c", sql])
            .output()
            .unwrap()
    }

    fn answer(&self, role: &str, sql: &str) -> String {
        let output = self.psql(role, "peerlink", sql);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn refusal(&self, role: &str, sql: &str) -> String {
        let output = self.psql(role, "peerlink", sql);
        assert!(!output.status.success(), "{role} may {sql}");
        String::from_utf8(output.stderr).unwrap()
    }
}

#[tokio::test]
async fn a_role_sees_its_own_schemas_and_no_others() {
    let fixture = Fixture::start().await;
    fixture.provision().await;

    fixture.answer("auth", "CREATE TABLE secret AS SELECT 'hash' AS password");

    assert_eq!(fixture.answer("auth", "SELECT password FROM secret"), "hash");
    assert_eq!(fixture.answer("auth", "SHOW search_path"), "auth");
    fixture.answer("auth", "CREATE TABLE auth_shadow.secret AS SELECT 'hash' AS password");
    for sql in [
        "SELECT * FROM auth.secret",
        "SELECT * FROM auth_shadow.secret",
        "CREATE TABLE auth.forged ()",
        "CREATE TABLE public.shared ()",
        "CREATE SCHEMA another",
        "SET ROLE auth",
    ] {
        assert!(fixture.refusal("post", sql).contains("permission denied"), "{sql}");
    }
}

#[tokio::test]
async fn provisioning_again_keeps_the_data() {
    let fixture = Fixture::start().await;
    fixture.provision().await;
    fixture.answer("post", "CREATE TABLE draft AS SELECT 1 AS number");

    tokio::join!(fixture.provision(), fixture.provision());

    assert_eq!(fixture.answer("post", "SELECT number FROM draft"), "1");
}

#[tokio::test]
async fn a_database_is_a_copy_of_its_template_and_can_be_dropped() {
    let fixture = Fixture::start().await;
    fixture.provision().await;
    fixture.answer("post", "CREATE TABLE draft AS SELECT 1 AS number");

    fixture.postgres.create_database("copy of it", Some("peerlink")).await.unwrap();
    let copied = fixture.psql(ADMIN, "copy%20of%20it", "SELECT number FROM post.draft");
    fixture.postgres.drop_database("copy of it").await.unwrap();
    let dropped = fixture.psql(ADMIN, "copy%20of%20it", "SELECT 1");

    assert_eq!(String::from_utf8(copied.stdout).unwrap().trim(), "1");
    assert!(!dropped.status.success());
}

#[tokio::test]
async fn data_survives_a_kill_and_a_restart_on_the_same_port() {
    let mut fixture = Fixture::start().await;
    fixture.provision().await;
    fixture.answer("post", "CREATE TABLE draft AS SELECT 1 AS number");

    fixture.postgres.kill().await.unwrap();
    assert!(fixture.postgres.ensure_running().is_err());
    fixture.postgres.restart().await.unwrap();

    assert_eq!(fixture.answer("post", "SELECT number FROM draft"), "1");
}

#[tokio::test]
async fn an_attached_server_is_used_but_not_stopped() {
    let fixture = Fixture::start().await;
    fixture.provision().await;
    let password = fixture.secrets.postgres_password(ADMIN).unwrap().to_owned();
    let mut attached =
        Postgres::attach(fixture.binaries.clone(), fixture.postgres.port(), password);

    attached.create_database("attached", None).await.unwrap();
    assert!(attached.kill().await.is_err());
    attached.stop().await.unwrap();
    drop(attached);

    assert_eq!(fixture.answer(ADMIN, "SELECT 1"), "1");
}

#[tokio::test]
async fn a_faulty_script_tells_what_is_wrong() {
    let fixture = Fixture::start().await;

    let error = fixture.postgres.execute("postgres", "SELECT 1; SELEKT 2;").await.unwrap_err();

    assert!(error.to_string().contains("syntax error at or near \"SELEKT\""), "{error}");
}

#[tokio::test]
async fn data_goes_where_the_user_of_postgres_can_reach_it() {
    let private = TempDir::new().unwrap();
    std::fs::set_permissions(private.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let fixture = Fixture::start_in(private).await;
    let dir = fixture.dir.path().canonicalize().unwrap();
    let data = fixture.postgres.data_dir().unwrap().to_owned();

    fixture.provision().await;

    let root = nix::unistd::geteuid().is_root();
    assert_eq!(data.starts_with(&dir), !root, "{}", data.display());
    assert_eq!(dir.join("postgres").exists(), !root, "no directory is left that nobody can use");
    drop(fixture);
    if root {
        std::fs::remove_dir_all(data).unwrap();
    }
}
