//! What real clients were seen to send, request by request, and what each of them means.

#![expect(clippy::unwrap_used, reason = "helpers of tests, not marked as tests themselves")]

use artifact_core::{
    Intent, Outcome, PackageRequest, Provider, Publishing, RepoPath, RepositoryKind, UploadEvent,
    UploadReference,
};
use http::{HeaderMap, HeaderName, Method};
use provider_docker::DockerProvider;

const ID: &str = "3f2b8c1e-9d4a-4e77-8a55-0c9e1d2f3a4b";

/// The kind of thing that a request asks for. `target` is what the client sends, below `/v2/{repository}/`.
fn meaning(method: &str, target: &str, headers: &[(&str, &str)]) -> &'static str {
    let target = target.strip_prefix("/v2/dk/").unwrap();
    let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
    let path = RepoPath::from_encoded(path, DockerProvider::new().path_rules()).unwrap();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    let intent = DockerProvider::new().intent(&PackageRequest {
        kind: RepositoryKind::Local,
        method: &method.parse::<Method>().unwrap(),
        path: &path,
        query,
        headers: &map,
        remote: None,
    });
    match intent.unwrap() {
        Intent::Read(reading) if reading.promises => "promise",
        Intent::Read(_) => "read",
        Intent::Begin(beginning) if beginning.source.is_some() => "mount",
        Intent::Begin(_) => "begin",
        Intent::Continue(part) if part.closing.is_some() => "close",
        Intent::Continue(_) => "continue",
        Intent::Ask(_) => "ask",
        Intent::Cancel(_) => "cancel",
        Intent::Publish(_) => "publish",
        Intent::Remove(_) => "remove",
        Intent::List(_) => "list",
        Intent::Relate(_) => "relate",
    }
}

/// Where an upload goes on, as the client is told.
fn location() -> String {
    let upload = UploadReference { name: "app".to_owned(), id: ID.parse().unwrap() };
    let outcome = Outcome::Upload(&upload, 0, UploadEvent::Begun);
    let worded = DockerProvider::new().word(&outcome, "/v2/dk");
    worded.headers.get("location").unwrap().to_str().unwrap().to_owned()
}

fn digest(digit: char) -> String {
    format!("sha256:{}", String::from(digit).repeat(64))
}

#[test]
fn docker_pushes_a_new_image() {
    let (layer, config) = (digest('3'), digest('a'));
    let escaped = layer.replace(':', "%3A");
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let chunked = [("transfer-encoding", "chunked")];
    let empty = [("content-length", "0")];
    for (method, target, headers, expected) in [
        ("POST", "/v2/dk/app/blobs/uploads/".to_owned(), empty.as_slice(), "begin"),
        ("PATCH", location(), &chunked, "continue"),
        ("PUT", format!("{}?digest={escaped}", location()), &empty, "close"),
        ("HEAD", format!("/v2/dk/app/blobs/{layer}"), &[], "promise"),
        ("HEAD", format!("/v2/dk/app/blobs/{config}"), &[], "promise"),
        ("PUT", "/v2/dk/app/manifests/v1".to_owned(), &[("content-type", docker)], "publish"),
    ] {
        assert_eq!(meaning(method, &target, headers), expected, "{method} {target}");
    }
}

#[test]
fn docker_pushes_a_layer_that_another_image_has() {
    let layer = digest('3');
    let mount = layer.replace(':', "%3A");
    let target = format!("/v2/dk/app/blobs/uploads/?from=dk%2Fother&mount={mount}");
    assert_eq!(meaning("HEAD", &format!("/v2/dk/app/blobs/{layer}"), &[]), "promise");
    assert_eq!(meaning("POST", &target, &[]), "mount");
}

#[test]
fn docker_and_containerd_pull() {
    let accept = [
        ("accept", "application/vnd.docker.distribution.manifest.v1+prettyjws"),
        ("accept", "application/json"),
        ("accept", "application/vnd.oci.image.index.v1+json"),
    ];
    for target in
        ["/v2/dk/app/manifests/v1".to_owned(), "/v2/dk/app/manifests/v1?ns=docker.io".to_owned()]
    {
        assert_eq!(meaning("HEAD", &target, &accept), "read", "{target}");
    }
    assert_eq!(meaning("GET", &format!("/v2/dk/app/manifests/{}", digest('1')), &accept), "read");
    assert_eq!(meaning("GET", &format!("/v2/dk/app/blobs/{}", digest('2')), &[]), "read");
}

#[test]
fn skopeo_pushes_and_lists() {
    let octets = ("content-type", "application/octet-stream");
    let closing = format!("{}?digest={}", location(), digest('3').replace(':', "%3A"));
    for (method, target, headers, expected) in [
        ("HEAD", format!("/v2/dk/app/blobs/{}", digest('3')), [].as_slice(), "promise"),
        ("POST", "/v2/dk/app/blobs/uploads/".to_owned(), &[], "begin"),
        ("PATCH", location(), &[octets, ("content-length", "100")], "continue"),
        ("PUT", closing, &[octets, ("content-length", "0")], "close"),
        ("GET", "/v2/dk/app/tags/list".to_owned(), &[], "list"),
    ] {
        assert_eq!(meaning(method, &target, headers), expected, "{method} {target}");
    }
}

#[test]
fn containerd_pushes_with_one_request_for_each_blob() {
    let layer = digest('3');
    let mount = format!("/v2/dk/app/blobs/uploads/?mount={layer}&from=team/app");
    let closing = format!("{}?digest={}", location(), layer.replace(':', "%3A"));
    for (method, target, expected) in [
        ("HEAD", format!("/v2/dk/app/blobs/{layer}"), "promise"),
        ("POST", mount, "mount"),
        ("PUT", closing, "close"),
        ("HEAD", "/v2/dk/app/manifests/v1".to_owned(), "read"),
        ("PUT", "/v2/dk/app/manifests/v1".to_owned(), "publish"),
    ] {
        assert_eq!(meaning(method, &target, &[]), expected, "{method} {target}");
    }
}

#[test]
fn chunks_are_resumed_where_the_registry_says() {
    let first = [("content-range", "0-1023"), ("content-length", "1024")];
    assert_eq!(meaning("PATCH", &location(), &first), "continue");
    assert_eq!(meaning("GET", &location(), &[]), "ask");
    assert_eq!(meaning("DELETE", &location(), &[]), "cancel");
}

#[test]
fn oras_probes_for_referrers() {
    let probe = format!("/v2/dk/app/referrers/sha256:{}", "0".repeat(64));
    assert_eq!(meaning("GET", &probe, &[]), "relate");
}
