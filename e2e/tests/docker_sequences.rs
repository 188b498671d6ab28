//! What clients were seen to send, request by request: the docker, skopeo and containerd that this
//! machine does not have ask in the same way.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use e2e::fixtures::{image_manifest, sha256_digest};
use e2e::{Exchange, Profile, Server, local, on_both_profiles};
use http::Method;
use serde_json::{Value, json};
use testkit::pattern;

on_both_profiles! {
    docker_pushes_and_pulls,
    skopeo_pushes_and_pulls,
    containerd_pushes_and_pulls,
    clients_fetch_tickets,
}

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_AGENT: (&str, &str) = (
    "user-agent",
    "docker/20.10.24+dfsg1 go/go1.19.8 kernel/6.1 os/linux arch/amd64 UpstreamClient(Docker-Client/20.10.24)",
);

/// One client in talk with a server.
struct Talk<'a> {
    server: &'a Server,
    /// What it sends with every request.
    always: Vec<(&'static str, String)>,
    /// Where it was told to go on.
    location: String,
}

impl<'a> Talk<'a> {
    fn new(server: &'a Server, always: &[(&'static str, &str)]) -> Self {
        let always = always.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { server, always, location: String::new() }
    }

    /// Sends `line`, in which `L` at the beginning is the last location, and expects `status`.
    async fn say(
        &mut self,
        line: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
        status: u16,
    ) -> Result<Exchange> {
        let (method, target) = line.split_once(' ').context("a method and a target")?;
        let target = match target.strip_prefix('L') {
            Some(rest) if self.location.contains('?') => format!("{}{rest}", self.location),
            // Clients merge their parameter into the query, which is empty here.
            Some(rest) => format!("{}{}", self.location, rest.replacen('&', "?", 1)),
            None => target.to_owned(),
        };
        let always = self.always.iter().map(|(name, value)| (*name, value.as_str()));
        let headers: Vec<_> = always.chain(headers.iter().copied()).collect();
        let method: Method = method.parse()?;
        let is_head = method == Method::HEAD;
        let url = self.server.url(&target);
        let answer = self.server.http().send(method, &url, &headers, body).await?;
        assert_eq!(answer.status, status, "{line} at {target}: {}", answer.text());
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0", "{line}");
        assert!(!is_head || answer.body.is_empty(), "{line}");
        if let Some(location) = answer.headers.get("location") {
            location.to_str()?.clone_into(&mut self.location);
            // Whatever the server is reached by, this leads to it.
            assert!(self.location.starts_with("/v2/"), "{line}: {}", self.location);
        }
        Ok(answer)
    }

    /// A blob as docker sends it: in one piece whose length is not told in advance.
    async fn docker_sends(&mut self, name: &str, bytes: &Bytes) -> Result<()> {
        let (digest, nothing) = (sha256_digest(bytes), [("content-length", "0")]);
        let uploads = format!("POST /v2/{name}/blobs/uploads/");
        let begun = self.say(&uploads, &nothing, "", 202).await?;
        assert_eq!(begun.header("range"), "0-0");
        let id = begun.header("docker-upload-uuid").to_owned();
        assert!(self.location.contains(&id) && !id.is_empty(), "{}", self.location);
        let patched =
            self.say("PATCH L", &[("transfer-encoding", "chunked")], bytes.clone(), 202).await?;
        assert_eq!(patched.header("range"), format!("0-{}", bytes.len() - 1));
        let closing = format!("PUT L&digest={}", digest.replace(':', "%3A"));
        let put = self.say(&closing, &nothing, "", 201).await?;
        assert_eq!(put.header("docker-content-digest"), digest);
        assert_eq!(self.location, format!("/v2/{name}/blobs/{digest}"));
        // It looks at once, and would send it again.
        let seen = self.say(&format!("HEAD /v2/{name}/blobs/{digest}"), &[], "", 200).await?;
        assert_eq!(seen.header("content-length"), bytes.len().to_string());
        Ok(())
    }
}

struct Image {
    configuration: Bytes,
    layer: Bytes,
}

impl Image {
    fn new(seed: u64) -> Self {
        let configuration = json!({"architecture": "amd64", "os": "linux", "number": seed});
        Self { configuration: configuration.to_string().into(), layer: pattern(seed, 200_266) }
    }

    fn manifest(&self, media_type: &str) -> String {
        image_manifest(&self.configuration, &[&self.layer], 0).replace(OCI_MANIFEST, media_type)
    }
}

