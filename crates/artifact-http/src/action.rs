//! What a request asks for, decided from method and path alone, before anything else happens.
//!
//! Authorisation, limits, metrics and dispatch all look at the same closed [`Action`], so there
//! is no route that one of them does not see. Whether a repository exists is not decided here.

use std::sync::LazyLock;

use admin_types::Kind;
use artifact_core::RepositoryKind;
use artifact_engine::{Mount, REGISTRY_ROOT, parse_mount};
use http::Method;
use matchit::Router;

/// Everything that can be asked of this server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action<'a> {
    /// A path below a repository.
    Package(PackageRoute<'a>),
    /// The registry, as far as its client sees it.
    Registry(RegistryAction, Extent<'a>),
    /// The management API.
    Admin(AdminAction<'a>),
    /// A probe.
    Health(Probe),
    /// The metrics in Prometheus' text form.
    Metrics,
    /// A ticket for a client that fetches one before it works, with the part of the registry that it knows.
    Token(Extent<'a>),
    /// A download that another replica reads along; its id.
    PeerFlight(&'a str),
    /// The page that problem documents and health hints link to.
    ErrorGuide,
    /// A known path that does not know the method.
    MethodNotAllowed(Refused<'a>),
    /// Nothing of ours.
    NotFound,
}

/// A path below a repository, which may or may not exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PackageRoute<'a> {
    /// What the route says of the repository besides its name.
    pub mount: Mount,
    /// The repository's name.
    pub repository: &'a str,
    /// The rest, still percent-encoded, without its leading slash.
    pub path: &'a str,
}

/// A method that a path does not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused<'a> {
    /// The methods that it knows, as `Allow` lists them.
    pub allow: &'static str,
    /// The repository whose clients will read the answer, if it is one of theirs.
    pub package: Option<PackageRoute<'a>>,
}

/// The part of the registry that clients see under a host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Extent<'a> {
    /// Every repository, each below its name.
    All,
    /// The one that the host stands for, without its name.
    One(&'a str),
}

impl<'a> Extent<'a> {
    /// The one repository.
    pub const fn repository(self) -> Option<&'a str> {
        match self {
            Self::All => None,
            Self::One(repository) => Some(repository),
        }
    }
}

/// What can be asked of a registry that is not about something in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RegistryAction {
    /// Whether this is a registry, and what it wants to know of its clients.
    Ping,
    /// The names that it holds.
    Catalog,
}

/// A probe of this process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Probe {
    /// Whether the process runs.
    Live,
    /// Whether it should be sent requests.
    Ready,
}

