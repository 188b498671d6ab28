use artifact_core::{
    Assembly, Defaults, DocumentError, ErrorBody, Hosting, Inspection, Ownership, PackageRequest,
    PackageType, PathRules, Problem, Provider, Reject, Republishing, RewriteContext, Rewritten,
    Route, Snippet, SnippetContext, SourceDocument,
};

use crate::{error_body, index, route, snippets};

/// The rules of Alpine packages. They can be proxied and merged; they cannot be hosted yet.
#[derive(Clone, Debug)]
pub struct AlpineProvider {
    package_type: PackageType,
}

impl AlpineProvider {
    /// The provider of the type `alpine`.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "a literal that follows the grammar, held by a test"
    )]
    pub fn new() -> Self {
        Self { package_type: "alpine".parse().expect("a package type") }
    }
}

impl Default for AlpineProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl Provider for AlpineProvider {
    fn package_type(&self) -> &PackageType {
        &self.package_type
    }

    /// Addresses of repositories are put together by hand, often with a slash too many.
    fn path_rules(&self) -> PathRules {
        PathRules { collapse_slashes: true, ..PathRules::default() }
    }

    /// Packages are built anew under their old version; then the index is right. The largest index
    /// of the distribution has three megabytes.
    fn defaults(&self) -> Defaults {
        Defaults {
            document_limit: 32 << 20,
            ownership: Ownership::Union,
            republishing: Republishing::Followed,
            signs: true,
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
    fn the_type_is_called_alpine_and_cannot_be_hosted_yet() {
        let provider = AlpineProvider::new();
        assert_eq!(provider.package_type().as_str(), "alpine");
        assert!(provider.hosting().is_none());
        assert!(provider.assembly().is_none());
    }
}
