use std::time::Duration;

use artifact_core::{
    Assembly, Defaults, DocumentError, DocumentKind, ErrorBody, Excerpt, Hosting, Inspection,
    MountPoint, PackageRequest, PackageType, PathRules, Problem, Provider, Publishing, Reject,
    RewriteContext, Rewritten, Route, Snippet, SnippetContext, SourceDocument, Substitute, Target,
    Worded,
};

use crate::{error_body, remote, snippets};

/// The rules of container images. They can be proxied, hosted and merged.
#[derive(Clone, Debug)]
pub struct DockerProvider {
    package_type: PackageType,
}

impl DockerProvider {
    /// The provider of the type `docker`.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "a literal that follows the grammar, held by a test"
    )]
    pub fn new() -> Self {
        Self { package_type: "docker".parse().expect("a package type") }
    }
}

impl Default for DockerProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl Provider for DockerProvider {
    fn package_type(&self) -> &PackageType {
        &self.package_type
    }

    fn mount_point(&self) -> MountPoint {
        MountPoint::Registry
    }

    fn path_rules(&self) -> PathRules {
        PathRules::default()
    }

    /// An image that is not there today may be pushed in a minute.
    fn defaults(&self) -> Defaults {
        Defaults {
            negative_file_ttl: Duration::from_secs(30),
            document_limit: 16 << 20,
            base_suffix: Some("v2"),
            digest_header: Some("docker-content-digest"),
            refusal_means_absence: true,
            ..Defaults::default()
        }
    }

    fn classify(&self, request: &PackageRequest<'_>) -> Result<Route, Reject> {
        remote::classify(request)
    }

    fn inspect(&self, document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
        remote::inspect(document)
    }

    fn rewrite(
        &self,
        documents: &[SourceDocument<'_>],
        context: &RewriteContext<'_>,
    ) -> Result<Rewritten, DocumentError> {
        remote::rewrite(documents, context)
    }

    fn is_linked(&self, kind: DocumentKind) -> bool {
        kind == remote::REFERRERS
    }

    fn substitute(&self, absent: &Target) -> Option<Substitute> {
        remote::substitute(absent)
    }

    fn excerpt(&self, asked: &Excerpt<'_>) -> Result<Option<Worded>, Reject> {
        remote::excerpt(asked)
    }

    fn error_body(&self, problem: &Problem<'_>) -> ErrorBody {
        error_body::error_body(problem)
    }

    fn snippets(&self, context: &SnippetContext<'_>) -> Vec<Snippet> {
        snippets::snippets(context)
    }

    fn hosting(&self) -> Option<&dyn Hosting> {
        None
    }

    fn publishing(&self) -> Option<&dyn Publishing> {
        Some(self)
    }

    fn assembly(&self) -> Option<&dyn Assembly> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_called_docker_and_is_published_in_several_requests() {
        let provider = DockerProvider::new();
        assert_eq!(provider.package_type().as_str(), "docker");
        assert!(provider.hosting().is_none());
        assert!(provider.publishing().is_some());
        assert!(provider.assembly().is_none());
    }
}
