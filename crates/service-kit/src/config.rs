//! Configuration: read from the environment once, at start, with every mistake reported together.

use std::{collections::BTreeMap, fmt, net::SocketAddr, str::FromStr, time::Duration};

/// The variables a program was started with, and what it has made of them so far.
///
/// A secret never appears in what this prints: not in the listing at start, and not in an error.
pub struct Env {
    variables: BTreeMap<String, String>,
    mistakes: Vec<String>,
    listing: Vec<(String, String)>,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    mistakes: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} mistake(s):", self.mistakes.len())?;
        for mistake in &self.mistakes {
            write!(f, "\n  {mistake}")?;
        }
        Ok(())
    }
}

/// A group of settings that a program reads from its environment.
pub trait Settings: Sized + Send + Sync + 'static {
    /// Reads all of them. `None` only if a mistake was noted.
    fn read(env: &mut Env) -> Option<Self>;
}

impl Settings for () {
    fn read(_: &mut Env) -> Option<Self> {
        Some(())
    }
}

impl Env {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self::from_pairs(std::env::vars())
    }

    /// An environment of the caller's making, for tests.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, mistakes: Vec::new(), listing: Vec::new() }
    }

    /// A variable that must be there.
    pub fn required<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Option<T> {
        let Some(text) = self.variables.get(name).filter(|text| !text.is_empty()).cloned() else {
            self.mistakes.push(format!("{name} is not set"));
            return None;
        };
        self.listing.push((name.to_owned(), text.clone()));
        self.parse(name, &text, true)
    }

    /// A variable that may be left out.
    pub fn or_default<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &str,
        default: &str,
    ) -> Option<T> {
        let text = self.variables.get(name).filter(|text| !text.is_empty()).cloned();
        let text = text.unwrap_or_else(|| default.to_owned());
        self.listing.push((name.to_owned(), text.clone()));
        self.parse(name, &text, true)
    }

    /// A variable that must be there and is never shown.
    pub fn secret<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Option<T> {
        let Some(text) = self.variables.get(name).filter(|text| !text.is_empty()).cloned() else {
            self.mistakes.push(format!("{name} is not set"));
            return None;
        };
        self.listing.push((name.to_owned(), "(secret)".to_owned()));
        self.parse(name, &text, false)
    }

    /// A variable that may be left out and is never shown.
    pub fn optional_secret<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &str,
        default: &str,
    ) -> Option<T> {
        let given = self.variables.get(name).filter(|text| !text.is_empty()).cloned();
        let shown = if given.is_some() { "(secret)" } else { "" };
        self.listing.push((name.to_owned(), shown.to_owned()));
        self.parse(name, given.as_deref().unwrap_or(default), false)
    }

    /// A URL that must be there; its password is never shown.
    pub fn url(&mut self, name: &str, schemes: &[&str]) -> Option<String> {
        let Some(text) = self.variables.get(name).filter(|text| !text.is_empty()).cloned() else {
            self.mistakes.push(format!("{name} is not set"));
            return None;
        };
        match url::Url::parse(&text) {
            Ok(mut url) if schemes.contains(&url.scheme()) => {
                if url.password().is_some() && url.set_password(Some("secret")).is_err() {
                    url = url::Url::parse("secret:url").ok()?;
                }
                self.listing.push((name.to_owned(), url.to_string()));
                Some(text)
            }
            Ok(_) => self.mistake(name, &format!("must be a {} URL", schemes.join(" or "))),
            Err(error) => self.mistake(name, &format!("is no URL: {error}")),
        }
    }

    /// Notes that a variable is well formed and still not acceptable.
    pub fn mistake<T>(&mut self, name: &str, what: &str) -> Option<T> {
        self.mistakes.push(format!("{name} {what}"));
        None
    }

    fn parse<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &str,
        text: &str,
        show: bool,
    ) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) if show => self.mistake(name, &format!("= {text:?} is not valid: {error}")),
            Err(_) => self.mistake(name, "is not valid"),
        }
    }

    /// Reads settings, and fails with every mistake that any reading of this environment noted.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with all of them.
    pub fn read<S: Settings>(&mut self) -> Result<S, ConfigError> {
        let settings = S::read(self);
        match settings {
            Some(settings) if self.mistakes.is_empty() => Ok(settings),
            _ => Err(ConfigError { mistakes: std::mem::take(&mut self.mistakes) }),
        }
    }

    /// What was read, with secrets left out, for the log at start.
    pub fn listing(&self) -> String {
        let lines: Vec<String> =
            self.listing.iter().map(|(name, value)| format!("{name}={value}")).collect();
        lines.join(" ")
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err("it is human or json"),
        }
    }
}