/// A call of the management API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AdminAction<'a> {
    /// The repositories of one kind.
    List(Kind),
    /// A new repository whose name is in the body.
    Create(Kind),
    /// One repository.
    Get(Kind, &'a str),
    /// Creates or replaces a repository.
    Put(Kind, &'a str),
    /// Merges a document into a repository.
    Patch(Kind, &'a str),
    /// Removes a repository.
    Delete(Kind, &'a str),
    /// The cached or hosted objects of a repository.
    Objects(Kind, &'a str),
    /// Evicts objects.
    Evict(Kind, &'a str),
    /// Client configuration for a repository.
    Snippets(&'a str),
    /// The access tokens.
    Tokens,
    /// A new access token.
    CreateToken,
    /// Revokes an access token; its id.
    RevokeToken(&'a str),
    /// What the garbage collector did and has to do.
    Collector,
    /// Collects garbage now.
    Collect,
    /// Counters.
    Stats,
    /// The state of this server and its upstreams.
    Health,
}

impl AdminAction<'_> {
    /// Whether it changes something.
    pub const fn is_write(self) -> bool {
        match self {
            Self::Create(_)
            | Self::Put(..)
            | Self::Patch(..)
            | Self::Delete(..)
            | Self::Evict(..)
            | Self::CreateToken
            | Self::RevokeToken(_)
            | Self::Collect => true,
            Self::List(_)
            | Self::Get(..)
            | Self::Objects(..)
            | Self::Snippets(_)
            | Self::Tokens
            | Self::Collector
            | Self::Stats
            | Self::Health => false,
        }
    }
}

impl<'a> Action<'a> {
    /// The action that `method` on `path` (still percent-encoded, without query) asks for. Total.
    pub fn parse(method: &Method, path: &'a str) -> Self {
        if let Some((mount, repository, path)) = parse_mount(path) {
            return package(method, PackageRoute { mount, repository, path });
        }
        if let Some(rest) = path.strip_prefix(REGISTRY_ROOT) {
            return registry(method, rest, Extent::All);
        }
        if let Some(id) = path.strip_prefix(PEER_FLIGHTS) {
            return peer_flight(method, id);
        }
        match path {
            "/healthz" => read_only(method, Self::Health(Probe::Live)),
            "/readyz" => read_only(method, Self::Health(Probe::Ready)),
            "/metrics" => read_only(method, Self::Metrics),
            "/token" if *method == Method::GET || *method == Method::POST => {
                Self::Token(Extent::All)
            }
            "/token" => refused("GET, POST", None),
            "/docs/errors" => read_only(method, Self::ErrorGuide),
            _ => admin(method, path),
        }
    }

    /// The same under a host that stands for `repository`: what hangs below the root of the registry is in it.
    pub fn parse_under_host(method: &Method, path: &'a str, repository: &'a str) -> Self {
        if let Some((_, path)) = below_registry(path) {
            return package(method, PackageRoute { mount: Mount::Root, repository, path });
        }
        match Self::parse(method, path) {
            Self::Registry(action, _) => Self::Registry(action, Extent::One(repository)),
            Self::Token(_) => Self::Token(Extent::One(repository)),
            action => action,
        }
    }

    /// The same for a client that takes us for the registry behind `repository` and leaves its name out; `None` if
    /// it does not leave it out, or asks for nothing that is in a repository.
    pub fn parse_in_namespace(method: &Method, path: &'a str, repository: &'a str) -> Option<Self> {
        let (first, path) = below_registry(path)?;
        let route = PackageRoute { mount: Mount::Registry, repository, path };
        (first != repository).then(|| package(method, route))
    }

    /// The part of the registry that its client sees.
    pub const fn extent(self) -> Extent<'a> {
        match self {
            Self::Registry(_, extent) | Self::Token(extent) => extent,
            _ => match self.package() {
                Some(PackageRoute { mount: Mount::Root, repository, .. }) => {
                    Extent::One(repository)
                }
                _ => Extent::All,
            },
        }
    }

    /// The repository route, also of a refused method.
    pub const fn package(self) -> Option<PackageRoute<'a>> {
        match self {
            Self::Package(route) => Some(route),
            Self::MethodNotAllowed(refused) => refused.package,
            Self::Registry(..)
            | Self::Admin(_)
            | Self::Health(_)
            | Self::Metrics
            | Self::Token(_)
            | Self::PeerFlight(_)
            | Self::ErrorGuide
            | Self::NotFound => None,
        }
    }

    /// What `Allow` lists when this action, asked for with `method`, turns out not to be allowed.
    pub fn allow(self, method: &Method) -> &'static str {
        match self {
            Self::MethodNotAllowed(refused) => refused.allow,
            // Hosted files accept PUT and DELETE; a POST that was refused is one the type has no use for.
            Self::Package(route)
                if route.mount == Mount::Package(RepositoryKind::Local)
                    && *method == Method::POST =>
            {
                "GET, HEAD, PUT, DELETE"
            }
            _ => READ,
        }
    }
}

const READ: &str = "GET, HEAD";

/// Where replicas read along; [`artifact_core::ports::Peers`] is the other end.
const PEER_FLIGHTS: &str = "/internal/v1/flights/";

fn peer_flight<'a>(method: &Method, id: &'a str) -> Action<'a> {
    if id.is_empty() || id.contains('/') {
        return Action::NotFound;
    }
    if *method == Method::GET { Action::PeerFlight(id) } else { refused("GET", None) }
}

/// What lies below the root of the registry, and its first segment; `None` for paths that are about the registry
/// itself or lie elsewhere.
fn below_registry(path: &str) -> Option<(&str, &str)> {
    let (Mount::Registry, first, _) = parse_mount(path)? else { return None };
    Some((first, path.strip_prefix(REGISTRY_ROOT)?.strip_prefix('/')?))
}

/// `rest` is what follows the root, with its leading slash.
fn registry<'a>(method: &Method, rest: &str, extent: Extent<'a>) -> Action<'a> {
    match rest {
        // Answered without a redirect, which would lose a method.
        "" | "/" => read_only(method, Action::Registry(RegistryAction::Ping, extent)),
        "/_catalog" => read_only(method, Action::Registry(RegistryAction::Catalog, extent)),
        _ => Action::NotFound,
    }
}

