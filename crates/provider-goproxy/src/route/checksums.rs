//! Checksum databases. `go` asks a proxy whether it passes one on before it asks the database itself,
//! and so do we.

use artifact_core::{
    Class, Origin, Owner, PackageRequest, Reject, Remote, RepoPath, RepositoryKind, Route, Shape,
    Target, Variant,
};
use bytes::Bytes;
use formats::version::GoVersion;
use url::Url;

use super::escape::unescape;
use super::{CHECKSUMS, OFFER, PLAIN, TEXT, not_found};

/// The databases that `go` knows by itself.
const KNOWN: [&str; 2] = ["sum.golang.org", "sum.golang.google.cn"];

pub(super) fn classify(below: &str, request: &PackageRequest<'_>) -> Result<Route, Reject> {
    let (name, question) = below.split_once('/').ok_or_else(not_found)?;
    let database = Database::find(name, request)?;
    if question == "supported" && database.is_certain {
        return Ok(Route::Answer { content_type: TEXT, body: Bytes::new() });
    }
    let (class, content_type) = question_of(question).ok_or_else(not_found)?;
    let origin = Origin::Relayed {
        offer: Box::new(offer(name)?),
        reference: request.path.to_encoded(),
        otherwise: database.url(question)?,
    };
    Ok(Route::Serve(target(request.path.clone(), class, content_type, origin)))
}

/// What an upstream has that passes the database on.
fn offer(database: &str) -> Result<Target, Reject> {
    let path = RepoPath::from_decoded(&format!("{CHECKSUMS}/{database}/supported"))
        .map_err(|_| not_found())?;
    let origin = Origin::Upstream(path.to_encoded());
    let shape = Shape::Document { kind: OFFER, variant: PLAIN };
    Ok(Target { shape, ..target(path, Class::Mutable, TEXT, origin) })
}

fn target(path: RepoPath, class: Class, content_type: &'static str, origin: Origin) -> Target {
    Target {
        path,
        source: Variant::SOURCE,
        class,
        shape: Shape::File,
        origin,
        package: None,
        owner: Owner::First,
        content_type: Some(content_type),
        accept: None,
        html_allowed: false,
    }
}

/// How long the answer to a question holds, and what it is written in.
fn question_of(question: &str) -> Option<(Class, &'static str)> {
    if let Some(of) = question.strip_prefix("lookup/") {
        return is_lookup(of).then_some((Class::Immutable, TEXT));
    }
    if let Some(tile) = question.strip_prefix("tile/") {
        return is_tile(tile).then_some((Class::Immutable, "application/octet-stream"));
    }
    // `supported` comes here when only the members of a virtual repository can tell.
    matches!(question, "latest" | "supported").then_some((Class::Mutable, TEXT))
}

/// A module and a version, joined by an at sign.
fn is_lookup(of: &str) -> bool {
    let Some((module, version)) = of.rsplit_once('@') else { return false };
    let is_module =
        unescape(module).is_some_and(|module| !module.is_empty() && !module.contains('@'));
    is_module && unescape(version).is_some_and(|version| GoVersion::parse(&version).is_some())
}

/// A tile of the log: its height, its level, its number in groups of three digits and, while it is being
/// filled, how many hashes it has.
fn is_tile(tile: &str) -> bool {
    let Some((height, rest)) = tile.split_once('/') else { return false };
    let Some((level, number)) = rest.split_once('/') else { return false };
    let number = match number.split_once(".p/") {
        Some((number, width)) if is_number(width, 5) => number,
        Some(_) => return false,
        None => number,
    };
    let (groups, last) = number.rsplit_once('/').unwrap_or(("", number));
    is_number(height, 2)
        && (level == "data" || is_number(level, 2))
        && is_group(last)
        && (groups.is_empty()
            || groups.split('/').all(|group| group.strip_prefix('x').is_some_and(is_group)))
}

fn is_group(digits: &str) -> bool {
    digits.len() == 3 && is_number(digits, 3)
}