async fn docker_pushes_and_pulls(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    local(&server, "dk", "docker").await?;
    let image = Image::new(1);
    let manifest = image.manifest(DOCKER_MANIFEST);
    let [layer, configuration] = [&image.layer, &image.configuration].map(|it| sha256_digest(it));
    let typed = [("content-type", DOCKER_MANIFEST)];
    let mut docker = Talk::new(&server, &[DOCKER_AGENT]);
    docker.say("GET /v2/", &[], "", 200).await?;
    docker.docker_sends("dk/app", &image.layer).await?;
    docker.say(&format!("HEAD /v2/dk/app/blobs/{configuration}"), &[], "", 404).await?;
    docker.docker_sends("dk/app", &image.configuration).await?;
    let put = docker.say("PUT /v2/dk/app/manifests/v1", &typed, manifest.clone(), 201).await?;
    let digest = sha256_digest(manifest.as_bytes());
    assert_eq!(put.header("docker-content-digest"), digest);

    // The same layer to another image.
    docker.say("GET /v2/", &[], "", 200).await?;
    docker.say(&format!("HEAD /v2/dk/app2/blobs/{layer}"), &[], "", 404).await?;
    let mount = format!(
        "POST /v2/dk/app2/blobs/uploads/?from=dk%2Fapp&mount={}",
        layer.replace(':', "%3A")
    );
    let mounted = docker.say(&mount, &[("content-length", "0")], "", 201).await?;
    assert_eq!(mounted.header("docker-content-digest"), layer);
    docker.say(&format!("HEAD /v2/dk/app2/blobs/{layer}"), &[], "", 200).await?;
    docker.docker_sends("dk/app2", &image.configuration).await?;
    docker.say("PUT /v2/dk/app2/manifests/v1", &typed, manifest.clone(), 201).await?;

    // Again: everything is there.
    docker.say("GET /v2/", &[], "", 200).await?;
    for blob in [&layer, &configuration] {
        docker.say(&format!("HEAD /v2/dk/app/blobs/{blob}"), &[], "", 200).await?;
    }
    docker.say("PUT /v2/dk/app/manifests/v1", &typed, manifest.clone(), 201).await?;

    docker.say("GET /v2/", &[], "", 200).await?;
    let accept = [
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/json",
        DOCKER_MANIFEST,
        "application/vnd.docker.distribution.manifest.list.v2+json",
        OCI_MANIFEST,
        "application/vnd.oci.image.index.v1+json",
    ]
    .map(|media_type| ("accept", media_type));
    let head = docker.say("HEAD /v2/dk/app/manifests/v1", &accept, "", 200).await?;
    assert_eq!(head.header("docker-content-digest"), digest);
    assert_eq!(head.header("content-type"), DOCKER_MANIFEST);
    assert_eq!(head.header("content-length"), manifest.len().to_string());
    let got = docker.say(&format!("GET /v2/dk/app/manifests/{digest}"), &accept, "", 200).await?;
    assert_eq!(got.body, manifest);
    for bytes in [&image.configuration, &image.layer] {
        let blob = format!("GET /v2/dk/app/blobs/{}", sha256_digest(bytes));
        assert!(docker.say(&blob, &[], "", 200).await?.body == *bytes);
    }
    Ok(())
}

async fn skopeo_pushes_and_pulls(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    local(&server, "dk", "docker").await?;
    let image = Image::new(2);
    let mut skopeo = Talk::new(
        &server,
        &[("docker-distribution-api-version", "registry/2.0"), ("user-agent", "skopeo/1.9.3")],
    );
    let octets = ("content-type", "application/octet-stream");
    skopeo.say("GET /v2/", &[], "", 200).await?;
    for (bytes, looks) in [(&image.layer, 2), (&image.configuration, 1)] {
        let digest = sha256_digest(bytes);
        for _ in 0..looks {
            skopeo.say(&format!("HEAD /v2/dk/app/blobs/{digest}"), &[], "", 404).await?;
        }
        skopeo.say("POST /v2/dk/app/blobs/uploads/", &[("content-length", "0")], "", 202).await?;
        skopeo.say("PATCH L", &[octets], bytes.clone(), 202).await?;
        let closing = format!("PUT L&digest={}", digest.replace(':', "%3A"));
        skopeo.say(&closing, &[octets, ("content-length", "0")], "", 201).await?;
    }
    let manifest = image.manifest(OCI_MANIFEST);
    let typed = [("content-type", OCI_MANIFEST)];
    skopeo.say("PUT /v2/dk/app/manifests/v1", &typed, manifest.clone(), 201).await?;

    skopeo.say("GET /v2/", &[], "", 200).await?;
    let accept = [
        OCI_MANIFEST,
        DOCKER_MANIFEST,
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.index.v1+json",
    ]
    .map(|media_type| ("accept", media_type));
    let got = skopeo.say("GET /v2/dk/app/manifests/v1", &accept, "", 200).await?;
    assert_eq!((got.header("content-type"), got.text()), (OCI_MANIFEST, manifest));
    let configuration = sha256_digest(&image.configuration);
    let got = skopeo.say(&format!("GET /v2/dk/app/blobs/{configuration}"), &[], "", 200).await?;
    assert_eq!(got.body, image.configuration);
    let tags = skopeo.say("GET /v2/dk/app/tags/list", &[], "", 200).await?;
    assert_eq!(tags.json()?, json!({"name": "dk/app", "tags": ["v1"]}));
    Ok(())
}

