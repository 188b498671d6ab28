//! Which addresses may be connected to.
//!
//! Invariant: the answer depends on the address alone, never on the name that led to it, so that
//! neither rebinding nor an unusual spelling changes it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far a connection may reach.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Allowance {
    /// Public addresses only: the host was named by somebody who is not the operator.
    Public,
    /// Loopback and private addresses too: the operator named the host.
    Private,
}

/// Whether an address may be connected to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It may.
    Allowed,
    /// It may not; says what kind of address it is.
    Denied(&'static str),
}

/// What an address is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scope {
    Public,
    /// Reachable where the operator says so.
    Internal(&'static str),
    /// Never an upstream, whoever says so.
    Forbidden(&'static str),
}

/// Decides whether `ip` may be connected to. Documentation and benchmarking ranges count as
/// public, because some installations route registries there.
pub fn address_policy(ip: IpAddr, allowance: Allowance) -> Verdict {
    let scope = match ip {
        IpAddr::V4(ip) => scope_v4(ip),
        IpAddr::V6(ip) => scope_v6(ip),
    };
    match (scope, allowance) {
        (Scope::Public, _) | (Scope::Internal(_), Allowance::Private) => Verdict::Allowed,
        (Scope::Internal(kind), Allowance::Public) | (Scope::Forbidden(kind), _) => {
            Verdict::Denied(kind)
        }
    }
}

fn scope_v4(ip: Ipv4Addr) -> Scope {
    match ip.octets() {
        [169, 254, ..] => Scope::Forbidden("link-local"),
        // Alibaba, Oracle (classic) and Azure serve machine credentials here.
        [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => {
            Scope::Forbidden("cloud metadata")
        }
        [0, ..] => Scope::Forbidden("unspecified"),
        [224..=239, ..] => Scope::Forbidden("multicast"),
        [255, 255, 255, 255] => Scope::Forbidden("broadcast"),
        [127, ..] => Scope::Internal("loopback"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Scope::Internal("private"),
        [100, 64..=127, ..] => Scope::Internal("carrier-grade NAT"),
        [192, 0, 0, _] | [240..=255, ..] => Scope::Internal("reserved"),
        _ => Scope::Public,
    }
}

fn scope_v6(ip: Ipv6Addr) -> Scope {
    if let Some(embedded) = embedded_v4(ip) {
        return scope_v4(embedded);
    }
    match ip.segments() {
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Scope::Forbidden("cloud metadata"),
        [0xfe80..=0xfebf, ..] => Scope::Forbidden("link-local"),
        [0xff00..=0xffff, ..] => Scope::Forbidden("multicast"),
        [0, 0, 0, 0, 0, 0, 0, 0] => Scope::Forbidden("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Scope::Internal("loopback"),
        [0xfc00..=0xfdff, ..] => Scope::Internal("unique local"),
        [0xfec0..=0xfeff, ..] => Scope::Internal("site-local"),
        // Where these tunnels end is somebody else's choice.
        [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] => Scope::Internal("tunnel"),
        _ => Scope::Public,
    }
}

/// The IPv4 address that a translating form really leads to: mapped, compatible, NAT64, 6to4.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return None,
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(ip: &str, allowance: Allowance) -> Verdict {
        address_policy(ip.parse().unwrap(), allowance)
    }

    #[test]
    fn public_addresses_are_always_allowed() {
        for ip in [
            "1.1.1.1",
            "151.101.0.223",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.2.10",
            "198.51.100.1",
            "203.0.113.254",
            "198.18.0.1",
            "198.19.255.255",
            "2606:4700::6810:1",
            "2001:db8::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            assert_eq!(verdict(ip, Allowance::Public), Verdict::Allowed, "{ip}");
            assert_eq!(verdict(ip, Allowance::Private), Verdict::Allowed, "{ip}");
        }
    }

    #[test]
    fn internal_addresses_need_the_operators_word() {
        for ip in [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "240.0.0.1",
            "::1",
            "fc00::1",
            "fdff::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::a00:1",
            "2002:a00:1::",
            "2002:7f00:1::1",
            "2001:0:4136:e378::1",
        ] {
            assert!(matches!(verdict(ip, Allowance::Public), Verdict::Denied(_)), "{ip}");
            assert_eq!(verdict(ip, Allowance::Private), Verdict::Allowed, "{ip}");
        }
    }

    #[test]
    fn link_local_metadata_and_group_addresses_are_never_allowed() {
        for ip in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "ff02::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::ffff:0.0.0.0",
        ] {
            for allowance in [Allowance::Public, Allowance::Private] {
                assert!(matches!(verdict(ip, allowance), Verdict::Denied(_)), "{ip}");
            }
        }
    }
}
