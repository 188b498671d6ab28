//! Client configuration.

use artifact_core::{Snippet, SnippetContext};

pub(crate) fn snippets(context: &SnippetContext<'_>) -> Vec<Snippet> {
    let SnippetContext { name, url, .. } = context;
    vec![
        Snippet {
            id: "helm-repo",
            client: "helm",
            language: "sh",
            file: None,
            body: format!("helm repo add {name} {url}\nhelm repo update {name}\n"),
            verify: Some(format!("helm search repo {name}/")),
        },
        Snippet {
            id: "helm-dependency",
            client: "helm",
            language: "yaml",
            file: Some("Chart.yaml"),
            body: format!(
                "dependencies:\n- name: CHART\n  version: VERSION\n  repository: \"{url}\"\n"
            ),
            verify: Some("helm dependency update".to_owned()),
        },
        Snippet {
            id: "helm-ci",
            client: "helm",
            language: "sh",
            file: None,
            body: format!("helm pull CHART --version VERSION --repo {url}\n"),
            verify: None,
        },
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use artifact_core::RepositoryKind;

    use super::*;

    #[test]
    fn every_snippet_names_the_repository() {
        let url = "https://host.example/api/v1/virtual/charts";
        let kind = RepositoryKind::Virtual;
        let context = SnippetContext { name: "charts", kind, url, upstreams: &[], keys: None };
        let all = snippets(&context);
        let ids: HashSet<_> = all.iter().map(|snippet| snippet.id).collect();
        assert_eq!(ids.len(), all.len());
        assert!(all.iter().all(|snippet| snippet.body.contains(url)));
    }
}
