//! Terraform and `OpenTofu` install signed providers and modules through the cache.

use anyhow::{Context, Result};
use e2e::clients::{Terraform, TerraformProject};
use e2e::fixtures::{ModuleRelease, ProviderRelease, TerraformRegistry};
use e2e::{Environment, HttpsFront, Profile, Server, on_both_profiles, remote, virtual_of};
use serde_json::{Value, json};

on_both_profiles! {
    through_a_remote,
    through_a_virtual,
    through_a_chain_of_two_caches,
    a_lock_file_for_all_platforms_is_written_through_the_cache,
    members_with_other_keys_keep_their_versions_whole,
    what_a_rule_refuses_is_not_chosen_and_cannot_be_downloaded,
    a_module_is_unpacked_from_the_cache,
    a_module_from_git_is_refused_with_its_address,
    a_package_answers_head_and_ranges,
    through_a_network_mirror,
    a_mirror_does_not_speak_for_other_hosts,
}

const PLATFORMS: [&str; 3] = ["linux_amd64", "linux_arm64", "darwin_arm64"];

async fn registry() -> Result<TerraformRegistry> {
    let demo = [
        ProviderRelease::build("demo", "1.0.0", &PLATFORMS)?,
        ProviderRelease::build("demo", "1.1.0-rc.1", &PLATFORMS)?,
    ];
    TerraformRegistry::start(&demo, &[ModuleRelease::archive("net", "1.0.0", "from an archive")?])
        .await
}

/// A configuration that requires providers of `host`, all by their newest stable version.
fn requiring(host: &str, names: &[&str]) -> String {
    let line =
        |name: &&str| format!("    {name} = {{\n      source = \"{host}/acme/{name}\"\n    }}\n");
    let providers: String = names.iter().map(line).collect();
    format!("terraform {{\n  required_providers {{\n{providers}  }}\n}}\n")
}

fn using_module(host: &str, version: &str) -> String {
    format!(
        "module \"net\" {{\n  source  = \"{host}/acme/net/test\"\n  version = \"{version}\"\n}}\n\n\
         output \"value\" {{\n  value = module.net.value\n}}\n"
    )
}

/// What the server tells users to put into the client's configuration.
async fn snippet(server: &Server, repository: &str, id: &str) -> Result<String> {
    let answer = server.get(&format!("/api/v2/repositories/{repository}/snippets")).await?;
    let body = answer.json()?;
    let snippets = body.get("snippets").and_then(Value::as_array).context("a list of snippets")?;
    let found = snippets.iter().find(|snippet| snippet.get("id") == Some(&json!(id)));
    let text = found.and_then(|snippet| snippet.get("body")?.as_str());
    Ok(text.with_context(|| format!("no snippet {id} in {body}"))?.to_owned())
}

/// Installs as a user does who followed the server's advice.
async fn install(server: &Server, repository: &str, main: &str) -> Result<()> {
    for client in Terraform::ALL {
        let configuration = snippet(server, repository, client.program()).await?;
        let project = TerraformProject::new(client, &configuration, main)?;
        let output = project.init().await?;
        assert!(output.stdout.contains("signed, key ID"), "{}", output.stdout);
        let lock_file = project.lock_file()?;
        assert!(lock_file.contains("version = \"1.0.0\""), "{lock_file}");
        assert_eq!(lock_file.matches("\"zh:").count(), PLATFORMS.len(), "{lock_file}");
    }
    Ok(())
}

/// Cold, warm, and with the upstream stopped: fresh clients each time, one set of downloads.
async fn survives_its_upstream(
    server: &Server,
    repository: &str,
    mut registry: TerraformRegistry,
) -> Result<()> {
    let main = requiring(&registry.host(), &["demo"]);
    install(server, repository, &main).await?;
    assert_eq!(registry.package_reads(), 1, "two clients, one download");
    assert_eq!(registry.file_reads(), 3, "and the checksums and their signature");
    assert_eq!(registry.reads(), 6, "and discovery, the list and the description");

    install(server, repository, &main).await?;
    assert_eq!(registry.reads(), 6, "warm clients ask upstream nothing");

    registry.origin.stop().await;
    install(server, repository, &main).await
}

