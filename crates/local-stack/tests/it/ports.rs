//! Ports in use, and ports that are free.

use std::collections::BTreeSet;
use std::net::TcpListener;

use local_stack::ports::Ports;

#[test]
fn a_port_in_use_is_one_clear_line() {
    let ports = Ports::free().unwrap();
    let taken = ports.service("post");
    let _listener = TcpListener::bind(("127.0.0.1", taken)).unwrap();

    let line = ports.check().unwrap_err().to_string();

    assert!(!line.contains('\n'), "{line}");
    assert!(line.starts_with(&format!("port {taken} (post) is in use: ")), "{line}");
    assert!(line.contains(&format!("ss -ltnp 'sport = :{taken}'")), "{line}");
    assert!(line.contains("--port-offset"), "{line}");
}

#[test]
fn several_ports_in_use_are_named_together() {
    let ports = Ports::free().unwrap();
    let _redis = TcpListener::bind(("127.0.0.1", ports.redis)).unwrap();
    let _postgres = TcpListener::bind(("127.0.0.1", ports.postgres)).unwrap();

    let line = ports.check().unwrap_err().to_string();

    assert!(line.starts_with("ports "), "{line}");
    assert!(
        line.contains(&format!("{} (PostgreSQL), {} (Redis) are", ports.postgres, ports.redis)),
        "{line}"
    );
}

#[test]
fn free_ports_are_free_and_different() {
    let ports = Ports::free().unwrap();

    ports.check().unwrap();
    let numbers: BTreeSet<_> = ports.all().into_iter().map(|(_, port)| port).collect();
    assert_eq!(numbers.len(), 12);
}

#[test]
fn an_offset_moves_every_port_by_the_same() {
    let (here, there) = (Ports::shifted(0).unwrap(), Ports::shifted(100).unwrap());

    let moved: Vec<_> = here.all().into_iter().map(|(name, port)| (name, port + 100)).collect();
    assert_eq!(there.all(), moved);
    assert_eq!((here.service("auth"), here.service("gateway")), (8000, 8080));
}

#[test]
fn an_offset_that_leaves_the_range_is_refused() {
    let line = Ports::shifted(10_000).unwrap_err().to_string();

    assert!(line.contains("at most 9156"), "{line}");
}
