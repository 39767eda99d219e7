//! Which service answers which path: one table, read from the top, the first match wins.

use poem::http::Method;
use service_kit::service::API_PREFIX;

/// A service behind the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// Accounts, sessions, connections.
    Auth,
    /// Posts.
    Post,
    /// Comments, reactions, views.
    Interaction,
    /// Moderation cases.
    Moderation,
    /// Activity profiles and notifications.
    Engagement,
    /// Mints.
    Minting,
}

impl Upstream {
    /// All of them, in the order in which documents show them.
    pub const ALL: [Self; 6] = [
        Self::Auth,
        Self::Post,
        Self::Interaction,
        Self::Moderation,
        Self::Engagement,
        Self::Minting,
    ];

    /// Its name in figures, logs, problems and tags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Post => "post",
            Self::Interaction => "interaction",
            Self::Moderation => "moderation",
            Self::Engagement => "engagement",
            Self::Minting => "minting",
        }
    }
}

/// One thing for each service.
#[derive(Clone, Debug)]
pub struct PerUpstream<T> {
    /// auth-service's.
    pub auth: T,
    /// post-service's.
    pub post: T,
    /// interaction-service's.
    pub interaction: T,
    /// moderation-service's.
    pub moderation: T,
    /// engagement-service's.
    pub engagement: T,
    /// minting-worker's.
    pub minting: T,
}

/// Where every service shows its events, below [`API_PREFIX`].
const EVENTS: &str = "/events";

/// Where the blocks are that tokens name: the address of a trustless gateway, which is the same everywhere.
const BLOCKS: &str = "/ipfs/";

/// The path below [`API_PREFIX`] under which clients find a path of a service: its own, except where all services have the
/// same one.
pub fn public_path(upstream: Upstream, path: &str) -> String {
    if path == EVENTS { format!("{EVENTS}/{}", upstream.name()) } else { path.to_owned() }
}

/// The service whose events a path below [`API_PREFIX`] names.
fn events_of(path: &str) -> Option<Upstream> {
    let name = path.strip_prefix(EVENTS)?.strip_prefix('/')?;
    Upstream::ALL.into_iter().find(|upstream| upstream.name() == name)
}

impl<T> PerUpstream<T> {
    /// The one of a service.
    pub fn get(&self, upstream: Upstream) -> &T {
        match upstream {
            Upstream::Auth => &self.auth,
            Upstream::Post => &self.post,
            Upstream::Interaction => &self.interaction,
            Upstream::Moderation => &self.moderation,
            Upstream::Engagement => &self.engagement,
            Upstream::Minting => &self.minting,
        }
    }

    /// Another thing for each service, made of these.
    pub fn map<U>(self, make: impl Fn(Upstream, T) -> U) -> PerUpstream<U> {
        PerUpstream {
            auth: make(Upstream::Auth, self.auth),
            post: make(Upstream::Post, self.post),
            interaction: make(Upstream::Interaction, self.interaction),
            moderation: make(Upstream::Moderation, self.moderation),
            engagement: make(Upstream::Engagement, self.engagement),
            minting: make(Upstream::Minting, self.minting),
        }
    }
}

/// A part of a pattern.
enum Part {
    /// This segment.
    Is(&'static str),
    /// One segment, whatever it is.
    Any,
    /// Nothing more, or any number of segments.
    Rest,
}

use Part::{Any, Is, Rest};

/// The paths below [`API_PREFIX`].
const TABLE: &[(&[Part], Upstream)] = &[
    // Engagement has a part of the users; it comes before auth's.
    (&[Is("users"), Any, Is("activity-profile")], Upstream::Engagement),
    (&[Is("me"), Rest], Upstream::Engagement),
    (&[Is("auth"), Rest], Upstream::Auth),
    (&[Is("users"), Rest], Upstream::Auth),
    (&[Is(".well-known"), Is("jwks.json")], Upstream::Auth),
    (&[Is("posts"), Rest], Upstream::Post),
    (&[Is("moderation"), Rest], Upstream::Moderation),
    (&[Is("mints"), Rest], Upstream::Minting),
    (&[Is("provenance"), Any], Upstream::Minting),
    (&[Is("minting"), Rest], Upstream::Minting),
    (&[Is("comments"), Any], Upstream::Interaction),
    (&[Is("post-reactions"), Any], Upstream::Interaction),
    (&[Any, Is("comments")], Upstream::Interaction),
    (&[Any, Is("post-reactions")], Upstream::Interaction),
    (&[Any, Is("view")], Upstream::Interaction),
];

/// A plain path for simple clients: it takes one method and stands for one path of the API.
struct Alias {
    /// Its only segment, or its first if the path takes an id.
    name: &'static str,
    method: Method,
    upstream: Upstream,
    /// What it stands for, without [`API_PREFIX`].
    target: &'static str,
    /// Whether an id follows, here and in what it stands for.
    takes_id: bool,
}

const ALIASES: &[Alias] = &[
    Alias {
        name: "all-posts",
        method: Method::GET,
        upstream: Upstream::Post,
        target: "/posts",
        takes_id: false,
    },
    Alias {
        name: "post-detail",
        method: Method::GET,
        upstream: Upstream::Post,
        target: "/posts",
        takes_id: true,
    },
    Alias {
        name: "create-post",
        method: Method::POST,
        upstream: Upstream::Post,
        target: "/posts",
        takes_id: false,
    },
    Alias {
        name: "login",
        method: Method::POST,
        upstream: Upstream::Auth,
        target: "/auth/signin",
        takes_id: false,
    },
    Alias {
        name: "register",
        method: Method::POST,
        upstream: Upstream::Auth,
        target: "/auth/signup",
        takes_id: false,
    },
];

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// To whom.
    pub upstream: Upstream,
    /// By which path; the query stays as it is.
    pub path: String,
}

