//! A private Redis.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use local_stack::redis::RedisServer;
use local_stack::scratch_dir;

/// The answer of a server without users to one command.
fn ask(redis: &RedisServer, command: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn a_killed_server_has_all_it_acknowledged_after_a_restart() {
    let dir = scratch_dir().unwrap();
    let mut redis = RedisServer::start_bare(dir.path()).await.unwrap();
    let port = redis.port();
    ask(&redis, "XADD stream 1-0 field value");

    redis.kill().await.unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    redis.restart().await.unwrap();

    assert_eq!(redis.port(), port);
    assert!(ask(&redis, "XLEN stream").starts_with(":1\r\n"));
}

#[tokio::test]
async fn a_stopped_server_that_lost_its_disk_starts_empty() {
    let dir = scratch_dir().unwrap();
    let mut redis = RedisServer::start_bare(dir.path()).await.unwrap();
    ask(&redis, "SET key value");

    assert!(redis.lose_data().is_err(), "a running server's files are not touched");
    redis.stop().await.unwrap();
    redis.lose_data().unwrap();
    redis.restart().await.unwrap();

    assert!(ask(&redis, "DBSIZE").starts_with(":0\r\n"));
}

#[tokio::test]
async fn it_refuses_to_forget_when_memory_is_full() {
    let dir = scratch_dir().unwrap();
    let redis = RedisServer::start_bare(dir.path()).await.unwrap();

    assert!(ask(&redis, "CONFIG GET maxmemory-policy").contains("noeviction"));
    assert!(ask(&redis, "CONFIG GET appendonly").contains("yes"));
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    let dir = scratch_dir().unwrap();
    let redis = RedisServer::start_bare(dir.path()).await.unwrap();
    let (port, id) = (redis.port(), redis.process_id().unwrap().clone());
    assert!(id.runs());

    drop(redis);

    assert!(!id.runs());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}
