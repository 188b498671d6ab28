//! puppet and r10k install modules and their dependencies through the cache.

use anyhow::{Context, Result};
use e2e::clients::PuppetHome;
use e2e::fixtures::{Forge, PuppetModule};
use e2e::{Profile, Server, on_both_profiles, remote, virtual_of};
use serde_json::{Value, json};
use testkit::Script;

on_both_profiles! {
    through_a_remote,
    through_a_virtual,
    through_a_remote_of_a_remote,
    through_a_virtual_whose_members_hold_one_module_each,
    a_module_belongs_to_the_first_member_that_has_it,
    the_versions_of_all_members_are_united_where_that_is_wanted,
    a_search_finds_what_the_forge_has,
    the_snippets_work_as_they_are_printed,
    a_refusal_reaches_the_user,
    a_file_that_does_not_have_the_digest_of_its_release_is_never_served,
}

const LIBRARY: &str = "puppetlabs-stdlib";

fn modules() -> Result<Vec<PuppetModule>> {
    Ok(vec![
        PuppetModule::build("demo-app", "1.0.0", "app", &[LIBRARY])?,
        PuppetModule::build(LIBRARY, "1.0.0", "old", &[])?,
        PuppetModule::build(LIBRARY, "2.0.0", "library", &[])?,
        PuppetModule::build(LIBRARY, "3.0.0", "too new", &[])?,
    ])
}

/// Both clients, each on a new machine.
async fn install(repository: &str) -> Result<()> {
    let home = PuppetHome::new().await?;
    home.shell(&format!("puppet module install demo-app --module_repository {repository}")).await?;
    assert!(home.installed("app")?.contains("'app'"));
    assert!(home.installed("stdlib")?.contains("'library'"), "the newest that the app admits");

    home.write("r10k.yaml", &format!("forge:\n  baseurl: '{repository}'\n"))?;
    home.write("Puppetfile", &format!("mod 'demo/app', '1.0.0'\nmod '{LIBRARY}', :latest\n"))?;
    home.shell("r10k puppetfile install --config r10k.yaml").await?;
    assert!(home.deployed("app")?.contains("'app'"));
    assert!(home.deployed("stdlib")?.contains("'too new'"));
    Ok(())
}

/// Cold, warm, and with the upstream stopped: three new machines, one set of questions.
async fn survives_its_upstream(repository: &str, mut forge: Forge) -> Result<()> {
    install(repository).await?;
    assert_eq!(forge.file_requests(), 3, "two files for puppet, and one more for r10k");
    let documents = forge.document_requests();

    install(repository).await?;
    assert_eq!(forge.file_requests(), 3, "a warm installation asks upstream for no file");
    assert_eq!(forge.document_requests(), documents, "and for no document while those are fresh");

    forge.origin.stop().await;
    install(repository).await
}

async fn through_a_remote(profile: Profile) -> Result<()> {
    let forge = Forge::start(&modules()?).await;
    let server = profile.server().await?;
    let repository = remote(&server, "forge", "puppet", forge.origin.base_url()).await?;
    survives_its_upstream(&repository, forge).await
}

async fn through_a_virtual(profile: Profile) -> Result<()> {
    let forge = Forge::start(&modules()?).await;
    let server = profile.server().await?;
    remote(&server, "forge", "puppet", forge.origin.base_url()).await?;
    let repository = virtual_of(&server, "puppet", "puppet", &["forge"]).await?;
    survives_its_upstream(&repository, forge).await
}

async fn through_a_remote_of_a_remote(profile: Profile) -> Result<()> {
    let forge = Forge::start(&modules()?).await;
    let server = profile.server().await?;
    let first = remote(&server, "first", "puppet", forge.origin.base_url()).await?;
    let second = remote(&server, "second", "puppet", format!("{first}/v3/")).await?;
    survives_its_upstream(&second, forge).await
}

