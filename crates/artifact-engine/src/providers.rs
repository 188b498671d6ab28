//! The registered package types.

use std::collections::HashMap;
use std::sync::Arc;

use artifact_core::{MountPoint, Provider};

/// The rule books of this server by package type. Registering a type is the one line that
/// an additional package type costs.
#[derive(Clone, Debug, Default)]
pub struct Providers(HashMap<String, Arc<dyn Provider>>);

impl Providers {
    /// The rule book of `package_type`.
    pub fn get(&self, package_type: &str) -> Option<Arc<dyn Provider>> {
        self.0.get(package_type).map(Arc::clone)
    }

    /// The rule book of the registry below `/v2`, if a type is registered that is mounted there.
    pub fn registry(&self) -> Option<&Arc<dyn Provider>> {
        self.0.values().find(|provider| provider.mount_point() == MountPoint::Registry)
    }

    /// The registered types in order of name.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

impl FromIterator<Arc<dyn Provider>> for Providers {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Provider>>>(providers: I) -> Self {
        let by_type = providers
            .into_iter()
            .map(|provider| (provider.package_type().as_str().to_owned(), provider));
        Self(by_type.collect())
    }
}
