//! Who is counted.

use std::{fmt::Write as _, net::IpAddr};

use aws_lc_rs::digest::{SHA256, digest};
use shared_schemas::UserId;

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// All requests with a token of this user.
    User(UserId),
    /// All requests of this address without a token that holds.
    Address(IpAddr),
}

impl Subject {
    /// The subject of an address: of IPv6 the network, since one subscriber has all of a /64.
    pub fn address(address: IpAddr) -> Self {
        let network = match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
        };
        Self::Address(network)
    }

    /// The key of its log in Redis. An address is hashed, so that whoever lists the keys reads none.
    pub fn key(&self) -> String {
        match self {
            Self::User(id) => format!("rl:user:{id}"),
            Self::Address(address) => {
                let hash = digest(&SHA256, address.to_string().as_bytes());
                let mut key = String::from("rl:addr:");
                for byte in hash.as_ref().iter().take(16) {
                    // Writing to a string does not fail.
                    write!(key, "{byte:02x}").unwrap_or_default();
                }
                key
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> String {
        Subject::address(address.parse().unwrap()).key()
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_subject() {
        assert_eq!(key("2001:db8:0:1::1"), key("2001:db8:0:1:ffff::2"));
        assert_ne!(key("2001:db8:0:1::1"), key("2001:db8:0:2::1"));
    }

    #[test]
    fn every_ipv4_address_is_a_subject_however_it_is_written() {
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
    }

    #[test]
    fn no_key_shows_an_address() {
        assert_eq!(key("192.0.2.1").len(), "rl:addr:".len() + 32);
        assert!(!key("192.0.2.1").contains("192"));
    }
}
