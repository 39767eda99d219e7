//! What the gateway is told besides what every program is told.

use std::time::Duration;

use service_kit::{Env, config::Settings};
use url::Url;

use crate::{
    rate_limit::{Policies, Policy},
    routes::{PerUpstream, Upstream},
};

/// The window of both policies.
const WINDOW: Duration = Duration::from_hours(1);

/// The largest quota: the log of one subject holds as many entries.
const LARGEST_QUOTA: u32 = 1_000_000;

/// The gateway's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// `AUTH_URL` and so on: where each service listens, as `http://host:port`.
    pub upstreams: PerUpstream<String>,
    /// `RATE_LIMIT_ANONYMOUS_PER_HOUR` (100) and `RATE_LIMIT_USER_PER_HOUR` (1000), 1 to 1,000,000.
    pub policies: Policies,
    /// `TRUSTED_PROXY_HOPS` (0): proxies of ours in front that append to `X-Forwarded-For`.
    pub trusted_hops: usize,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Option<Self> {
        // All are read before any is missed, so that every mistake is reported.
        let auth = base_url(env, Upstream::Auth);
        let post = base_url(env, Upstream::Post);
        let interaction = base_url(env, Upstream::Interaction);
        let moderation = base_url(env, Upstream::Moderation);
        let engagement = base_url(env, Upstream::Engagement);
        let minting = base_url(env, Upstream::Minting);
        let anonymous = quota(env, "RATE_LIMIT_ANONYMOUS_PER_HOUR", "100");
        let user = quota(env, "RATE_LIMIT_USER_PER_HOUR", "1000");
        let trusted_hops = env.or_default("TRUSTED_PROXY_HOPS", "0");
        Some(Self {
            upstreams: PerUpstream {
                auth: auth?,
                post: post?,
                interaction: interaction?,
                moderation: moderation?,
                engagement: engagement?,
                minting: minting?,
            },
            policies: Policies {
                anonymous: Policy { name: "anonymous", quota: anonymous?, window: WINDOW },
                user: Policy { name: "user", quota: user?, window: WINDOW },
            },
            trusted_hops: trusted_hops?,
        })
    }
}

/// The base URL of a service, without the slash at its end.
fn base_url(env: &mut Env, upstream: Upstream) -> Option<String> {
    let name = format!("{}_URL", upstream.name().to_ascii_uppercase());
    let text = env.url(&name, &["http"])?;
    let url = Url::parse(&text).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    if !bare || url.host_str().is_none_or(str::is_empty) {
        return env.mistake(&name, "must be http://host:port and nothing more");
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}

fn quota(env: &mut Env, name: &str, default: &str) -> Option<u32> {
    match env.or_default::<u32>(name, default) {
        Some(quota @ 1..=LARGEST_QUOTA) => Some(quota),
        Some(_) => env.mistake(name, "must be 1 to 1000000"),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported_at_once() {
        let mut env = Env::from_pairs([
            ("AUTH_URL", "http://auth:8000/api"),
            ("POST_URL", "https://post:8001"),
            ("RATE_LIMIT_USER_PER_HOUR", "0"),
        ]);

        let error = env.read::<Config>().unwrap_err().to_string();

        assert!(error.contains("AUTH_URL must be http://host:port"), "{error}");
        assert!(error.contains("POST_URL must be a http URL"), "{error}");
        assert!(error.contains("MINTING_URL is not set"), "{error}");
        assert!(error.contains("RATE_LIMIT_USER_PER_HOUR must be 1 to 1000000"), "{error}");
    }

    #[test]
    fn the_policies_are_100_and_1000_per_hour_unless_told_otherwise() {
        let urls = Upstream::ALL
            .map(|one| (format!("{}_URL", one.name().to_uppercase()), "http://127.0.0.1:1/"));
        let config = Env::from_pairs(urls).read::<Config>().unwrap();

        assert_eq!(config.policies.anonymous.quota, 100);
        assert_eq!(config.policies.user.quota, 1_000);
        assert_eq!(config.policies.user.window.as_secs(), 3_600);
        assert_eq!(config.upstreams.auth, "http://127.0.0.1:1");
        assert_eq!(config.trusted_hops, 0);
    }
}
