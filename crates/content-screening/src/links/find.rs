//! Finds links as people write them: with a scheme, as a bare host, or disguised.

use std::net::Ipv4Addr;

use super::LinkRules;

/// How a full stop of a host name is written to get past filters.
const DISGUISED_STOPS: [&str; 5] = ["[.]", "(.)", "[dot]", "(dot)", "{.}"];

/// A link in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// First byte in the text.
    pub(crate) start: usize,
    /// Behind the last byte.
    pub(crate) end: usize,
    /// Lower case, without user name and port.
    pub(crate) host: String,
    /// What it leads to, without scheme.
    pub(crate) target: String,
    /// What is unusual about it.
    pub(crate) oddities: Vec<Oddity>,
}

impl Link {
    /// Host and path: what stays the same when somebody posts a link again and varies its query.
    pub(crate) fn key(&self) -> String {
        let path = self.target.split(['?', '#']).next().and_then(|target| target.split_once('/'));
        let path = path.map_or("", |(_, path)| path).trim_end_matches('/');
        if path.is_empty() { self.host.clone() } else { format!("{}/{path}", self.host) }
    }
}

/// What is unusual about a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// The host is an IPv4 address.
    Address,
    /// The host has letters outside ASCII, plain or as punycode.
    Foreign,
    /// Written with `hxxp` or a bracketed full stop.
    Disguised,
    /// A user name stands before the host.
    UserName,
}

/// The links of a text, in order, not overlapping.
pub(crate) fn find(text: &str, rules: &LinkRules) -> Vec<Link> {
    candidates(text).filter_map(|(start, candidate)| parse(start, candidate, rules)).collect()
}

