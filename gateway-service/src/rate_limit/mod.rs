//! How many requests a subject may send: an exact sliding window, counted in Redis for all gateways together.
//!
//! A log of admitted requests per subject, and not a bucket: a bucket that is refilled lets almost twice the quota through
//! in its first window. A log holds at most `quota` entries, so its cost is bounded.

mod local;
mod shared;
mod subject;

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use metrics::{counter, gauge};
use poem::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use self::{local::LocalLog, shared::SharedLog};
pub use subject::Subject;

/// How long Redis is left alone after it has failed: until then requests do not wait for it.
const PAUSE: Duration = Duration::from_secs(1);

/// The wire form of a policy's name in figures.
const DEGRADED: &str = "ratelimit_degraded";

/// At most `quota` requests in any `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name in headers and problems.
    pub name: &'static str,
    /// Requests, at least 1.
    pub quota: u32,
    /// The length of the window.
    pub window: Duration,
}

/// The policy for each kind of subject.
#[derive(Clone, Copy, Debug)]
pub struct Policies {
    /// For an address without a token that holds.
    pub anonymous: Policy,
    /// For a user.
    pub user: Policy,
}

/// Whether a request may pass, and what its sender has left.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    /// By which policy.
    pub policy: Policy,
    /// Whether it may pass.
    pub admitted: bool,
    /// Requests left in the window that ends now.
    pub remaining: u32,
    /// When the oldest request leaves the window and makes room for one more.
    pub reset: Duration,
}

impl Decision {
    /// [`Decision::reset`] in whole seconds, at least one.
    pub fn reset_seconds(&self) -> u64 {
        whole_seconds(self.reset)
    }

    /// Adds `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).
    pub fn describe(&self, headers: &mut HeaderMap) {
        let Policy { name, quota, window } = self.policy;
        let policy = format!("\"{name}\";q={quota};w={}", window.as_secs().max(1));
        let state = format!("\"{name}\";r={};t={}", self.remaining, self.reset_seconds());
        for (header, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(header), value);
            }
        }
    }
}

/// A duration in whole seconds, rounded up, at least one: for headers that know no less.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}

/// Counts requests; in Redis, or in this process while Redis does not answer.
pub struct RateLimiter {
    shared: SharedLog,
    local: LocalLog,
    policies: Policies,
    /// Until when Redis is left alone; `None` while it answers.
    degraded: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// A limiter over the Redis at `url`, which need not run yet.
    ///
    /// # Errors
    ///
    /// If the URL is not a Redis URL.
    pub fn connect(url: &str, policies: Policies) -> Result<Self, fred::error::Error> {
        gauge!(DEGRADED).set(0.0);
        Ok(Self {
            shared: SharedLog::connect(url)?,
            local: LocalLog::new(policies.anonymous.window.max(policies.user.window)),
            policies,
            degraded: Mutex::new(None),
        })
    }

    /// Counts one request of a subject, if it may pass. `request` is an id that no other request has.
    pub async fn take(&self, subject: Subject, request: Uuid) -> Decision {
        let policy = match subject {
            Subject::User(_) => self.policies.user,
            Subject::Address(_) => self.policies.anonymous,
        };
        let decision = self.decide(subject, request, policy).await;
        let outcome = if decision.admitted { "admitted" } else { "refused" };
        counter!("ratelimit_requests_total", "policy" => policy.name, "outcome" => outcome)
            .increment(1);
        decision
    }

    async fn decide(&self, subject: Subject, request: Uuid, policy: Policy) -> Decision {
        if self.is_paused() {
            return self.local.take(subject, policy, Instant::now());
        }
        match self.shared.take(&subject.key(), request, policy).await {
            Ok(decision) => {
                self.recover();
                decision
            }
            Err(error) => {
                self.degrade(&error);
                self.local.take(subject, policy, Instant::now())
            }
        }
    }

    fn is_paused(&self) -> bool {
        self.degraded().is_some_and(|until| Instant::now() < until)
    }

    fn recover(&self) {
        if self.degraded().take().is_some() {
            gauge!(DEGRADED).set(0.0);
            tracing::info!("redis counts requests again");
        }
    }

    fn degrade(&self, error: &fred::error::Error) {
        let before = self.degraded().replace(Instant::now() + PAUSE);
        if before.is_none() {
            gauge!(DEGRADED).set(1.0);
            let error: &dyn std::error::Error = error;
            tracing::warn!(error, "redis does not count requests; this process does it alone");
        }
    }

    fn degraded(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        // One value, written at once: a panic elsewhere leaves it whole.
        self.degraded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
