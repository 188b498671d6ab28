//! Client configuration.

use artifact_core::{Snippet, SnippetContext};

/// What the file of repositories says where no shell can find out the release.
const RELEASE: &str = "v3.22";
const FILE: &str = "/etc/apk/repositories";
const KEYS: &str = "/etc/apk/keys";

pub(crate) fn snippets(context: &SnippetContext<'_>) -> Vec<Snippet> {
    let url = context.url;
    let key =
        context.keys.map(|keys| format!("wget -P {KEYS} {url}/keys/{}\n", keys.rsa_file_name));
    let mut all: Vec<Snippet> = key.iter().map(|fetch| key_snippet(fetch)).collect();
    all.push(repositories(url));
    all.push(shell(url, key.as_deref()));
    all.push(container(url, key.as_deref()));
    all
}

/// The key that the other snippets presuppose.
fn key_snippet(fetch: &str) -> Snippet {
    Snippet {
        id: "apk-key",
        client: "apk",
        language: "sh",
        file: None,
        body: fetch.to_owned(),
        verify: Some("apk update".to_owned()),
    }
}

fn repositories(url: &str) -> Snippet {
    Snippet {
        id: "apk-repositories",
        client: "apk",
        language: "text",
        file: Some(FILE),
        body: format!("{url}/{RELEASE}/main\n{url}/{RELEASE}/community\n"),
        verify: Some("apk update".to_owned()),
    }
}

/// `3.22.1` becomes `v3.22`.
fn shell(url: &str, key: Option<&str>) -> Snippet {
    let key = key.unwrap_or_default();
    Snippet {
        id: "apk-shell",
        client: "apk",
        language: "sh",
        file: None,
        body: format!(
            "{key}release=v$(cut -d. -f1-2 /etc/alpine-release)\n\
             printf '%s\\n' {url}/$release/main {url}/$release/community > {FILE}\n"
        ),
        verify: Some("apk update".to_owned()),
    }
}

fn container(url: &str, key: Option<&str>) -> Snippet {
    let key = key.map(|fetch| format!("{} && \\\n    ", fetch.trim_end())).unwrap_or_default();
    Snippet {
        id: "apk-dockerfile",
        client: "docker build",
        language: "dockerfile",
        file: Some("Dockerfile"),
        body: format!(
            "RUN {key}release=v$(cut -d. -f1-2 /etc/alpine-release) && \\\n    \
             printf '%s\\n' {url}/$release/main {url}/$release/community > {FILE}\n"
        ),
        verify: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use artifact_core::{PublicKeys, RepositoryKind};

    use super::*;

    const URL: &str = "https://host.example/api/v1/virtual/alpine";

    fn of(keys: Option<&PublicKeys>) -> Vec<Snippet> {
        let kind = RepositoryKind::Virtual;
        snippets(&SnippetContext { name: "alpine", kind, url: URL, upstreams: &[], keys })
    }

    #[test]
    fn every_snippet_names_the_repository() {
        let all = of(None);
        let ids: HashSet<_> = all.iter().map(|snippet| snippet.id).collect();
        assert_eq!(ids.len(), all.len());
        assert!(all.iter().all(|snippet| snippet.body.contains(URL)));
        assert!(!all.iter().any(|snippet| snippet.body.contains("keys")));
    }

    #[test]
    fn where_we_sign_the_key_comes_first() {
        let keys = PublicKeys {
            openpgp_armored: "".into(),
            openpgp_key_id: String::new(),
            rsa_pem: "".into(),
            rsa_file_name: "artifactapi-0123abcd.rsa.pub".to_owned(),
        };
        let fetch = format!("wget -P /etc/apk/keys {URL}/keys/artifactapi-0123abcd.rsa.pub");
        let all = of(Some(&keys));
        assert_eq!(all[0].id, "apk-key");
        for snippet in all.iter().filter(|snippet| snippet.file != Some(FILE)) {
            assert_eq!(snippet.body.matches(&fetch).count(), 1, "{}", snippet.id);
        }
    }
}