fn read_only<'a>(method: &Method, action: Action<'a>) -> Action<'a> {
    if is_read(method) { action } else { refused(READ, None) }
}

fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

fn refused<'a>(allow: &'static str, package: Option<PackageRoute<'a>>) -> Action<'a> {
    Action::MethodNotAllowed(Refused { allow, package })
}

fn package<'a>(method: &Method, route: PackageRoute<'a>) -> Action<'a> {
    // A POST may be a query that the type forwards (npm asks for audits that way), so the
    // engine decides; every other write is known to be wrong on what is not hosted here.
    if is_read(method) || *method == Method::POST {
        return Action::Package(route);
    }
    match route.mount {
        // Whether the repository is hosted here is known to the engine alone.
        Mount::Registry | Mount::Root => registered(method, route),
        Mount::Package(RepositoryKind::Local)
            if *method == Method::PUT || *method == Method::DELETE =>
        {
            Action::Package(route)
        }
        Mount::Package(RepositoryKind::Local) => {
            refused("GET, HEAD, PUT, POST, DELETE", Some(route))
        }
        Mount::Package(RepositoryKind::Remote | RepositoryKind::Virtual) => {
            refused(READ, Some(route))
        }
    }
}

fn registered<'a>(method: &Method, route: PackageRoute<'a>) -> Action<'a> {
    match *method {
        Method::PUT | Method::PATCH | Method::DELETE => Action::Package(route),
        _ => refused("GET, HEAD, POST, PUT, PATCH, DELETE", Some(route)),
    }
}

#[derive(Clone, Copy)]
enum Resource {
    Collection,
    Repository,
    Objects,
    Snippets,
    Tokens,
    Token,
    Collector,
    CollectorRun,
    Stats,
    Health,
}

const RESOURCES: [(&str, Resource); 10] = [
    ("/api/v2/tokens", Resource::Tokens),
    ("/api/v2/tokens/{name}", Resource::Token),
    ("/api/v2/gc", Resource::Collector),
    ("/api/v2/gc/run", Resource::CollectorRun),
    ("/api/v2/{collection}", Resource::Collection),
    ("/api/v2/{collection}/{name}", Resource::Repository),
    ("/api/v2/{collection}/{name}/objects", Resource::Objects),
    ("/api/v2/repositories/{name}/snippets", Resource::Snippets),
    ("/api/v2/stats", Resource::Stats),
    ("/api/v2/health", Resource::Health),
];

/// Built once; a pattern that conflicts is a defect which the tests below would show.
static ROUTER: LazyLock<Router<Resource>> = LazyLock::new(|| {
    let mut router = Router::new();
    for (pattern, resource) in RESOURCES {
        let inserted = router.insert(pattern, resource);
        debug_assert!(inserted.is_ok(), "{pattern}: {inserted:?}");
    }
    router
});

fn admin<'a>(method: &Method, path: &'a str) -> Action<'a> {
    let Ok(found) = ROUTER.at(path) else { return Action::NotFound };
    let name = found.params.get("name").unwrap_or_default();
    match found.value {
        Resource::Stats => read_only(method, Action::Admin(AdminAction::Stats)),
        Resource::Health => read_only(method, Action::Admin(AdminAction::Health)),
        Resource::Collector => read_only(method, Action::Admin(AdminAction::Collector)),
        Resource::CollectorRun if *method == Method::POST => Action::Admin(AdminAction::Collect),
        Resource::CollectorRun => refused("POST", None),
        Resource::Snippets => read_only(method, Action::Admin(AdminAction::Snippets(name))),
        Resource::Tokens => match *method {
            Method::GET | Method::HEAD => Action::Admin(AdminAction::Tokens),
            Method::POST => Action::Admin(AdminAction::CreateToken),
            _ => refused("GET, HEAD, POST", None),
        },
        Resource::Token if *method == Method::DELETE => {
            Action::Admin(AdminAction::RevokeToken(name))
        }
        Resource::Token => refused("DELETE", None),
        resource @ (Resource::Collection | Resource::Repository | Resource::Objects) => {
            match found.params.get("collection").and_then(Kind::from_plural) {
                Some(kind) => repositories(method, *resource, kind, name),
                None => Action::NotFound,
            }
        }
    }
}

