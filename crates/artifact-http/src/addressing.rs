//! What a request asks for, where its path alone does not say so: a host may stand for a repository of the registry, and
//! so may the namespace in which a mirror is asked.
//!
//! Decided once, before anything else looks at the request. Invariant: only what is configured leads anywhere. A host or
//! a namespace that a client names is looked up and never connected to.

use std::sync::Arc;

use http::request::Parts;
use url::form_urlencoded;

use crate::action::Action;
use crate::host_map::HostMap;
use crate::origin::{OriginSettings, Peer};

/// The parameter in which clients name the registry that they take us for.
const NAMESPACE: &str = "ns";

/// How requests name what they ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addressing {
    pub(crate) origins: Arc<OriginSettings>,
    /// Hosts that stand for a repository.
    pub(crate) hosts: HostMap,
    /// Registries whose images a repository has.
    pub(crate) namespaces: HostMap,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Addressed<'a> {
    pub(crate) action: Action<'a>,
    /// The namespace that was needed to find out.
    pub(crate) namespace: Option<&'a str>,
}

impl Addressing {
    /// What a request of `peer` asks for. A host outranks a namespace.
    pub(crate) fn read<'a>(&'a self, parts: &'a Parts, peer: Peer) -> Addressed<'a> {
        let (method, path) = (&parts.method, parts.uri.path());
        let by_path = || Addressed { action: Action::parse(method, path), namespace: None };
        if let Some(repository) = self.repository_of_host(parts, peer) {
            let action = Action::parse_under_host(method, path, repository);
            return Addressed { action, namespace: None };
        }
        let Some((namespace, repository)) = self.repository_of_namespace(parts) else {
            return by_path();
        };
        match Action::parse_in_namespace(method, path, repository) {
            Some(action) => Addressed { action, namespace: Some(namespace) },
            None => by_path(),
        }
    }

    /// A client that names no usable host has none that stands for anything.
    fn repository_of_host(&self, parts: &Parts, peer: Peer) -> Option<&str> {
        if self.hosts.is_empty() {
            return None;
        }
        self.hosts.find(self.origins.host(parts, peer).ok()?)
    }

    fn repository_of_namespace(&self, parts: &Parts) -> Option<(&str, &str)> {
        if self.namespaces.is_empty() {
            return None;
        }
        let mut parameters = form_urlencoded::parse(parts.uri.query()?.as_bytes());
        let (_, namespace) = parameters.find(|(name, _)| name == NAMESPACE)?;
        self.namespaces.exactly(&namespace)
    }
}

#[cfg(test)]
mod tests {
    use artifact_engine::Mount;
    use http::Request;

    use super::*;
    use crate::action::{Extent, PackageRoute, RegistryAction};

    fn addressing() -> Addressing {
        let origins = OriginSettings {
            public_url: Some("https://public.example".to_owned()),
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        };
        Addressing {
            origins: Arc::new(origins),
            hosts: "hub.example=hub,own.example:5000=own".parse().unwrap(),
            namespaces: "docker.io=hub,quay.io=quay".parse().unwrap(),
        }
    }

    fn parts(host: &str, target: &str) -> Parts {
        let request = Request::get(target).header("host", host);
        request.header("x-forwarded-host", "hub.example").body(()).unwrap().into_parts().0
    }

    fn peer(address: &str) -> Peer {
        Peer::plain(address.parse().unwrap())
    }

    #[track_caller]
    fn assert_leads_to(
        host: &str,
        target: &str,
        expected: (Mount, &str, &str),
        said: Option<&str>,
    ) {
        let (mount, repository, path) = expected;
        let (addressing, parts) = (addressing(), parts(host, target));
        let addressed = addressing.read(&parts, peer("192.0.2.1:1"));
        let route = PackageRoute { mount, repository, path };
        assert_eq!(addressed.action, Action::Package(route), "{host} {target}");
        assert_eq!(addressed.namespace, said, "{host} {target}");
    }

    #[test]
    fn a_host_and_then_a_namespace_and_then_the_path_say_which_repository_is_asked() {
        use Mount::{Registry, Root};
        let tags = "library/app/tags/list";
        for (host, target, expected, said) in [
            ("hub.example", "/v2/library/app/tags/list", (Root, "hub", tags), None),
            ("HUB.example:8000", "/v2/library/app/tags/list", (Root, "hub", tags), None),
            ("hub.example", "/v2/library/app/tags/list?ns=quay.io", (Root, "hub", tags), None),
            ("own.example:5000", "/v2/library/app/tags/list", (Root, "own", tags), None),
            (
                "own.example",
                "/v2/library/app/tags/list",
                (Registry, "library", "app/tags/list"),
                None,
            ),
            ("a.example", "/v2/hub/app/tags/list", (Registry, "hub", "app/tags/list"), None),
            ("not a host", "/v2/hub/app/tags/list", (Registry, "hub", "app/tags/list"), None),
            (
                "a.example",
                "/v2/library/app/tags/list?n=1&ns=docker.io",
                (Registry, "hub", tags),
                Some("docker.io"),
            ),
            (
                "a.example",
                "/v2/hub/app/tags/list?ns=docker.io",
                (Registry, "hub", "app/tags/list"),
                None,
            ),
            (
                "a.example",
                "/v2/hub/app/tags/list?ns=quay.io",
                (Registry, "quay", "hub/app/tags/list"),
                Some("quay.io"),
            ),
            (
                "a.example",
                "/v2/hub/app/tags/list?ns=evil.example",
                (Registry, "hub", "app/tags/list"),
                None,
            ),
            (
                "a.example",
                "/v2/hub/app/tags/list?ns=quay.io:443",
                (Registry, "hub", "app/tags/list"),
                None,
            ),
            ("a.example", "/v2/hub/app/tags/list?ns=", (Registry, "hub", "app/tags/list"), None),
        ] {
            assert_leads_to(host, target, expected, said);
        }
    }

    #[test]
    fn the_host_that_a_trusted_proxy_names_counts() {
        let (addressing, parts) = (addressing(), parts("inner", "/v2/"));
        for (address, extent) in [("10.1.1.1:1", Extent::One("hub")), ("192.0.2.1:1", Extent::All)]
        {
            let addressed = addressing.read(&parts, peer(address));
            assert_eq!(addressed.action, Action::Registry(RegistryAction::Ping, extent));
        }
    }

    #[test]
    fn nothing_but_the_registry_and_its_tickets_depends_on_the_host() {
        for (target, depends) in [
            ("/token?service=x", true),
            ("/v2/_catalog", true),
            ("/api/v1/remote/files/x?ns=docker.io", false),
            ("/api/v2/health", false),
            ("/healthz", false),
            ("/nothing", false),
        ] {
            let (addressing, parts) = (addressing(), parts("hub.example", target));
            let addressed = addressing.read(&parts, peer("192.0.2.1:1"));
            let by_path = Action::parse(&parts.method, parts.uri.path());
            assert_eq!(addressed.action != by_path, depends, "{target}");
            assert_eq!(addressed.namespace, None, "{target}");
        }
    }
}
