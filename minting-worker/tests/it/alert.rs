//! Operators are told what is wrong, once when it begins and once when it ends, by somebody they can verify.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use shared_schemas::user::Role;
use test_kit::{TestChain, eventually};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use webhooks::Secret;

use crate::{
    chain::{ChainWorld, LATER, quick},
    support::person,
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A message as it arrived.
#[derive(Clone, Debug)]
struct Message {
    id: String,
    timestamp: i64,
    signature: String,
    body: String,
}

/// Takes messages; refuses the first one that it gets.
struct Receiver {
    url: String,
    taken: Arc<Mutex<Vec<Message>>>,
    refused: Arc<Mutex<Vec<Message>>>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/alerts", listener.local_addr().unwrap());
        let (taken, refused) = (Arc::default(), Arc::default());
        let this = Self { url, taken: Arc::clone(&taken), refused: Arc::clone(&refused) };
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut text = String::new();
                let message = loop {
                    let mut bytes = vec![0; 4096];
                    let read = stream.read(&mut bytes).await.unwrap();
                    text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
                    if let Some(message) = parse(&text) {
                        break message;
                    }
                };
                let is_first = refused.lock().unwrap().is_empty();
                let (status, kept) =
                    if is_first { ("503 Busy", &refused) } else { ("204 Fine", &taken) };
                kept.lock().unwrap().push(message);
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        this
    }

    fn of(&self, kind: &str) -> Vec<Message> {
        let taken = self.taken.lock().unwrap();
        taken.iter().filter(|message| message.json()["data"]["kind"] == kind).cloned().collect()
    }
}

impl Message {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A request, as soon as all of it is there.
fn parse(text: &str) -> Option<Message> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name)).unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    (body.len() == header("content-length").parse::<usize>().unwrap()).then(|| Message {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp").parse().unwrap(),
        signature: header("webhook-signature"),
        body: body.to_owned(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_low_balance_is_told_once_signed_and_once_more_when_it_is_over() {
    let receiver = Receiver::start().await;
    let mut settings = quick();
    settings.extend([
        ("ALERT_WEBHOOK_URL", receiver.url.clone()),
        ("ALERT_WEBHOOK_SECRET", SECRET.to_owned()),
        ("ALERT_POLL_MS", "100".to_owned()),
    ]);
    let world = ChainWorld::start(&[TestChain::KEYS[0]], settings).await;
    let account = evm_chain::LocalSigner::from_hex(TestChain::KEYS[0]).unwrap();
    let account = evm_chain::Signer::address(&account);
    let set = async |balance: &str| {
        world.chain.call("anvil_setBalance", json!([account, balance])).await.unwrap();
    };
    let told = async |count: usize| {
        eventually(LATER, || async {
            let told = receiver.of("BALANCE_LOW");
            if told.len() == count { Ok(told) } else { Err(told) }
        })
        .await
    };

    set("0x1").await;
    let began = told(1).await.remove(0);
    set("0xde0b6b3a7640000").await;
    let ended = told(2).await.remove(1);

    let secret: Secret = SECRET.parse().unwrap();
    for message in [&began, &ended] {
        assert_eq!(message.signature, secret.sign(&message.id, message.timestamp, &message.body));
    }
    assert_eq!(began.json()["type"], "minting.alert.began");
    assert_eq!(ended.json()["type"], "minting.alert.ended");
    assert_eq!(began.json()["data"]["id"], ended.json()["data"]["id"]);
    // What was refused came again under the same id, and nothing came twice.
    let first = receiver.refused.lock().unwrap()[0].clone();
    let taken = receiver.taken.lock().unwrap().clone();
    assert_eq!(taken.iter().filter(|message| message.id == first.id).count(), 1);
    let shown = world.world.get(Some((person(9), Role::Admin)), "/minting/alerts").await.1;
    assert_eq!(shown["items"][0]["kind"], "BALANCE_LOW", "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_what_went_away_and_a_foreign_nonce_are_alerts() {
    let mut settings = quick();
    settings.extend([
        ("ALERT_POLL_MS", "100".to_owned()),
        ("ALERT_STUCK_AFTER", "0".to_owned()),
        ("MINT_CONFIRMATIONS", "40".to_owned()),
    ]);
    let key = TestChain::KEYS[0];
    let world = ChainWorld::start(&[key], settings).await;
    let begun = async |kind: &str| {
        eventually(LATER, || async {
            let shown = world.world.get(Some((person(9), Role::Admin)), "/minting/alerts").await.1;
            let items = shown["items"].as_array().unwrap().clone();
            items.into_iter().find(|alert| alert["kind"] == kind).ok_or(shown)
        })
        .await
    };

    // The contract is deeper than the reorganisation.
    world.chain.mine(15).await.unwrap();
    world.request(0..2).await;
    world.wait_for(0, "MINED").await;
    world.wait_for(1, "MINED").await;
    world.chain.reorganise(12).await.unwrap();
    assert!(begun("REORG").await["ended_at"].is_string());

    world.set_paused(true).await;
    world.request(2..3).await;
    let stuck = begun("LANE_STUCK").await;
    assert!(stuck["detail"].is_string(), "{stuck}");
    world.set_paused(false).await;

    world.mint_elsewhere(TestChain::KEYS[1], 5, [9; 32]).await;
    world.request(5..6).await;
    begun("PARKED").await;
    // The lane has nothing on its way, which would be before the foreign one or in its place.
    world.wait_for(2, "MINED").await;
    world.mint_elsewhere(key, 7, [7; 32]).await;
    world.chain.mine(45).await.unwrap();
    assert!(begun("FOREIGN_NONCE").await["ended_at"].is_null());
}