async fn through_a_virtual_whose_members_hold_one_module_each(profile: Profile) -> Result<()> {
    let mut modules = modules()?;
    let libraries = Forge::start(&modules.split_off(1)).await;
    let applications = Forge::start(&modules).await;
    let server = profile.server().await?;
    remote(&server, "applications", "puppet", applications.origin.base_url()).await?;
    remote(&server, "libraries", "puppet", libraries.origin.base_url()).await?;
    let members = ["applications", "libraries"];
    install(&virtual_of(&server, "puppet", "puppet", &members).await?).await?;
    assert_eq!((applications.file_requests(), libraries.file_requests()), (1, 2));
    Ok(())
}

/// Two forges that disagree about version 1.0.0 and of which only the second has 2.0.0.
async fn rivals(server: &Server) -> Result<[Forge; 2]> {
    let ours = Forge::start(&[PuppetModule::build("demo-lib", "1.0.0", "ours", &[])?]).await;
    let theirs = Forge::start(&[
        PuppetModule::build("demo-lib", "1.0.0", "theirs", &[])?,
        PuppetModule::build("demo-lib", "2.0.0", "theirs", &[])?,
    ])
    .await;
    remote(server, "ours", "puppet", ours.origin.base_url()).await?;
    remote(server, "theirs", "puppet", theirs.origin.base_url()).await?;
    Ok([ours, theirs])
}

async fn installed_version(repository: &str, options: &str) -> Result<String> {
    let home = PuppetHome::new().await?;
    let command = format!("puppet module install demo-lib --module_repository {repository}");
    home.shell(&format!("{command} {options}")).await?;
    home.installed("lib")
}

async fn a_module_belongs_to_the_first_member_that_has_it(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    let [_ours, theirs] = rivals(&server).await?;
    let repository = virtual_of(&server, "puppet", "puppet", &["ours", "theirs"]).await?;
    assert!(installed_version(&repository, "").await?.contains("'ours'"));
    assert_eq!(theirs.origin.requests().len(), 0, "nobody else is asked for it");
    let foreign = server.http().get(&format!("{repository}/v3/releases/demo-lib-2.0.0")).await?;
    assert_eq!(foreign.status, 404, "{}", foreign.text());
    Ok(())
}

async fn the_versions_of_all_members_are_united_where_that_is_wanted(
    profile: Profile,
) -> Result<()> {
    let server = profile.server().await?;
    let [_ours, theirs] = rivals(&server).await?;
    let body = json!({
        "name": "puppet", "package_type": "puppet", "members": ["ours", "theirs"],
        "merge_versions": true,
    });
    let created = server.http().post_json(&server.url("/api/v2/virtuals"), &body).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    let repository = server.repository("virtual", "puppet");

    assert!(installed_version(&repository, "").await?.contains("'theirs'"), "2.0.0");
    let old = installed_version(&repository, "--version 1.0.0").await?;
    assert!(old.contains("'ours'"), "of an equal version that of the first member");
    assert_eq!(theirs.file_requests(), 1);
    let module = server.http().get(&format!("{repository}/v3/modules/demo-lib")).await?.json()?;
    assert_eq!(module.pointer("/current_release/version"), Some(&json!("2.0.0")));
    assert_eq!(module.pointer("/releases").and_then(Value::as_array).map(Vec::len), Some(2));
    Ok(())
}

async fn a_search_finds_what_the_forge_has(profile: Profile) -> Result<()> {
    let forge = Forge::start(&modules()?).await;
    let server = profile.server().await?;
    let direct = remote(&server, "forge", "puppet", forge.origin.base_url()).await?;
    let merged = virtual_of(&server, "puppet", "puppet", &["forge"]).await?;
    for repository in [direct, merged] {
        let answer = server.http().get(&format!("{repository}/v3/modules?query=e2e")).await?;
        let found = answer.json()?;
        let results = found.get("results").and_then(Value::as_array).context("no results")?;
        let slugs: Vec<_> = results.iter().map(|module| module.get("slug")).collect();
        assert_eq!(slugs, [Some(&json!("demo-app")), Some(&json!(LIBRARY))]);
    }
    Ok(())
}

