//! Client configuration. An image is named by our host and the repository, never by a URL with a path.

use artifact_core::{RepositoryKind, Snippet, SnippetContext};
use url::Url;

use crate::remote::is_host as is_hub;

pub(crate) fn snippets(context: &SnippetContext<'_>) -> Vec<Snippet> {
    let Some(place) = Place::of(context) else { return Vec::new() };
    let mut snippets = Vec::new();
    snippets.extend(place.docker_daemon());
    snippets.extend(place.logins());
    snippets.extend(place.pulls());
    if context.kind == RepositoryKind::Local {
        snippets.extend(place.pushes());
    }
    snippets.extend(place.containerd(context));
    snippets
}

/// Where clients find the repository.
struct Place {
    origin: String,
    /// The host, with its port where it has one.
    host: String,
    /// What the names of images begin with.
    prefix: String,
    name: String,
    is_plain: bool,
}

impl Place {
    fn of(context: &SnippetContext<'_>) -> Option<Self> {
        let url = Url::parse(context.url).ok()?;
        let host = authority(&url)?;
        Some(Self {
            origin: url.origin().ascii_serialization(),
            prefix: format!("{host}/{}", context.name),
            host,
            name: context.name.to_owned(),
            is_plain: url.scheme() == "http",
        })
    }

    /// `flag` with a space before it, where clients have to be told that there is no TLS.
    fn plain(&self, flag: &str) -> String {
        if self.is_plain { format!(" {flag}") } else { String::new() }
    }

    /// Docker knows hosts without TLS from its daemon's configuration only.
    fn docker_daemon(&self) -> Option<Snippet> {
        self.is_plain.then(|| Snippet {
            id: "docker-daemon",
            client: "docker",
            language: "json",
            file: Some("/etc/docker/daemon.json"),
            body: format!("{{\n  \"insecure-registries\": [\"{}\"]\n}}\n", self.host),
            verify: Some("docker info".to_owned()),
        })
    }

    fn logins(&self) -> Vec<Snippet> {
        let Self { host, .. } = self;
        let tls_verify = self.plain("--tls-verify=false");
        let plain_http = self.plain("--plain-http");
        vec![
            shell("docker-login", "docker", format!("docker login {host}\n")),
            shell("podman-login", "podman", format!("podman login{tls_verify} {host}\n")),
            shell("oras-login", "oras", format!("oras login{plain_http} {host}\n")),
            shell("helm-login", "helm", format!("helm registry login{plain_http} {host}\n")),
        ]
    }

    fn pulls(&self) -> Vec<Snippet> {
        let Self { prefix, .. } = self;
        let tls_verify = self.plain("--tls-verify=false");
        let plain_http = self.plain("--plain-http");
        vec![
            shell("docker-pull", "docker", format!("docker pull {prefix}/IMAGE:TAG\n")),
            shell("podman-pull", "podman", format!("podman pull{tls_verify} {prefix}/IMAGE:TAG\n")),
            shell(
                "skopeo-inspect",
                "skopeo",
                format!("skopeo inspect{tls_verify} docker://{prefix}/IMAGE:TAG\n"),
            ),
            shell("oras-pull", "oras", format!("oras pull{plain_http} {prefix}/ARTIFACT:TAG\n")),
            shell(
                "helm-pull",
                "helm",
                format!("helm pull{plain_http} oci://{prefix}/CHART --version VERSION\n"),
            ),
        ]
    }

    fn pushes(&self) -> Vec<Snippet> {
        let Self { prefix, .. } = self;
        let tls_verify = self.plain("--tls-verify=false");
        let dest_tls_verify = self.plain("--dest-tls-verify=false");
        let plain_http = self.plain("--plain-http");
        vec![
            shell(
                "docker-push",
                "docker",
                format!(
                    "docker tag IMAGE:TAG {prefix}/IMAGE:TAG\ndocker push {prefix}/IMAGE:TAG\n"
                ),
            ),
            shell(
                "podman-push",
                "podman",
                format!("podman push{tls_verify} IMAGE:TAG {prefix}/IMAGE:TAG\n"),
            ),
            shell(
                "skopeo-copy",
                "skopeo",
                format!(
                    "skopeo copy --all{dest_tls_verify} docker://SOURCE/IMAGE:TAG \
                     docker://{prefix}/IMAGE:TAG\n"
                ),
            ),
            shell(
                "oras-push",
                "oras",
                format!("oras push{plain_http} {prefix}/ARTIFACT:TAG FILE\n"),
            ),
            shell(
                "helm-push",
                "helm",
                format!("helm push{plain_http} CHART-VERSION.tgz oci://{prefix}\n"),
            ),
        ]
    }

