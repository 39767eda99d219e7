//! Settings of content: delays and places.

use std::{path::PathBuf, sync::Arc, time::Duration};

use chrono::TimeDelta;
use content_blocks::Store;
use content_pins::{Embedded, Kubo, PinningService, Place, Places, ServiceSettings};
use service_kit::{Env, config::Settings};
use url::Url;

/// What is decided about content, and where its metadata is kept.
#[derive(Clone)]
pub struct ContentConfig {
    /// `MINT_DELAY`: how long a text must have stood before it is minted.
    pub delay: TimeDelta,
    /// `PIN_AUDIT_INTERVAL`: how often every place is asked for every block.
    pub audit_interval: TimeDelta,
    /// Blocks on this machine, served at `/ipfs/`: `BLOCKS_DIR`.
    pub store: Store,
    /// That directory, `PIN_KUBO_URLS` and `PIN_SERVICE_URL`, of which `PIN_REQUIRED` must keep everything.
    pub places: Places,
}

impl Settings for ContentConfig {
    fn read(env: &mut Env) -> Option<Self> {
        let delay = seconds(env, "MINT_DELAY", "600");
        let audit_interval = seconds(env, "PIN_AUDIT_INTERVAL", "3600");
        let enough = env.or_default::<usize>("PIN_REQUIRED", "1");
        let nodes = nodes(env);
        let service = service(env);
        let store = env.or_default::<PathBuf>("BLOCKS_DIR", "blocks").and_then(|directory| {
            Store::open(directory)
                .map_err(|error| env.mistake::<()>("BLOCKS_DIR", &with_cause(&error)))
                .ok()
        });
        // Nothing before this line returns early: every mistake is reported at once.
        let (mut places, store) = (nodes?, store?);
        places.insert(0, Arc::new(Embedded::new(store.clone())));
        places.extend(service?);
        let places = Places::new(places, enough?)
            .map_err(|error| {
                env.mistake::<()>("PIN_REQUIRED", &format!("asks for too much: {error}"))
            })
            .ok()?;
        Some(Self { delay: delay?, audit_interval: audit_interval?, store, places })
    }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
    format!("cannot be used: {error}{cause}")
}

fn seconds(env: &mut Env, name: &str, default: &str) -> Option<TimeDelta> {
    let seconds = env.or_default::<u32>(name, default)?;
    TimeDelta::from_std(Duration::from_secs(seconds.into())).ok()
}

fn nodes(env: &mut Env) -> Option<Vec<Arc<dyn Place>>> {
    let listed = env.or_default::<String>("PIN_KUBO_URLS", "")?;
    let mut nodes: Vec<Arc<dyn Place>> = Vec::new();
    for text in listed.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => {
                nodes.push(Arc::new(Kubo::new(url)));
            }
            Ok(_) | Err(_) => {
                return env
                    .mistake("PIN_KUBO_URLS", "must be http or https URLs, separated by commas");
            }
        }
    }
    Some(nodes)
}

/// `PIN_SERVICE_URL`, and with it `PIN_SERVICE_TOKEN`, `PIN_SERVICE_GATEWAY_URL` and `PIN_SERVICE_ORIGINS`.
fn service(env: &mut Env) -> Option<Vec<Arc<dyn Place>>> {
    if env.or_default::<String>("PIN_SERVICE_URL", "")?.is_empty() {
        return Some(Vec::new());
    }
    let schemes = ["https", "http"];
    let api = env.url("PIN_SERVICE_URL", &schemes);
    let gateway = env.url("PIN_SERVICE_GATEWAY_URL", &schemes);
    let token = env.secret::<String>("PIN_SERVICE_TOKEN");
    let origins = env.or_default::<String>("PIN_SERVICE_ORIGINS", "");
    let (api, gateway) = (api?.parse().ok()?, gateway?.parse().ok()?);
    let origins = origins?.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect();
    let settings = ServiceSettings { api, token: token?, gateway, origins };
    Some(vec![Arc::new(PinningService::new(settings))])
}
