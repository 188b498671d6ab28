//! The package types of this server.

use std::sync::Arc;

use artifact_core::Provider;
use artifact_engine::Providers;
use provider_alpine::AlpineProvider;
use provider_docker::DockerProvider;
use provider_generic::GenericProvider;
use provider_goproxy::GoproxyProvider;
use provider_helm::HelmProvider;
use provider_npm::NpmProvider;
use provider_puppet::PuppetProvider;
use provider_pypi::PypiProvider;
use provider_rpm::RpmProvider;
use provider_terraform::TerraformProvider;

/// One line registers a type.
pub(crate) fn all() -> Providers {
    let providers: [Arc<dyn Provider>; 10] = [
        Arc::new(AlpineProvider::new()),
        Arc::new(DockerProvider::new()),
        Arc::new(GenericProvider::new()),
        Arc::new(GoproxyProvider::new()),
        Arc::new(HelmProvider::new()),
        Arc::new(NpmProvider::new()),
        Arc::new(PuppetProvider::new()),
        Arc::new(PypiProvider::new()),
        Arc::new(RpmProvider::new()),
        Arc::new(TerraformProvider::new()),
    ];
    providers.into_iter().collect()
}
