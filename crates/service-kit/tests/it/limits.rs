//! What a client can hold back or pile up, and how soon it is over.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::world::{SOON, World};

/// The limit, and what a busy machine may add to it.
const HEADER_LIMIT: Duration = Duration::from_secs(8);

async fn closed_after(world: &World, sent: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(world.running.addr).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let started = Instant::now();
    let mut rest = Vec::new();
    // A reset is an end as well.
    drop(tokio::time::timeout(HEADER_LIMIT * 2, stream.read_to_end(&mut rest)).await);
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_sent_header_is_closed_within_its_limit() {
    let world = World::start().await;

    let (half, silent) = tokio::join!(
        closed_after(&world, b"GET /livez HTTP/1.1\r\nHost: loc"),
        closed_after(&world, b"")
    );

    assert!(half < HEADER_LIMIT, "{half:?}");
    assert!(silent < HEADER_LIMIT, "{silent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_50_megabytes_is_refused_while_it_is_read() {
    let world = World::start().await;
    let head = format!(
        "POST /api/v1/notes HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n",
        world.token(1)
    );

    for announced in [true, false] {
        let mut stream = TcpStream::connect(world.running.addr).await.unwrap();
        let size = 50 * 1024 * 1024;
        let length = if announced {
            format!("Content-Length: {size}")
        } else {
            "Transfer-Encoding: chunked".to_owned()
        };
        stream.write_all(format!("{head}{length}\r\n\r\n").as_bytes()).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let mut sent = 0;
        let sending = async {
            let chunk = [b'x'; 16 * 1024];
            while sent < size {
                let framed = if announced {
                    chunk.to_vec()
                } else {
                    [b"4000\r\n".as_slice(), &chunk, b"\r\n"].concat()
                };
                if writer.write_all(&framed).await.is_err() {
                    break;
                }
                sent += chunk.len();
            }
        };
        let mut answer = [0; 12];
        let (read, ()) = tokio::join!(reader.read_exact(&mut answer), sending);

        assert!(sent < size / 4, "{sent} bytes were taken");
        // Closing on a client that is still sending may reset the connection before the answer is read.
        if read.is_ok() {
            assert_eq!(&answer, b"HTTP/1.1 413", "announced: {announced}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_somewhat_too_large_is_answered_with_413() {
    let world = World::start().await;
    let client = reqwest::Client::builder().timeout(SOON).build().unwrap();
    let body = serde_json::json!({ "text": "x".repeat(100_000) });

    let request = client.post(world.url("/api/v1/notes")).bearer_auth(world.token(1)).json(&body);
    let answer = request.send().await.unwrap();

    assert_eq!(answer.status(), 413);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_problem_and_the_service_lives() {
    let world = World::start().await;

    let answer = reqwest::get(world.url("/api/v1/panic")).await.unwrap();

    assert_eq!(answer.status(), 500);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(world.me(&world.token(1)).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_overlong_and_nul_requests_are_refused() {
    let world = World::start().await;
    let client = reqwest::Client::builder().timeout(SOON).build().unwrap();
    let token = world.token(1);
    let post = || client.post(world.url("/api/v1/notes")).bearer_auth(&token);
    let long = format!("/api/v1/me?x={}", "y".repeat(9_000));

    let compressed = post().header("content-encoding", "gzip").body("x").send().await.unwrap();
    let nul = post()
        .header("content-type", "application/json")
        .body("{\"text\":\"\\u0000\"}")
        .send()
        .await
        .unwrap();
    let surrogate = post()
        .header("content-type", "application/json")
        .body("{\"text\":\"\\ud800\"}")
        .send()
        .await
        .unwrap();
    let overlong = client.get(world.url(&long)).send().await.unwrap();

    let codes = [&compressed, &nul, &surrogate, &overlong].map(|answer| answer.status().as_u16());
    assert_eq!(codes, [415, 400, 400, 414]);
}