async fn containerd_pushes_and_pulls(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    local(&server, "dk", "docker").await?;
    let image = Image::new(3);
    let mut ctr = Talk::new(&server, &[("user-agent", "containerd/1.6.20~ds1")]);
    let manifest = image.manifest(OCI_MANIFEST);
    let typed = [("content-type", OCI_MANIFEST)];
    for name in ["dk/team/app", "dk/team/other"] {
        let blobs = [
            (&image.layer, "application/vnd.oci.image.layer.v1.tar, */*"),
            (&image.configuration, "application/vnd.oci.image.config.v1+json, */*"),
        ];
        for (bytes, accept) in blobs {
            let digest = sha256_digest(bytes);
            let looked = format!("HEAD /v2/{name}/blobs/{digest}");
            ctr.say(&looked, &[("accept", accept)], "", 404).await?;
            let uploads = format!("POST /v2/{name}/blobs/uploads/");
            if name == "dk/team/other" {
                let mount = format!("{uploads}?mount={digest}&from=dk/team/app");
                ctr.say(&mount, &[], "", 201).await?;
                continue;
            }
            // From an image that does not have it, it is told to send it.
            ctr.say(&format!("{uploads}?mount={digest}&from=dk/team/none"), &[], "", 202).await?;
            ctr.say(&uploads, &[], "", 202).await?;
            let octets = [("content-type", "application/octet-stream")];
            let closing = format!("PUT L&digest={}", digest.replace(':', "%3A"));
            ctr.say(&closing, &octets, bytes.clone(), 201).await?;
        }
        let accept = [("accept", "application/vnd.oci.image.manifest.v1+json, */*")];
        ctr.say(&format!("HEAD /v2/{name}/manifests/v1"), &accept, "", 404).await?;
        ctr.say(&format!("PUT /v2/{name}/manifests/v1"), &typed, manifest.clone(), 201).await?;
    }
    let accept = [(
        "accept",
        "application/vnd.docker.distribution.manifest.v2+json, \
         application/vnd.docker.distribution.manifest.list.v2+json, \
         application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*",
    )];
    // Whose host is not that of the image says of whom the image is.
    for origin in ["", "?ns=docker.io"] {
        let head = format!("HEAD /v2/dk/team/other/manifests/v1{origin}");
        let head = ctr.say(&head, &accept, "", 200).await?;
        let digest = head.header("docker-content-digest").to_owned();
        assert_eq!(digest, sha256_digest(manifest.as_bytes()));
        let got = format!("GET /v2/dk/team/other/manifests/{digest}{origin}");
        assert_eq!(ctr.say(&got, &accept, "", 200).await?.body, manifest);
        let layer = format!("GET /v2/dk/team/other/blobs/{}{origin}", sha256_digest(&image.layer));
        let encodings = [("accept-encoding", "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5")];
        let got = ctr.say(&layer, &encodings, "", 200).await?;
        assert!(got.body == image.layer && got.header("content-encoding").is_empty());
        // The newer ones fetch one layer in several pieces.
        let range = [("range", "bytes=100000-")];
        let got = ctr.say(&layer, &range, "", 206).await?;
        assert!(got.body == image.layer.slice(100_000..));
    }
    Ok(())
}

