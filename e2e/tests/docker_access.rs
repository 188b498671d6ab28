//! Who may pull and push images: clients with and without a login.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use e2e::clients::ContainerHome;
use e2e::fixtures::{IMAGE_MANIFEST, image_manifest, sha256_digest};
use e2e::{Exchange, Profile, Server, eventually, on_both_profiles};
use http::Method;
use serde_json::{Value, json};
use testkit::pattern;

on_both_profiles! {
    docker_works_with_what_its_login_may,
    containerd_works_with_what_its_token_may,
    podman_and_buildah_work_with_what_their_login_may,
    skopeo_works_with_what_its_login_may,
    oras_works_with_what_its_login_may,
    helm_works_with_what_its_login_may,
    the_answer_to_who_may_not_says_why,
    a_revoked_token_logs_nobody_in,
    what_a_private_repository_holds_is_told_to_nobody_else,
}

const ADMINISTRATOR: &str = "only-the-administrator-knows";

/// A server that is not open, with the repositories `public` and `private`.
struct Registry {
    server: Server,
    tokens: BTreeMap<&'static str, String>,
}

impl Registry {
    async fn start(profile: Profile) -> Result<Self> {
        let environment = BTreeMap::from([("ADMIN_TOKEN".to_owned(), ADMINISTRATOR.to_owned())]);
        let server = profile.server_with(&environment).await?;
        let mut registry = Self { server, tokens: BTreeMap::new() };
        for (name, is_private) in [("public", false), ("private", true)] {
            let body = json!({"name": name, "package_type": "docker", "private": is_private});
            registry.manage(Method::POST, "/api/v2/locals", &body, 201).await?;
        }
        for (name, scopes) in [
            ("writer", json!(["write:public", "write:private"])),
            ("reader", json!(["read:private"])),
            ("neighbour", json!(["write:public"])),
            ("stranger", json!(["write:something-else"])),
        ] {
            let body = json!({"name": name, "scopes": scopes});
            let token =
                registry.manage(Method::POST, "/api/v2/tokens", &body, 201).await?.json()?;
            let secret = token.get("secret").and_then(Value::as_str).context("no secret")?;
            registry.tokens.insert(name, secret.to_owned());
        }
        Ok(registry)
    }

    async fn manage(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        status: u16,
    ) -> Result<Exchange> {
        let authorization = format!("Bearer {ADMINISTRATOR}");
        let headers =
            [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let url = self.server.url(path);
        let answer = self.server.http().send(method, &url, &headers, body.to_string()).await?;
        ensure!(answer.status == status, "{path}: {} {}", answer.status, answer.text());
        Ok(answer)
    }

    fn host(&self) -> &str {
        self.server.authority()
    }

    /// What the server says to the owner of a token, or to nobody in particular.
    async fn says(
        &self,
        name: Option<&str>,
        (method, path): (Method, String),
        body: impl Into<Bytes>,
    ) -> Result<Exchange> {
        let secret = name.map(|name| self.secret(name)).transpose()?;
        let authorization = format!("Bearer {}", secret.unwrap_or_default());
        let headers = [("authorization", authorization.as_str()), ("content-type", IMAGE_MANIFEST)];
        let headers = if secret.is_some() { &headers[..] } else { &headers[1..] };
        self.server.http().send(method, &self.server.url(&path), headers, body).await
    }

    /// A token in force.
    fn secret(&self, name: &str) -> Result<&str> {
        self.tokens.get(name).map(String::as_str).with_context(|| format!("no token {name}"))
    }

    /// What a user types who has been given `secret`.
    fn login_with(&self, secret: &str, login: &str) -> String {
        format!("echo '{secret}' | {login} -u ci --password-stdin {}", self.host())
    }
}

fn write_context(home: &ContainerHome) -> Result<()> {
    home.write("context/large", pattern(1, 100_000))?;
    home.write("context/Dockerfile", "FROM scratch\nCOPY large /large\n")
}

/// How a client does what all of them do; `REFERENCE` stands for the repository.
struct Client {
    prepare: &'static str,
    login: &'static str,
    push: &'static str,
    pull: &'static str,
}

/// A user of a client, who has a home of their own.
struct User<'a> {
    client: &'a Client,
    registry: &'a Registry,
    home: ContainerHome,
}

