//! Repositories of images under a host of their own, and in the namespace of another registry: as mirrors whose clients
//! know the names of upstream, and as registries that people log in to.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use e2e::clients::ContainerHome;
use e2e::fixtures::{IMAGE_MANIFEST, image_manifest, sha256_digest};
use e2e::{
    Environment, Exchange, Profile, Recorded, Recorder, Server, Start, on_both_profiles, remote,
};
use http::Method;
use serde_json::{Value, json};
use testkit::pattern;

on_both_profiles! {
    docker_gets_images_of_the_hub_from_the_host_of_a_repository,
    containerd_gets_images_from_a_host_below_a_path_and_in_a_namespace,
    podman_and_skopeo_get_images_from_a_host_and_below_a_path,
    a_private_repository_is_pushed_to_and_pulled_from_under_its_host,
    under_its_host_nobody_sees_the_name_of_a_repository,
    in_a_namespace_the_name_of_a_repository_may_be_left_out,
    a_host_whose_repository_is_not_there_knows_no_name,
}

const ADMINISTRATOR: &str = "only-the-administrator-knows";
/// What an image is known by at upstream, and so everywhere.
const IMAGE: &str = "docker.io/library/app:v1";
/// Where nobody answers, so that a mirror that is passed over is noticed.
const NOBODY: &str = "http://127.0.0.1:1";

/// A server that is not open and calls itself something else, with what writes down what it is asked under `localhost`
/// and under `127.0.0.1`.
struct Registry {
    server: Server,
    recorder: Recorder,
}

impl Registry {
    async fn start(profile: Profile, settings: &[(&str, &str)]) -> Result<Self> {
        let mut environment = Environment::new();
        for (name, value) in [("ADMIN_TOKEN", ADMINISTRATOR)].iter().chain(settings) {
            environment.insert((*name).to_owned(), (*value).to_owned());
        }
        let server = profile.server_with(&environment).await?;
        let recorder = Recorder::before(&server).await?;
        Ok(Self { server, recorder })
    }

