use artifact_core::{
    Assembly, Defaults, DocumentError, DocumentKind, ErrorBody, Hosting, Inspection,
    PackageRequest, PackageType, PathRules, Problem, Provider, Reject, RewriteContext, Rewritten,
    Route, Snippet, SnippetContext, SourceDocument,
};

use crate::{error_body, rewrite, route, snippets};

/// The rules of Terraform registries. They can be proxied and merged; they cannot be hosted yet.
#[derive(Clone, Debug)]
pub struct TerraformProvider {
    package_type: PackageType,
}

impl TerraformProvider {
    /// The provider of the type `terraform`.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "a literal that follows the grammar, held by a test"
    )]
    pub fn new() -> Self {
        Self { package_type: "terraform".parse().expect("a package type") }
    }
}

impl Default for TerraformProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl Provider for TerraformProvider {
    fn package_type(&self) -> &PackageType {
        &self.package_type
    }

    fn path_rules(&self) -> PathRules {
        PathRules::default()
    }

    /// A published package never changes: clients have locked its digest.
    fn defaults(&self) -> Defaults {
        Defaults { document_limit: 16 << 20, ..Defaults::default() }
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

    fn header_of(&self, kind: DocumentKind) -> Option<&'static str> {
        (kind == route::MODULE_DOWNLOAD).then_some("x-terraform-get")
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
    fn the_type_is_called_terraform_and_cannot_be_hosted_yet() {
        let provider = TerraformProvider::new();
        assert_eq!(provider.package_type().as_str(), "terraform");
        assert!(provider.hosting().is_none());
    }
}