fn repositories<'a>(method: &Method, resource: Resource, kind: Kind, name: &'a str) -> Action<'a> {
    let (allow, action) = match resource {
        Resource::Collection => ("GET, HEAD, POST", collection(method, kind)),
        Resource::Repository => ("GET, HEAD, PUT, PATCH, DELETE", repository(method, kind, name)),
        Resource::Objects => ("GET, HEAD, DELETE", objects(method, kind, name)),
        Resource::Snippets
        | Resource::Tokens
        | Resource::Token
        | Resource::Collector
        | Resource::CollectorRun
        | Resource::Stats
        | Resource::Health => return Action::NotFound,
    };
    action.map_or(refused(allow, None), Action::Admin)
}

fn collection<'a>(method: &Method, kind: Kind) -> Option<AdminAction<'a>> {
    match *method {
        Method::GET | Method::HEAD => Some(AdminAction::List(kind)),
        Method::POST => Some(AdminAction::Create(kind)),
        _ => None,
    }
}

fn repository<'a>(method: &Method, kind: Kind, name: &'a str) -> Option<AdminAction<'a>> {
    match *method {
        Method::GET | Method::HEAD => Some(AdminAction::Get(kind, name)),
        Method::PUT => Some(AdminAction::Put(kind, name)),
        Method::PATCH => Some(AdminAction::Patch(kind, name)),
        Method::DELETE => Some(AdminAction::Delete(kind, name)),
        _ => None,
    }
}

