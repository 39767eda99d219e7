//! Hosts that the operator knows.

use serde::Deserialize;
use shared_schemas::moderation::ModerationReason;

use crate::{Finding, links::Link, rules::RuleProblem};

/// The lists section of the policy file. A host stands for its subdomains, too.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Lists {
    /// A link to one of these is a sign of spam of `denied_host_weight`.
    denied_hosts: Vec<String>,
    /// Links to these are no sign of anything.
    allowed_hosts: Vec<String>,
    /// 1 to 100.
    denied_host_weight: Option<u8>,
}

impl Lists {
    /// Notes everything that is wrong with the lists.
    pub(super) fn check(&self, problems: &mut Vec<RuleProblem>) {
        let mut problem = |message: String| problems.push(RuleProblem::new("policy.toml", message));
        for host in self.denied_hosts.iter().chain(&self.allowed_hosts) {
            let is_host = host.contains('.')
                && !host.starts_with('.')
                && host.chars().all(|c| c == '.' || c == '-' || c.is_alphanumeric())
                && *host == host.to_lowercase();
            if !is_host {
                problem(format!(
                    "lists: `{host}` is no host name in lower case, such as shop.example"
                ));
            }
        }
        for host in &self.denied_hosts {
            if is_listed(&self.allowed_hosts, host) {
                problem(format!("lists: `{host}` is denied and allowed"));
            }
        }
        match self.denied_host_weight {
            Some(1..=100) => (),
            None if self.denied_hosts.is_empty() => (),
            _ => problem("lists: denied hosts need a denied_host_weight of 1 to 100".to_owned()),
        }
    }

    /// The links that count: those to allowed hosts do not.
    pub(crate) fn counted(&self, links: Vec<Link>) -> Vec<Link> {
        links.into_iter().filter(|link| !is_listed(&self.allowed_hosts, &link.host)).collect()
    }

    /// Judges links to denied hosts, each host once.
    pub(crate) fn judge(&self, links: &[Link]) -> Vec<Finding> {
        let mut hosts: Vec<&str> = Vec::new();
        let mut found = Vec::new();
        for link in links.iter().filter(|link| is_listed(&self.denied_hosts, &link.host)) {
            if hosts.contains(&&*link.host) {
                continue;
            }
            hosts.push(&link.host);
            found.push(Finding {
                rule: "policy.denied_host".to_owned(),
                category: ModerationReason::Spam,
                weight: self.denied_host_weight.unwrap_or(0),
                span: Some((link.start, link.end)),
                explanation: "The link leads to a host that is not welcome here.".to_owned(),
            });
        }
        found
    }
}

fn is_listed(hosts: &[String], host: &str) -> bool {
    hosts.iter().any(|listed| {
        host.strip_suffix(listed.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_stands_for_its_subdomains_and_for_no_look_alike() {
        let listed = ["shop.example".to_owned()];

        assert!(is_listed(&listed, "shop.example"));
        assert!(is_listed(&listed, "www.shop.example"));
        assert!(!is_listed(&listed, "myshop.example"));
        assert!(!is_listed(&listed, "shop.example.net"));
    }
}
