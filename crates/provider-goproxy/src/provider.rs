use artifact_core::{
    Assembly, Defaults, DocumentError, ErrorBody, Hosting, Inspection, PackageRequest, PackageType,
    PathRules, Problem, Provider, Reject, RewriteContext, Rewritten, Route, Snippet,
    SnippetContext, SourceDocument,
};

use crate::{document, error_body, route, snippets};

/// The rules of Go modules. They can be proxied and merged; they cannot be hosted yet.
#[derive(Clone, Debug)]
pub struct GoproxyProvider {
    package_type: PackageType,
}

impl GoproxyProvider {
    /// The provider of the type `goproxy`.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "a literal that follows the grammar, held by a test"
    )]
    pub fn new() -> Self {
        Self { package_type: "goproxy".parse().expect("a package type") }
    }
}

impl Default for GoproxyProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl Provider for GoproxyProvider {
    fn package_type(&self) -> &PackageType {
        &self.package_type
    }

    fn path_rules(&self) -> PathRules {
        PathRules::default()
    }

    /// A list of versions is small. A version that is not there today may be there in a minute, and
    /// `go` asks for every prefix of a path that could be a module.
    fn defaults(&self) -> Defaults {
        Defaults { document_limit: 8 << 20, ..Defaults::default() }
    }

    fn classify(&self, request: &PackageRequest<'_>) -> Result<Route, Reject> {
        route::classify(request)
    }

    fn inspect(&self, document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
        document::inspect(document)
    }

    fn rewrite(
        &self,
        documents: &[SourceDocument<'_>],
        context: &RewriteContext<'_>,
    ) -> Result<Rewritten, DocumentError> {
        document::rewrite(documents, context)
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
    fn the_type_is_called_goproxy_and_cannot_be_hosted_yet() {
        let provider = GoproxyProvider::new();
        assert_eq!(provider.package_type().as_str(), "goproxy");
        assert!(provider.hosting().is_none());
        assert!(provider.assembly().is_none());
    }
}