impl Client {
    /// The story of one user after the other, on the machine of `first`.
    async fn everyone_may_what_they_may(
        &self,
        profile: Profile,
        first: ContainerHome,
    ) -> Result<()> {
        let registry = &Registry::start(profile).await?;
        let homes = [
            first.of_another_user().await?,
            first.of_another_user().await?,
            first.of_another_user().await?,
            first,
        ];
        for home in &homes {
            write_context(home)?;
            home.shell(self.prepare).await?;
        }
        let [writer, reader, stranger, nobody] =
            homes.map(|home| User { client: self, registry, home });

        let said = writer.home.refused(&registry.login_with("wrong", self.login)).await?;
        assert!(is_bad_login(&said), "{said}");
        writer.may_not_push("public").await?;
        writer.may_not_push("private").await?;
        writer.logs_in("writer").await?;
        for repository in ["public", "private"] {
            writer.pushes(repository).await?;
            writer.pulls(repository).await?;
        }

        // One login, for what it is meant for and for what needs none.
        reader.logs_in("reader").await?;
        for repository in ["public", "private", "public"] {
            reader.pulls(repository).await?;
        }
        reader.may_not_push("public").await?;
        reader.may_not_push("private").await?;

        // A good login that is for nothing of what is here.
        stranger.logs_in("stranger").await?;
        stranger.pulls("public").await?;
        stranger.may_not_pull("private").await?;
        stranger.may_not_push("public").await?;

        nobody.pulls("public").await?;
        nobody.may_not_pull("private").await
    }
}

impl User<'_> {
    async fn logs_in(&self, token: &str) -> Result<()> {
        let secret = self.registry.secret(token)?;
        self.home.shell(&self.registry.login_with(secret, self.client.login)).await?;
        Ok(())
    }

    async fn pushes(&self, repository: &str) -> Result<()> {
        self.home.shell(&self.of(self.client.push, repository)).await?;
        Ok(())
    }

    async fn pulls(&self, repository: &str) -> Result<()> {
        self.home.shell(&self.of(self.client.pull, repository)).await?;
        Ok(())
    }

    async fn may_not_push(&self, repository: &str) -> Result<()> {
        self.may_not(self.client.push, repository).await
    }

    async fn may_not_pull(&self, repository: &str) -> Result<()> {
        self.may_not(self.client.pull, repository).await
    }

    async fn may_not(&self, commands: &str, repository: &str) -> Result<()> {
        let said = self.home.refused(&self.of(commands, repository)).await?;
        assert!(is_refusal(&said), "{said}");
        Ok(())
    }

    fn of(&self, commands: &str, repository: &str) -> String {
        commands.replace("REFERENCE", &format!("{}/{repository}", self.registry.host()))
    }
}

fn is_bad_login(said: &str) -> bool {
    ["unauthorized", "Unauthorized", "invalid username/password"].iter().any(|it| said.contains(it))
}

/// Whether it was told that this is not for everybody, and not that something is broken.
fn is_refusal(said: &str) -> bool {
    ["unauthorized", "Unauthorized", "denied"].iter().any(|word| said.contains(word))
}

async fn docker_works_with_what_its_login_may(profile: Profile) -> Result<()> {
    let Some(home) = ContainerHome::with_docker().await? else { return Ok(()) };
    let client = Client {
        prepare: "docker build -q -t app context",
        login: "docker login",
        push: "docker tag app REFERENCE/team/app:v1\ndocker push REFERENCE/team/app:v1",
        pull: "docker rmi REFERENCE/team/app:v1 || true\ndocker pull REFERENCE/team/app:v1",
    };
    client.everyone_may_what_they_may(profile, home).await
}

