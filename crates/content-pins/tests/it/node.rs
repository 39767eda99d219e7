//! Another's node: the RPC of Kubo and the Pinning Service API as their documents describe them, over a store.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use content_blocks::{Block, Cid, Codec, Source as _, Store};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpListener;
use url::Url;

/// What is wrong with the node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Says that it keeps a block and forgets it.
    Forgets,
    /// Gives other bytes back.
    Corrupts,
    /// Calls every block by another name.
    Renames,
    /// Answers every request with 500.
    Broken,
}

pub(crate) struct Node {
    pub(crate) url: Url,
    state: Arc<State>,
    _directory: TempDir,
}

struct State {
    store: Store,
    pinned: Mutex<HashSet<String>>,
    /// The Pinning Service API: requests by id, with the CID and how often they were asked for.
    requests: Mutex<HashMap<String, (String, u32)>>,
    /// Where the service fetches what it is to pin.
    origin: Option<Store>,
    fault: Fault,
}

impl Node {
    pub(crate) async fn start(fault: Fault) -> Self {
        Self::with_origin(fault, None).await
    }

    #[expect(clippy::disallowed_methods, reason = "the node ends with its test")]
    pub(crate) async fn with_origin(fault: Fault, origin: Option<Store>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let state = Arc::new(State {
            store,
            pinned: Mutex::default(),
            requests: Mutex::default(),
            origin,
            fault,
        });
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let served = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&served);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let state = Arc::clone(&state);
                        async move { Ok::<_, hyper::Error>(answer(&state, request).await) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new();
                    connection.serve_connection(TokioIo::new(stream), service).await.ok();
                });
            }
        });
        Self { url, state, _directory: directory }
    }

    pub(crate) fn pinned(&self) -> Vec<String> {
        self.state.pinned.lock().unwrap().iter().cloned().collect()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.state.store
    }
}

async fn answer(state: &State, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (method, url) = (request.method().clone(), request.uri().clone());
    let parameters: HashMap<String, String> =
        url::form_urlencoded::parse(url.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let argument = parameters.get("arg").cloned().unwrap_or_default();
    if state.fault == Fault::Broken {
        return reply(500, "out of order");
    }
    match (method.as_str(), url.path()) {
        ("POST", "/api/v0/block/put") => {
            let codec = if parameters["cid-codec"] == "raw" { Codec::Raw } else { Codec::DagPb };
            let start = find(&body, b"\r\n\r\n").unwrap() + 4;
            let end =
                body.len() - body.iter().rev().skip(2).position(|byte| *byte == b'\r').unwrap() - 3;
            let block = Block::of(codec, body.slice(start..end));
            if state.fault != Fault::Forgets {
                state.store.put(&block).unwrap();
            }
            let key = match state.fault {
                Fault::Renames => Block::of(codec, &b"another"[..]).cid(),
                Fault::None | Fault::Forgets | Fault::Corrupts | Fault::Broken => block.cid(),
            };
            reply(200, &format!("{{\"Key\":\"{key}\",\"Size\":{}}}", block.bytes().len()))
        }
        ("POST", "/api/v0/pin/add") => {
            state.pinned.lock().unwrap().insert(argument.clone());
            reply(200, &format!("{{\"Pins\":[\"{argument}\"]}}"))
        }
        ("POST", "/api/v0/pin/rm") if state.pinned.lock().unwrap().remove(&argument) => {
            reply(200, &format!("{{\"Pins\":[\"{argument}\"]}}"))
        }
        ("POST", "/api/v0/pin/rm") => reply(
            500,
            "{\"Message\":\"not pinned or pinned indirectly\",\"Code\":0,\"Type\":\"error\"}",
        ),
        ("POST", "/api/v0/block/get") => block(state, &argument, 500),
        ("GET", path) if path.starts_with("/ipfs/") => {
            block(state, path.trim_start_matches("/ipfs/"), 404)
        }
        ("POST", "/psa/pins") => {
            let asked: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let cid = asked["cid"].as_str().unwrap().to_owned();
            let id = format!("request-{cid}");
            state.requests.lock().unwrap().insert(id.clone(), (cid, 0));
            reply(202, &status(&id, "queued"))
        }
        ("GET", "/psa/pins") => {
            let requests = state.requests.lock().unwrap();
            let found: Vec<String> = requests
                .iter()
                .filter(|(_, (cid, _))| *cid == parameters["cid"])
                .map(|(id, _)| status(id, "pinned"))
                .collect();
            reply(200, &format!("{{\"count\":{},\"results\":[{}]}}", found.len(), found.join(",")))
        }
        ("GET", path) if path.starts_with("/psa/pins/") => {
            let id = path.trim_start_matches("/psa/pins/");
            let mut requests = state.requests.lock().unwrap();
            let (cid, asked) = requests.get_mut(id).unwrap();
            *asked += 1;
            if *asked < 2 {
                return reply(200, &status(id, "pinning"));
            }
            let cid: Cid = cid.parse().unwrap();
            match state.origin.as_ref().and_then(|origin| origin.block(&cid).unwrap()) {
                Some(block) => {
                    state.store.put(&block).unwrap();
                    state.pinned.lock().unwrap().insert(cid.to_string());
                    reply(200, &status(id, "pinned"))
                }
                None => reply(200, &status(id, "failed")),
            }
        }
        ("DELETE", path) if path.starts_with("/psa/pins/") => {
            let request =
                state.requests.lock().unwrap().remove(path.trim_start_matches("/psa/pins/"));
            let Some((cid, _)) = request else { return reply(404, "no such pin") };
            state.pinned.lock().unwrap().remove(&cid);
            reply(202, "")
        }
        (method, path) => reply(404, &format!("{method} {path}")),
    }
}

fn block(state: &State, cid: &str, absent: u16) -> Response<Full<Bytes>> {
    match state.store.block(&cid.parse().unwrap()).unwrap() {
        Some(_) if state.fault == Fault::Corrupts => reply(200, "something else"),
        Some(block) => Response::new(Full::new(block.into_bytes())),
        None => reply(
            absent,
            "{\"Message\":\"block was not found locally (offline): ipld: could not find: not found\"}",
        ),
    }
}

fn status(id: &str, status: &str) -> String {
    format!(
        "{{\"requestid\":\"{id}\",\"status\":\"{status}\",\"created\":\"2026-01-01T00:00:00Z\",\"pin\":{{}},\"delegates\":[]}}"
    )
}

fn reply(status: u16, text: &str) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(text.to_owned().into())).unwrap()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
