use artifact_core::{
    Assembly, Defaults, DocumentError, ErrorBody, Hosting, Inspection, Ownership, PackageRequest,
    PackageType, PathRules, Problem, Provider, Reject, Republishing, RewriteContext, Rewritten,
    Route, Snippet, SnippetContext, SourceDocument,
};

use crate::{error_body, index, route, snippets};

/// The rules of Helm charts. They can be proxied and merged; they cannot be hosted yet.
#[derive(Clone, Debug)]
pub struct HelmProvider {
    package_type: PackageType,
}

impl HelmProvider {
    /// The provider of the type `helm`.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "a literal that follows the grammar, held by a test"
    )]
    pub fn new() -> Self {
        Self { package_type: "helm".parse().expect("a package type") }
    }
}

impl Default for HelmProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl Provider for HelmProvider {
    fn package_type(&self) -> &PackageType {
        &self.package_type
    }

    /// A URL that was configured with a slash at its end is joined carelessly by some clients.
    fn path_rules(&self) -> PathRules {
        PathRules { collapse_slashes: true, ..PathRules::default() }
    }

    /// Charts are built anew under their old version; then the digest in the index is right.
    fn defaults(&self) -> Defaults {
        Defaults {
            ownership: Ownership::Union,
            republishing: Republishing::Followed,
            ..Defaults::default()
        }
    }

    fn classify(&self, request: &PackageRequest<'_>) -> Result<Route, Reject> {
        route::classify(request)
    }

    fn inspect(&self, document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
        index::inspect(document)
    }

    fn rewrite(
        &self,
        documents: &[SourceDocument<'_>],
        context: &RewriteContext<'_>,
    ) -> Result<Rewritten, DocumentError> {
        index::rewrite(documents, context)
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

    fn assembly(&self) -> Option<&dyn Assembly> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_called_helm_and_cannot_be_hosted_yet() {
        let provider = HelmProvider::new();
        assert_eq!(provider.package_type().as_str(), "helm");
        assert!(provider.hosting().is_none());
        assert!(provider.assembly().is_none());
    }
}
