//! A signer elsewhere signs what it is asked for, and nothing else is taken from it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use ethers_core::{
    types::{
        Eip1559TransactionRequest, NameOrAddress, U256, transaction::eip2718::TypedTransaction,
    },
    utils::hex,
};
use evm_chain::{Call, Fees, LocalSigner, RemoteSigner, Signer as _, quantity::Quantity, sign};
use serde_json::{Value, json};
use test_kit::TestChain;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What the signer does.
const HONEST: u8 = 0;
const OTHER_KEY: u8 = 1;
const OTHER_NONCE: u8 = 2;
const NOTHING: u8 = 3;

/// A signer over HTTP with a real key, which can be told to cheat.
struct Server {
    addr: SocketAddr,
    manner: Arc<AtomicU8>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, manner) = (listener.local_addr().unwrap(), Arc::new(AtomicU8::new(HONEST)));
        let told = Arc::clone(&manner);
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serve(stream, told.load(Ordering::Relaxed)).await;
            }
        });
        Self { addr, manner }
    }
}

async fn serve(mut stream: TcpStream, manner: u8) {
    let mut text = String::new();
    let request: Value = loop {
        let mut bytes = vec![0; 4096];
        let read = stream.read(&mut bytes).await.unwrap();
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        if let Ok(request) = serde_json::from_str(body) {
            break request;
        }
    };
    assert_eq!(request["method"], "eth_signTransaction");
    let id = &request["id"];
    let body = if manner == NOTHING {
        json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32000, "message": "no" } })
    } else {
        let raw = signed(&request["params"][0], manner).await;
        json!({ "jsonrpc": "2.0", "id": id, "result": format!("0x{}", hex::encode(raw)) })
    };
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}

async fn signed(call: &Value, manner: u8) -> Vec<u8> {
    let number =
        |field: &str| -> u64 { serde_json::from_value::<Quantity>(call[field].clone()).unwrap().0 };
    let nonce = number("nonce") + u64::from(manner == OTHER_NONCE);
    let request = Eip1559TransactionRequest::new()
        .to(NameOrAddress::Address(call["to"].as_str().unwrap().parse().unwrap()))
        .gas(number("gas"))
        .value(U256::zero())
        .data(hex::decode(call["data"].as_str().unwrap().trim_start_matches("0x")).unwrap())
        .nonce(nonce)
        .max_fee_per_gas(number("maxFeePerGas"))
        .max_priority_fee_per_gas(number("maxPriorityFeePerGas"))
        .chain_id(number("chainId"));
    let key = TestChain::KEYS[usize::from(manner == OTHER_KEY)];
    let signer = LocalSigner::from_hex(key).unwrap();
    signer.sign_transaction(&TypedTransaction::Eip1559(request)).await.unwrap().raw
}

#[tokio::test]
async fn what_a_remote_signer_signs_is_taken_only_if_it_is_what_was_asked() {
    let server = Server::start().await;
    let local = LocalSigner::from_hex(TestChain::KEYS[0]).unwrap();
    let url = format!("http://{}", server.addr).parse().unwrap();
    let remote = RemoteSigner::new(url, local.address(), Duration::from_secs(5)).unwrap();
    let call = Call { to: Some(local.address()), input: vec![1, 2, 3], gas: 90_000 };
    let fees = Fees { max: 2_000_000_000, tip: 1_000_000 };

    let honest = sign(&remote, TestChain::ID, 7, &call, fees).await.unwrap();
    assert_eq!(honest, sign(&local, TestChain::ID, 7, &call, fees).await.unwrap());

    for (manner, why) in [
        (OTHER_KEY, "signed as 0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        (OTHER_NONCE, "signed another transaction"),
        (NOTHING, "gives no signature"),
    ] {
        server.manner.store(manner, Ordering::Relaxed);
        let error = sign(&remote, TestChain::ID, 7, &call, fees).await.unwrap_err();
        let said = error.0.to_string();
        assert!(said.contains(why), "{said}");
    }
}