/// Why a request goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// No service has this path.
    #[error("no service has this path")]
    Path,
    /// The path exists and does not take this method.
    #[error("this path takes {allow} only")]
    Method {
        /// What it does take, in the form of an `Allow` header.
        allow: &'static str,
    },
}

/// Where a request for `path` goes.
///
/// # Errors
///
/// [`NoRoute`] if it goes nowhere.
pub fn resolve(method: &Method, path: &str) -> Result<Target, NoRoute> {
    if path == "/.well-known/jwks.json" {
        return Ok(Target { upstream: Upstream::Auth, path: path.to_owned() });
    }
    if let Some(cid) = path.strip_prefix(BLOCKS) {
        return resolve_block(method, cid, path);
    }
    if let Some(below) = path.strip_prefix(API_PREFIX) {
        if let Some(upstream) = events_of(below) {
            return Ok(Target { upstream, path: format!("{API_PREFIX}{EVENTS}") });
        }
        let upstream = upstream_of(below).ok_or(NoRoute::Path)?;
        return Ok(Target { upstream, path: path.to_owned() });
    }
    resolve_alias(method, path)
}

/// The service that answers a path below [`API_PREFIX`].
pub fn upstream_of(path: &str) -> Option<Upstream> {
    if let Some(upstream) = events_of(path) {
        return Some(upstream);
    }
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    if segments.iter().any(|segment| is_odd(segment)) {
        return None;
    }
    let found = TABLE.iter().find(|(pattern, _)| matches(pattern, &segments));
    found.map(|(_, upstream)| *upstream)
}

fn matches(pattern: &[Part], segments: &[&str]) -> bool {
    match (pattern, segments) {
        ([], []) | ([Rest, ..], _) => true,
        ([Is(name), pattern @ ..], [segment, segments @ ..]) => {
            name == segment && matches(pattern, segments)
        }
        ([Any, pattern @ ..], [_, segments @ ..]) => matches(pattern, segments),
        ([], [_, ..]) | ([Is(_) | Any, ..], []) => false,
    }
}

/// Segments that the gateway and a service could read differently: empty ones, dots, and encoded dots and slashes.
fn is_odd(segment: &str) -> bool {
    let decoded = segment.to_ascii_lowercase().replace("%2e", ".");
    matches!(decoded.as_str(), "" | "." | "..") || decoded.contains("%2f")
}

fn resolve_block(method: &Method, cid: &str, path: &str) -> Result<Target, NoRoute> {
    if cid.contains('/') || is_odd(cid) {
        return Err(NoRoute::Path);
    }
    if method != Method::GET && method != Method::HEAD {
        return Err(NoRoute::Method { allow: "GET, HEAD" });
    }
    Ok(Target { upstream: Upstream::Minting, path: path.to_owned() })
}

fn resolve_alias(method: &Method, path: &str) -> Result<Target, NoRoute> {
    let path = path.strip_prefix('/').ok_or(NoRoute::Path)?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let (name, id) = path.split_once('/').map_or((path, None), |(name, id)| (name, Some(id)));
    let alias = ALIASES.iter().find(|alias| alias.name == name).ok_or(NoRoute::Path)?;
    let path = match id {
        None if !alias.takes_id => format!("{API_PREFIX}{}", alias.target),
        Some(id) if alias.takes_id && !id.contains('/') && !is_odd(id) => {
            format!("{API_PREFIX}{}/{id}", alias.target)
        }
        None | Some(_) => return Err(NoRoute::Path),
    };
    let reads = alias.method == Method::GET;
    if method != alias.method && !(reads && method == Method::HEAD) {
        return Err(NoRoute::Method { allow: if reads { "GET, HEAD" } else { "POST" } });
    }
    Ok(Target { upstream: alias.upstream, path })
}
