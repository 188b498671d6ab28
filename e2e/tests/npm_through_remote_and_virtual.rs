//! npm installs a package and its scoped dependency through the cache.

use anyhow::Result;
use e2e::clients::NpmProject;
use e2e::fixtures::{NodePackage, NodeRegistry};
use e2e::{Profile, on_both_profiles, remote, virtual_of};

on_both_profiles! {
    through_a_remote,
    through_a_virtual,
    through_a_virtual_whose_members_hold_one_package_each,
    the_lock_file_names_the_cache_and_nothing_else,
    every_spelling_of_a_scoped_name_is_one_cache_entry,
}

fn packages() -> Result<[NodePackage; 2]> {
    Ok([
        NodePackage::build("demo-app", "app", &["@demo/lib"])?,
        NodePackage::build("@demo/lib", "library", &[])?,
    ])
}

async fn install(repository: &str) -> Result<NpmProject> {
    let project = NpmProject::new()?;
    project.install(repository, "demo-app").await?;
    let printed = project.node("console.log(require('demo-app'), require('@demo/lib'))").await?;
    assert_eq!(printed, "app library");
    Ok(project)
}

/// Cold, warm, and with the upstream stopped: three fresh clients, one set of downloads.
async fn survives_its_upstream(repository: &str, mut registry: NodeRegistry) -> Result<()> {
    install(repository).await?;
    assert_eq!(registry.tarball_requests(), 2, "the first installation fetched both tarballs");

    install(repository).await?;
    assert_eq!(registry.tarball_requests(), 2, "a warm installation asks upstream for no tarball");

    registry.origin.stop().await;
    install(repository).await.map(drop)
}

async fn through_a_remote(profile: Profile) -> Result<()> {
    let registry = NodeRegistry::start(&packages()?).await;
    let server = profile.server().await?;
    let repository = remote(&server, "modules", "npm", registry.origin.base_url()).await?;
    survives_its_upstream(&repository, registry).await
}

async fn through_a_virtual(profile: Profile) -> Result<()> {
    let registry = NodeRegistry::start(&packages()?).await;
    let server = profile.server().await?;
    remote(&server, "modules", "npm", registry.origin.base_url()).await?;
    let repository = virtual_of(&server, "node", "npm", &["modules"]).await?;
    survives_its_upstream(&repository, registry).await
}

async fn through_a_virtual_whose_members_hold_one_package_each(profile: Profile) -> Result<()> {
    let [app, library] = packages()?;
    let applications = NodeRegistry::start(&[app]).await;
    let libraries = NodeRegistry::start(&[library]).await;
    let server = profile.server().await?;
    remote(&server, "applications", "npm", applications.origin.base_url()).await?;
    remote(&server, "libraries", "npm", libraries.origin.base_url()).await?;
    let members = ["applications", "libraries"];
    install(&virtual_of(&server, "node", "npm", &members).await?).await?;
    assert_eq!((applications.tarball_requests(), libraries.tarball_requests()), (1, 1));
    Ok(())
}

async fn the_lock_file_names_the_cache_and_nothing_else(profile: Profile) -> Result<()> {
    let registry = NodeRegistry::start(&packages()?).await;
    let server = profile.server().await?;
    let repository = remote(&server, "modules", "npm", registry.origin.base_url()).await?;
    let lock_file = install(&repository).await?.lock_file()?;
    assert!(lock_file.contains(&repository), "{lock_file}");
    assert!(!lock_file.contains(&registry.origin.address().to_string()), "{lock_file}");
    Ok(())
}

async fn every_spelling_of_a_scoped_name_is_one_cache_entry(profile: Profile) -> Result<()> {
    let [_, library] = packages()?;
    let registry = NodeRegistry::start(&[library]).await;
    let server = profile.server().await?;
    let repository = remote(&server, "modules", "npm", registry.origin.base_url()).await?;
    for spelling in ["@demo%2flib", "@demo%2Flib", "%40demo%2flib", "@demo/lib"] {
        let answer = server.http().get(&format!("{repository}/{spelling}")).await?;
        assert_eq!(answer.status, 200, "{spelling}: {}", answer.text());
    }
    assert_eq!(registry.origin.requests().len(), 1);
    Ok(())
}
