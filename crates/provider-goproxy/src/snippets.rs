//! Client configuration. Never with `direct` behind us: what we refuse would be fetched all the same.

use artifact_core::{Snippet, SnippetContext};

pub(crate) fn snippets(context: &SnippetContext<'_>) -> Vec<Snippet> {
    let url = context.url;
    let verify = Some("go list -m -versions golang.org/x/text".to_owned());
    vec![
        Snippet {
            id: "go-env",
            client: "go",
            language: "sh",
            file: None,
            body: format!("go env -w GOPROXY={url}\n"),
            verify: verify.clone(),
        },
        Snippet {
            id: "go-environment",
            client: "go",
            language: "sh",
            file: None,
            body: format!("export GOPROXY={url}\n"),
            verify,
        },
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use artifact_core::RepositoryKind;

    use super::*;

    #[test]
    fn every_snippet_names_the_repository_and_nothing_else() {
        let url = "https://host.example/api/v1/virtual/go";
        let kind = RepositoryKind::Virtual;
        let all = snippets(&SnippetContext { name: "go", kind, url, upstreams: &[], keys: None });
        let ids: HashSet<_> = all.iter().map(|snippet| snippet.id).collect();
        assert_eq!(ids.len(), all.len());
        for snippet in &all {
            assert!(snippet.body.ends_with(&format!("GOPROXY={url}\n")), "{}", snippet.id);
        }
    }
}