async fn through_a_remote(profile: Profile) -> Result<()> {
    let registry = registry().await?;
    let server = profile.server().await?;
    remote(&server, "terraform", "terraform", registry.origin.base_url()).await?;
    survives_its_upstream(&server, "terraform", registry).await
}

async fn through_a_virtual(profile: Profile) -> Result<()> {
    let registry = registry().await?;
    let server = profile.server().await?;
    remote(&server, "upstream", "terraform", registry.origin.base_url()).await?;
    virtual_of(&server, "terraform", "terraform", &["upstream"]).await?;
    survives_its_upstream(&server, "terraform", registry).await
}

async fn through_a_chain_of_two_caches(profile: Profile) -> Result<()> {
    let registry = registry().await?;
    let (near, far) = (profile.server().await?, profile.server().await?);
    let upstream = remote(&far, "far", "terraform", registry.origin.base_url()).await?;
    remote(&near, "near", "terraform", upstream).await?;
    install(&near, "near", &requiring(far.authority(), &["demo"])).await?;
    assert_eq!(registry.package_reads(), 1);
    Ok(())
}

async fn a_lock_file_for_all_platforms_is_written_through_the_cache(
    profile: Profile,
) -> Result<()> {
    let mut registry = registry().await?;
    let server = profile.server().await?;
    remote(&server, "terraform", "terraform", registry.origin.base_url()).await?;
    let main = requiring(&registry.host(), &["demo"]);
    let mut written = Vec::new();
    for _ in ["cold", "upstream stopped"] {
        for client in Terraform::ALL {
            let configuration = snippet(&server, "terraform", client.program()).await?;
            let project = TerraformProject::new(client, &configuration, &main)?;
            project.lock(&PLATFORMS, &[]).await?;
            let lock_file = project.lock_file()?;
            assert_eq!(lock_file.matches("\"h1:").count(), PLATFORMS.len(), "{lock_file}");
            written.push(lock_file.lines().filter(|line| line.contains("h1:")).count());
        }
        assert_eq!(registry.package_reads(), PLATFORMS.len(), "each package once");
        registry.origin.stop().await;
    }
    assert_eq!(written, [PLATFORMS.len(); 4]);
    Ok(())
}

async fn members_with_other_keys_keep_their_versions_whole(profile: Profile) -> Result<()> {
    let first = [ProviderRelease::build("demo", "1.0.0", &["linux_amd64"])?];
    let second = [
        ProviderRelease::build("demo", "1.0.0", &PLATFORMS)?,
        ProviderRelease::build("demo", "2.0.0", &PLATFORMS)?,
        ProviderRelease::build("other", "1.0.0", &PLATFORMS)?,
    ];
    let first = TerraformRegistry::start(&first, &[]).await?;
    let second = TerraformRegistry::start(&second, &[]).await?;
    let server = profile.server().await?;
    remote(&server, "first", "terraform", first.origin.base_url()).await?;
    remote(&server, "second", "terraform", second.origin.base_url()).await?;
    let body = json!({
        "name": "united", "package_type": "terraform", "members": ["first", "second"],
        "merge_versions": true,
    });
    let created = server.http().post_json(&server.url("/api/v2/virtuals"), body).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    virtual_of(&server, "owned", "terraform", &["first", "second"]).await?;

    let host = first.host();
    for client in Terraform::ALL {
        for (repository, demo, key) in
            [("owned", "1.0.0", first.key_id()), ("united", "2.0.0", second.key_id())]
        {
            let configuration = snippet(&server, repository, client.program()).await?;
            let main = requiring(&host, &["demo", "other"]);
            let project = TerraformProject::new(client, &configuration, &main)?;
            let output = project.init().await?.stdout;
            let installed = format!("Installed {host}/acme/demo v{demo}");
            let line = output.lines().find(|line| line.contains(&installed));
            assert!(line.is_some_and(|line| line.contains(&key)), "{output}");
        }
    }
    let united = server.repository("virtual", "united");
    let list = server.http().get(&format!("{united}/v1/providers/acme/demo/versions")).await?;
    assert_eq!(list.text().matches("\"1.0.0\"").count(), 1, "{}", list.text());
    // The version belongs to the first member, which has no package for this platform.
    let elsewhere = format!("{united}/v1/providers/acme/demo/1.0.0/download/darwin/arm64");
    assert_eq!(server.http().get(&elsewhere).await?.status, 404);
    Ok(())
}

