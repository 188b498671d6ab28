//! The provider: the rules of this crate behind the traits that the engine knows.

use artifact_core::{
    Assembly, AssemblyContext, AssemblyError, Defaults, DocumentError, ErrorBody, FileFact,
    Generation, Hosting, Inspection, Output, Ownership, PackageRequest, PackageType, PathRules,
    Problem, Provider, Reject, Republishing, RewriteContext, Rewritten, Route, Snippet,
    SnippetContext, SourceDocument, Survey,
};

use crate::{error_body, inspect, merge, rewrite, route, snippets, survey};

/// The rules of RPM repositories. They can be proxied and merged; they cannot be hosted yet.
#[derive(Clone, Debug)]
pub struct RpmProvider {
    package_type: PackageType,
}

impl RpmProvider {
    /// The provider of the type `rpm`.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "a literal that follows the grammar, held by a test"
    )]
    pub fn new() -> Self {
        Self { package_type: "rpm".parse().expect("a package type") }
    }
}

impl Default for RpmProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl Provider for RpmProvider {
    fn package_type(&self) -> &PackageType {
        &self.package_type
    }

    /// Installers join URLs carelessly, and no link of ours depends on the number of slashes.
    fn path_rules(&self) -> PathRules {
        PathRules { collapse_slashes: true, ..PathRules::default() }
    }

    /// Publishers do replace packages, to sign them anew; the index has the last word.
    fn defaults(&self) -> Defaults {
        Defaults {
            ownership: Ownership::Union,
            republishing: Republishing::Followed,
            signs: true,
            base_query: true,
            ..Defaults::default()
        }
    }

    fn classify(&self, request: &PackageRequest<'_>) -> Result<Route, Reject> {
        route::classify(request)
    }

    fn inspect(&self, document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
        inspect::inspect(document)
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
        snippets::of(context)
    }

    fn hosting(&self) -> Option<&dyn Hosting> {
        None
    }

    fn assembly(&self) -> Option<&dyn Assembly> {
        Some(self)
    }
}

impl Assembly for RpmProvider {
    fn survey(
        &self,
        generation: &mut dyn Generation,
        found: &mut dyn FnMut(&str, FileFact),
    ) -> Result<Survey, AssemblyError> {
        survey::survey(generation, found)
    }

    fn assemble(
        &self,
        generations: &mut [Box<dyn Generation>],
        context: &AssemblyContext<'_>,
        output: &mut dyn Output,
    ) -> Result<(), AssemblyError> {
        merge::assemble(generations, context, output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_called_rpm_and_cannot_be_hosted_yet() {
        let provider = RpmProvider::new();
        assert_eq!(provider.package_type().as_str(), "rpm");
        assert!(provider.hosting().is_none());
        assert!(provider.assembly().is_some());
    }
}
