//! The fixtures without a cache in between: what a client refuses here, no cache can mend.

use anyhow::Result;
use e2e::clients::{NpmProject, PipTarget, PuppetHome, RpmRoot, Terraform, TerraformProject};
use e2e::fixtures::{
    Forge, Lists, Markup, ModuleRelease, NodePackage, NodeRegistry, ProviderRelease, PuppetModule,
    PythonIndex, RpmDirectory, RpmPackage, RpmRepository, TerraformRegistry, Wheel,
};

#[tokio::test]
async fn pip_installs_the_wheels_from_both_forms_of_index() -> Result<()> {
    let wheels = [
        Wheel::build("demo_app", "app", &["demo-lib"])?,
        Wheel::build("demo_lib", "library", &[])?,
    ];
    for markup in [Markup::Json, Markup::Html] {
        let index = PythonIndex::start(markup, &wheels).await;
        let target = PipTarget::new()?;
        target.install(index.origin.url("/").trim_end_matches('/'), "demo-app").await?;
        let printed = target.python("import demo_app, demo_lib; print(demo_lib.VALUE)").await?;
        assert_eq!(printed, "library");
        assert!(index.file_requests() >= 2, "the files came from the index");
    }
    Ok(())
}

#[tokio::test]
async fn npm_installs_the_packages() -> Result<()> {
    let registry = NodeRegistry::start(&[
        NodePackage::build("demo-app", "app", &["@demo/lib"])?,
        NodePackage::build("@demo/lib", "library", &[])?,
    ])
    .await;
    let project = NpmProject::new()?;
    project.install(registry.origin.url("/").trim_end_matches('/'), "demo-app").await?;
    assert_eq!(project.node("console.log(require('@demo/lib'))").await?, "library");
    assert_eq!(registry.tarball_requests(), 2);
    Ok(())
}

#[tokio::test]
async fn terraform_and_tofu_install_from_the_registry() -> Result<()> {
    let provider = ProviderRelease::build("demo", "1.0.0", &["linux_amd64", "darwin_arm64"])?;
    let module = ModuleRelease::archive("net", "1.0.0", "a module")?;
    let registry = TerraformRegistry::start(&[provider], &[module]).await?;
    let (host, url) = (registry.host(), registry.origin.url("/registry/"));
    let configuration = format!(
        "host \"{host}\" {{\n  services = {{\n    \"providers.v1\" = \"{url}providers/\"\n    \
         \"modules.v1\" = \"{url}modules/\"\n  }}\n}}\n"
    );
    let main = format!(
        "terraform {{\n  required_providers {{\n    demo = {{\n      source = \"{host}/acme/demo\"\n    \
         }}\n  }}\n}}\n\nmodule \"net\" {{\n  source = \"{host}/acme/net/test\"\n}}\n"
    );
    for client in Terraform::ALL {
        let output = TerraformProject::new(client, &configuration, &main)?.init().await?;
        assert!(output.stdout.contains(&registry.key_id()), "{}", output.stdout);
    }
    Ok(())
}

#[tokio::test]
async fn puppet_and_r10k_install_the_modules() -> Result<()> {
    let forge = Forge::start(&[
        PuppetModule::build("demo-app", "1.0.0", "app", &["demo-lib"])?,
        PuppetModule::build("demo-lib", "1.0.0", "old", &[])?,
        PuppetModule::build("demo-lib", "2.0.0", "library", &[])?,
        PuppetModule::build("demo-lib", "3.0.0", "too new", &[])?,
    ])
    .await;
    let url = forge.origin.url("/");
    let home = PuppetHome::new().await?;
    home.shell(&format!("puppet module install demo-app --module_repository {url}")).await?;
    assert!(home.installed("lib")?.contains("library"), "the newest that the other one admits");
    assert_eq!(forge.file_requests(), 2);

    home.write("r10k.yaml", &format!("forge:\n  baseurl: '{}'\n", url.trim_end_matches('/')))?;
    home.write("Puppetfile", "mod 'demo/app', '1.0.0'\nmod 'demo/lib', :latest\n")?;
    home.shell("r10k puppetfile install --config r10k.yaml").await?;
    assert!(home.deployed("lib")?.contains("too new"));
    Ok(())
}

#[tokio::test]
async fn dnf_installs_the_packages_from_lists_of_every_compression() -> Result<()> {
    let packages = [
        RpmPackage::build("demo-app", "1.0", "app", &["demo-lib"]).await?,
        RpmPackage::build("demo-lib", "1.0", "library", &[]).await?,
    ];
    for lists in [Lists::Gzip, Lists::Xz, Lists::Zstandard] {
        let directory = RpmDirectory::build(&packages, lists).await?;
        let repository = RpmRepository::start(&directory).await?;
        let root = RpmRoot::new().await?;
        let url = repository.origin.url("/");
        root.configure(&format!("[demo]\nname=demo\nbaseurl={url}\nenabled=1\ngpgcheck=0\n"))?;
        root.shell("dnf install --downloadonly demo-app").await?;
        assert_eq!(root.downloaded()?.len(), 2, "{lists:?}");
        assert_eq!(repository.package_requests(), 2, "{lists:?}");
    }
    Ok(())
}
