use artifact_core::{
    Assembly, Defaults, DocumentError, ErrorBody, Hosting, Inspection, PackageRequest, PackageType,
    PathRules, Problem, Provider, Reject, RewriteContext, Rewritten, Route, Snippet,
    SnippetContext, SourceDocument,
};

use crate::{error_body, rewrite, route, snippets};

/// The rules of Python packages. It can be proxied and merged; it cannot be hosted yet.
#[derive(Clone, Debug)]
pub struct PypiProvider {
    package_type: PackageType,
}

impl PypiProvider {
    /// The provider of the type `pypi`.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "a literal that follows the grammar, held by a test"
    )]
    pub fn new() -> Self {
        Self { package_type: "pypi".parse().expect("a package type") }
    }
}

impl Default for PypiProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl Provider for PypiProvider {
    fn package_type(&self) -> &PackageType {
        &self.package_type
    }

    /// Doubled slashes stay an error: links are relative and would lead one level astray.
    fn path_rules(&self) -> PathRules {
        PathRules::default()
    }

    /// The list of all projects of the public index is larger than what other types call a document.
    fn defaults(&self) -> Defaults {
        Defaults { document_limit: 128 << 20, base_suffix: Some("simple"), ..Defaults::default() }
    }

    fn classify(&self, request: &PackageRequest<'_>) -> Result<Route, Reject> {
        route::classify(request)
    }

    fn inspect(&self, document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
        rewrite::inspect(document)
    }

    fn rewrite(
        &self,
        documents: &[SourceDocument<'_>],
        context: &RewriteContext<'_>,
    ) -> Result<Rewritten, DocumentError> {
        rewrite::rewrite(documents, context)
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
    fn the_type_is_called_pypi_and_cannot_be_hosted_yet() {
        let provider = PypiProvider::new();
        assert_eq!(provider.package_type().as_str(), "pypi");
        assert!(provider.hosting().is_none());
    }
}
