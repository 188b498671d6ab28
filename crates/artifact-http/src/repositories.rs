//! What the stack asks about repositories without serving one.

use artifact_core::{ErrorBody, Problem, RepositoryId};
use artifact_engine::{Engine, Mount};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The labels of a repository in metrics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RepositoryLabels {
    /// Its name.
    pub(crate) repository: String,
    /// Its package type.
    pub(crate) package_type: String,
}

/// Who may read a repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Privacy {
    /// Everybody.
    Public,
    /// Who has a token that may.
    Private,
}

/// Knowledge of the configured repositories. Answers at once, from memory.
pub(crate) trait Repositories: Send + Sync {
    /// The number of the repository that a route names.
    fn identify(&self, mount: Mount, name: &str) -> Option<RepositoryId>;

    /// Who may read the repository of this name, whatever its kind; one that does not exist is public.
    fn privacy(&self, name: &str) -> Privacy;

    /// What every answer of the registry has in its head, errors too.
    fn registry_headers(&self) -> HeaderMap;

    /// How the repository is labelled.
    fn labels(&self, id: RepositoryId) -> Option<RepositoryLabels>;

    /// An error in the form that the repository's clients print.
    fn error_body(&self, mount: Mount, name: &str, problem: &Problem<'_>) -> Option<ErrorBody>;
}

impl Repositories for Engine {
    fn identify(&self, mount: Mount, name: &str) -> Option<RepositoryId> {
        let snapshot = self.configuration().snapshot();
        Some(snapshot.mounted(mount, name)?.id())
    }

    fn privacy(&self, name: &str) -> Privacy {
        let snapshot = self.configuration().snapshot();
        if snapshot.is_private(name) { Privacy::Private } else { Privacy::Public }
    }

    fn registry_headers(&self) -> HeaderMap {
        let Ok(root) = self.registry_ping() else { return HeaderMap::new() };
        let mut headers = root.headers;
        headers.remove(CONTENT_TYPE);
        headers
    }

    fn labels(&self, id: RepositoryId) -> Option<RepositoryLabels> {
        let snapshot = self.configuration().snapshot();
        let mounted = snapshot.by_id(id)?;
        Some(RepositoryLabels {
            repository: mounted.name().to_owned(),
            package_type: mounted.repository.package_type.as_str().to_owned(),
        })
    }

    fn error_body(&self, mount: Mount, name: &str, problem: &Problem<'_>) -> Option<ErrorBody> {
        Engine::error_body(self, mount, name, problem)
    }
}
