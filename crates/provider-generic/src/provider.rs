use artifact_core::{
    Assembly, Defaults, DocumentError, ErrorBody, Hosting, Inspection, PackageRequest, PackageType,
    PathRules, Problem, Provider, Reject, RewriteContext, Rewritten, Route, Snippet,
    SnippetContext, SourceDocument,
};

use crate::{route, snippets};

/// The rules of plain files. They can be proxied, hosted and merged.
#[derive(Clone, Debug)]
pub struct GenericProvider {
    package_type: PackageType,
}

impl GenericProvider {
    /// The provider of the type `generic`.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "a literal that follows the grammar, held by a test"
    )]
    pub fn new() -> Self {
        Self { package_type: "generic".parse().expect("a package type") }
    }
}

impl Default for GenericProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl Provider for GenericProvider {
    fn package_type(&self) -> &PackageType {
        &self.package_type
    }

    fn path_rules(&self) -> PathRules {
        PathRules::default()
    }

    fn defaults(&self) -> Defaults {
        Defaults::default()
    }

    fn classify(&self, request: &PackageRequest<'_>) -> Result<Route, Reject> {
        route::classify(request)
    }

    fn inspect(&self, _document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
        Err(DocumentError::Malformed("plain files are never read".to_owned()))
    }

    fn rewrite(
        &self,
        _documents: &[SourceDocument<'_>],
        _context: &RewriteContext<'_>,
    ) -> Result<Rewritten, DocumentError> {
        Err(DocumentError::Malformed("plain files are never read".to_owned()))
    }

    fn error_body(&self, problem: &Problem<'_>) -> ErrorBody {
        ErrorBody {
            content_type: "text/plain; charset=utf-8",
            body: format!("{} (req {})\n", problem.message, problem.request_id).into(),
        }
    }

    fn snippets(&self, context: &SnippetContext<'_>) -> Vec<Snippet> {
        snippets::snippets(context)
    }

    fn hosting(&self) -> Option<&dyn Hosting> {
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
    fn the_type_is_called_generic_and_can_be_hosted() {
        let provider = GenericProvider::new();
        assert_eq!(provider.package_type().as_str(), "generic");
        assert!(provider.hosting().is_some());
    }

    #[test]
    fn an_error_is_one_line_with_the_id_of_the_request() {
        let problem = Problem {
            status: 404,
            message: "no such file",
            request_id: "r1",
            ..Problem::default()
        };
        let body = GenericProvider::new().error_body(&problem).body;
        assert_eq!(&body[..], b"no such file (req r1)\n");
    }
}