    /// Images keep the names that they have at upstream, and come through us.
    fn containerd(&self, context: &SnippetContext<'_>) -> Option<Snippet> {
        let Self { origin, name, .. } = self;
        let (server, mirrored) = match context.upstreams.first() {
            Some(upstream) => {
                let url = Url::parse(upstream).ok()?;
                let host = authority(&url)?;
                let mirrored = if is_hub(&host) { "docker.io".to_owned() } else { host };
                (url.origin().ascii_serialization(), mirrored)
            }
            None => return None,
        };
        Some(Snippet {
            id: "containerd-mirror",
            client: "containerd",
            language: "toml",
            file: Some("hosts.toml"),
            body: format!(
                "# /etc/containerd/certs.d/{mirrored}/hosts.toml\n\
                 server = \"{server}\"\n\
                 \n\
                 [host.\"{origin}/v2/{name}\"]\n\
                 \x20 capabilities = [\"pull\", \"resolve\"]\n\
                 \x20 override_path = true\n"
            ),
            verify: Some(format!(
                "ctr images pull --hosts-dir /etc/containerd/certs.d {mirrored}/IMAGE:TAG"
            )),
        })
    }
}

fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

fn shell(id: &'static str, client: &'static str, body: String) -> Snippet {
    Snippet { id, client, language: "sh", file: None, body, verify: None }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn of(kind: RepositoryKind, url: &str, upstreams: &[&str]) -> Vec<Snippet> {
        snippets(&SnippetContext { name: "images", kind, url, upstreams, keys: None })
    }

    fn body(snippets: &[Snippet], id: &str) -> String {
        snippets.iter().find(|snippet| snippet.id == id).unwrap().body.clone()
    }

    #[test]
    fn every_snippet_has_an_id_of_its_own_and_names_our_host() {
        for kind in RepositoryKind::ALL {
            let url = "http://host.example:8000/v2/images";
            let all = of(kind, url, &["https://registry-1.docker.io"]);
            let ids: HashSet<_> = all.iter().map(|snippet| snippet.id).collect();
            assert_eq!(ids.len(), all.len());
            assert!(all.iter().all(|snippet| snippet.body.contains("host.example:8000")));
        }
    }

    #[test]
    fn images_are_named_by_host_and_repository_wherever_it_hangs() {
        for url in ["https://host.example/v2/images", "https://host.example/api/v1/local/images"] {
            let all = of(RepositoryKind::Local, url, &[]);
            let pull = body(&all, "docker-pull");
            assert_eq!(pull, "docker pull host.example/images/IMAGE:TAG\n");
            let push = body(&all, "helm-push");
            assert_eq!(push, "helm push CHART-VERSION.tgz oci://host.example/images\n");
        }
    }

    #[test]
    fn pushing_is_shown_only_where_it_works() {
        let has_push = |kind| {
            let all = of(kind, "https://host.example/v2/images", &[]);
            all.iter().any(|snippet| snippet.id == "docker-push")
        };
        assert!(has_push(RepositoryKind::Local));
        assert!(!has_push(RepositoryKind::Remote) && !has_push(RepositoryKind::Virtual));
    }

    #[test]
    fn clients_are_told_where_there_is_no_tls() {
        let plain = of(RepositoryKind::Local, "http://host.example/v2/images", &[]);
        assert!(body(&plain, "docker-daemon").contains("\"host.example\""));
        assert!(body(&plain, "podman-pull").contains(" --tls-verify=false "));
        assert!(body(&plain, "oras-push").contains(" --plain-http "));
        let secure = of(RepositoryKind::Local, "https://host.example/v2/images", &[]);
        assert!(secure.iter().all(|snippet| snippet.id != "docker-daemon"));
        assert!(secure.iter().all(|snippet| !snippet.body.contains("--")
            || snippet.body.contains("--all")
            || snippet.body.contains("--version")));
    }

    #[test]
    fn containerd_pulls_upstreams_names_through_us() {
        let url = "https://host.example/v2/images";
        let all = of(RepositoryKind::Remote, url, &["https://registry-1.docker.io/v2/"]);
        assert_eq!(
            body(&all, "containerd-mirror"),
            "# /etc/containerd/certs.d/docker.io/hosts.toml\n\
             server = \"https://registry-1.docker.io\"\n\n\
             [host.\"https://host.example/v2/images\"]\n\
             \x20 capabilities = [\"pull\", \"resolve\"]\n\
             \x20 override_path = true\n"
        );
        let quay = of(RepositoryKind::Remote, url, &["https://quay.example:8443"]);
        assert!(body(&quay, "containerd-mirror").contains("certs.d/quay.example:8443/"));
        let local = of(RepositoryKind::Local, url, &[]);
        assert!(local.iter().all(|snippet| snippet.id != "containerd-mirror"));
    }
}
