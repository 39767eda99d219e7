//! Which TCP ports a stack uses, all on loopback.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::services::SERVICES;

const POSTGRES: u16 = 55_432;
const REDIS: u16 = 56_379;
const SMTP: u16 = 1025;
const MAIL: u16 = 8025;
const CHAIN: u16 = 8545;

/// Free ports are looked for here: below the range from which Linux and macOS take the local ports of
/// outgoing connections, so that a chosen port is not lost between choosing and listening.
const FREE: std::ops::Range<u16> = 18_000..32_000;

/// The ports of one stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// By service name.
    pub services: BTreeMap<String, u16>,
    /// PostgreSQL.
    pub postgres: u16,
    /// Redis.
    pub redis: u16,
    /// The mail sink's SMTP side.
    pub smtp: u16,
    /// The mail sink's HTTP side.
    pub mail: u16,
    /// The development chain.
    #[serde(default = "chain")]
    pub chain: u16,
}

/// For records that know of no chain.
fn chain() -> u16 {
    CHAIN
}

impl Ports {
    /// The well-known ports, all moved up by `offset`.
    ///
    /// # Errors
    ///
    /// When a port would pass 65,535.
    pub fn shifted(offset: u16) -> Result<Self> {
        let shift = |port: u16| {
            port.checked_add(offset).with_context(|| {
                format!("the port offset {offset} is too large: at most {}", u16::MAX - REDIS)
            })
        };
        Ok(Self {
            services: SERVICES
                .iter()
                .map(|spec| Ok((spec.name.to_owned(), shift(spec.port)?)))
                .collect::<Result<_>>()?,
            postgres: shift(POSTGRES)?,
            redis: shift(REDIS)?,
            smtp: shift(SMTP)?,
            mail: shift(MAIL)?,
            chain: shift(CHAIN)?,
        })
    }

    /// Ports that nothing listens on now.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn free() -> Result<Self> {
        let mut free = free_ports(SERVICES.len() + 5)?.into_iter();
        let mut next = || free.next().context("too few free ports");
        Ok(Self {
            services: SERVICES
                .iter()
                .map(|spec| Ok((spec.name.to_owned(), next()?)))
                .collect::<Result<_>>()?,
            postgres: next()?,
            redis: next()?,
            smtp: next()?,
            mail: next()?,
            chain: next()?,
        })
    }

    /// The port of a service.
    ///
    /// # Panics
    ///
    /// When there is no service of that name.
    pub fn service(&self, name: &str) -> u16 {
        *self.services.get(name).expect("every service has a port")
    }

    /// Every port with what it is for.
    pub fn all(&self) -> Vec<(&str, u16)> {
        let services = self.services.iter().map(|(name, port)| (name.as_str(), *port));
        let others = [
            ("PostgreSQL", self.postgres),
            ("Redis", self.redis),
            ("mail sink, SMTP", self.smtp),
            ("mail sink, HTTP", self.mail),
            ("development chain", self.chain),
        ];
        services.chain(others).collect()
    }

    /// Makes sure that nothing else listens on any of these ports.
    ///
    /// # Errors
    ///
    /// One line that names every port in use, how to see by whom, and what to do.
    pub fn check(&self) -> Result<()> {
        let used: Vec<_> = self.all().into_iter().filter(|(_, port)| in_use(*port)).collect();
        let Some((_, first)) = used.first() else { return Ok(()) };
        let names: Vec<_> = used.iter().map(|(name, port)| format!("{port} ({name})")).collect();
        let (noun, verb) = if used.len() == 1 { ("port", "is") } else { ("ports", "are") };
        bail!(
            "{noun} {} {verb} in use: `ss -ltnp 'sport = :{first}'` shows by whom; \
             stop that program or move this stack with `--port-offset 100`",
            names.join(", ")
        )
    }
}

/// Whether something listens on the port of 127.0.0.1, or the port may not be used.
pub fn in_use(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err()
}

/// One port that nothing listens on now.
///
/// # Errors
///
/// When there is none.
pub fn free_port() -> Result<u16> {
    free_ports(1)?.pop().context("no free port")
}

/// `count` different ports that nothing listens on now.
///
/// The search starts at a random place, so that two programs that search at the same time seldom meet.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let mut seed = [0; 2];
    aws_lc_rs::rand::fill(&mut seed).context("no randomness")?;
    let start = u16::from_le_bytes(seed) % (FREE.end - FREE.start);

    let candidates = FREE.cycle().skip(usize::from(start)).take(FREE.len());
    // All listeners are held until the last is found: a port must not be given twice.
    let held: Vec<_> = candidates
        .filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
        .take(count)
        .collect();
    if held.len() < count {
        bail!("fewer than {count} free ports between {} and {}", FREE.start, FREE.end);
    }
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
