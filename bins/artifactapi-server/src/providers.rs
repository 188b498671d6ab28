//! The package types of this server.

use std::sync::Arc;

use artifact_core::Provider;
use artifact_engine::Providers;
use provider_generic::GenericProvider;
use provider_npm::NpmProvider;
use provider_pypi::PypiProvider;

/// One line registers a type.
pub(crate) fn all() -> Providers {
    let providers: [Arc<dyn Provider>; 3] = [
        Arc::new(GenericProvider::new()),
        Arc::new(NpmProvider::new()),
        Arc::new(PypiProvider::new()),
    ];
    providers.into_iter().collect()
}
