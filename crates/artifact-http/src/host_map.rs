//! Hosts, each of which stands for a repository.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use artifact_core::{InvalidName, RepositoryName};

use crate::origin::is_host;

/// Why a text is not a map of hosts.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidHostMap {
    /// An entry is something else.
    #[error("\"{0}\" is not of the form host[:port]=repository")]
    Form(String),
    /// The name of the repository cannot be one.
    #[error("\"{entry}\" names no repository: its name {source}")]
    Repository {
        /// The entry.
        entry: String,
        /// What is wrong with the name.
        source: InvalidName,
    },
    /// A host stands for two repositories.
    #[error("\"{0}\" stands there twice")]
    Twice(String),
}

/// Hosts with their repositories, written as `host[:port]=repository` with commas between them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HostMap(BTreeMap<String, RepositoryName>);

impl HostMap {
    /// Whether there is no host.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entry of just this host, in lower case and with its port if it has one.
    pub fn exactly(&self, host: &str) -> Option<(&str, &str)> {
        self.0.get_key_value(host).map(|(host, repository)| (&**host, repository.as_str()))
    }

    /// The repository of a host in any case. An entry without a port fits any port, after one with that port.
    pub fn find(&self, host: &str) -> Option<&str> {
        // Not looked up, for which every request would need a copy of its host in lower case.
        let of = |host: &str| self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(host));
        let (_, repository) = of(host).or_else(|| of(without_port(host)))?;
        Some(repository.as_str())
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // What follows the last colon in brackets is part of an address.
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    }
}

impl FromStr for HostMap {
    type Err = InvalidHostMap;

    fn from_str(text: &str) -> Result<Self, InvalidHostMap> {
        let mut hosts = BTreeMap::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (host, repository) = parse_entry(entry)?;
            if hosts.insert(host.clone(), repository).is_some() {
                return Err(InvalidHostMap::Twice(host));
            }
        }
        Ok(Self(hosts))
    }
}

fn parse_entry(entry: &str) -> Result<(String, RepositoryName), InvalidHostMap> {
    let (host, name) = entry
        .split_once('=')
        .map(|(host, name)| (host.trim(), name.trim()))
        .filter(|(host, _)| is_host(host))
        .ok_or_else(|| InvalidHostMap::Form(entry.to_owned()))?;
    let repository = name
        .parse()
        .map_err(|source| InvalidHostMap::Repository { entry: entry.to_owned(), source })?;
    Ok((host.to_ascii_lowercase(), repository))
}

impl fmt::Display for HostMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (host, repository)) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "," };
            write!(f, "{separator}{host}={repository}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> HostMap {
        text.parse().unwrap()
    }

    #[test]
    fn a_map_is_read_as_it_is_written() {
        for (text, shown) in [
            ("", ""),
            ("hub.example=hub", "hub.example=hub"),
            (" b.example:5000 = own , HUB.example=hub, ", "b.example:5000=own,hub.example=hub"),
            ("[::1]:80=a,[::1]=b", "[::1]=b,[::1]:80=a"),
        ] {
            assert_eq!(map(text).to_string(), shown, "{text}");
            assert_eq!(map(shown), map(text));
            assert_eq!(map(text).is_empty(), shown.is_empty());
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("hub", "\"hub\" is not of the form host[:port]=repository"),
            ("=hub", "\"=hub\" is not of the form host[:port]=repository"),
            ("h:0=hub", "\"h:0=hub\" is not of the form host[:port]=repository"),
            ("https://h=hub", "\"https://h=hub\" is not of the form host[:port]=repository"),
            ("h/v2=hub", "\"h/v2=hub\" is not of the form host[:port]=repository"),
            ("h=", "\"h=\" names no repository: its name must have 1 to 63 characters"),
            ("h=a,H=b", "\"h\" stands there twice"),
        ] {
            assert_eq!(text.parse::<HostMap>().unwrap_err().to_string(), expected);
        }
        let upper = "h=Hub".parse::<HostMap>().unwrap_err().to_string();
        assert!(upper.starts_with("\"h=Hub\" names no repository: its name must be"), "{upper}");
    }

    #[test]
    fn an_entry_without_a_port_fits_any_port_unless_another_one_has_it() {
        let hosts = map("hub.example=hub,hub.example:5000=own,[::1]=six,127.0.0.1:80=four");
        for (host, expected) in [
            ("hub.example", Some("hub")),
            ("HUB.Example:443", Some("hub")),
            ("hub.example:5000", Some("own")),
            ("[::1]", Some("six")),
            ("[::1]:8000", Some("six")),
            ("127.0.0.1:80", Some("four")),
            ("127.0.0.1", None),
            ("127.0.0.1:8000", None),
            ("other.example", None),
            ("x.hub.example", None),
            ("", None),
        ] {
            assert_eq!(hosts.find(host), expected, "{host}");
        }
        assert_eq!(hosts.exactly("hub.example"), Some(("hub.example", "hub")));
        assert_eq!(hosts.exactly("hub.example:443"), None);
    }
}
