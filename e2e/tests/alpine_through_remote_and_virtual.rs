//! apk installs packages and what they need through the cache.

use anyhow::{Context, Result};
use e2e::clients::AlpineMachine;
use e2e::fixtures::{AlpineKey, AlpinePackage, AlpineVendor};
use e2e::{Profile, Server, on_both_profiles, remote, virtual_of};
use testkit::Origin;

on_both_profiles! {
    through_a_remote_with_the_vendor_s_signature,
    a_virtual_merges_and_signs_with_the_key_that_its_advice_installs,
}

/// Installs on a new machine, which trusts nothing but `key`.
async fn install(repository: &str, key: &AlpineKey) -> Result<[String; 2]> {
    let machine = AlpineMachine::new(repository, key).await?;
    machine.install("alpha").await?;
    Ok([machine.installed("alpha")?, machine.installed("beta")?])
}

async fn through_a_remote_with_the_vendor_s_signature(profile: Profile) -> Result<()> {
    let vendor = AlpineVendor::new().await?;
    let mut origin = Origin::start().await;
    let alpha = AlpinePackage::build("alpha", "1-r0", "the text of alpha", &["beta"])?;
    let beta = AlpinePackage::build("beta", "2-r0", "the text of beta", &[])?;
    vendor.serve(&origin, "", &[alpha.clone(), beta]).await?;
    let server = profile.server().await?;
    let repository = remote(&server, "alpine", "alpine", origin.base_url()).await?;
    let upstream = server.http().get(&origin.url("/x86_64/APKINDEX.tar.gz")).await?.body;
    for state in ["cold", "warm", "upstream stopped"] {
        let installed = install(&repository, &vendor.key()?).await.context(state)?;
        assert_eq!(installed, ["the text of alpha", "the text of beta"], "{state}");
        let index = server.http().get(&format!("{repository}/x86_64/APKINDEX.tar.gz")).await?;
        assert_eq!(index.body, upstream, "{state}");
        assert!(index.header("content-encoding").is_empty(), "{state}");
        let package = server.http().get(&format!("{repository}/x86_64/alpha-1-r0.apk")).await?;
        assert_eq!(package.body, alpha.bytes(), "{state}");
        for file in ["/x86_64/alpha-1-r0.apk", "/x86_64/beta-2-r0.apk"] {
            assert_eq!(origin.count(file), 1, "{state}: {file}");
        }
        if state == "warm" {
            origin.stop().await;
        }
    }
    Ok(())
}

/// The key that a virtual repository's advice installs.
async fn advised_key(server: &Server, repository: &str) -> Result<AlpineKey> {
    let advice = server.get("/api/v2/repositories/alpine/snippets").await?.text();
    let begin = advice.find("artifactapi-").context("the advice names the key")?;
    let name: String =
        advice.chars().skip(begin).take_while(|c| !matches!(c, '"' | ' ' | '\\')).collect();
    let key = server.http().get(&format!("{repository}/keys/{name}")).await?;
    assert_eq!(key.status, 200, "{name}: {}", key.text());
    Ok(AlpineKey { name, pem: key.body.to_vec() })
}

async fn a_virtual_merges_and_signs_with_the_key_that_its_advice_installs(
    profile: Profile,
) -> Result<()> {
    let vendor = AlpineVendor::new().await?;
    let mut origin = Origin::start().await;
    let ours = AlpinePackage::build("alpha", "1-r0", "our alpha", &["beta"])?;
    vendor.serve(&origin, "/ours", &[ours]).await?;
    let theirs = [
        AlpinePackage::build("alpha", "1-r0", "their alpha", &["beta"])?,
        AlpinePackage::build("beta", "2-r0", "their beta", &[])?,
    ];
    vendor.serve(&origin, "/theirs", &theirs).await?;
    let server = profile.server().await?;
    remote(&server, "ours", "alpine", origin.url("/ours/")).await?;
    remote(&server, "theirs", "alpine", origin.url("/theirs/")).await?;
    let repository = virtual_of(&server, "alpine", "alpine", &["ours", "theirs"]).await?;
    let key = advised_key(&server, &repository).await?;
    let other =
        server.http().get(&format!("{repository}/keys/artifactapi-00000000.rsa.pub")).await?;
    assert_eq!(other.status, 404);

    for state in ["cold", "warm", "upstream stopped"] {
        let installed = install(&repository, &key).await.context(state)?;
        assert_eq!(installed, ["our alpha", "their beta"], "{state}");
        if state == "warm" {
            origin.stop().await;
        }
    }
    assert_eq!(origin.count("/theirs/x86_64/alpha-1-r0.apk"), 0);

    for untrusted in [vendor.key()?, AlpineKey { name: key.name, ..vendor.key()? }] {
        let refused = install(&repository, &untrusted).await;
        let said = refused.err().context("the key of somebody else")?.to_string();
        assert!(said.contains("signature"), "{said}");
    }
    Ok(())
}