/// The ticket in an answer, under both of its names.
fn ticket(answer: &Exchange) -> Result<String> {
    let answer = answer.json()?;
    let ticket = answer.get("token").and_then(Value::as_str).context("no token")?;
    assert_eq!(answer.get("access_token"), answer.get("token"));
    assert!(answer.get("refresh_token").is_none(), "docker would keep it instead of the password");
    let lifetime = answer.get("expires_in").and_then(Value::as_u64).context("no expires_in")?;
    assert!(lifetime >= 60, "{lifetime}");
    Ok(ticket.to_owned())
}

async fn clients_fetch_tickets(profile: Profile) -> Result<()> {
    let administrator = "only-the-administrator-knows";
    let environment = BTreeMap::from([("ADMIN_TOKEN".to_owned(), administrator.to_owned())]);
    let server = profile.server_with(&environment).await?;
    let bearer = format!("Bearer {administrator}");
    let managing = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let mut secret = String::new();
    for (path, body) in [
        ("/api/v2/locals", json!({"name": "dk", "package_type": "docker"})),
        ("/api/v2/tokens", json!({"name": "ci", "scopes": ["write:dk"]})),
    ] {
        let url = server.url(path);
        let made = server.http().send(Method::POST, &url, &managing, body.to_string()).await?;
        assert_eq!(made.status, 201, "{}", made.text());
        if let Some(shown) = made.json()?.get("secret").and_then(Value::as_str) {
            shown.clone_into(&mut secret);
        }
    }
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("u:{secret}")));
    let wrong = format!("Basic {}", BASE64_STANDARD.encode("u:wrong"));
    let (http, service) = (server.http(), "artifactapi");
    let get = |query: String, authorization: Option<&str>| {
        let url = server.url(&format!("/token?{query}"));
        let headers: Vec<_> =
            authorization.map(|it| ("authorization", it.to_owned())).into_iter().collect();
        async move {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            http.send(Method::GET, &url, &headers, "").await
        }
    };
    let mut docker = Talk::new(&server, &[DOCKER_AGENT]);

    // docker login
    docker.say("GET /v2/", &[], "", 401).await?;
    let login = format!("account=u&client_id=docker&offline_token=true&service={service}");
    assert_eq!(get(login.clone(), Some(&wrong)).await?.status, 401);
    let identity = format!("Bearer {}", ticket(&get(login, Some(&basic)).await?)?);
    docker.say("GET /v2/", &[("authorization", &identity)], "", 200).await?;

    // docker push: the actions come in this order.
    let uploads = "POST /v2/dk/app9/blobs/uploads/";
    let refused = docker.say(uploads, &[("authorization", &identity)], "", 401).await?;
    let challenge = refused.header("www-authenticate");
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    let scope = "repository%3Adk%2Fapp9%3Apush%2Cpull";
    let push = get(format!("account=u&scope={scope}&service={service}"), Some(&basic)).await?;
    let push = format!("Bearer {}", ticket(&push)?);
    docker.say(uploads, &[("authorization", &push)], "", 202).await?;

    // docker pull without a login, and what such a ticket is not good for.
    let scope = "repository%3Adk%2Fapp9%3Apull";
    let pull = get(format!("scope={scope}&service={service}"), None).await?;
    let pull = format!("Bearer {}", ticket(&pull)?);
    docker.say("GET /v2/dk/app9/tags/list", &[("authorization", &pull)], "", 404).await?;
    docker.say(uploads, &[("authorization", &pull)], "", 401).await?;

    // skopeo asks for all at once and sends empty names where it has none.
    let scope = "repository%3Adk%2Fapp3%3Apull%2Cpush";
    let asked = format!("account=u&scope={scope}&service={service}");
    let push = format!("Bearer {}", ticket(&get(asked.clone(), Some(&basic)).await?)?);
    docker.say("POST /v2/dk/app3/blobs/uploads/", &[("authorization", &push)], "", 202).await?;
    ticket(&get(asked, Some("Basic Og==")).await?)?;

    // ctr sends a form first, and the same scope twice.
    let form = |password: &str| {
        format!(
            "client_id=containerd-client&grant_type=password&password={password}\
             &scope=repository%3Adk%2Fa%3Apull+repository%3Adk%2Fa%3Apull%2Cpush\
             &service={service}&username=u"
        )
    };
    let typed = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let url = server.url("/token");
    assert_eq!(http.send(Method::POST, &url, &typed, form("wrong")).await?.status, 401);
    let push = http.send(Method::POST, &url, &typed, form(&secret)).await?;
    let push = format!("Bearer {}", ticket(&push)?);
    docker.say("POST /v2/dk/a/blobs/uploads/", &[("authorization", &push)], "", 202).await?;
    Ok(())
}