async fn containerd_works_with_what_its_token_may(profile: Profile) -> Result<()> {
    let Some(home) = ContainerHome::with_docker().await? else { return Ok(()) };
    let registry = Registry::start(profile).await?;
    write_context(&home)?;
    home.shell(
        "docker build -q -t app context\ndocker save -o app.tar app\n\
         ctr images import --no-unpack app.tar",
    )
    .await?;
    let user = |token: &str| Ok::<_, anyhow::Error>(format!("-u ci:{}", registry.secret(token)?));
    let (writer, reader, stranger) = (user("writer")?, user("reader")?, user("stranger")?);
    for repository in ["public", "private"] {
        let image = format!("{}/{repository}/app:v1", registry.host());
        let push = |user: &str| format!("ctr images push --plain-http {user} {image}");
        let pull = |user: &str| {
            format!("ctr images pull --plain-http --snapshotter native {user} {image}")
        };
        home.shell(&format!("ctr images tag docker.io/library/app:latest {image}")).await?;
        for user in ["", "-u ci:wrong", &reader, &stranger] {
            let said = home.refused(&push(user)).await?;
            assert!(is_refusal(&said) || said.contains("authorization failed"), "{said}");
        }
        home.shell(&push(&writer)).await?;
        home.shell(&pull(&writer)).await?;
        // All but the manifest is there, which is sent only once.
        let again = format!("{image}-again");
        home.shell(&format!(
            "ctr images tag {image} {again}\nctr images push --plain-http {writer} {again}"
        ))
        .await?;
        home.shell(&pull(&reader)).await?;
        for user in ["", &stranger] {
            if repository == "public" {
                home.shell(&pull(user)).await?;
            } else {
                let said = home.refused(&pull(user)).await?;
                assert!(is_refusal(&said) || said.contains("authorization failed"), "{said}");
            }
        }
    }
    Ok(())
}

async fn podman_and_buildah_work_with_what_their_login_may(profile: Profile) -> Result<()> {
    let client = Client {
        prepare: "buildah bud -q -t app context",
        login: "podman login --tls-verify=false",
        push: "podman push -q --tls-verify=false app REFERENCE/team/app:v1\n\
               buildah push -q --tls-verify=false app REFERENCE/team/app:v2",
        pull: "podman pull -q --tls-verify=false REFERENCE/team/app:v1\n\
               podman rmi REFERENCE/team/app:v1",
    };
    client.everyone_may_what_they_may(profile, ContainerHome::new().await?).await
}

async fn skopeo_works_with_what_its_login_may(profile: Profile) -> Result<()> {
    let client = Client {
        prepare: "buildah bud -q -t app context\nbuildah push -q app oci:app:v1",
        login: "skopeo login --tls-verify=false",
        push: "skopeo copy -q --dest-tls-verify=false oci:app:v1 docker://REFERENCE/team/app:v1",
        pull: "skopeo copy -q --src-tls-verify=false docker://REFERENCE/team/app:v1 dir:pulled",
    };
    client.everyone_may_what_they_may(profile, ContainerHome::new().await?).await
}

async fn oras_works_with_what_its_login_may(profile: Profile) -> Result<()> {
    let client = Client {
        prepare: "true",
        login: "oras login --plain-http",
        push: "oras push --plain-http REFERENCE/report:v1 context/large",
        pull: "oras pull --plain-http -o pulled REFERENCE/report:v1",
    };
    client.everyone_may_what_they_may(profile, ContainerHome::new().await?).await
}