async fn what_a_rule_refuses_is_not_chosen_and_cannot_be_downloaded(
    profile: Profile,
) -> Result<()> {
    let releases = [
        ProviderRelease::build("demo", "1.0.0", &PLATFORMS)?,
        ProviderRelease::build("demo", "2.0.0", &PLATFORMS)?,
    ];
    let registry = TerraformRegistry::start(&releases, &[]).await?;
    let server = profile.server().await?;
    let body = json!({
        "name": "terraform", "package_type": "terraform",
        "base_url": registry.origin.base_url().as_str(), "blocklist": [r"/demo/2\.0\.0/"],
    });
    let created = server.http().post_json(&server.url("/api/v2/remotes"), body).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    install(&server, "terraform", &requiring(&registry.host(), &["demo"])).await?;

    let repository = server.repository("remote", "terraform");
    let host = registry.host();
    for path in [
        "v1/providers/acme/demo/2.0.0/download/linux/amd64".to_owned(),
        "v1/providers/acme/demo/2.0.0/package/linux/amd64/terraform-provider-demo_2.0.0_linux_amd64.zip"
            .to_owned(),
        format!("mirror/{host}/acme/demo/2.0.0.json"),
    ] {
        let answer = server.http().get(&format!("{repository}/{path}")).await?;
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
        let body = answer.json()?;
        let text = body.pointer("/errors/0").and_then(Value::as_str);
        assert!(text.is_some_and(|text| text.contains("blocklist")), "{body}");
    }
    assert_eq!(registry.package_reads(), 1, "only the admitted package was fetched");
    Ok(())
}

async fn a_module_is_unpacked_from_the_cache(profile: Profile) -> Result<()> {
    let mut registry = registry().await?;
    let server = profile.server().await?;
    remote(&server, "upstream", "terraform", registry.origin.base_url()).await?;
    virtual_of(&server, "terraform", "terraform", &["upstream"]).await?;
    let main = using_module(&registry.host(), "1.0.0");
    for state in ["cold", "upstream stopped"] {
        for (client, repository) in [
            (Terraform::Terraform, "upstream"),
            (Terraform::Tofu, "upstream"),
            (Terraform::Terraform, "terraform"),
            (Terraform::Tofu, "terraform"),
        ] {
            let configuration = snippet(&server, repository, client.program()).await?;
            let project = TerraformProject::new(client, &configuration, &main)?;
            project.init().await?;
            assert_eq!(project.output("value").await?, "from an archive", "{client:?} {state}");
        }
        assert_eq!(registry.file_reads(), 1, "one download");
        registry.origin.stop().await;
    }
    Ok(())
}

async fn a_module_from_git_is_refused_with_its_address(profile: Profile) -> Result<()> {
    let address = "git::https://code.example/acme/net?ref=abc";
    let module = ModuleRelease::elsewhere("net", "1.0.0", address);
    let registry = TerraformRegistry::start(&[], &[module]).await?;
    let server = profile.server().await?;
    let repository = remote(&server, "terraform", "terraform", registry.origin.base_url()).await?;
    let answer =
        server.http().get(&format!("{repository}/v1/modules/acme/net/test/1.0.0/download")).await?;
    assert_eq!(answer.status, 422);
    assert!(answer.header("x-terraform-get").is_empty());
    assert!(answer.text().contains(address), "{}", answer.text());

    for client in Terraform::ALL {
        let configuration = snippet(&server, "terraform", client.program()).await?;
        let main = using_module(&registry.host(), "1.0.0");
        let refused = TerraformProject::new(client, &configuration, &main)?.init().await;
        let told = refused.err().context("it cannot be installed")?.to_string();
        assert!(told.contains("code.example"), "{client:?} does not say why: {told}");
    }
    Ok(())
}

