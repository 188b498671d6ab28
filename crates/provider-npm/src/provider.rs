//! The provider: the rules of this crate behind the trait that the engine knows.

use artifact_core::{
    Assembly, Defaults, DocumentError, EncodedSlash, ErrorBody, Hosting, Inspection,
    PackageRequest, PackageType, PathRules, Problem, Provider, Reject, RewriteContext, Rewritten,
    Route, Snippet, SnippetContext, SourceDocument,
};
use formats::json::quote;

use crate::{packument, route, snippets};

/// The rules of npm packages. They can be proxied and merged; they cannot be hosted yet.
#[derive(Clone, Debug)]
pub struct NpmProvider {
    package_type: PackageType,
}

impl NpmProvider {
    /// The provider of the type `npm`.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "a literal that follows the grammar, held by a test"
    )]
    pub fn new() -> Self {
        Self { package_type: "npm".parse().expect("a package type") }
    }
}

impl Default for NpmProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl Provider for NpmProvider {
    fn package_type(&self) -> &PackageType {
        &self.package_type
    }

    fn path_rules(&self) -> PathRules {
        PathRules { encoded_slash: EncodedSlash::AfterScope, collapse_slashes: true }
    }

    fn defaults(&self) -> Defaults {
        // Packuments of old and busy packages exceed 40 MB.
        Defaults { document_limit: 128 << 20, ..Defaults::default() }
    }

    fn classify(&self, request: &PackageRequest<'_>) -> Result<Route, Reject> {
        route::classify(request)
    }

    fn inspect(&self, document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
        packument::inspect(document)
    }

    fn rewrite(
        &self,
        documents: &[SourceDocument<'_>],
        context: &RewriteContext<'_>,
    ) -> Result<Rewritten, DocumentError> {
        packument::rewrite(documents, context)
    }

    /// npm prints the text of `error` and calls anything but JSON an invalid response.
    fn error_body(&self, problem: &Problem<'_>) -> ErrorBody {
        let mut body = String::from("{\"error\":");
        quote(&format!("{} (req {})", problem.message, problem.request_id), &mut body);
        body.push('}');
        ErrorBody { content_type: route::JSON, body: body.into() }
    }

    fn snippets(&self, context: &SnippetContext<'_>) -> Vec<Snippet> {
        snippets::of(context)
    }

    fn hosting(&self) -> Option<&dyn Hosting> {
        None
    }

    fn assembly(&self) -> Option<&dyn Assembly> {
        None
    }
}
