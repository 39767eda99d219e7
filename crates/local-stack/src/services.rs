//! The programs that make up PeerLink.

/// The one database; every service owns one schema in it.
pub const DATABASE: &str = "peerlink";

/// One program: its name is also its Redis user and, with a schema, its PostgreSQL role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceSpec {
    /// What people call it, and what `serve <name>` takes.
    pub name: &'static str,
    /// The crate, and the binary that is deployed.
    pub package: &'static str,
    /// The TCP port it listens on where nothing else is said.
    pub port: u16,
    /// The schema it alone may read and write; `None` keeps nothing in PostgreSQL.
    pub schema: Option<&'static str>,
}

/// All programs, in the order in which people read them.
pub const SERVICES: [ServiceSpec; 7] = [
    ServiceSpec { name: "auth", package: "auth-service", port: 8000, schema: Some("auth") },
    ServiceSpec { name: "post", package: "post-service", port: 8001, schema: Some("post") },
    ServiceSpec {
        name: "interaction",
        package: "interaction-service",
        port: 8002,
        schema: Some("interaction"),
    },
    ServiceSpec {
        name: "moderation",
        package: "moderation-service",
        port: 8003,
        schema: Some("moderation"),
    },
    ServiceSpec {
        name: "engagement",
        package: "engagement-service",
        port: 8004,
        schema: Some("engagement"),
    },
    ServiceSpec { name: "minting", package: "minting-worker", port: 8005, schema: Some("minting") },
    ServiceSpec { name: "gateway", package: "gateway-service", port: 8080, schema: None },
];

/// The program of that name, if there is one.
pub fn find(name: &str) -> Option<&'static ServiceSpec> {
    SERVICES.iter().find(|service| service.name == name)
}