fn objects<'a>(method: &Method, kind: Kind, name: &'a str) -> Option<AdminAction<'a>> {
    match *method {
        Method::GET | Method::HEAD => Some(AdminAction::Objects(kind, name)),
        Method::DELETE => Some(AdminAction::Evict(kind, name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use artifact_core::RepositoryKind::{Local, Remote, Virtual};

    use super::*;

    fn route(kind: RepositoryKind) -> PackageRoute<'static> {
        PackageRoute { mount: Mount::Package(kind), repository: "name", path: "a%2Fb/c" }
    }

    #[test]
    fn package_routes_carry_kind_name_and_the_encoded_rest() {
        for kind in RepositoryKind::ALL {
            let path: &'static str = format!("/api/v1/{kind}/name/a%2Fb/c").leak();
            assert_eq!(Action::parse(&Method::GET, path), Action::Package(route(kind)));
            assert_eq!(Action::parse(&Method::HEAD, path), Action::Package(route(kind)));
            assert_eq!(Action::parse(&Method::POST, path), Action::Package(route(kind)));
        }
    }

    #[test]
    fn writes_to_what_is_not_hosted_are_refused_with_the_methods_that_work() {
        for kind in [Remote, Virtual] {
            let path: &'static str = format!("/api/v1/{kind}/name/a%2Fb/c").leak();
            for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
                assert_eq!(
                    Action::parse(&method, path),
                    refused("GET, HEAD", Some(route(kind))),
                    "{method} {kind}"
                );
            }
        }
        let path = "/api/v1/local/name/a%2Fb/c";
        assert_eq!(Action::parse(&Method::PUT, path), Action::Package(route(Local)));
        assert_eq!(Action::parse(&Method::DELETE, path), Action::Package(route(Local)));
        let patched = Action::parse(&Method::PATCH, path);
        assert_eq!(patched, refused("GET, HEAD, PUT, POST, DELETE", Some(route(Local))));
    }

    #[test]
    fn a_registry_is_asked_as_a_whole_or_about_one_repository_with_every_method() {
        for path in ["/v2", "/v2/"] {
            let ping = Action::Registry(RegistryAction::Ping, Extent::All);
            assert_eq!(Action::parse(&Method::GET, path), ping);
            assert_eq!(Action::parse(&Method::POST, path), refused("GET, HEAD", None));
        }
        let catalog = Action::parse(&Method::GET, "/v2/_catalog");
        assert_eq!(catalog, Action::Registry(RegistryAction::Catalog, Extent::All));
        let route =
            PackageRoute { mount: Mount::Registry, repository: "r", path: "i/blobs/uploads/" };
        for method in
            [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]
        {
            let action = Action::parse(&method, "/v2/r/i/blobs/uploads/");
            assert_eq!(action, Action::Package(route), "{method}");
        }
        let refusal = refused("GET, HEAD, POST, PUT, PATCH, DELETE", Some(route));
        assert_eq!(Action::parse(&Method::OPTIONS, "/v2/r/i/blobs/uploads/"), refusal);
        for path in ["/v2/_other", "/v2//x", "/v2x"] {
            assert_eq!(Action::parse(&Method::GET, path), Action::NotFound, "{path}");
        }
    }

    #[test]
    fn under_the_host_of_a_repository_its_images_hang_below_the_root() {
        let parse = |method, path| Action::parse_under_host(&method, path, "hub");
        for path in ["library/app/manifests/v1", "hub/app/manifests/v1", "x", "a%2Fb//c"] {
            let route = PackageRoute { mount: Mount::Root, repository: "hub", path };
            let target: &'static str = format!("/v2/{path}").leak();
            let action = parse(Method::PATCH, target);
            assert_eq!((action, action.extent()), (Action::Package(route), Extent::One("hub")));
            let refused = parse(Method::OPTIONS, target);
            assert_eq!((refused.package(), refused.extent()), (Some(route), Extent::One("hub")));
        }
        let one = Extent::One("hub");
        for (path, expected) in [
            ("/v2/", Action::Registry(RegistryAction::Ping, one)),
            ("/v2/_catalog", Action::Registry(RegistryAction::Catalog, one)),
            ("/token", Action::Token(one)),
            ("/v2/_other", Action::NotFound),
            ("/v2//x", Action::NotFound),
        ] {
            assert_eq!(parse(Method::GET, path), expected, "{path}");
        }
        for path in ["/healthz", "/api/v1/remote/name/a", "/api/v2/stats", "/nothing"] {
            let elsewhere = Action::parse(&Method::GET, path);
            assert_eq!(parse(Method::GET, path), elsewhere, "{path}");
            assert_eq!(elsewhere.extent(), Extent::All, "{path}");
        }
    }

    #[test]
    fn in_a_namespace_the_name_of_the_repository_may_be_left_out() {
        let route = |path| PackageRoute { mount: Mount::Registry, repository: "hub", path };
        for (path, expected) in [
            ("/v2/library/app/tags/list", Some(route("library/app/tags/list"))),
            ("/v2/app", Some(route("app"))),
            ("/v2/hub/library/app/tags/list", None),
            ("/v2/hub", None),
            ("/v2/", None),
            ("/v2/_catalog", None),
            ("/api/v1/remote/n/x", None),
            ("/token", None),
        ] {
            let action = Action::parse_in_namespace(&Method::GET, path, "hub");
            assert_eq!(action, expected.map(Action::Package), "{path}");
        }
    }

    #[test]
    fn every_management_route_is_reachable() {
        use Kind::{Local, Remote, Virtual};
        let cases = [
            (Method::GET, "/api/v2/remotes", AdminAction::List(Remote)),
            (Method::HEAD, "/api/v2/virtuals", AdminAction::List(Virtual)),
            (Method::POST, "/api/v2/locals", AdminAction::Create(Local)),
            (Method::GET, "/api/v2/remotes/n", AdminAction::Get(Remote, "n")),
            (Method::PUT, "/api/v2/virtuals/n", AdminAction::Put(Virtual, "n")),
            (Method::PATCH, "/api/v2/locals/n", AdminAction::Patch(Local, "n")),
            (Method::DELETE, "/api/v2/locals/n", AdminAction::Delete(Local, "n")),
            (Method::GET, "/api/v2/locals/n/objects", AdminAction::Objects(Local, "n")),
            (Method::DELETE, "/api/v2/remotes/n/objects", AdminAction::Evict(Remote, "n")),
            (Method::GET, "/api/v2/repositories/n/snippets", AdminAction::Snippets("n")),
            (Method::GET, "/api/v2/tokens", AdminAction::Tokens),
            (Method::POST, "/api/v2/tokens", AdminAction::CreateToken),
            (Method::DELETE, "/api/v2/tokens/t", AdminAction::RevokeToken("t")),
            (Method::GET, "/api/v2/gc", AdminAction::Collector),
            (Method::POST, "/api/v2/gc/run", AdminAction::Collect),
            (Method::GET, "/api/v2/stats", AdminAction::Stats),
            (Method::GET, "/api/v2/health", AdminAction::Health),
        ];
        for (method, path, expected) in cases {
            assert_eq!(Action::parse(&method, path), Action::Admin(expected), "{method} {path}");
        }
    }

    #[test]
    fn a_known_path_with_another_method_names_the_methods_it_knows() {
        let cases = [
            (Method::DELETE, "/api/v2/remotes", "GET, HEAD, POST"),
            (Method::POST, "/api/v2/remotes/n", "GET, HEAD, PUT, PATCH, DELETE"),
            (Method::POST, "/api/v2/remotes/n/objects", "GET, HEAD, DELETE"),
            (Method::POST, "/api/v2/stats", "GET, HEAD"),
            (Method::PUT, "/api/v2/tokens", "GET, HEAD, POST"),
            (Method::GET, "/api/v2/tokens/t", "DELETE"),
            (Method::HEAD, "/token", "GET, POST"),
            (Method::POST, "/api/v2/gc", "GET, HEAD"),
            (Method::GET, "/api/v2/gc/run", "POST"),
            (Method::PUT, "/api/v2/repositories/n/snippets", "GET, HEAD"),
            (Method::POST, "/healthz", "GET, HEAD"),
            (Method::DELETE, "/metrics", "GET, HEAD"),
        ];
        for (method, path, allow) in cases {
            assert_eq!(Action::parse(&method, path), refused(allow, None), "{method} {path}");
        }
    }

    #[test]
    fn unknown_paths_are_not_found_whatever_the_method() {
        let paths = [
            "",
            "/",
            "/api/v2",
            "/api/v2/",
            "/api/v2/remote",
            "/api/v2/others",
            "/healthz/",
            "/api/v2/remotes/",
            "/api/v2/remotes/n/",
            "/api/v2/remotes/n/objects/x",
            "*",
            "/api/v2/repositories/n",
            "/api/v1/remote",
            "/api/v1/remote/",
            "/api/v3/remotes",
        ];
        for path in paths {
            for method in [Method::GET, Method::PUT] {
                assert_eq!(Action::parse(&method, path), Action::NotFound, "{method} {path}");
            }
        }
    }

    #[test]
    fn tickets_are_fetched_with_both_methods_that_clients_use() {
        for method in [Method::GET, Method::POST] {
            assert_eq!(Action::parse(&method, "/token"), Action::Token(Extent::All));
            assert_eq!(Action::parse(&method, "/token/"), Action::NotFound);
        }
    }

    #[test]
    fn replicas_read_along_by_id() {
        let path = "/internal/v1/flights/one-7";
        assert_eq!(Action::parse(&Method::GET, path), Action::PeerFlight("one-7"));
        assert_eq!(Action::parse(&Method::POST, path), refused("GET", None));
        for path in ["/internal/v1/flights/", "/internal/v1/flights/a/b", "/internal/v1/flights"] {
            assert_eq!(Action::parse(&Method::GET, path), Action::NotFound, "{path}");
        }
    }

    #[test]
    fn what_the_engine_refuses_still_names_the_methods_that_work() {
        let local = Action::Package(route(Local));
        assert_eq!(local.allow(&Method::POST), "GET, HEAD, PUT, DELETE");
        assert_eq!(local.allow(&Method::PUT), "GET, HEAD");
        assert_eq!(Action::Package(route(Remote)).allow(&Method::POST), "GET, HEAD");
    }
}