    async fn manage(&self, path: &str, body: &Value) -> Result<Exchange> {
        let authorization = format!("Bearer {ADMINISTRATOR}");
        let headers =
            [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let url = self.server.url(path);
        let answer =
            self.server.http().send(Method::POST, &url, &headers, body.to_string()).await?;
        ensure!(answer.status == 201, "{path}: {} {}", answer.status, answer.text());
        Ok(answer)
    }

    /// Makes the remote `hub` towards `upstream`.
    async fn proxies(&self, upstream: &Server, is_private: bool) -> Result<()> {
        let base_url = upstream.url("/");
        let body = json!({
            "name": "hub", "package_type": "docker", "base_url": base_url, "private": is_private,
        });
        self.manage("/api/v2/remotes", &body).await?;
        Ok(())
    }

    async fn hosts(&self, name: &str, is_private: bool) -> Result<()> {
        let body = json!({"name": name, "package_type": "docker", "private": is_private});
        self.manage("/api/v2/locals", &body).await?;
        Ok(())
    }

    async fn token(&self, name: &str, scope: &str) -> Result<String> {
        let body = json!({"name": name, "scopes": [scope]});
        let token = self.manage("/api/v2/tokens", &body).await?.json()?;
        let secret = token.get("secret").and_then(Value::as_str).context("no secret")?;
        Ok(secret.to_owned())
    }

    /// The server's two hosts, with the port.
    fn named(&self) -> String {
        self.recorder.authority().replace("127.0.0.1", "localhost")
    }

    fn numbered(&self) -> String {
        self.recorder.authority()
    }

    /// Sends a request as `host`, with what is to be shown, if anything.
    async fn ask(&self, host: &str, request: &str, credential: &str) -> Result<Exchange> {
        let (method, path) = request.split_once(' ').context("no request")?;
        let mut headers = vec![("host", host)];
        if !credential.is_empty() {
            headers.push(("authorization", credential));
        }
        let url = self.server.url(path);
        self.server.http().send(method.parse()?, &url, &headers, "").await
    }
}

/// A registry that holds the image `library/app`, which `home` has built.
async fn upstream(home: &ContainerHome) -> Result<Server> {
    let server = Server::start().await?;
    e2e::local(&server, "library", "docker").await?;
    home.write("context/large", pattern(1, 300_000))?;
    home.write("context/Dockerfile", "FROM scratch\nCOPY large /large\n")?;
    home.shell(&format!(
        "buildah bud -q -t app context\n\
         buildah push -q --tls-verify=false app {}/library/app:v1",
        server.authority()
    ))
    .await?;
    Ok(server)
}

/// Every request for something of an image asked for it below `root`, and at least one did.
fn assert_all_below(requests: &[Recorded], root: &str) {
    let is_of_image =
        |it: &&Recorded| it.target.contains("/manifests/") || it.target.contains("/blobs/");
    let images: Vec<_> = requests.iter().filter(is_of_image).collect();
    assert!(!images.is_empty(), "{requests:?}");
    let is_below = |it: &&Recorded| it.target.starts_with(root);
    assert!(images.iter().all(is_below), "{root}: {requests:?}");
    assert!(images.iter().any(|it| it.is(&Method::GET, "/blobs/") && it.status == 200));
}

fn scopes_of(requests: &[Recorded]) -> String {
    let tickets = requests.iter().filter(|it| it.target.starts_with("/token"));
    tickets.map(|it| it.target.replace("%3A", ":").replace("%2F", "/")).collect()
}

async fn docker_gets_images_of_the_hub_from_the_host_of_a_repository(
    profile: Profile,
) -> Result<()> {
    // A public URL under which nobody is found: the ticket is fetched from the host that was asked.
    let settings =
        [("REGISTRY_HOSTS", "localhost=hub"), ("PUBLIC_URL", "http://registry.invalid/artifacts")];
    let registry = Registry::start(profile, &settings).await?;
    let mirror = format!("http://{}", registry.named());
    let Some(home) = ContainerHome::with_mirrored_docker(&mirror).await? else { return Ok(()) };
    let upstream = upstream(&home).await?;
    registry.proxies(&upstream, false).await?;
    home.shell("docker pull app:v1").await?;
    let requests = registry.recorder.take();
    assert_all_below(&requests, "/v2/library/app/");
    assert!(scopes_of(&requests).contains("repository:library/app:pull"), "{requests:?}");
    home.shell("docker create --name app app:v1 /large\ndocker cp app:/large large").await?;
    assert!(home.read("large")? == pattern(1, 300_000));

    // It is here now, whatever becomes of upstream.
    upstream.stop().await?;
    home.shell("docker rm app\ndocker rmi app:v1\ndocker pull app:v1").await?;
    Ok(())
}

async fn containerd_gets_images_from_a_host_below_a_path_and_in_a_namespace(
    profile: Profile,
) -> Result<()> {
    let Some(home) = ContainerHome::with_docker().await? else { return Ok(()) };
    let settings = [("REGISTRY_HOSTS", "localhost=hub"), ("REGISTRY_NAMESPACES", "docker.io=hub")];
    let registry = Registry::start(profile, &settings).await?;
    let upstream = upstream(&home).await?;
    registry.proxies(&upstream, true).await?;
    let secret = registry.token("reader", "read:hub").await?;
    let (named, numbered) = (registry.named(), registry.numbered());
    for (place, mirror, root) in [
        ("one/docker.io", named, "/v2/library/app/"),
        ("two/docker.io", format!("{numbered}/v2/hub"), "/v2/hub/library/app/"),
        // For whatever registry has no file of its own.
        ("three/_default", numbered, "/v2/library/app/"),
    ] {
        let override_path = mirror.ends_with("/hub");
        home.write(
            &format!("{place}/hosts.toml"),
            format!(
                "server = \"{NOBODY}\"\n\n[host.\"http://{mirror}\"]\n\
                 capabilities = [\"pull\", \"resolve\"]\noverride_path = {override_path}\n"
            ),
        )?;
        let directory = place.split_once('/').map_or(place, |(directory, _)| directory);
        let pull = format!("ctr images pull --hosts-dir {directory} --snapshotter native");
        home.refused(&format!("{pull} {IMAGE}")).await?;
        registry.recorder.take();
        home.shell(&format!("{pull} -u ci:{secret} {IMAGE}")).await?;
        assert_all_below(&registry.recorder.take(), root);
        home.shell(&format!("ctr images rm --sync {IMAGE}")).await?;
    }
    Ok(())
}

async fn podman_and_skopeo_get_images_from_a_host_and_below_a_path(profile: Profile) -> Result<()> {
    let home = ContainerHome::new().await?;
    let settings = [("REGISTRY_HOSTS", "localhost=hub")];
    let registry = Registry::start(profile, &settings).await?;
    let upstream = upstream(&home).await?;
    registry.proxies(&upstream, false).await?;
    home.shell("podman rmi -f app").await?;
    for (location, root) in [
        (registry.named(), "/v2/library/app/"),
        (format!("{}/hub", registry.numbered()), "/v2/hub/library/app/"),
    ] {
        home.write(
            ".config/containers/registries.conf",
            format!(
                "unqualified-search-registries = []\n\
                 [[registry]]\nprefix = \"docker.io\"\nlocation = \"127.0.0.1:1\"\n\
                 [[registry.mirror]]\nlocation = \"{location}\"\ninsecure = true\n"
            ),
        )?;
        registry.recorder.take();
        home.shell(&format!("skopeo copy -q docker://{IMAGE} dir:copied")).await?;
        assert_all_below(&registry.recorder.take(), root);
        home.shell(&format!("podman pull -q {IMAGE}\npodman rmi {IMAGE}")).await?;
        assert_all_below(&registry.recorder.take(), root);
    }
    for (host, image) in [("localhost", "library/app"), ("127.0.0.1", "hub/library/app")] {
        let tags = registry.ask(host, &format!("GET /v2/{image}/tags/list"), "").await?;
        assert_eq!(tags.json()?, json!({"name": image, "tags": ["v1"]}), "{host}");
    }
    Ok(())
}

async fn a_private_repository_is_pushed_to_and_pulled_from_under_its_host(
    profile: Profile,
) -> Result<()> {
    let Some(home) = ContainerHome::with_docker().await? else { return Ok(()) };
    let settings = [("REGISTRY_HOSTS", "localhost=own"), ("PUBLIC_URL", "http://registry.invalid")];
    let registry = Registry::start(profile, &settings).await?;
    registry.hosts("own", true).await?;
    let secret = registry.token("writer", "write:own").await?;
    let (host, image) = (registry.named(), format!("{}/team/app:v1", registry.named()));
    home.write("context/large", pattern(1, 300_000))?;
    home.write("context/Dockerfile", "FROM scratch\nCOPY large /large\n")?;
    home.shell(&format!("docker build -q -t {image} context")).await?;
    home.refused(&format!("docker push {image}")).await?;
    home.shell(&format!(
        "echo '{secret}' | docker login -u ci --password-stdin {host}\ndocker push {image}"
    ))
    .await?;

    // Another image takes over what is there already.
    let other = format!("{host}/other:v1");
    registry.recorder.take();
    home.shell(&format!("docker tag {image} {other}\ndocker push {other}")).await?;
    let requests = registry.recorder.take();
    let is_mounted = |it: &Recorded| it.is(&Method::POST, "from=team") && it.status == 201;
    assert!(requests.iter().any(is_mounted), "{requests:?}");
    home.shell(&format!("docker rmi {image} {other}\ndocker pull {image}\ndocker pull {other}"))
        .await?;

    let ctr = "ctr images pull --plain-http --snapshotter native";
    home.refused(&format!("{ctr} {image}")).await?;
    home.shell(&format!(
        "{ctr} -u ci:{secret} {image}\n\
         ctr images tag {image} {host}/third:v1\n\
         ctr images push --plain-http -u ci:{secret} {host}/third:v1"
    ))
    .await?;

    // Elsewhere the same images have the repository before their names.
    let credential = format!("Bearer {secret}");
    for image in ["team/app", "other", "third"] {
        let manifest = format!("HEAD /v2/own/{image}/manifests/v1");
        let found = registry.ask("127.0.0.1", &manifest, &credential).await?;
        assert_eq!(found.status, 200, "{image}");
    }
    Ok(())
}

async fn under_its_host_nobody_sees_the_name_of_a_repository(profile: Profile) -> Result<()> {
    let settings = [
        ("REGISTRY_HOSTS", "own.example=own,hub.example:5000=hub"),
        ("PUBLIC_URL", "https://registry.example/artifacts"),
    ];
    let registry = Registry::start(profile, &settings).await?;
    registry.hosts("own", true).await?;
    registry.hosts("library", false).await?;
    let secret = registry.token("writer", "write:own").await?;
    let credential = format!("Bearer {secret}");
    let host = "Own.Example:8443";

    for (request, scope) in [
        ("GET /v2/", ""),
        ("GET /v2/team/app/tags/list", ",scope=\"repository:team/app:pull\""),
        ("POST /v2/app/blobs/uploads/", ",scope=\"repository:app:pull,push\""),
    ] {
        let refused = registry.ask(host, request, "").await?;
        assert_eq!(refused.status, 401, "{request}");
        let realm = format!("Bearer realm=\"https://{host}/token\",service=\"artifactapi\"{scope}");
        assert_eq!(refused.header("www-authenticate"), realm, "{request}");
    }

    // A ticket for what is called `library/app` here is one for this repository, and for no other one.
    let asking = "GET /token?service=artifactapi&scope=repository:library/app:pull,push";
    let issued = registry.ask(host, asking, &credential).await?.json()?;
    let ticket = issued.get("token").and_then(Value::as_str).context("no ticket")?;
    let ticket = format!("Bearer {ticket}");
    let begun = registry.ask(host, "POST /v2/library/app/blobs/uploads/", &ticket).await?;
    assert_eq!(begun.status, 202, "{}", begun.text());
    let upload = begun.header("location").to_owned();
    assert!(upload.starts_with("/v2/library/app/blobs/uploads/"), "{upload}");
    let asked = registry.ask(host, &format!("GET {upload}"), &ticket).await?;
    assert_eq!((asked.status.as_u16(), asked.header("location")), (204, &*upload));
    let elsewhere =
        registry.ask("registry.example", "POST /v2/library/app/blobs/uploads/", &ticket).await?;
    assert_eq!(elsewhere.status, 401);

    for image in ["library/app", "other"] {
        push_by_hand(&registry, host, image, &credential).await?;
    }
    let tags = registry.ask(host, "GET /v2/library/app/tags/list?n=1", &credential).await?;
    assert_eq!(tags.json()?, json!({"name": "library/app", "tags": ["v1"]}));
    let next = "</v2/library/app/tags/list?last=v1&n=1>; rel=\"next\"";
    assert_eq!(tags.header("link"), next);
    let catalog = registry.ask(host, "GET /v2/_catalog?n=1", &credential).await?;
    assert_eq!(catalog.json()?, json!({"repositories": ["library/app"]}));
    assert_eq!(catalog.header("link"), "</v2/_catalog?last=library%2Fapp&n=1>; rel=\"next\"");
    let behind = "GET /v2/_catalog?n=1&last=library/app";
    let catalog = registry.ask(host, behind, &credential).await?;
    assert_eq!(catalog.json()?, json!({"repositories": ["other"]}));
    let public = registry.ask(host, "GET /v2/_catalog", "").await?;
    assert_eq!(public.json()?, json!({"repositories": []}), "it is private");

    // What is no registry knows no hosts.
    assert_eq!(registry.ask(host, "GET /healthz", "").await?.status, 200);
    assert_eq!(registry.ask(host, "GET /api/v2/stats", "").await?.status, 401);
    Ok(())
}

/// Pushes an image without layers, with the tags `v1` and `v2`.
async fn push_by_hand(
    registry: &Registry,
    host: &str,
    image: &str,
    credential: &str,
) -> Result<()> {
    let configuration = Bytes::from_static(b"{}");
    let digest = sha256_digest(&configuration);
    let send = async |method: Method, path: &str, typed: &str, body: String| {
        let headers = [("host", host), ("authorization", credential), ("content-type", typed)];
        registry.server.http().send(method, &registry.server.url(path), &headers, body).await
    };
    let uploads = format!("/v2/{image}/blobs/uploads/?digest={digest}");
    let stored = send(Method::POST, &uploads, "application/octet-stream", "{}".to_owned()).await?;
    ensure!(stored.status == 201, "{}", stored.text());
    assert_eq!(stored.header("location"), format!("/v2/{image}/blobs/{digest}"));
    let manifest = image_manifest(&configuration, &[], 0);
    let path = format!("/v2/{image}/manifests/v1?tag=v2");
    let stored = send(Method::PUT, &path, IMAGE_MANIFEST, manifest).await?;
    ensure!(stored.status == 201, "{}", stored.text());
    let prefix = format!("/v2/{image}/manifests/sha256:");
    assert!(stored.header("location").starts_with(&prefix), "{}", stored.header("location"));
    Ok(())
}

async fn in_a_namespace_the_name_of_a_repository_may_be_left_out(profile: Profile) -> Result<()> {
    let settings = [("REGISTRY_NAMESPACES", "docker.io=hub")];
    let registry = Registry::start(profile, &settings).await?;
    registry.hosts("hub", true).await?;
    let secret = registry.token("writer", "write:hub").await?;
    let credential = format!("Bearer {secret}");
    let host = "registry.example";
    push_by_hand(&registry, host, "hub/library/app", &credential).await?;

    for (target, namespace) in [
        ("library/app/manifests/v1?ns=docker.io", "docker.io"),
        ("hub/library/app/manifests/v1?ns=docker.io", ""),
        ("hub/library/app/manifests/v1?ns=ghcr.io", ""),
        ("hub/library/app/manifests/v1", ""),
    ] {
        let request = format!("GET /v2/{target}");
        let refused = registry.ask(host, &request, "").await?;
        assert_eq!(refused.status, 401, "{target}");
        let challenge = refused.header("www-authenticate");
        // What our token endpoint understands, whatever the client calls it.
        assert!(challenge.contains("scope=\"repository:hub/library/app:pull\""), "{challenge}");
        assert_eq!(refused.header("oci-namespace"), namespace, "{target}");
        let found = registry.ask(host, &request, &credential).await?;
        assert_eq!(found.status, 200, "{target}");
        assert_eq!(found.header("oci-namespace"), namespace, "{target}");
    }
    for unknown in ["ghcr.io", "127.0.0.1:1", "http://127.0.0.1:1", ""] {
        let request = format!("GET /v2/library/app/manifests/v1?ns={unknown}");
        assert_eq!(registry.ask(host, &request, &credential).await?.status, 404, "{unknown}");
    }
    Ok(())
}

async fn a_host_whose_repository_is_not_there_knows_no_name(profile: Profile) -> Result<()> {
    let hosts = "none.example=none,files.example=files";
    let server =
        profile.server_with(&Environment::from([("REGISTRY_HOSTS".into(), hosts.into())])).await?;
    remote(&server, "files", "generic", NOBODY).await?;
    for host in ["none.example", "files.example"] {
        for path in ["library/app/manifests/v1", "app/tags/list", "_catalog"] {
            let url = server.url(&format!("/v2/{path}"));
            let answer = server.http().send(Method::GET, &url, &[("host", host)], "").await?;
            assert_eq!(answer.status, 404, "{host} {path}");
            let code = answer.json()?.pointer("/errors/0/code").cloned();
            assert_eq!(code, Some(json!("NAME_UNKNOWN")), "{host} {path}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_host_that_stands_for_two_repositories_is_refused_at_the_start() -> Result<()> {
    let environment = Environment::from([
        ("REGISTRY_HOSTS".to_owned(), "a.example=one,A.example=two".to_owned()),
        ("REGISTRY_NAMESPACES".to_owned(), "docker.io=Hub".to_owned()),
    ]);
    let refusal = Start::begin(e2e::DataDirectory::new()?, &environment).await?.refused().await?;
    for name in ["REGISTRY_HOSTS", "REGISTRY_NAMESPACES"] {
        assert!(refusal.output.contains(name), "{}", refusal.output);
    }
    assert!(!refusal.status.success());
    Ok(())
}
