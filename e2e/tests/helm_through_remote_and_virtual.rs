//! helm finds, pulls and renders charts through the cache.

use anyhow::{Context, Result};
use e2e::clients::ShellHome;
use e2e::{Profile, Tools, on_both_profiles, remote, virtual_of};
use serde_json::json;
use testkit::{Origin, Script};

on_both_profiles! {
    through_a_remote,
    through_a_virtual,
    charts_that_lie_on_another_host_come_through_the_cache,
    equal_versions_come_from_the_first_member_and_the_others_are_united,
    an_index_that_cannot_be_read_is_refused_and_the_last_good_one_stays,
    the_snippets_work_as_they_are_printed,
}

/// Charts packaged and indexed by helm itself, below `prefix` on `origin`. With `elsewhere` the index
/// names the files by that address.
async fn serve_charts(
    origin: &Origin,
    prefix: &str,
    charts: &[(&str, &str, &str)],
    elsewhere: Option<&Origin>,
) -> Result<()> {
    let home = ShellHome::new(&[("helm", &Tools::get().await?.helm)])?;
    for (name, version, greeting) in charts {
        let directory = format!("charts/{name}-{version}");
        let manifest =
            format!("apiVersion: v2\nname: {name}\nversion: {version}\nappVersion: 1.10\n");
        home.write(&format!("{directory}/Chart.yaml"), manifest)?;
        let template = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  greeting: {greeting}\n"
        );
        home.write(&format!("{directory}/templates/greeting.yaml"), template)?;
        home.shell(&format!("helm package {directory} -d packed")).await?;
    }
    let url =
        elsewhere.map(|other| format!("--url {}", other.url("/releases"))).unwrap_or_default();
    home.shell(&format!("helm repo index packed {url}")).await?;
    for entry in std::fs::read_dir(home.place("packed"))? {
        let path = entry?.path();
        let name = path.file_name().context("a file has a name")?.to_string_lossy().into_owned();
        let content = std::fs::read(&path)?;
        match elsewhere.filter(|_| name != "index.yaml") {
            Some(other) => other.on(&format!("/releases/{name}"), Script::ok(content)),
            None => origin.on(&format!("{prefix}/{name}"), Script::ok(content)),
        }
    }
    Ok(())
}

const CHARTS: &[(&str, &str, &str)] = &[("app", "1.0.0", "old"), ("app", "1.10.0", "hello")];

async fn new_machine() -> Result<ShellHome> {
    ShellHome::new(&[("helm", &Tools::get().await?.helm)])
}

/// Everything that helm does with a repository, on a new machine.
async fn use_repository(url: &str) -> Result<()> {
    let home = new_machine().await?;
    home.shell(&format!("helm repo add cache {url}\nhelm repo update")).await?;
    let found = home.shell("helm search repo cache/app --versions").await?.stdout;
    assert!(found.contains("1.10.0") && found.contains("1.0.0"), "{found}");
    home.shell("helm pull cache/app --version 1.0.0").await?;
    assert!(home.place("app-1.0.0.tgz").exists());
    let rendered = home.shell("helm template release cache/app").await?.stdout;
    assert!(rendered.contains("greeting: hello"), "{rendered}");
    Ok(())
}

/// Cold, warm, and with the upstream stopped: three new machines, one download per chart.
async fn survives_its_upstream(url: &str, mut origin: Origin) -> Result<()> {
    use_repository(url).await?;
    let requests = origin.requests().len();
    for file in ["/index.yaml", "/app-1.0.0.tgz", "/app-1.10.0.tgz"] {
        assert_eq!(origin.count(file), 1, "{file}");
    }
    use_repository(url).await?;
    assert_eq!(origin.requests().len(), requests, "a warm repository asks upstream for nothing");
    origin.stop().await;
    use_repository(url).await
}

async fn through_a_remote(profile: Profile) -> Result<()> {
    let origin = Origin::start().await;
    serve_charts(&origin, "", CHARTS, None).await?;
    let server = profile.server().await?;
    let url = remote(&server, "charts", "helm", origin.base_url()).await?;
    survives_its_upstream(&url, origin).await
}

async fn through_a_virtual(profile: Profile) -> Result<()> {
    let origin = Origin::start().await;
    serve_charts(&origin, "", CHARTS, None).await?;
    let server = profile.server().await?;
    remote(&server, "charts", "helm", origin.base_url()).await?;
    let url = virtual_of(&server, "all", "helm", &["charts"]).await?;
    survives_its_upstream(&url, origin).await
}

