//! Container images, artifacts and charts in a local repository, with the clients that people use.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use e2e::clients::ContainerHome;
use e2e::{Profile, Recorded, Recorder, Server, local, on_both_profiles};
use http::Method;
use serde_json::{Value, json};
use testkit::pattern;

on_both_profiles! {
    docker_sends_an_image_once_and_gets_it_back,
    containerd_pushes_and_pulls_an_image,
    podman_gets_what_buildah_pushed,
    a_copy_of_an_image_is_the_same_to_the_byte,
    an_image_for_several_platforms_is_one_tag,
    tags_and_manifests_are_deleted_and_the_rest_stays,
    oras_attaches_to_an_artifact_and_finds_it,
    helm_pushes_and_pulls_a_chart,
    the_snippets_work_as_they_are_printed,
}

/// A server with the repository `images`, and what writes down what it is asked.
async fn registry(profile: Profile) -> Result<(Server, Recorder)> {
    let server = profile.server().await?;
    local(&server, "images", "docker").await?;
    let recorder = Recorder::before(&server).await?;
    Ok((server, recorder))
}

/// Writes what an image is built of: a layer that is large enough to be sent in pieces, and one that
/// says which `version` it is.
fn write_context(home: &ContainerHome, version: &str) -> Result<()> {
    home.write("context/large", pattern(1, 300_000))?;
    home.write("context/version", version)?;
    home.write("context/Dockerfile", "FROM scratch\nCOPY large /large\nCOPY version /version\n")
}

fn count(requests: &[Recorded], method: &Method, part: &str) -> usize {
    requests.iter().filter(|request| request.is(method, part)).count()
}

/// Bytes of blobs that were sent: uploads that are more than begun.
fn uploads(requests: &[Recorded]) -> usize {
    requests.iter().filter(|request| request.is(&Method::PATCH, "/blobs/uploads/")).count()
}

/// Besides one manifest nothing was sent: the image's three blobs were found here.
fn assert_only_a_manifest_was_sent(requests: &[Recorded]) {
    let sent: Vec<_> = requests.iter().filter(|it| !it.method.is_safe()).collect();
    let [manifest] = sent.as_slice() else { panic!("{requests:?}") };
    assert!(manifest.is(&Method::PUT, "/manifests/") && manifest.status == 201, "{requests:?}");
    let found = requests.iter().filter(|it| it.is(&Method::HEAD, "/blobs/") && it.status == 200);
    assert_eq!(found.count(), 3, "{requests:?}");
}

