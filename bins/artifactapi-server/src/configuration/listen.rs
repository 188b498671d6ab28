//! Where to listen.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address to listen on: `:port` for every interface, or `host:port`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ListenAddress {
    host: String,
    port: u16,
}

impl ListenAddress {
    /// The port; 0 leaves the choice to the system.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What to bind, the first that works. Without a host that is IPv6 and IPv4 together, or
    /// IPv4 alone where the kernel has no IPv6.
    pub(crate) fn candidates(&self) -> Vec<(String, u16)> {
        if !self.host.is_empty() {
            return vec![(self.host.clone(), self.port)];
        }
        let everywhere = [IpAddr::from(Ipv6Addr::UNSPECIFIED), Ipv4Addr::UNSPECIFIED.into()];
        everywhere.iter().map(|address| (address.to_string(), self.port)).collect()
    }

    /// An address that reaches the listener from this machine.
    pub(crate) fn reachable(&self) -> String {
        let host = match self.host.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => "localhost".to_owned(),
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ if self.host.is_empty() => "localhost".to_owned(),
            _ => self.host.clone(),
        };
        format!("{host}:{}", self.port)
    }
}

impl FromStr for ListenAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be :port or host:port";
        let (host, port) = text.rsplit_once(':').ok_or(FORM)?;
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_number).ok_or("has no port of 0 to 65535")?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) if address.parse::<Ipv6Addr>().is_ok() => address,
            Some(_) => return Err("has no IPv6 address between its brackets"),
            None if host.contains(':') => return Err("needs brackets around an IPv6 address"),
            None => host,
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        if !host.chars().all(is_plain) {
            return Err(FORM);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_or_behind_a_host_is_an_address() {
        for (text, first, reachable) in [
            (":8000", ("::", 8000), "localhost:8000"),
            ("127.0.0.1:0", ("127.0.0.1", 0), "127.0.0.1:0"),
            ("0.0.0.0:80", ("0.0.0.0", 80), "localhost:80"),
            ("[::1]:80", ("::1", 80), "[::1]:80"),
            ("[::]:80", ("::", 80), "localhost:80"),
            ("cache.example:80", ("cache.example", 80), "cache.example:80"),
        ] {
            let address: ListenAddress = text.parse().unwrap();
            assert_eq!(address.candidates()[0], (first.0.to_owned(), first.1), "{text}");
            assert_eq!(address.reachable(), reachable, "{text}");
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "8000", "host", "host:", ":x", ":70000", ":-1", "::1:80", "[x]:80", "a/b:1"]
        {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }
}
