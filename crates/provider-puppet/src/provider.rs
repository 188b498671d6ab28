use artifact_core::{
    Assembly, Defaults, DocumentError, EncodedSlash, ErrorBody, Hosting, Inspection,
    PackageRequest, PackageType, PathRules, Problem, Provider, Reject, RewriteContext, Rewritten,
    Route, Snippet, SnippetContext, SourceDocument,
};

use crate::{document, error_body, route, snippets};

/// The rules of Puppet modules. They can be proxied and merged; they cannot be hosted yet.
#[derive(Clone, Debug)]
pub struct PuppetProvider {
    package_type: PackageType,
}

impl PuppetProvider {
    /// The provider of the type `puppet`.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "a literal that follows the grammar, held by a test"
    )]
    pub fn new() -> Self {
        Self { package_type: "puppet".parse().expect("a package type") }
    }
}

impl Default for PuppetProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl Provider for PuppetProvider {
    fn package_type(&self) -> &PackageType {
        &self.package_type
    }

    /// Clients append `/v3/…` to the configured URL as it is, so one that ends with a slash doubles it.
    fn path_rules(&self) -> PathRules {
        PathRules { encoded_slash: EncodedSlash::Refused, collapse_slashes: true }
    }

    fn defaults(&self) -> Defaults {
        Defaults { base_suffix: Some("v3"), ..Defaults::default() }
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
    fn the_type_is_called_puppet_and_cannot_be_hosted_yet() {
        let provider = PuppetProvider::new();
        assert_eq!(provider.package_type().as_str(), "puppet");
        assert!(provider.hosting().is_none());
        assert!(provider.assembly().is_none());
    }
}