async fn charts_that_lie_on_another_host_come_through_the_cache(profile: Profile) -> Result<()> {
    let mut origin = Origin::start().await;
    let mut releases = Origin::start().await;
    serve_charts(&origin, "", CHARTS, Some(&releases)).await?;
    let server = profile.server().await?;
    let body = json!({
        "name": "charts", "package_type": "helm", "base_url": origin.base_url().to_string(),
        "allowed_hosts": [releases.address().to_string()],
    });
    let created = server.http().post_json(&server.url("/api/v2/remotes"), &body).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    let url = server.repository("remote", "charts");
    use_repository(&url).await?;
    assert_eq!(releases.count("/releases/app-1.0.0.tgz"), 1);
    origin.stop().await;
    releases.stop().await;
    use_repository(&url).await
}

async fn equal_versions_come_from_the_first_member_and_the_others_are_united(
    profile: Profile,
) -> Result<()> {
    let origin = Origin::start().await;
    serve_charts(&origin, "/ours", &[("app", "1.0.0", "old"), ("app", "1.10.0", "hello")], None)
        .await?;
    serve_charts(
        &origin,
        "/theirs",
        &[("app", "1.0.0", "theirs"), ("tool", "2.0.0", "theirs")],
        None,
    )
    .await?;
    let server = profile.server().await?;
    remote(&server, "ours", "helm", origin.url("/ours/")).await?;
    remote(&server, "theirs", "helm", origin.url("/theirs/")).await?;
    let url = virtual_of(&server, "all", "helm", &["ours", "theirs"]).await?;
    use_repository(&url).await?;
    let home = new_machine().await?;
    home.shell(&format!("helm repo add cache {url}")).await?;
    let old = home.shell("helm template release cache/app --version 1.0.0").await?.stdout;
    assert!(old.contains("greeting: old"), "{old}");
    let tool = home.shell("helm template release cache/tool").await?.stdout;
    assert!(tool.contains("greeting: theirs"), "{tool}");
    assert_eq!(origin.count("/theirs/app-1.0.0.tgz"), 0);
    Ok(())
}

async fn an_index_that_cannot_be_read_is_refused_and_the_last_good_one_stays(
    profile: Profile,
) -> Result<()> {
    let origin = Origin::start().await;
    serve_charts(&origin, "", CHARTS, None).await?;
    let server = profile.server().await?;
    let body = json!({
        "name": "charts", "package_type": "helm", "base_url": origin.base_url().to_string(),
        "mutable_ttl": 0,
    });
    let created = server.http().post_json(&server.url("/api/v2/remotes"), &body).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    let url = server.repository("remote", "charts");
    use_repository(&url).await?;
    let broken = "apiVersion: v1\nentries:\n  app: &a\n  - *a\n";
    origin.on("/index.yaml", Script::ok(broken));
    use_repository(&url).await?;
    let other = remote(&server, "broken", "helm", origin.base_url()).await?;
    let refused = server.http().get(&format!("{other}/index.yaml")).await?;
    assert_eq!(refused.status, 502, "{}", refused.text());
    Ok(())
}

async fn the_snippets_work_as_they_are_printed(profile: Profile) -> Result<()> {
    let origin = Origin::start().await;
    serve_charts(&origin, "", CHARTS, None).await?;
    let server = profile.server().await?;
    remote(&server, "charts", "helm", origin.base_url()).await?;
    virtual_of(&server, "all", "helm", &["charts"]).await?;
    for repository in ["charts", "all"] {
        let url = server.url(&format!("/api/v2/repositories/{repository}/snippets"));
        let snippets = server.http().get(&url).await?.json()?;
        let text = |id: &str, field: &str| {
            let snippets = snippets.pointer("/snippets")?.as_array()?;
            let named =
                |snippet: &&serde_json::Value| snippet.pointer("/id").is_some_and(|it| it == id);
            let text = snippets.iter().find(named)?.pointer(field)?.as_str()?;
            Some(text.replace("CHART", "app").replace("VERSION", "1.0.0"))
        };
        let home = new_machine().await?;
        home.shell(&text("helm-repo", "/body").context("a snippet")?).await?;
        let found = home.shell(&text("helm-repo", "/verify").context("a check")?).await?.stdout;
        assert!(found.contains("1.10.0"), "{found}");
        home.shell(&text("helm-ci", "/body").context("a snippet")?).await?;
        assert!(home.place("app-1.0.0.tgz").exists());
        home.write(
            "parent/Chart.yaml",
            format!(
                "apiVersion: v2\nname: parent\nversion: 0.1.0\n{}",
                text("helm-dependency", "/body").context("a snippet")?,
            ),
        )?;
        home.shell(&format!(
            "cd parent\n{}",
            text("helm-dependency", "/verify").context("a check")?
        ))
        .await?;
        assert!(std::fs::read_dir(home.place("parent/charts"))?.count() > 0);
    }
    Ok(())
}
