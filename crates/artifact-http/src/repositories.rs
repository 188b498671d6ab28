//! What the stack asks about repositories without serving one.

use artifact_core::{ErrorBody, Problem, RepositoryId, RepositoryKind};
use artifact_engine::Engine;

/// The labels of a repository in metrics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RepositoryLabels {
    /// Its name.
    pub(crate) repository: String,
    /// Its package type.
    pub(crate) package_type: String,
}

/// Knowledge of the configured repositories. Answers at once, from memory.
pub(crate) trait Repositories: Send + Sync {
    /// The number of the repository that a route names.
    fn identify(&self, kind: RepositoryKind, name: &str) -> Option<RepositoryId>;

    /// How the repository is labelled.
    fn labels(&self, id: RepositoryId) -> Option<RepositoryLabels>;

    /// An error in the form that the repository's clients print.
    fn error_body(
        &self,
        kind: RepositoryKind,
        name: &str,
        problem: &Problem<'_>,
    ) -> Option<ErrorBody>;
}

impl Repositories for Engine {
    fn identify(&self, kind: RepositoryKind, name: &str) -> Option<RepositoryId> {
        let snapshot = self.configuration().snapshot();
        let mounted = snapshot.find(name).filter(|mounted| mounted.kind() == kind)?;
        Some(mounted.id())
    }

    fn labels(&self, id: RepositoryId) -> Option<RepositoryLabels> {
        let snapshot = self.configuration().snapshot();
        let mounted = snapshot.by_id(id)?;
        Some(RepositoryLabels {
            repository: mounted.name().to_owned(),
            package_type: mounted.repository.package_type.as_str().to_owned(),
        })
    }

    fn error_body(
        &self,
        kind: RepositoryKind,
        name: &str,
        problem: &Problem<'_>,
    ) -> Option<ErrorBody> {
        Engine::error_body(self, kind, name, problem)
    }
}
