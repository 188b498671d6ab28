//! The fixtures without a cache in between: what a client refuses here, no cache can mend.

use anyhow::Result;
use e2e::clients::{NpmProject, PipTarget};
use e2e::fixtures::{Markup, NodePackage, NodeRegistry, PythonIndex, Wheel};

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