async fn the_snippets_work_as_they_are_printed(profile: Profile) -> Result<()> {
    let forge = Forge::start(&modules()?).await;
    let server = profile.server().await?;
    remote(&server, "forge", "puppet", forge.origin.base_url()).await?;
    virtual_of(&server, "puppet", "puppet", &["forge"]).await?;
    for repository in ["forge", "puppet"] {
        let snippet = |id| snippet(&server, repository, id);
        let home = PuppetHome::new().await?;
        let (command, verify) = snippet("puppet").await?;
        home.shell(&command).await?;
        assert!(home.shell(&verify).await?.stdout.contains(LIBRARY));

        let home = PuppetHome::new().await?;
        let (configuration, verify) = snippet("puppet-conf").await?;
        home.configure(&configuration)?;
        home.shell(&verify).await?;
        assert!(home.installed("stdlib")?.contains("'too new'"));

        let (configuration, verify) = snippet("r10k").await?;
        home.write("r10k.yaml", &configuration)?;
        home.write("Puppetfile", &format!("mod '{LIBRARY}', '2.0.0'\n"))?;
        home.shell(&verify).await?;
        assert!(home.deployed("stdlib")?.contains("'library'"));
    }
    assert_eq!(forge.file_requests(), 2, "every version once");
    Ok(())
}

/// The body of a snippet and the command that proves it.
async fn snippet(server: &Server, repository: &str, id: &str) -> Result<(String, String)> {
    let answer = server.get(&format!("/api/v2/repositories/{repository}/snippets")).await?;
    let body = answer.json()?;
    let snippets = body.get("snippets").and_then(Value::as_array).context("a list of snippets")?;
    let found = snippets.iter().find(|snippet| snippet.get("id") == Some(&json!(id)));
    let found = found.with_context(|| format!("no snippet {id}"))?;
    let text = |name| found.get(name).and_then(Value::as_str).map(str::to_owned).context("a text");
    Ok((text("body")?, text("verify")?))
}

async fn a_refusal_reaches_the_user(profile: Profile) -> Result<()> {
    let forge = Forge::start(&modules()?).await;
    let server = profile.server().await?;
    let body = json!({
        "name": "forge", "package_type": "puppet", "base_url": forge.origin.base_url().as_str(),
        "blocklist": ["demo-app-1"],
    });
    let created = server.http().post_json(&server.url("/api/v2/remotes"), &body).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    let repository = server.repository("remote", "forge");
    let home = PuppetHome::new().await?;
    let command = format!("puppet module install demo-app --module_repository {repository}");
    let refused = home.shell(&command).await;
    let said = refused.err().context("it was installed")?.to_string();
    assert!(said.contains("policy"), "{said}");
    Ok(())
}

async fn a_file_that_does_not_have_the_digest_of_its_release_is_never_served(
    profile: Profile,
) -> Result<()> {
    let modules = modules()?;
    let (tampered, sound) =
        (modules.first().context("a module")?, modules.last().context("another")?);
    let forge = Forge::start(&modules).await;
    forge.origin.on(&tampered.file_path(), Script::ok(sound.bytes()));
    let server = profile.server().await?;
    let repository = remote(&server, "forge", "puppet", forge.origin.base_url()).await?;
    let file = |module: &PuppetModule| format!("{repository}{}", module.file_path());
    for _ in 0..2 {
        let answer = server.http().get(&file(tampered)).await;
        assert!(!answer.is_ok_and(|answer| answer.status == 200 && answer.is_complete));
    }
    let answer = server.http().get(&file(sound)).await?;
    assert_eq!((answer.status.as_u16(), answer.body), (200, sound.bytes()));
    Ok(())
}
