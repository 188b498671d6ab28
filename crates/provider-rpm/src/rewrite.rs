//! From upstream's documents to ours.

use artifact_core::{
    DocumentError, DocumentKind, Rendition, RewriteContext, Rewritten, SourceDocument, Template,
};

use crate::route::{MIRROR_LIST, PLAIN, REPO_FILE, REPOMD};
use crate::{inspect, mirrors, repo_file};

pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let Some(document) = documents.first() else {
        return Err(DocumentError::Malformed("there is no document".to_owned()));
    };
    match document.kind {
        REPOMD => index(document),
        MIRROR_LIST => mirrors::rewrite(document, context),
        REPO_FILE => repo_file::rewrite(document, context),
        DocumentKind(other) => {
            Err(DocumentError::Malformed(format!("there is no kind of document called {other}")))
        }
    }
}

/// An index is passed on byte for byte: upstream's signature is over these very bytes.
fn index(document: &SourceDocument<'_>) -> Result<Rewritten, DocumentError> {
    let body = Template::fixed(document.body.clone());
    Ok(Rewritten {
        renditions: vec![Rendition { variant: PLAIN, content_type: "application/xml", body }],
        facts: inspect::facts(document)?,
    })
}
