//! Requests that are too much, too slow, or of no use.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use poem::{Response, endpoint::make, http::Method};
use test_kit::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use crate::setup::{SOON, Stage, echo, peer, problem};

const MIB: usize = 1024 * 1024;

/// Sends a head and 50 MiB after it, as far as they are taken; what came back.
async fn send_much(stage: &Stage, head: &str, piece: &[u8]) -> (String, usize) {
    let stream = TcpStream::connect(stage.gateway.addr).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    writer.write_all(head.as_bytes()).await.unwrap();
    let piece = piece.to_vec();
    let sending = tokio::spawn(async move {
        let mut sent = 0;
        while sent < 50 * MIB && writer.write_all(&piece).await.is_ok() {
            sent += piece.len();
        }
        sent
    });
    let mut answer = vec![0; 4096];
    let length = reader.read(&mut answer).await.unwrap();
    answer.truncate(length);
    drop(reader);
    (String::from_utf8(answer).unwrap(), sending.await.unwrap())
}

#[tokio::test]
async fn fifty_megabytes_are_refused_before_they_are_read() {
    let stage = Stage::before(&echo().await).await;
    let head =
        format!("POST /api/v1/posts HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 50 * MIB);

    let (answer, sent) = send_much(&stage, &head, &vec![b'a'; MIB]).await;

    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(sent < 50 * MIB, "{sent} bytes were taken");
}

#[tokio::test]
async fn fifty_megabytes_of_unknown_length_are_refused_while_they_are_read() {
    let stage = Stage::before(&echo().await).await;
    let head = "POST /api/v1/posts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let piece = [b"10000\r\n".as_slice(), &vec![b'a'; 0x10000], b"\r\n"].concat();

    let (answer, sent) = send_much(&stage, head, &piece).await;

    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(sent < 50 * MIB, "{sent} bytes were taken");
}

#[tokio::test]
async fn images_may_be_larger_than_everything_else() {
    let stage = Stage::before(&echo().await).await;
    let body = "a".repeat(MIB);
    let post = |path: &str| stage.http.post(stage.url(path)).body(body.clone()).send();

    let image = post("/api/v1/moderation/media/checks").await.unwrap();
    let other = post("/api/v1/moderation/reports").await.unwrap();

    assert_eq!(image.status(), 200);
    assert!(image.text().await.unwrap().contains(&body));
    problem(other, 413, "body-too-large").await;
}

#[tokio::test]
async fn half_a_header_is_not_waited_for() {
    let stage = Stage::before(&echo().await).await;
    let mut stream = TcpStream::connect(stage.gateway.addr).await.unwrap();
    stream.write_all(b"GET /api/v1/posts HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();

    let begun = Instant::now();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(9), stream.read_to_end(&mut answer)).await;

    assert!(ended.is_ok(), "the connection is still open after {:?}", begun.elapsed());
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn trace_and_connect_are_refused() {
    let stage = Stage::before(&echo().await).await;

    for request in [
        "TRACE /api/v1/posts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "CONNECT example.invalid:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(stage.gateway.addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
        assert!(answer.contains("allow: GET, HEAD, POST"), "{answer}");
    }
}

#[tokio::test]
async fn a_second_host_is_refused() {
    let stage = Stage::before(&echo().await).await;
    let mut stream = TcpStream::connect(stage.gateway.addr).await.unwrap();
    let request = "GET /api/v1/posts HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();

    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();

    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_path_of_nobody_is_a_problem() {
    let stage = Stage::before(&echo().await).await;

    problem(stage.get("/api/v1/nothing").await, 404, "not-found").await;
    problem(stage.send(Method::POST, "/wp-login.php").await, 404, "not-found").await;
}

#[tokio::test]
async fn a_gateway_that_stops_finishes_what_it_has_begun() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, waits) = (Arc::clone(&begun), Arc::clone(&go_on));
    let peer = peer(make(move |_| {
        let (begins, waits) = (Arc::clone(&begins), Arc::clone(&waits));
        async move {
            begins.notify_one();
            waits.notified().await;
            poem::Result::<Response>::Ok("done".into())
        }
    }))
    .await;
    let stage = Stage::before(&peer).await;
    let addr = stage.gateway.addr;
    let answer = tokio::spawn(stage.http.get(stage.url("/api/v1/posts")).send());
    begun.notified().await;

    let stopping = tokio::spawn(stage.gateway.stop());
    eventually(SOON, || async { TcpStream::connect(addr).await.is_err() }).await;
    go_on.notify_one();

    assert_eq!(answer.await.unwrap().unwrap().text().await.unwrap(), "done");
    stopping.await.unwrap();
}
