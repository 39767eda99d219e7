//! Where the services are: a file, the environment, or the stack that runs on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use event_runtime::error::chain;
use local_stack::stack::Endpoints;
use local_stack::state::State;
use serde::Deserialize;
use shared_schemas::{Service, choice::UnknownChoice};
use url::Url;

use crate::cli::Global;
use crate::exit::Failure;

/// Where a stack of this repository keeps its record, from the root of the repository.
const STACK: &str = "target/local";

/// What the tool has to know.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The Redis of all services.
    pub(crate) redis_url: String,
    /// The databases by service, each with the right to its schema.
    pub(crate) databases: BTreeMap<Service, String>,
    /// Where this was found, for people.
    pub(crate) origin: String,
}

/// The form of a configuration file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    redis_url: String,
    databases: BTreeMap<Service, String>,
}

/// Finds the services: in the file that is named, else in the environment, else in the record of the running stack. Those that
/// were chosen with `--service`, and the one that the command names itself; all of them if none was chosen.
pub(crate) fn find(global: &Global, also: Option<Service>) -> Result<Config, Failure> {
    let mut config = if let Some(path) = &global.config {
        of_file(path)?
    } else if let Some(config) = of_variables(std::env::vars())? {
        config
    } else {
        of_stack(global.stack.as_deref())?
    };
    if !global.service.is_empty() {
        config
            .databases
            .retain(|service, _| global.service.contains(service) || also == Some(*service));
        for service in &global.service {
            if !config.databases.contains_key(service) {
                return Err(Failure::Config(format!(
                    "{} does not say where {service} is",
                    config.origin
                )));
            }
        }
    }
    for url in config.databases.values().chain([&config.redis_url]) {
        // Never the URL itself: it holds a password.
        Url::parse(url).map_err(|error| {
            Failure::Config(format!("{} has a URL that is none: {error}", config.origin))
        })?;
    }
    Ok(config)
}

fn of_file(path: &Path) -> Result<Config, Failure> {
    let origin = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Config(format!("{origin} cannot be read: {error}")))?;
    let File { redis_url, databases } = toml::from_str(&text)
        .map_err(|error| Failure::Config(format!("{origin}: {}", error.message())))?;
    Ok(Config { redis_url, databases, origin })
}

/// `PLCTL_REDIS_URL` and `PLCTL_POST_DATABASE_URL` and so on; `None` without any of them.
fn of_variables(
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Option<Config>, Failure> {
    let (mut redis_url, mut databases) = (None, BTreeMap::new());
    for (name, value) in variables.filter(|(_, value)| !value.is_empty()) {
        let Some(rest) = name.strip_prefix("PLCTL_") else { continue };
        if rest == "REDIS_URL" {
            redis_url = Some(value);
        } else if let Some(service) = rest.strip_suffix("_DATABASE_URL") {
            let service = service
                .to_lowercase()
                .parse()
                .map_err(|error: UnknownChoice| Failure::Config(format!("{name}: {error}")))?;
            databases.insert(service, value);
        }
    }
    match (redis_url, databases.is_empty()) {
        (None, true) => Ok(None),
        (Some(redis_url), false) => {
            Ok(Some(Config { redis_url, databases, origin: "the environment".to_owned() }))
        }
        (None, false) => Err(Failure::Config("PLCTL_REDIS_URL is not set".to_owned())),
        (Some(_), true) => Err(Failure::Config(
            "PLCTL_REDIS_URL is set and no PLCTL_<SERVICE>_DATABASE_URL is".to_owned(),
        )),
    }
}

fn of_stack(dir: Option<&Path>) -> Result<Config, Failure> {
    let dir = match dir {
        Some(dir) => dir.to_owned(),
        None => nearest_stack()?,
    };
    let origin = format!("the stack in {}", dir.display());
    let damaged = |error: anyhow::Error| Failure::Config(format!("{origin}: {error:#}"));
    let state = State::load(&dir).map_err(damaged)?.ok_or_else(|| {
        Failure::Config(format!("{} has no stack: `cargo xtask up` starts one", dir.display()))
    })?;
    let endpoints = Endpoints::of(&state).map_err(damaged)?;
    let mut databases = BTreeMap::new();
    for service in Service::ALL {
        let mut url = Url::parse(&endpoints.postgres)
            .map_err(|error| Failure::Config(format!("{origin}: {}", chain(&error))))?;
        let password = state.secrets.postgres_password(service.as_str()).map_err(damaged)?;
        if url.set_username(service.as_str()).is_err() || url.set_password(Some(password)).is_err()
        {
            return Err(Failure::Config(format!("{origin}: the database's URL has no user")));
        }
        databases.insert(*service, url.into());
    }
    Ok(Config { redis_url: endpoints.redis, databases, origin })
}

/// The record of a stack here, or in a directory above.
fn nearest_stack() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir()?;
    let found =
        here.ancestors().map(|dir| dir.join(STACK)).find(|dir| dir.join("state.json").exists());
    found.ok_or_else(|| {
        Failure::Config(
            "no service found: set PLCTL_REDIS_URL and PLCTL_<SERVICE>_DATABASE_URL, name a file with `--config`, \
             or start a stack with `cargo xtask up`"
                .to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Result<Option<Config>, Failure> {
        of_variables(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn the_environment_says_nothing_everything_or_too_little() {
        assert_eq!(variables(&[("PATH", "/bin")]).unwrap(), None);
        let found = variables(&[
            ("PLCTL_REDIS_URL", "redis://cache"),
            ("PLCTL_POST_DATABASE_URL", "postgres://db"),
        ]);
        let databases = found.unwrap().unwrap().databases;
        assert_eq!(databases, BTreeMap::from([(Service::Post, "postgres://db".to_owned())]));
        for too_little in [
            ("PLCTL_REDIS_URL", "redis://cache"),
            ("PLCTL_POST_DATABASE_URL", "postgres://db"),
            ("PLCTL_POSTS_DATABASE_URL", "postgres://db"),
        ] {
            assert!(matches!(variables(&[too_little]), Err(Failure::Config(_))), "{too_little:?}");
        }
    }
}