/// What every program of the platform is told.
#[derive(Clone, Debug)]
pub struct Common {
    /// `LISTEN_ADDR`: where HTTP is served.
    pub listen: SocketAddr,
    /// `REDIS_URL`.
    pub redis_url: String,
    /// `EVENT_PARTITIONS`: streams of a service whose store is new, 1 to 64; the layout of an older store wins.
    pub partitions: u16,
    /// `AUDIT_INTERVAL`: how often every read model is compared with its events, in seconds; 0 for never.
    pub audit_interval: Duration,
    /// `EVENT_RETENTION`: how many of the last entries of each stream stay although everybody has read them, 0 and up.
    pub retention: u64,
    /// `LOG_FORMAT`: `human` or `json`.
    pub log_format: LogFormat,
    /// `LOG_FILTER`: a tracing filter such as `info,sqlx=warn`.
    pub log_filter: String,
    /// `TOKEN_ISSUER`: who signs access tokens (`iss`).
    pub token_issuer: String,
    /// `TOKEN_AUDIENCE`: whom they are for (`aud`).
    pub token_audience: String,
}

impl Common {
    /// Reads them; `port` is the default of `LISTEN_ADDR` on loopback.
    pub fn read(env: &mut Env, port: u16) -> Option<Self> {
        let listen = env.or_default("LISTEN_ADDR", &format!("127.0.0.1:{port}"));
        let redis_url = env.url("REDIS_URL", &["redis", "redis-cluster"]);
        let partitions = match env.or_default::<u16>("EVENT_PARTITIONS", "2") {
            Some(partitions @ 1..=64) => Some(partitions),
            Some(_) => env.mistake("EVENT_PARTITIONS", "must be 1 to 64"),
            None => None,
        };
        let audit_interval = env.or_default("AUDIT_INTERVAL", "3600").map(Duration::from_secs);
        let retention = env.or_default("EVENT_RETENTION", "10000");
        let log_format = env.or_default("LOG_FORMAT", "human");
        let log_filter = env.or_default("LOG_FILTER", "info");
        let token_issuer = env.or_default("TOKEN_ISSUER", "http://127.0.0.1:8080");
        let token_audience = env.or_default("TOKEN_AUDIENCE", "peerlink");
        Some(Self {
            listen: listen?,
            redis_url: redis_url?,
            partitions: partitions?,
            retention: retention?,
            audit_interval: audit_interval?,
            log_format: log_format?,
            log_filter: log_filter?,
            token_issuer: token_issuer?,
            token_audience: token_audience?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Two;

    impl Settings for Two {
        fn read(env: &mut Env) -> Option<Self> {
            let secret = env.secret::<u32>("PIN");
            let url = env.url("DATABASE_URL", &["postgres"]);
            secret?;
            url?;
            Some(Self)
        }
    }

    #[test]
    fn all_mistakes_are_reported_at_once_and_no_secret_among_them() {
        let mut env = Env::from_pairs([("PIN", "hunter2"), ("DATABASE_URL", "redis://nowhere")]);

        let error = env.read::<Two>().unwrap_err().to_string();

        assert!(error.contains("PIN is not valid"), "{error}");
        assert!(error.contains("DATABASE_URL must be a postgres URL"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_secret_that_may_be_left_out_is_hidden_when_it_is_given() {
        for (text, value, shown) in [("7391", Some(7391), "PIN=(secret)"), ("", Some(0), "PIN=")] {
            let mut env = Env::from_pairs([("PIN", text)]);

            assert_eq!(env.optional_secret::<u32>("PIN", "0"), value);
            assert_eq!(env.listing(), shown);
        }
        let mut env = Env::from_pairs([("PIN", "hunter2")]);

        assert_eq!(env.optional_secret::<u32>("PIN", "0"), None);
        assert_eq!(env.mistakes, ["PIN is not valid"]);
    }

    #[test]
    fn the_listing_hides_secrets_and_passwords() {
        let mut env = Env::from_pairs([
            ("PIN", "1234"),
            ("DATABASE_URL", "postgres://post:hunter2@db/peerlink"),
        ]);

        env.read::<Two>().unwrap();

        assert_eq!(env.listing(), "PIN=(secret) DATABASE_URL=postgres://post:secret@db/peerlink");
    }
}
