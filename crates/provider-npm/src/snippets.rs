//! Client configuration, ready to copy.

use artifact_core::{Snippet, SnippetContext};
use url::Url;

/// Every snippet for a repository. npm's and pnpm's registry ends with a slash, because both
/// cut the last path segment off otherwise; yarn's does not.
pub(crate) fn of(context: &SnippetContext<'_>) -> Vec<Snippet> {
    let url = context.url;
    vec![
        Snippet {
            id: "npm",
            client: "npm",
            language: "ini",
            file: Some(".npmrc"),
            body: format!("registry={url}/\n"),
            verify: Some(format!("npm view left-pad version --registry {url}/")),
        },
        Snippet {
            id: "pnpm",
            client: "pnpm",
            language: "ini",
            file: Some(".npmrc"),
            body: format!("registry={url}/\n"),
            verify: Some(format!("pnpm view left-pad version --registry {url}/")),
        },
        Snippet {
            id: "npm-scope",
            client: "npm",
            language: "ini",
            file: Some(".npmrc"),
            body: format!("@acme:registry={url}/\n"),
            verify: Some("npm config get @acme:registry".to_owned()),
        },
        Snippet {
            id: "npm-token",
            client: "npm",
            language: "ini",
            file: Some(".npmrc"),
            body: format!("{}/:_authToken=${{NPM_TOKEN}}\n", without_scheme(url)),
            verify: None,
        },
        yarn(url),
        Snippet {
            id: "npm-ci",
            client: "npm",
            language: "sh",
            file: None,
            body: format!("export NPM_CONFIG_REGISTRY={url}/\n"),
            verify: Some("npm config get registry".to_owned()),
        },
    ]
}

/// Yarn 2 and later refuses plain http unless the host is listed.
fn yarn(url: &str) -> Snippet {
    let mut body = format!("npmRegistryServer: \"{url}\"\n");
    let plain = Url::parse(url).ok().filter(|url| url.scheme() == "http");
    if let Some(host) = plain.as_ref().and_then(Url::host_str) {
        body = format!("{body}unsafeHttpWhitelist:\n  - \"{host}\"\n");
    }
    Snippet {
        id: "yarn",
        client: "yarn",
        language: "yaml",
        file: Some(".yarnrc.yml"),
        body,
        verify: Some("yarn npm info left-pad --fields version".to_owned()),
    }
}

fn without_scheme(url: &str) -> &str {
    url.find("//").and_then(|at| url.get(at..)).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use artifact_core::RepositoryKind;

    use super::*;

    fn bodies(url: &str) -> Vec<(&'static str, String)> {
        let context = SnippetContext {
            name: "npm",
            kind: RepositoryKind::Virtual,
            url,
            upstreams: &[],
            keys: None,
        };
        of(&context).into_iter().map(|snippet| (snippet.id, snippet.body)).collect()
    }

    #[test]
    fn every_client_gets_the_form_it_understands() {
        let expected = [
            ("npm", "registry=http://h:8000/api/v1/virtual/npm/\n"),
            ("pnpm", "registry=http://h:8000/api/v1/virtual/npm/\n"),
            ("npm-scope", "@acme:registry=http://h:8000/api/v1/virtual/npm/\n"),
            ("npm-token", "//h:8000/api/v1/virtual/npm/:_authToken=${NPM_TOKEN}\n"),
            (
                "yarn",
                "npmRegistryServer: \"http://h:8000/api/v1/virtual/npm\"\nunsafeHttpWhitelist:\n  - \"h\"\n",
            ),
            ("npm-ci", "export NPM_CONFIG_REGISTRY=http://h:8000/api/v1/virtual/npm/\n"),
        ];
        assert_eq!(
            bodies("http://h:8000/api/v1/virtual/npm"),
            expected.map(|(id, body)| (id, body.to_owned()))
        );
    }

    #[test]
    fn yarn_needs_no_exception_for_https() {
        let all = bodies("https://h/api/v1/remote/npm");
        assert!(all.iter().all(|(_, body)| !body.contains("unsafeHttpWhitelist")));
    }
}
