//! Finding the services, and saying so when there is none.

use std::io::Write as _;

use crate::world::{World, command, run};

#[tokio::test(flavor = "multi_thread")]
async fn without_any_service_the_program_says_how_to_name_one_and_ends_with_78() {
    let answer = run(command(&["lag"])).await;

    assert_eq!(answer.code, 78, "{answer:?}");
    for way in ["PLCTL_REDIS_URL", "--config", "cargo xtask up"] {
        assert!(answer.stderr.contains(way), "{way} in {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_ends_it_with_69_and_no_password_is_shown() {
    let world = World::new().await;
    let mut no_redis = command(&["lag"]);
    no_redis
        .env("PLCTL_REDIS_URL", "redis://admin:hunter2@127.0.0.1:1")
        .env("PLCTL_POST_DATABASE_URL", world.database.url());
    let mut no_postgres = command(&["lag"]);
    no_postgres
        .env("PLCTL_REDIS_URL", world.redis.url())
        .env("PLCTL_POST_DATABASE_URL", "postgres://admin:hunter2@127.0.0.1:1/x");

    for (command, server) in [(no_redis, "redis"), (no_postgres, "database")] {
        let answer = run(command).await;

        assert_eq!(answer.code, 69, "{answer:?}");
        assert!(answer.stderr.contains(server) && !answer.stderr.contains("hunter2"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_names_the_services_and_service_limits_them() {
    let world = World::new().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(
        file,
        "redis_url = \"{}\"\n[databases]\npost = \"{}\"\nengagement = \"{}\"",
        world.redis.url(),
        world.database.schema("post").await.unwrap(),
        world.database.schema("engagement").await.unwrap()
    )
    .unwrap();
    let path = file.path().to_str().unwrap();

    let both = run(command(&["events", "status", "--json", "--config", path])).await;
    let one =
        run(command(&["events", "status", "--json", "--config", path, "--service", "post"])).await;
    let none = run(command(&["events", "status", "--config", path, "--service", "auth"])).await;

    assert_eq!(both.json().as_array().unwrap().len(), 2, "{both:?}");
    assert_eq!(one.json()[0]["service"], "post", "{one:?}");
    assert_eq!(none.code, 78, "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_command_line_ends_it_with_2_and_whoever_changes_something_has_a_name() {
    let world = World::new().await;
    let mut nameless = command(&["relay", "pause", "--service", "post", "--reason", "test"]);
    nameless
        .env("PLCTL_REDIS_URL", world.redis.url())
        .env("PLCTL_POST_DATABASE_URL", world.database.url());

    let answers =
        [run(command(&["no-such-command"])).await, run(command(&["groups", "seek", "x"])).await];
    let nameless = run(nameless).await;

    for answer in answers {
        assert_eq!(answer.code, 2, "{answer:?}");
    }
    assert_eq!(nameless.code, 2, "{nameless:?}");
    assert!(nameless.stderr.contains("--operator"), "{nameless:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_get_a_completion_script_and_measurements_are_elsewhere() {
    let script = run(command(&["completions", "bash"])).await;
    let bench = run(command(&["bench"])).await;

    assert!(script.code == 0 && script.stdout.contains("_plctl()"), "{script:?}");
    assert!(bench.stdout.contains("cargo xtask bench events"), "{bench:?}");
}