/// The parts of the text between characters that cannot stand in a link.
fn candidates(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest_from = 0;
    std::iter::from_fn(move || {
        while rest_from < text.len() {
            let start = rest_from;
            let end = candidate_end(text, start);
            let delimiter =
                text.get(end..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
            rest_from = end + delimiter;
            if end > start {
                return text.get(start..end).map(|candidate| (start, candidate));
            }
        }
        None
    })
}

fn candidate_end(text: &str, start: usize) -> usize {
    let mut inside_stop_until = start;
    for (offset, c) in text.get(start..).unwrap_or_default().char_indices() {
        let at = start + offset;
        if at < inside_stop_until || !is_delimiter(c) {
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        match DISGUISED_STOPS.iter().find(|stop| rest.starts_with(**stop)) {
            Some(stop) if at > start => inside_stop_until = at + stop.len(),
            _ => return at,
        }
    }
    text.len()
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || "<>\"'`()[]{}|,;“”«»„".contains(c)
}

fn parse(offset: usize, candidate: &str, rules: &LinkRules) -> Option<Link> {
    if !candidate.contains('.') && !candidate.contains("dot") {
        return None;
    }
    let trimmed = candidate.trim_start_matches(|c: char| !c.is_alphanumeric());
    let start = offset + candidate.len() - trimmed.len();
    let written =
        trimmed.trim_end_matches(|c: char| c.is_ascii_punctuation() && c != '/' || c == '…');
    let plain =
        DISGUISED_STOPS.iter().fold(written.to_owned(), |text, stop| text.replace(stop, "."));
    let bracketed = plain.len() != written.len();
    let (scheme_at, scheme, target) = match plain.split_once("://") {
        Some((before, target)) => {
            let scheme_at = before.rfind(|c: char| !c.is_ascii_alphabetic()).map_or(0, |at| at + 1);
            // `rfind` gives the first byte of a character that may have more.
            let scheme_at = before.ceil_char_boundary(scheme_at);
            (scheme_at, before.get(scheme_at..)?.to_ascii_lowercase(), target)
        }
        None => (0, String::new(), plain.as_str()),
    };
    // A stop in brackets before the scheme would have moved it; nobody writes that.
    let start = start + if bracketed { 0 } else { scheme_at };
    let authority = target.split(['/', '?', '#', '\\']).next()?;
    let has_path = authority.len() < target.len();
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let host = host.split(':').next()?.to_lowercase();
    let disguised_scheme = matches!(scheme.as_str(), "hxxp" | "hxxps");
    let is_address = host.parse::<Ipv4Addr>().is_ok();
    let accepted = match scheme.as_str() {
        "http" | "https" | "ftp" | "hxxp" | "hxxps" => is_address || is_host(&host),
        "" => {
            user.is_none()
                && (is_bare_host(authority, &host, has_path, rules) || (is_address && has_path))
        }
        _ => false,
    };
    let is_foreign = !host.is_ascii() || host.split('.').any(|label| label.starts_with("xn--"));
    let oddities = [
        (is_address, Oddity::Address),
        (is_foreign, Oddity::Foreign),
        (bracketed || disguised_scheme, Oddity::Disguised),
        (user.is_some(), Oddity::UserName),
    ];
    accepted.then(|| Link {
        start,
        end: offset + candidate.len() - trimmed.len() + written.len(),
        host,
        target: target.to_owned(),
        oddities: oddities
            .into_iter()
            .filter_map(|(holds, oddity)| holds.then_some(oddity))
            .collect(),
    })
}

fn is_host(host: &str) -> bool {
    host.contains('.') && host.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
}

/// Without a scheme only a known ending tells a host from two sentences without a space between them.
fn is_bare_host(written: &str, host: &str, has_path: bool, rules: &LinkRules) -> bool {
    let Some((name, ending)) = host.rsplit_once('.') else {
        return false;
    };
    let known = |endings: &[String]| endings.iter().any(|known| known == ending);
    let capital_ending = written.rsplit_once('.').is_some_and(|(_, ending)| {
        ending.starts_with(char::is_uppercase) && ending.contains(char::is_lowercase)
    });
    let known_ending = known(&rules.endings) || (has_path && known(&rules.endings_with_path));
    is_host(host)
        && name.len() >= 2
        && !capital_ending
        && (known_ending || host.starts_with("www."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{RuleFiles, Signals};

    fn hosts(text: &str) -> Vec<String> {
        let rules = toml::from_str::<Signals>(RuleFiles::EMBEDDED.signals).unwrap().links;
        let links = find(text, &rules);
        for link in &links {
            assert!(text.get(link.start..link.end).is_some(), "{link:?}");
        }
        links.into_iter().map(|link| link.host).collect()
    }

    #[test]
    fn links_are_found_however_they_are_written() {
        for (text, host) in [
            ("see https://Example.com/a?b=c#d.", "example.com"),
            ("(http://example.com)", "example.com"),
            ("[here](https://example.com/x)", "example.com"),
            ("go to example.com now", "example.com"),
            ("www.example.museum", "www.example.museum"),
            ("hxxps://example[.]com/x", "example.com"),
            ("example(dot)com", "example.com"),
            ("text:http://example.com:8080/x", "example.com"),
            ("http://bank.example.com@evil.tk/login", "evil.tk"),
            ("http://192.168.1.20/x", "192.168.1.20"),
            ("bit.ly/abc", "bit.ly"),
        ] {
            assert_eq!(hosts(text), [host], "{text}");
        }
    }

    #[test]
    fn a_link_is_the_same_whatever_its_query() {
        let rules = toml::from_str::<Signals>(RuleFiles::EMBEDDED.signals).unwrap().links;
        for (text, key) in [
            ("https://Shop.example.com/Offer/?ref=1#x", "shop.example.com/Offer"),
            ("shop.example.com", "shop.example.com"),
            ("http://me@shop.example.com:80/?a", "shop.example.com"),
            ("hxxp://shop[.]example.com/offer", "shop.example.com/offer"),
        ] {
            assert_eq!(find(text, &rules)[0].key(), key, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_link_is_none() {
        for text in [
            "e.g. this",
            "Done.Next we go",
            "main.rs and README.md",
            "anna@example.com",
            "version 1.2.3.4",
            "It ended.So what",
            "...",
            "postgres://db.example.com",
            "a.b",
            "U.S.A.",
            "Great.Live music",
            "://",
            "http://",
            "http://.",
            "é://x.y",
        ] {
            assert_eq!(hosts(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn the_span_is_the_link_without_what_stands_around_it() {
        let rules = toml::from_str::<Signals>(RuleFiles::EMBEDDED.signals).unwrap().links;
        let text = "schön: (hxxp://a[.]example.com/b), gut";

        let links = find(text, &rules);

        assert_eq!(text.get(links[0].start..links[0].end).unwrap(), "hxxp://a[.]example.com/b");
        assert_eq!(links[0].oddities, [Oddity::Disguised]);
    }
}
