//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};

use poem::{Addr, Request, http::HeaderMap};

/// Where a request comes from, as far as it can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub address: IpAddr,
    /// Whether the client speaks HTTPS to a proxy of ours.
    pub https: bool,
}

impl Origin {
    /// The origin of a request; with `trusted_hops` proxies of ours in front, what they wrote is believed.
    ///
    /// `None` if the connection is no TCP connection, which cannot happen behind our own listener.
    pub fn of(request: &Request, trusted_hops: usize) -> Option<Self> {
        let Addr::SocketAddr(peer) = &request.remote_addr().0 else { return None };
        Some(Self::from_headers(peer.ip(), request.headers(), trusted_hops))
    }

    fn from_headers(peer: IpAddr, headers: &HeaderMap, trusted_hops: usize) -> Self {
        let peer = peer.to_canonical();
        if trusted_hops == 0 {
            return Self { address: peer, https: false };
        }
        let claimed: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        // Each proxy of ours appends whom it was called by. What stands before our hops was written by the client.
        let first_of_ours = claimed.len().saturating_sub(trusted_hops);
        let address = claimed.get(first_of_ours).and_then(|text| parse(text.trim()));
        let protocol = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
        Self { address: address.unwrap_or(peer), https: protocol == Some("https") }
    }
}

/// An address, with or without a port.
fn parse(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    fn address(forwarded: &[&'static str], hops: usize) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        Origin::from_headers([10, 0, 0, 1].into(), &headers, hops).address.to_string()
    }

    #[test]
    fn nothing_is_believed_without_a_proxy_of_ours() {
        assert_eq!(address(&["1.2.3.4"], 0), "10.0.0.1");
    }

    #[test]
    fn what_our_proxies_wrote_is_believed_and_what_stands_before_it_is_not() {
        assert_eq!(address(&["6.6.6.6, 1.2.3.4"], 1), "1.2.3.4");
        assert_eq!(address(&["6.6.6.6", "1.2.3.4, 10.0.0.2"], 2), "1.2.3.4");
        assert_eq!(address(&["1.2.3.4"], 2), "1.2.3.4");
        assert_eq!(address(&["::ffff:1.2.3.4"], 1), "1.2.3.4");
        assert_eq!(address(&["[2001:db8::1]:4711"], 1), "2001:db8::1");
    }

    #[test]
    fn what_is_no_address_is_the_proxy_itself() {
        assert_eq!(address(&["unknown"], 1), "10.0.0.1");
        assert_eq!(address(&[], 1), "10.0.0.1");
    }
}