async fn a_package_answers_head_and_ranges(profile: Profile) -> Result<()> {
    let registry = registry().await?;
    let server = profile.server().await?;
    let repository = remote(&server, "terraform", "terraform", registry.origin.base_url()).await?;
    let description = format!("{repository}/v1/providers/acme/demo/1.0.0/download/linux/amd64");
    let description = server.http().get(&description).await?;
    assert_eq!(description.header("content-type"), "application/json");
    let description = description.json()?;
    let url = description.get("download_url").and_then(Value::as_str).context("a link")?;
    assert!(url.starts_with(&repository), "{url}");
    let head = server.http().head(url).await?;
    let whole = server.http().get(url).await?;
    assert_eq!(head.header("content-length"), whole.body.len().to_string());
    let range = [("range", "bytes=2-9")];
    let part = server.http().send(http::Method::GET, url, &range, "").await?;
    assert_eq!(
        (part.status, part.body),
        (http::StatusCode::PARTIAL_CONTENT, whole.body.slice(2..10))
    );
    Ok(())
}

async fn through_a_network_mirror(profile: Profile) -> Result<()> {
    let mut registry = registry().await?;
    let front = HttpsFront::new().await?;
    let environment = Environment::from([("PUBLIC_URL".to_owned(), front.origin().to_owned())]);
    let server = profile.server_with(&environment).await?;
    let origin = front.origin().to_owned();
    let front = front.open(server.authority());
    // Clients cannot ask a mirror for a host with a port, as the registry of this test has one.
    let body = serde_json::json!({
        "name": "terraform", "package_type": "terraform",
        "base_url": registry.origin.base_url().to_string(), "allowed_hosts": ["registry.test"],
    });
    let created = server.http().post_json(&server.url("/api/v2/remotes"), &body).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    let main = requiring("registry.test", &["demo"]);
    for state in ["cold", "upstream stopped"] {
        for client in Terraform::ALL {
            let id = format!("{}-mirror", client.program());
            let configuration = snippet(&server, "terraform", &id).await?;
            assert!(configuration.contains(&origin), "{configuration}");
            let project =
                TerraformProject::new(client, &configuration, &main)?.trusting(&front.authority());
            project.init().await.context(state)?;
            let lock_file = project.lock_file()?;
            assert!(lock_file.contains("version = \"1.0.0\""), "{lock_file}");

            let mirror = format!("-net-mirror={origin}/api/v1/remote/terraform/mirror/");
            project.lock(&PLATFORMS, &[&mirror]).await.context(state)?;
            let lock_file = project.lock_file()?;
            assert_eq!(lock_file.matches("\"h1:").count(), PLATFORMS.len(), "{lock_file}");
        }
        assert_eq!(registry.package_reads(), PLATFORMS.len(), "each package once");
        registry.origin.stop().await;
    }
    Ok(())
}

async fn a_mirror_does_not_speak_for_other_hosts(profile: Profile) -> Result<()> {
    let registry = registry().await?;
    let server = profile.server().await?;
    let repository = remote(&server, "terraform", "terraform", registry.origin.base_url()).await?;
    let status = async |host: &str, file: &str| {
        let url = format!("{repository}/mirror/{host}/acme/demo/{file}.json");
        Ok::<_, anyhow::Error>(server.http().get(&url).await?.status.as_u16())
    };
    let own = registry.host();
    assert_eq!(status(&own, "index").await?, 200);
    assert_eq!(status(&own, "1.0.0").await?, 200);
    assert_eq!(status(&own, "9.9.9").await?, 404);
    assert_eq!(status("registry.example.com", "index").await?, 404);
    Ok(())
}
