//! Which headers pass, in which direction.

use poem::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers that concern one connection and not the message (RFC 9110 §7.6.1, and what is older than it).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that only the gateway may write: a service may believe them.
const RESERVED: [&str; 3] = ["forwarded", "x-real-ip", "x-request-id"];

/// As [`RESERVED`], for every header that begins so.
const RESERVED_PREFIXES: [&str; 3] = ["x-forwarded-", "x-gateway-", "x-user-"];

/// The context of a trace (W3C Trace Context §3.2).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What a vendor adds to it; meaningless alone.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Removes what concerns the connection that a message came by.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Removes what a client could use to pass for the gateway.
pub fn remove_reserved(headers: &mut HeaderMap) {
    let reserved: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            RESERVED.contains(&name)
                || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        })
        .cloned()
        .collect();
    for name in reserved {
        headers.remove(name);
    }
}

/// Keeps the trace that a client began, or begins one.
pub fn ensure_trace(headers: &mut HeaderMap) {
    let given: Vec<&HeaderValue> = headers.get_all(&TRACEPARENT).iter().collect();
    if let [one] = *given
        && one.to_str().is_ok_and(is_traceparent)
    {
        return;
    }
    headers.remove(&TRACESTATE);
    headers.remove(&TRACEPARENT);
    if let Some(value) = new_traceparent() {
        headers.insert(TRACEPARENT, value);
    }
}

/// Whether a value names a trace: version 00, ids that are not zero, flags.
fn is_traceparent(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let hex = |part: &str, length| {
        part.len() == length
            && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    match *parts {
        ["00", trace, parent, flags] => {
            hex(trace, 32)
                && hex(parent, 16)
                && hex(flags, 2)
                && !is_zero(trace)
                && !is_zero(parent)
        }
        _ => false,
    }
}

/// A trace of our own. Flags 00: nothing here says that it is recorded.
fn new_traceparent() -> Option<HeaderValue> {
    let (mut trace, mut parent) = ([0; 16], [0; 8]);
    if aws_lc_rs::rand::fill(&mut trace).is_err() || aws_lc_rs::rand::fill(&mut parent).is_err() {
        tracing::error!("the system gives no random bytes; a request goes on without a trace");
        return None;
    }
    let (trace, parent) = (u128::from_be_bytes(trace), u64::from_be_bytes(parent));
    HeaderValue::try_from(format!("00-{trace:032x}-{parent:016x}-00")).ok()
}

/// Adds what browsers must be told with every response; what a service or page has said itself stays.
pub fn secure(headers: &mut HeaderMap, https: bool) {
    headers.remove(header::SERVER);
    let defaults = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=()",
        ),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // A promise about HTTPS is only valid where HTTPS is spoken (RFC 6797 §7.2).
    if https {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000; includeSubDomains"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn headers_that_connection_names_go_with_it() {
        let mut headers = headers(&[
            ("connection", "close, X-Secret-Hop"),
            ("x-secret-hop", "1"),
            ("te", "trailers"),
            ("accept", "*/*"),
        ]);

        remove_hop_by_hop(&mut headers);

        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }

    #[test]
    fn clients_cannot_write_what_the_gateway_writes() {
        let mut headers = headers(&[
            ("x-user-id", "1"),
            ("x-gateway-anything", "1"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=1.2.3.4"),
            ("x-request-id", "1"),
            ("x-users-choice", "kept"),
        ]);

        remove_reserved(&mut headers);

        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-users-choice"]);
    }

    #[test]
    fn a_valid_trace_goes_on_and_any_other_is_replaced() {
        let mut kept = headers(&[("traceparent", TRACE), ("tracestate", "a=b")]);
        ensure_trace(&mut kept);
        assert_eq!(kept["traceparent"], TRACE);
        assert_eq!(kept["tracestate"], "a=b");

        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            let mut replaced = headers(&[("traceparent", bad), ("tracestate", "a=b")]);
            ensure_trace(&mut replaced);
            let fresh = replaced["traceparent"].to_str().unwrap();
            assert!(is_traceparent(fresh) && fresh != bad, "{bad} became {fresh}");
            assert!(!replaced.contains_key("tracestate"));
        }
    }
}
