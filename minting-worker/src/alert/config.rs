//! Settings of alerts.

use std::time::Duration;

use service_kit::{Env, config::Settings};
use webhooks::{Receiver, Secret};

/// When operators are told, and where.
#[derive(Clone)]
pub struct AlertConfig {
    /// `ALERT_WEBHOOK_URL` with `ALERT_WEBHOOK_SECRET`; without one, alerts are shown and told to nobody.
    pub receiver: Option<Receiver>,
    /// `ALERT_BALANCE_BELOW`: millionths of the chain's coin.
    pub balance_below: u64,
    /// `ALERT_DRY_HOURS`: hours that the balance must last at today's rate.
    pub dry_hours: i64,
    /// `ALERT_STUCK_AFTER`: seconds that something of a lane may wait.
    pub stuck_after: i64,
    /// `ALERT_POLL_MS`: how often it is looked.
    pub poll: Duration,
}

impl Settings for AlertConfig {
    fn read(env: &mut Env) -> Option<Self> {
        let receiver = receiver(env);
        let balance_below = env.or_default::<u64>("ALERT_BALANCE_BELOW", "50000");
        let dry_hours = env.or_default::<u32>("ALERT_DRY_HOURS", "24");
        let stuck_after = env.or_default::<u32>("ALERT_STUCK_AFTER", "600");
        let poll = match env.or_default::<u64>("ALERT_POLL_MS", "10000")? {
            poll @ 50..=3_600_000 => Some(Duration::from_millis(poll)),
            _ => env.mistake("ALERT_POLL_MS", "must be 50 to 3600000"),
        };
        Some(Self {
            receiver: receiver?,
            balance_below: balance_below?,
            dry_hours: dry_hours?.into(),
            stuck_after: stuck_after?.into(),
            poll: poll?,
        })
    }
}

/// The outer `None` is a mistake that was noted.
#[expect(clippy::option_option, reason = "a mistake, nobody to tell, or somebody")]
fn receiver(env: &mut Env) -> Option<Option<Receiver>> {
    if env.optional_secret::<String>("ALERT_WEBHOOK_URL", "")?.is_empty() {
        return Some(None);
    }
    let url = env.secret::<url::Url>("ALERT_WEBHOOK_URL");
    let secret = env.secret::<Secret>("ALERT_WEBHOOK_SECRET");
    let (url, secret) = (url?, secret?);
    if !matches!(url.scheme(), "http" | "https") {
        return env.mistake("ALERT_WEBHOOK_URL", "must be an http or https URL");
    }
    match Receiver::new(url, secret) {
        Ok(receiver) => Some(Some(receiver)),
        Err(error) => env.mistake("ALERT_WEBHOOK_URL", &format!("cannot be used: {error}")),
    }
}