async fn helm_works_with_what_its_login_may(profile: Profile) -> Result<()> {
    let client = Client {
        prepare: "mkdir app\n\
                  printf 'apiVersion: v2\\nname: app\\nversion: 1.0.0\\n' >app/Chart.yaml\n\
                  echo \"description: of $HOME\" >>app/Chart.yaml\n\
                  helm package app",
        // It sees by itself that loopback has no TLS; only since 3.18 can it be told.
        login: "helm registry login",
        // It sends a manifest once and no more. The second one is another, because the file is older, and goes
        // to a chart that is there.
        push: "helm push --plain-http app-1.0.0.tgz oci://REFERENCE/charts\n\
               touch -d @1000000000 app-1.0.0.tgz\n\
               helm push --plain-http app-1.0.0.tgz oci://REFERENCE/charts",
        pull: "mkdir -p pulled\n\
               helm pull --plain-http oci://REFERENCE/charts/app --version 1.0.0 -d pulled",
    };
    client.everyone_may_what_they_may(profile, ContainerHome::new().await?).await
}

async fn the_answer_to_who_may_not_says_why(profile: Profile) -> Result<()> {
    let registry = Registry::start(profile).await?;
    let (http, server) = (registry.server.http(), &registry.server);
    let ping = server.get("/v2/").await?;
    assert_eq!(ping.status, 401, "clients decide by this whether they log in");
    let challenge = ping.header("www-authenticate");
    let realm = format!("realm=\"{}\"", server.url("/token"));
    assert!(challenge.starts_with("Bearer ") && challenge.contains(&realm), "{challenge}");

    for (method, path, scope) in [
        (Method::GET, "/v2/private/app/tags/list", "repository:private/app:pull"),
        (Method::POST, "/v2/public/app/blobs/uploads/", "repository:public/app:pull,push"),
    ] {
        let answer = http.send(method.clone(), &server.url(path), &[], "").await?;
        assert_eq!(answer.status, 401, "{method} {path}");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.contains(&format!("scope=\"{scope}\"")), "{challenge}");
        assert_eq!(answer.json()?.pointer("/errors/0/code"), Some(&json!("UNAUTHORIZED")));
    }

    // A token as it is, without a ticket. Which one may is decided by its scopes.
    let path = server.url("/v2/public/app/blobs/uploads/");
    for (name, status) in [("writer", 202), ("stranger", 403), ("reader", 403)] {
        let authorization = format!("Bearer {}", registry.secret(name)?);
        let headers = [("authorization", authorization.as_str())];
        let answer = http.send(Method::POST, &path, &headers, "").await?;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        if status == 403 {
            assert_eq!(answer.json()?.pointer("/errors/0/code"), Some(&json!("DENIED")));
        }
    }
    Ok(())
}

async fn a_revoked_token_logs_nobody_in(profile: Profile) -> Result<()> {
    let registry = Registry::start(profile).await?;
    let home = ContainerHome::new().await?;
    let login = registry.login_with(registry.secret("writer")?, "skopeo login --tls-verify=false");
    home.shell(&login).await?;
    let tokens = registry.manage(Method::GET, "/api/v2/tokens", &Value::Null, 200).await?.json()?;
    let items = tokens.get("items").and_then(Value::as_array).context("no tokens")?;
    let writer = items.iter().find(|token| token.get("name") == Some(&json!("writer")));
    let id = writer.and_then(|token| token.get("id")?.as_str()).context("no writer")?;
    registry.manage(Method::DELETE, &format!("/api/v2/tokens/{id}"), &Value::Null, 204).await?;
    // Five seconds are promised; a login takes its time as well.
    let is_refused = || async {
        let said = home.shell(&login).await.err().map(|error| format!("{error:#}"));
        Ok(said.filter(|said| is_bad_login(said)))
    };
    eventually("the token is worth nothing", Duration::from_secs(10), is_refused).await?;
    Ok(())
}