async fn tags(server: &Server, image: &str) -> Result<Vec<String>> {
    let answer = server.get(&format!("/v2/images/{image}/tags/list")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    let listing = answer.json()?;
    assert_eq!(listing.get("name"), Some(&json!(format!("images/{image}"))));
    let tags = listing.get("tags").and_then(Value::as_array).context("no tags")?;
    Ok(tags.iter().filter_map(|tag| Some(tag.as_str()?.to_owned())).collect())
}

async fn digest_of(server: &Server, image: &str, reference: &str) -> Result<String> {
    let url = server.url(&format!("/v2/images/{image}/manifests/{reference}"));
    let answer = server.http().head(&url).await?;
    ensure!(answer.status == 200, "{image}:{reference}: {}", answer.status);
    Ok(answer.header("docker-content-digest").to_owned())
}

async fn docker_sends_an_image_once_and_gets_it_back(profile: Profile) -> Result<()> {
    let Some(home) = ContainerHome::with_docker().await? else { return Ok(()) };
    let (server, recorder) = registry(profile).await?;
    let registry = recorder.authority();
    write_context(&home, "one")?;
    home.shell(&format!("docker build -q -t {registry}/images/team/app:v1 context")).await?;
    home.shell(&format!("docker push {registry}/images/team/app:v1")).await?;
    let first = recorder.take();
    assert_eq!(uploads(&first), 3, "two layers and a configuration: {first:?}");

    home.shell(&format!("docker push {registry}/images/team/app:v1")).await?;
    assert_only_a_manifest_was_sent(&recorder.take());

    // Its name is new here, its layers are not.
    let one = digest_of(&server, "team/app", "v1").await?;
    home.shell(&format!(
        "docker tag {registry}/images/team/app:v1 {registry}/images/other:v1\n\
         docker push {registry}/images/other:v1"
    ))
    .await?;
    let mounts = recorder.take();
    let mounted = mounts.iter().filter(|it| it.is(&Method::POST, "mount=") && it.status == 201);
    assert_eq!(mounted.count(), 2, "{mounts:?}");
    assert_eq!(digest_of(&server, "other", "v1").await?, one);

    // The tag moves; the layer that is the same is not sent again.
    write_context(&home, "two")?;
    home.shell(&format!(
        "docker build -q -t {registry}/images/team/app:v1 context\n\
         docker push {registry}/images/team/app:v1"
    ))
    .await?;
    let second = recorder.take();
    assert_eq!(uploads(&second), 2, "a layer and a configuration: {second:?}");
    assert_ne!(digest_of(&server, "team/app", "v1").await?, one);
    assert_eq!(tags(&server, "team/app").await?, ["v1"]);

    // Old and new come back as they were, by tag and by digest.
    let identity = format!("docker inspect -f '{{{{.Id}}}}' {registry}/images/team/app:v1");
    let built = home.line(&identity).await?;
    home.shell("docker image prune -af\ndocker images -q | xargs -r docker rmi -f").await?;
    assert_eq!(home.line("docker images -q").await?, "");
    recorder.take();
    home.shell(&format!("docker pull {registry}/images/team/app:v1")).await?;
    assert_eq!(count(&recorder.take(), &Method::GET, "/blobs/"), 3);
    assert_eq!(home.line(&identity).await?, built);
    home.shell(&format!("docker pull {registry}/images/team/app:v1")).await?;
    assert_eq!(count(&recorder.take(), &Method::GET, "/blobs/"), 0, "it is here");
    let old = format!("{registry}/images/team/app@{one}");
    home.shell(&format!("docker pull {old}\ndocker create --name old {old} /version")).await?;
    home.shell("docker cp old:/version version\ndocker cp old:/large large").await?;
    assert_eq!(home.read("version")?, b"one");
    assert!(home.read("large")? == pattern(1, 300_000));
    Ok(())
}

async fn containerd_pushes_and_pulls_an_image(profile: Profile) -> Result<()> {
    let Some(home) = ContainerHome::with_docker().await? else { return Ok(()) };
    let (server, recorder) = registry(profile).await?;
    let image = format!("{}/images/team/app:v1", recorder.authority());
    write_context(&home, "one")?;
    let built = home.line("docker build -q -t app context").await?;
    home.shell(&format!(
        "docker save -o app.tar app\n\
         ctr images import --no-unpack app.tar\n\
         ctr images tag docker.io/library/app:latest {image}\n\
         ctr images push --plain-http {image}"
    ))
    .await?;
    let first = recorder.take();
    let sent = first.iter().filter(|it| it.is(&Method::PUT, "/blobs/uploads/"));
    assert_eq!(sent.count(), 3, "each blob in one request: {first:?}");

    home.shell(&format!("ctr images push --plain-http {image}")).await?;
    let again = recorder.take();
    assert!(again.iter().all(|it| it.method == Method::HEAD && it.status == 200), "{again:?}");

    // What it pulled from an image it mounts into another one.
    let other = format!("{}/images/other:v1", recorder.authority());
    home.shell(&format!(
        "ctr images rm docker.io/library/app:latest {image}\n\
         ctr images pull --plain-http --snapshotter native {image}\n\
         ctr images tag {image} {other}"
    ))
    .await?;
    recorder.take();
    home.shell(&format!("ctr images push --plain-http {other}")).await?;
    let mounts = recorder.take();
    let mounted = mounts.iter().filter(|it| it.is(&Method::POST, "mount=") && it.status == 201);
    assert_eq!(mounted.count(), 3, "{mounts:?}");
    assert_eq!(
        digest_of(&server, "other", "v1").await?,
        digest_of(&server, "team/app", "v1").await?
    );

    home.shell(&format!("docker rmi app\ndocker pull {other}")).await?;
    let pulled = home.line(&format!("docker inspect -f '{{{{.Id}}}}' {other}")).await?;
    assert_eq!(pulled, built);
    Ok(())
}

async fn podman_gets_what_buildah_pushed(profile: Profile) -> Result<()> {
    let (server, recorder) = registry(profile).await?;
    let image = format!("{}/images/team/app:v1", recorder.authority());
    let home = ContainerHome::new().await?;
    write_context(&home, "one")?;
    home.shell(&format!(
        "buildah bud -q --layers -t {image} context\nbuildah push --tls-verify=false {image}"
    ))
    .await?;
    assert_eq!(uploads(&recorder.take()), 3);
    home.shell(&format!("podman push --tls-verify=false {image}")).await?;
    assert_only_a_manifest_was_sent(&recorder.take());
    let built = home.line(&format!("podman inspect --format '{{{{.Id}}}}' {image}")).await?;

    let other = ContainerHome::new().await?;
    other.shell(&format!("podman pull -q --tls-verify=false {image}")).await?;
    let pulled = other.line(&format!("podman inspect --format '{{{{.Id}}}}' {image}")).await?;
    assert_eq!(pulled, built);
    other
        .shell(&format!(
            "name=$(buildah from --pull-never {image})\nplace=$(buildah mount $name)\n\
             cp $place/version $place/large ."
        ))
        .await?;
    assert_eq!(other.read("version")?, b"one");
    assert!(other.read("large")? == pattern(1, 300_000));

    // Who builds on it sends what is new.
    other.write("more/Dockerfile", format!("FROM {image}\nCOPY new /new\n"))?;
    other.write("more/new", "new")?;
    recorder.take();
    let derived = format!("{}/images/team/derived:v1", recorder.authority());
    other
        .shell(&format!(
            "buildah bud -q --pull-never -t {derived} more\nbuildah push --tls-verify=false {derived}"
        ))
        .await?;
    let requests = recorder.take();
    assert_eq!(uploads(&requests), 2, "a layer and a configuration: {requests:?}");
    assert_eq!(tags(&server, "team/derived").await?, ["v1"]);
    Ok(())
}

async fn a_copy_of_an_image_is_the_same_to_the_byte(profile: Profile) -> Result<()> {
    let (server, recorder) = registry(profile).await?;
    let registry = recorder.authority();
    let home = ContainerHome::new().await?;
    write_context(&home, "one")?;
    home.shell(&format!(
        "buildah bud -q --layers -t app context\n\
         buildah push -q app oci:original:v1\n\
         skopeo copy -q --preserve-digests --dest-tls-verify=false \
             oci:original:v1 docker://{registry}/images/app:v1\n\
         skopeo copy -q --preserve-digests --src-tls-verify=false \
             docker://{registry}/images/app:v1 oci:copy:v1\n\
         skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false \
             docker://{registry}/images/app:v1 docker://{registry}/images/second:v2"
    ))
    .await?;
    // Every file of the layout has the name of its digest, the manifest as well.
    home.shell("diff -r original/blobs copy/blobs").await?;
    let files = std::fs::read_dir(home.place("copy/blobs/sha256"))?.count();
    assert_eq!(files, 4, "two layers, a configuration and a manifest");
    assert_eq!(digest_of(&server, "app", "v1").await?, digest_of(&server, "second", "v2").await?);
    let raw = format!("skopeo inspect --raw --tls-verify=false docker://{registry}/images/app:v1");
    let manifest: Value = serde_json::from_str(&home.line(&raw).await?)?;
    assert_eq!(manifest.pointer("/layers").and_then(Value::as_array).map(Vec::len), Some(2));

    recorder.take();
    home.shell(&format!(
        "skopeo copy -q --preserve-digests --dest-tls-verify=false \
             oci:original:v1 docker://{registry}/images/app:v2"
    ))
    .await?;
    assert_only_a_manifest_was_sent(&recorder.take());
    let listing = format!("skopeo list-tags --tls-verify=false docker://{registry}/images/app");
    let listing: Value = serde_json::from_str(&home.line(&listing).await?)?;
    assert_eq!(listing.get("Tags"), Some(&json!(["v1", "v2"])));
    Ok(())
}

async fn an_image_for_several_platforms_is_one_tag(profile: Profile) -> Result<()> {
    let (server, recorder) = registry(profile).await?;
    let registry = recorder.authority();
    let home = ContainerHome::new().await?;
    for architecture in ["amd64", "arm64"] {
        write_context(&home, architecture)?;
        home.shell(&format!(
            "buildah bud -q --platform linux/{architecture} --manifest several context"
        ))
        .await?;
    }
    home.shell(&format!(
        "podman manifest push -q --all --tls-verify=false several \
             docker://{registry}/images/several:v1"
    ))
    .await?;
    let index = server.get("/v2/images/several/manifests/v1").await?;
    let index = index.json()?;
    let platforms: BTreeSet<_> = index
        .get("manifests")
        .and_then(Value::as_array)
        .context("no index")?
        .iter()
        .filter_map(|manifest| manifest.pointer("/platform/architecture")?.as_str())
        .collect();
    assert_eq!(platforms, BTreeSet::from(["amd64", "arm64"]));

    for architecture in ["amd64", "arm64"] {
        let other = ContainerHome::new().await?;
        other
            .shell(&format!(
                "podman pull -q --tls-verify=false --arch {architecture} {registry}/images/several:v1\n\
                 name=$(buildah from --pull-never --arch {architecture} {registry}/images/several:v1)\n\
                 cp $(buildah mount $name)/version ."
            ))
            .await?;
        assert_eq!(other.read("version")?, architecture.as_bytes());
    }

    // All of it goes from here to there and is the same index.
    home.shell(&format!(
        "skopeo copy -q --all --preserve-digests --src-tls-verify=false \
             docker://{registry}/images/several:v1 oci:layout:v1\n\
         skopeo copy -q --all --preserve-digests --dest-tls-verify=false \
             oci:layout:v1 docker://{registry}/images/again:v1"
    ))
    .await?;
    assert_eq!(
        digest_of(&server, "several", "v1").await?,
        digest_of(&server, "again", "v1").await?
    );
    Ok(())
}

async fn tags_and_manifests_are_deleted_and_the_rest_stays(profile: Profile) -> Result<()> {
    let (server, recorder) = registry(profile).await?;
    let registry = recorder.authority();
    let home = ContainerHome::new().await?;
    for (version, names) in [("one", ["v1", "v1.0"]), ("two", ["v2", "latest"])] {
        write_context(&home, version)?;
        home.shell("buildah bud -q --layers -t app context").await?;
        for tag in names {
            home.shell(&format!(
                "buildah push -q --tls-verify=false app docker://{registry}/images/app:{tag}"
            ))
            .await?;
        }
    }
    assert_eq!(tags(&server, "app").await?, ["latest", "v1", "v1.0", "v2"]);
    let first = digest_of(&server, "app", "v1").await?;

    // A tag goes alone; what it named stays.
    let url = server.url("/v2/images/app/manifests/v1");
    assert_eq!(server.http().delete(&url).await?.status, 202);
    assert_eq!(server.http().delete(&url).await?.status, 404);
    assert_eq!(digest_of(&server, "app", &first).await?, first);
    assert_eq!(digest_of(&server, "app", "v1.0").await?, first);

    // With a manifest go its tags. skopeo deletes by the digest that the tag has.
    home.shell(&format!("skopeo delete --tls-verify=false docker://{registry}/images/app:v1.0"))
        .await?;
    assert_eq!(tags(&server, "app").await?, ["latest", "v2"]);
    let gone = server.get(&format!("/v2/images/app/manifests/{first}")).await?;
    assert_eq!(gone.status, 404);
    let inspection =
        format!("skopeo inspect --tls-verify=false docker://{registry}/images/app:v1.0");
    assert!(home.refused(&inspection).await?.contains("manifest unknown"));

    // The other image shares a layer with it and is whole.
    home.shell(&format!(
        "skopeo copy -q --src-tls-verify=false docker://{registry}/images/app:v2 oci:second:v2"
    ))
    .await?;
    home.shell(&format!("oras manifest delete --force --plain-http {registry}/images/app:latest"))
        .await?;
    assert_eq!(tags(&server, "app").await?, [""; 0]);
    Ok(())
}

async fn oras_attaches_to_an_artifact_and_finds_it(profile: Profile) -> Result<()> {
    let (server, recorder) = registry(profile).await?;
    let artifact = format!("{}/images/team/report", recorder.authority());
    let home = ContainerHome::new().await?;
    home.write("report.bin", pattern(5, 700_000))?;
    home.write("bill.json", r#"{"parts": []}"#)?;
    home.shell(&format!(
        "oras push --plain-http {artifact}:v1,stable --artifact-type application/vnd.example.report \
             report.bin:application/octet-stream\n\
         oras attach --plain-http {artifact}:v1 --artifact-type application/vnd.example.bill bill.json\n\
         oras attach --plain-http {artifact}:v1 --artifact-type application/vnd.example.note \
             --annotation note=good"
    ))
    .await?;
    assert_eq!(tags(&server, "team/report").await?, ["stable", "v1"]);
    let listed = home.line(&format!("oras repo tags --plain-http {artifact}")).await?;
    assert_eq!(listed, "stable\nv1");

    let other = ContainerHome::new().await?;
    other.shell(&format!("oras pull --plain-http {artifact}:stable")).await?;
    assert!(other.read("report.bin")? == pattern(5, 700_000));
    let found = |filter: &str| {
        let command = format!("oras discover --plain-http --format json {filter} {artifact}:v1");
        let other = &other;
        async move {
            let found: Value = serde_json::from_str(&other.line(&command).await?)?;
            let referrers = found.get("referrers").and_then(Value::as_array);
            let referrers = referrers.with_context(|| format!("no referrers in {found}"))?;
            let reference = |it: &Value| {
                let kind = it.get("artifactType")?.as_str()?.to_owned();
                Some((kind, it.get("reference")?.as_str()?.to_owned()))
            };
            anyhow::Ok(referrers.iter().filter_map(reference).collect::<Vec<_>>())
        }
    };
    assert_eq!(found("").await?.len(), 2);
    let bills = found("--artifact-type application/vnd.example.bill").await?;
    let [(kind, bill)] = bills.as_slice() else { panic!("{bills:?}") };
    assert_eq!(kind, "application/vnd.example.bill");
    // The registry itself knows who refers to what: no tag stands for it.
    assert!(count(&recorder.take(), &Method::GET, "/referrers/sha256:") > 0);
    other.shell(&format!("oras pull --plain-http {bill}")).await?;
    assert_eq!(other.read("bill.json")?, br#"{"parts": []}"#);

    other.shell(&format!("oras manifest delete --force --plain-http {bill}")).await?;
    let left: Vec<_> = found("").await?.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(left, ["application/vnd.example.note"]);

    // With everything that refers to it, to another image.
    let copy = format!("{}/images/copy", recorder.authority());
    other
        .shell(&format!(
            "oras cp -r --from-plain-http --to-plain-http {artifact}:v1 {copy}:v1\n\
             oras discover --plain-http {copy}:v1 | grep vnd.example.note"
        ))
        .await?;
    Ok(())
}

async fn helm_pushes_and_pulls_a_chart(profile: Profile) -> Result<()> {
    let (server, recorder) = registry(profile).await?;
    let charts = format!("oci://{}/images/charts", recorder.authority());
    let home = ContainerHome::new().await?;
    for version in ["1.0.0", "1.10.0+build.5"] {
        home.write("app/Chart.yaml", format!("apiVersion: v2\nname: app\nversion: {version}\n"))?;
        home.write(
            "app/templates/greeting.yaml",
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  greeting: v{version}\n"),
        )?;
        home.shell(&format!("helm package app\nhelm push --plain-http app-{version}.tgz {charts}"))
            .await?;
    }
    assert_eq!(tags(&server, "charts/app").await?, ["1.0.0", "1.10.0_build.5"]);
    home.shell(&format!("helm push --plain-http app-1.0.0.tgz {charts}")).await?;

    let other = ContainerHome::new().await?;
    other.shell(&format!("helm pull --plain-http {charts}/app --version 1.0.0")).await?;
    assert!(other.read("app-1.0.0.tgz")? == home.read("app-1.0.0.tgz")?);
    // Without a version, and with a range, helm looks through the tags.
    for range in ["", "--version '>1.0.0-0'"] {
        let command = format!("helm template --plain-http release {charts}/app {range}");
        let rendered = other.line(&command).await?;
        assert!(rendered.contains("greeting: v1.10.0+build.5"), "{range}: {rendered}");
    }
    Ok(())
}

async fn the_snippets_work_as_they_are_printed(profile: Profile) -> Result<()> {
    let Some(home) = ContainerHome::with_docker().await? else { return Ok(()) };
    let server = profile.server().await?;
    local(&server, "images", "docker").await?;
    write_context(&home, "one")?;
    home.write("note.txt", "note")?;
    home.write("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 1.0.0\n")?;
    home.shell(
        "docker build -q -t app:v1 context\nbuildah bud -q -t app:v1 context\nhelm package chart",
    )
    .await?;
    let snippets = server.get("/api/v2/repositories/images/snippets").await?.json()?;
    let snippets = snippets.get("snippets").and_then(Value::as_array).context("no snippets")?;
    // Each pulls what the one before it has pushed.
    for id in [
        "docker-push",
        "docker-pull",
        "skopeo-inspect",
        "podman-push",
        "podman-pull",
        "oras-push",
        "oras-pull",
        "helm-push",
        "helm-pull",
    ] {
        let snippet = snippets.iter().find(|it| it.get("id") == Some(&json!(id)));
        let body = snippet.and_then(|it| it.get("body")?.as_str());
        let commands = body
            .with_context(|| format!("no snippet {id}"))?
            .replace("CHART-VERSION", "chart-1.0.0")
            .replace("CHART", "chart")
            .replace("VERSION", "1.0.0")
            .replace("IMAGE:TAG", "app:v1")
            .replace("ARTIFACT:TAG", "note:v1")
            .replace("FILE", "note.txt");
        home.shell(&commands).await.with_context(|| id.to_owned())?;
    }
    assert_eq!(tags(&server, "app").await?, ["v1"]);
    assert_eq!(tags(&server, "note").await?, ["v1"]);
    assert_eq!(tags(&server, "chart").await?, ["1.0.0"]);
    Ok(())
}