fn is_number(digits: &str, most: usize) -> bool {
    (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A database that may be asked.
struct Database<'r> {
    name: &'r str,
    scheme: &'static str,
    /// Whether it is known by now that it may be asked; if not, the members decide one by one.
    is_certain: bool,
}

impl<'r> Database<'r> {
    fn find(name: &'r str, request: &PackageRequest<'_>) -> Result<Self, Reject> {
        let base = request.remote.and_then(|remote| Url::parse(&remote.base_url).ok());
        let https = Url::parse(&format!("https://{name}/")).ok();
        let url = https.filter(|url| is_bare(url, name)).ok_or_else(not_found)?;
        let is_own = base.as_ref().is_some_and(|base| is_same(base, name));
        let scheme = if is_own && base.is_some_and(|base| base.scheme() == "http") {
            "http"
        } else {
            "https"
        };
        let is_certain = KNOWN.contains(&name)
            || request.remote.is_some_and(|remote| is_allowed(remote, &url, scheme));
        let is_for_members = request.kind == RepositoryKind::Virtual && request.remote.is_none();
        if is_certain || is_for_members {
            return Ok(Self { name, scheme, is_certain });
        }
        Err(Reject::not_found(
            "this checksum database is not passed on, the remote does not allow its host",
        ))
    }

    fn url(&self, question: &str) -> Result<String, Reject> {
        let path = RepoPath::from_decoded(question).map_err(|_| not_found())?;
        Ok(format!("{}://{}/{}", self.scheme, self.name, path.to_encoded()))
    }
}

/// Whether `url` is made of nothing but `name`, a host in lower case and perhaps a port.
fn is_bare(url: &Url, name: &str) -> bool {
    is_same(url, name) && url.path() == "/" && url.query().is_none() && url.username().is_empty()
}

/// Whether `name` is the host of `url`, with its port unless that is the usual one.
fn is_same(url: &Url, name: &str) -> bool {
    let Some(host) = url.host_str() else { return false };
    match url.port() {
        Some(port) => name.strip_prefix(host) == Some(format!(":{port}").as_str()),
        None => host == name,
    }
}

/// Whether the operator names the database: its host, or its host and port.
fn is_allowed(remote: &Remote, url: &Url, scheme: &str) -> bool {
    let Some(host) = url.host_str() else { return false };
    let port = url.port().unwrap_or(if scheme == "http" { 80 } else { 443 });
    let with_port = format!("{host}:{port}");
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let names = [host, bare, &with_port];
    remote.allowed_hosts.iter().any(|entry| {
        let entry = entry.trim().trim_end_matches('.');
        names.iter().any(|name| name.eq_ignore_ascii_case(entry))
    })
}

#[cfg(test)]
mod tests {
    use artifact_core::ErrorKind;
    use http::{HeaderMap, Method};

    use super::*;

    fn asked(kind: RepositoryKind, remote: Option<&Remote>, path: &str) -> Result<Route, Reject> {
        let path = RepoPath::from_decoded(path).unwrap();
        let (method, headers) = (&Method::GET, &HeaderMap::new());
        super::super::classify(&PackageRequest {
            kind,
            method,
            path: &path,
            query: None,
            headers,
            remote,
        })
    }

    fn remote(base_url: &str, allowed_hosts: &[&str]) -> Remote {
        let allowed_hosts = allowed_hosts.iter().map(|&host| host.to_owned()).collect();
        Remote { allowed_hosts, ..Remote::new(base_url) }
    }

    fn of_remote(remote: &Remote, path: &str) -> Result<Route, Reject> {
        asked(RepositoryKind::Remote, Some(remote), path)
    }

    fn url_of(route: Result<Route, Reject>) -> String {
        match route {
            Ok(Route::Serve(Target { origin: Origin::Relayed { otherwise, .. }, .. })) => otherwise,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_database_is_passed_on_when_go_or_the_operator_names_it() {
        let supported = Ok(Route::Answer { content_type: TEXT, body: Bytes::new() });
        let remote = remote(
            "https://proxy.example/go",
            &["sums.example", "SUMS.corp.example:8443", "::1", "x.example:443"],
        );
        for name in [
            "sum.golang.org",
            "sum.golang.google.cn",
            "sums.example",
            "sums.example:9000",
            "sums.corp.example:8443",
            "[::1]:80",
            "x.example",
        ] {
            assert_eq!(of_remote(&remote, &format!("sumdb/{name}/supported")), supported, "{name}");
            let url = url_of(of_remote(&remote, &format!("sumdb/{name}/latest")));
            assert_eq!(url, format!("https://{name}/latest"));
        }
        for name in [
            "other.example",
            "sums.corp.example",
            "sums.corp.example:443",
            "proxy.example",
            "SUM.golang.org",
            "sum.golang.org:443",
            "sum.golang.org:8443",
            "u@sums.example",
            "sums.example.",
            "x.example:8080",
            "sums.example?x",
            "sums.example#x",
        ] {
            for question in ["supported", "latest"] {
                let path = format!("sumdb/{name}/{question}");
                assert_eq!(
                    of_remote(&remote, &path).unwrap_err().kind,
                    ErrorKind::NotFound,
                    "{path}"
                );
            }
        }
    }

    #[test]
    fn a_database_at_the_remote_itself_is_asked_by_its_scheme() {
        for (base_url, allowed, name, expected) in [
            ("http://127.0.0.1:8080/go", "127.0.0.1:8080", "127.0.0.1:8080", "http"),
            ("http://127.0.0.1:8080/go", "127.0.0.1", "127.0.0.1:8081", "https"),
            ("https://h.example/go", "h.example", "h.example", "https"),
            ("http://h.example/go", "h.example:80", "h.example", "http"),
        ] {
            let remote = remote(base_url, &[allowed]);
            let url = url_of(of_remote(&remote, &format!("sumdb/{name}/latest")));
            assert_eq!(url, format!("{expected}://{name}/latest"));
        }
    }

    #[test]
    fn a_virtual_repository_answers_for_the_known_and_asks_its_members_for_others() {
        let kind = RepositoryKind::Virtual;
        let answer = asked(kind, None, "sumdb/sum.golang.org/supported");
        assert!(matches!(answer, Ok(Route::Answer { .. })));
        assert!(matches!(asked(kind, None, "sumdb/sums.example/supported"), Ok(Route::Serve(_))));
        let member = remote("https://proxy.example", &["sums.example"]);
        let answer = asked(kind, Some(&member), "sumdb/sums.example/supported");
        assert!(matches!(answer, Ok(Route::Answer { .. })));
        assert!(asked(kind, Some(&member), "sumdb/other.example/supported").is_err());
        assert!(asked(RepositoryKind::Local, None, "sumdb/other.example/supported").is_err());
    }

    #[test]
    fn lookups_and_tiles_hold_for_ever_and_the_head_does_not() {
        let remote = remote("https://proxy.example", &[]);
        for (question, class, reference) in [
            ("latest", Class::Mutable, "latest"),
            ("lookup/example.com/!big@v1.0.0", Class::Immutable, "lookup/example.com/!big@v1.0.0"),
            (
                "lookup/e.x/a@v2.0.0+incompatible",
                Class::Immutable,
                "lookup/e.x/a@v2.0.0%2Bincompatible",
            ),
            ("tile/8/0/005", Class::Immutable, "tile/8/0/005"),
            ("tile/8/0/x001/x234/567", Class::Immutable, "tile/8/0/x001/x234/567"),
            ("tile/8/data/005.p/17", Class::Immutable, "tile/8/data/005.p/17"),
        ] {
            let path = format!("sumdb/sum.golang.org/{question}");
            let Ok(Route::Serve(target)) = of_remote(&remote, &path) else { panic!("{path}") };
            assert_eq!((target.class, target.path.as_str()), (class, path.as_str()));
            let Origin::Relayed { offer, reference: relayed, otherwise } = target.origin else {
                panic!("{path}")
            };
            assert_eq!(offer.path.as_str(), "sumdb/sum.golang.org/supported");
            assert_eq!(offer.origin, Origin::Upstream(offer.path.as_str().to_owned()));
            assert_eq!(relayed, format!("sumdb/sum.golang.org/{reference}"));
            assert_eq!(otherwise, format!("https://sum.golang.org/{reference}"));
        }
    }

    #[test]
    fn other_questions_are_not_passed_on() {
        let remote = remote("https://proxy.example", &[]);
        for question in [
            "",
            "latest/x",
            "lookup",
            "lookup/x",
            "lookup/x@",
            "lookup/@v1.0.0",
            "lookup/X@v1.0.0",
            "lookup/x@master",
            "lookup/x@v1.0.0/go.mod",
            "lookup/x@y@v1.0.0",
            "tile",
            "tile/8",
            "tile/8/0",
            "tile/8/0/5",
            "tile/8/0/0005",
            "tile/8/0/001/002",
            "tile/8/0/x001",
            "tile/8/0/x001/x002",
            "tile/8/0/005.p/",
            "tile/8/0/005.p/x",
            "tile/8/0/005.p/1/2",
            "tile/888/0/005",
            "tile/x/0/005",
            "tile/8/-1/005",
            "admin",
        ] {
            let Ok(path) = RepoPath::from_decoded(&format!("sumdb/sum.golang.org/{question}"))
            else {
                panic!("{question}")
            };
            let kind = of_remote(&remote, path.as_str()).unwrap_err().kind;
            assert_eq!(kind, ErrorKind::NotFound, "{question}");
        }
    }
}
