//! The committed files for containers say the same as the code.
//!
//! The two generated files are written anew with `PEERLINK_WRITE_FILES=1 cargo test -p local-stack files`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use local_stack::acl::render;
use local_stack::environment::{Wiring, environment};
use local_stack::provision_sql;
use local_stack::secrets::{ADMIN, Secrets};
use local_stack::services::{DATABASE, SERVICES};
use serde_norway::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

fn is_current(path: &str, text: &str) {
    if std::env::var_os("PEERLINK_WRITE_FILES").is_some() {
        std::fs::write(repository().join(path), text).unwrap();
    }
    assert!(read(path) == text, "{path} is not current; see the head of this test file");
}

fn compose() -> Value {
    // Anchors and `<<` are for people; here they are resolved.
    let mut compose: Value = serde_norway::from_str(&read("docker-compose-local.yaml")).unwrap();
    compose.apply_merge().unwrap();
    compose
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_sequence().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn the_redis_users_of_compose_are_those_of_the_code() {
    is_current("deploy/redis/users.acl", &render(&Secrets::compose()).unwrap());
}

#[test]
fn the_postgres_roles_of_compose_are_those_of_the_code() {
    let secrets = Secrets::compose();
    let sql = provision_sql(DATABASE, |role| secrets.postgres_password(role).map(str::to_owned));

    is_current("deploy/postgres/init.sql", &sql.unwrap());
}

#[test]
fn compose_runs_every_program_and_nothing_unknown() {
    let compose = compose();
    let found: BTreeSet<_> = compose["services"]
        .as_mapping()
        .unwrap()
        .keys()
        .map(|name| name.as_str().unwrap())
        .collect();

    let mut expected: BTreeSet<_> = SERVICES.iter().map(|spec| spec.name).collect();
    expected.extend(["postgres", "redis", "mail"]);
    assert_eq!(found, expected);
}

#[test]
fn every_service_of_compose_gets_exactly_the_environment_of_the_code() {
    let compose = compose();

    for spec in &SERVICES {
        let found: BTreeMap<String, String> =
            serde_norway::from_value(compose["services"][spec.name]["environment"].clone())
                .unwrap();
        assert_eq!(found, environment(spec, &Wiring::compose()).unwrap(), "{}", spec.name);
    }
}

#[test]
fn every_service_of_compose_listens_on_its_port_of_this_machine_only() {
    let compose = compose();

    for spec in &SERVICES {
        let ports = strings(&compose["services"][spec.name]["ports"]);
        assert_eq!(ports, [format!("127.0.0.1:{0}:{0}", spec.port)], "{}", spec.name);
    }
    for name in ["postgres", "redis", "mail"] {
        for port in strings(&compose["services"][name]["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
}

#[test]
fn every_service_of_compose_is_built_confined_and_checked() {
    let compose = compose();

    for spec in &SERVICES {
        let service = &compose["services"][spec.name];
        let name = spec.name;
        assert_eq!(service["build"]["dockerfile"], "deploy/Dockerfile", "{name}");
        assert_eq!(service["build"]["args"]["SERVICE"], spec.package, "{name}");
        assert_eq!(service["user"], "65532:65532", "{name}");
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(strings(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        let check = strings(&service["healthcheck"]["test"]);
        assert_eq!(check, ["CMD", "/usr/local/bin/service", "healthcheck"], "{name}");
    }
}

#[test]
fn everything_in_compose_waits_until_what_it_needs_is_healthy() {
    let compose = compose();

    for spec in &SERVICES {
        let needed = &compose["services"][spec.name]["depends_on"];
        let names: BTreeSet<_> =
            needed.as_mapping().unwrap().keys().map(|name| name.as_str().unwrap()).collect();
        let mut expected = BTreeSet::from(["redis"]);
        if spec.schema.is_some() {
            expected.insert("postgres");
        }
        if spec.name == "auth" {
            expected.insert("mail");
        }
        assert_eq!(names, expected, "{}", spec.name);
        for name in names {
            assert_eq!(needed[name]["condition"], "service_healthy", "{}", spec.name);
            assert!(compose["services"][name]["healthcheck"]["test"].is_sequence(), "{name}");
        }
    }
}

#[test]
fn redis_in_compose_keeps_what_it_acknowledged_and_knows_its_users() {
    let compose = compose();
    let redis = &compose["services"]["redis"];

    let command = strings(&redis["command"]).join(" ");
    for setting in [
        "--appendonly yes",
        "--appendfsync everysec",
        "--maxmemory-policy noeviction",
        "--aclfile /etc/redis/users.acl",
    ] {
        assert!(command.contains(setting), "{setting}");
    }
    assert_eq!(strings(&redis["volumes"])[0], "./deploy/redis/users.acl:/etc/redis/users.acl:ro");
    let check = strings(&redis["healthcheck"]["test"]).join(" ");
    assert!(check.contains(Secrets::compose().redis_password(ADMIN).unwrap()), "{check}");
    let postgres = &compose["services"]["postgres"];
    assert!(
        strings(&postgres["volumes"])
            .contains(&"./deploy/postgres/init.sql:/docker-entrypoint-initdb.d/init.sql:ro")
    );
}

/// What the minting worker reads and containers are not given: there is no chain among them, and the rest has defaults.
const LEFT_ALONE: [&str; 31] = [
    "ALERT_BALANCE_BELOW",
    "ALERT_DRY_HOURS",
    "ALERT_POLL_MS",
    "ALERT_STUCK_AFTER",
    "ALERT_WEBHOOK_SECRET",
    "ALERT_WEBHOOK_URL",
    "CHAIN_ID",
    "CHAIN_RPC_URLS",
    "MINT_BATCH_AGE_MS",
    "MINT_BATCH_GAS",
    "MINT_BATCH_ITEMS",
    "MINT_BUMP_AFTER_MS",
    "MINT_CONFIRMATIONS",
    "MINT_CONTRACT",
    "MINT_DEV_KEYS",
    "MINT_FEE_CAP_GWEI",
    "MINT_IN_FLIGHT",
    "MINT_KEYSTORES",
    "MINT_KEYSTORE_PASSWORD",
    "MINT_POLL_MS",
    "MINT_REMOTE_SIGNERS",
    "MINT_REMOTE_SIGNER_URL",
    "MINT_TRUST_FINALIZED",
    "PIN_AUDIT_INTERVAL",
    "PIN_KUBO_URLS",
    "PIN_REQUIRED",
    "PIN_SERVICE_GATEWAY_URL",
    "PIN_SERVICE_ORIGINS",
    "PIN_SERVICE_TOKEN",
    "PIN_SERVICE_URL",
    "SHADOW_FILES",
];

#[test]
fn the_example_environment_explains_every_variable_and_no_other() {
    let text = read(".env.example");
    let explained: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.trim_start_matches('#').trim_start().split_once('='))
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect();

    let mut given = BTreeSet::new();
    for spec in &SERVICES {
        given.extend(environment(spec, &Wiring::compose()).unwrap().into_keys());
    }
    let given = given.iter().map(String::as_str).chain(LEFT_ALONE);
    assert_eq!(explained, given.collect());
}
