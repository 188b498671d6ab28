//! Client configuration, ready to copy.

use artifact_core::{Snippet, SnippetContext};

/// A module that everybody knows, to try a forge with.
const PROBE: &str = "puppetlabs-stdlib";

pub(crate) fn snippets(context: &SnippetContext<'_>) -> Vec<Snippet> {
    let url = context.url;
    vec![
        Snippet {
            id: "puppet",
            client: "puppet",
            language: "sh",
            file: None,
            body: format!("puppet module install {PROBE} --module_repository {url}\n"),
            verify: Some("puppet module list".to_owned()),
        },
        Snippet {
            id: "puppet-conf",
            client: "puppet",
            language: "ini",
            file: Some("puppet.conf"),
            body: format!("[main]\nmodule_repository = {url}\n"),
            verify: Some(format!("puppet module install {PROBE}")),
        },
        // The Puppetfile's own `forge` line counts only where this file allows that.
        Snippet {
            id: "r10k",
            client: "r10k",
            language: "yaml",
            file: Some("r10k.yaml"),
            body: format!("forge:\n  baseurl: '{}'\n", url.replace('\'', "''")),
            verify: Some("r10k puppetfile install --config r10k.yaml".to_owned()),
        },
    ]
}

#[cfg(test)]
mod tests {
    use artifact_core::RepositoryKind;

    use super::*;

    #[test]
    fn every_client_gets_the_url_without_a_slash_at_the_end() {
        let url = "http://h:8000/api/v1/virtual/puppet";
        let kind = RepositoryKind::Virtual;
        let all =
            snippets(&SnippetContext { name: "puppet", kind, url, keys: None, upstreams: &[] });
        let bodies: Vec<_> =
            all.iter().map(|snippet| (snippet.id, snippet.body.as_str())).collect();
        assert_eq!(
            bodies,
            [
                (
                    "puppet",
                    "puppet module install puppetlabs-stdlib --module_repository \
                     http://h:8000/api/v1/virtual/puppet\n"
                ),
                (
                    "puppet-conf",
                    "[main]\nmodule_repository = http://h:8000/api/v1/virtual/puppet\n"
                ),
                ("r10k", "forge:\n  baseurl: 'http://h:8000/api/v1/virtual/puppet'\n"),
            ]
        );
    }
}