async fn what_a_private_repository_holds_is_told_to_nobody_else(profile: Profile) -> Result<()> {
    let registry = Registry::start(profile).await?;
    let [configuration, layer, other] =
        ["{}", "some may know it", "nobody has this."].map(Bytes::from);
    let manifest_of = |layer| Bytes::from(image_manifest(&configuration, &[layer], 0));
    let (manifest, without) = (manifest_of(&layer), manifest_of(&other));
    let upload = |body| format!("blobs/uploads/?digest={}", sha256_digest(body));
    for (method, path, body) in [
        (Method::POST, upload(&layer), layer.clone()),
        (Method::POST, upload(&configuration), configuration.clone()),
        (Method::PUT, "manifests/one".to_owned(), manifest.clone()),
    ] {
        let asked = (method, format!("/v2/private/app/{path}"));
        let answer = registry.says(Some("writer"), asked, body).await?;
        ensure!(answer.status == 201, "{path}: {} {}", answer.status, answer.text());
    }

    let here = Known { image: "app", tag: "one", blob: sha256_digest(&layer), manifest };
    let absent =
        Known { image: "none", tag: "two", blob: sha256_digest(&other), manifest: without };
    for asking in [None, Some("stranger"), Some("neighbour")] {
        for (of_here, of_absent) in questions(&here).into_iter().zip(questions(&absent)) {
            let heard = answer(&registry, asking, &here, of_here).await?;
            let expected = answer(&registry, asking, &absent, of_absent).await?;
            assert_eq!(heard, expected, "{asking:?} can tell what is there");
        }
    }
    Ok(())
}

type Question = (Method, String, Bytes);

/// What somebody hears who must not learn anything.
async fn answer(
    registry: &Registry,
    asking: Option<&str>,
    known: &Known,
    (method, path, body): Question,
) -> Result<String> {
    let answer = registry.says(asking, (method.clone(), path.clone()), body).await?;
    let is_told = matches!(answer.status.as_u16(), 200 | 201);
    ensure!(!is_told, "{asking:?} {method} {path}: {}", answer.status);
    known.without_it(&answer)
}

/// What somebody may know of an image, and asks for.
struct Known {
    image: &'static str,
    tag: &'static str,
    blob: String,
    manifest: Bytes,
}

impl Known {
    /// An answer without what the asker said, and what is new in every answer.
    fn without_it(&self, answer: &Exchange) -> Result<String> {
        let mut lines: Vec<_> = answer
            .headers
            .iter()
            .map(|(name, value)| Ok(format!("{name}: {}", value.to_str()?)))
            .collect::<Result<_>>()?;
        lines.retain(|line| !line.starts_with("date:"));
        lines.sort();
        let mut text = format!("{}\n{}\n{}", answer.status, lines.join("\n"), answer.text());
        let manifest = sha256_digest(&self.manifest);
        let news = ["x-request-id", "docker-upload-uuid"].map(|name| answer.header(name));
        let said = [&self.blob, &manifest, &format!("/{}", self.image), self.tag];
        for part in news.into_iter().chain(said).filter(|part| !part.is_empty()) {
            text = text.replace(part, "*");
        }
        Ok(text)
    }
}

/// Every way to find out whether a private repository has something: there, and by means of one where the asker may
/// perhaps push.
fn questions(known: &Known) -> Vec<Question> {
    let Known { image, tag, blob, manifest } = known;
    let digest = sha256_digest(manifest);
    let mut questions = Vec::new();
    for path in [
        format!("blobs/{blob}"),
        format!("manifests/{digest}"),
        format!("manifests/{tag}"),
        "tags/list".to_owned(),
        format!("referrers/{digest}"),
    ] {
        for method in [Method::GET, Method::HEAD] {
            questions.push((method, format!("/v2/private/{image}/{path}"), Bytes::new()));
        }
    }
    let public = "/v2/public/other";
    questions.extend([
        (Method::HEAD, format!("{public}/blobs/{blob}"), Bytes::new()),
        (Method::POST, format!("{public}/blobs/uploads/?mount={blob}"), Bytes::new()),
        (
            Method::POST,
            format!("{public}/blobs/uploads/?mount={blob}&from=private/{image}"),
            Bytes::new(),
        ),
        (Method::PUT, format!("{public}/manifests/v1"), manifest.clone()),
        (Method::DELETE, format!("/v2/private/{image}/manifests/{digest}"), Bytes::new()),
    ]);
    questions
}
