//! Client configuration. Never an extra index: two indexes side by side are how dependency
//! confusion works, and a virtual repository is what takes their place.

use artifact_core::{Snippet, SnippetContext};
use url::Url;

/// A small package without dependencies, to try an index with.
const PROBE: &str = "iniconfig";

pub(crate) fn snippets(context: &SnippetContext<'_>) -> Vec<Snippet> {
    let index = format!("{}/simple/", context.url);
    let insecure_host = insecure_host(context.url);
    vec![
        pip_conf(&index, insecure_host.as_deref()),
        pip_environment(&index, insecure_host.as_deref()),
        uv_toml(&index, insecure_host.as_deref()),
        uv_environment(&index, insecure_host.as_deref()),
        poetry(context.name, &index),
    ]
}

/// The host and port that clients have to be told to trust, when they reach us by plain http.
fn insecure_host(url: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn pip_conf(index: &str, insecure_host: Option<&str>) -> Snippet {
    let trust = insecure_host.map(|host| format!("trusted-host = {host}\n")).unwrap_or_default();
    Snippet {
        id: "pip-conf",
        client: "pip",
        language: "ini",
        file: Some("~/.config/pip/pip.conf"),
        body: format!("[global]\nindex-url = {index}\n{trust}"),
        verify: Some(format!("pip download --no-deps {PROBE}")),
    }
}

fn pip_environment(index: &str, insecure_host: Option<&str>) -> Snippet {
    let trust =
        insecure_host.map(|host| format!("export PIP_TRUSTED_HOST={host}\n")).unwrap_or_default();
    Snippet {
        id: "pip-environment",
        client: "pip",
        language: "sh",
        file: None,
        body: format!("export PIP_INDEX_URL={index}\n{trust}"),
        verify: Some(format!("pip download --no-deps {PROBE}")),
    }
}

fn uv_toml(index: &str, insecure_host: Option<&str>) -> Snippet {
    let trust = insecure_host
        .map(|host| format!("allow-insecure-host = [\"{host}\"]\n\n"))
        .unwrap_or_default();
    Snippet {
        id: "uv-toml",
        client: "uv",
        language: "toml",
        file: Some("~/.config/uv/uv.toml"),
        body: format!("{trust}[[index]]\nurl = \"{index}\"\ndefault = true\n"),
        verify: Some(format!("uv pip install --dry-run --target probe {PROBE}")),
    }
}

fn uv_environment(index: &str, insecure_host: Option<&str>) -> Snippet {
    let trust =
        insecure_host.map(|host| format!("export UV_INSECURE_HOST={host}\n")).unwrap_or_default();
    Snippet {
        id: "uv-environment",
        client: "uv",
        language: "sh",
        file: None,
        body: format!("export UV_DEFAULT_INDEX={index}\n{trust}"),
        verify: Some(format!("uv pip install --dry-run --target probe {PROBE}")),
    }
}

fn poetry(name: &str, index: &str) -> Snippet {
    Snippet {
        id: "poetry",
        client: "poetry",
        language: "toml",
        file: Some("pyproject.toml"),
        body: format!(
            "[[tool.poetry.source]]\nname = \"{name}\"\nurl = \"{index}\"\npriority = \"primary\"\n"
        ),
        verify: Some("poetry lock".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use artifact_core::RepositoryKind;

    use super::*;

    fn of(url: &str) -> Vec<Snippet> {
        snippets(&SnippetContext {
            name: "pypi",
            kind: RepositoryKind::Remote,
            url,
            upstreams: &[],
            keys: None,
        })
    }

    #[test]
    fn every_snippet_names_the_index_with_its_slash() {
        let all = of("https://host.example/api/v1/remote/pypi");
        let ids: HashSet<_> = all.iter().map(|snippet| snippet.id).collect();
        assert_eq!(ids.len(), all.len());
        for snippet in &all {
            assert!(snippet.body.contains("https://host.example/api/v1/remote/pypi/simple/"));
            assert!(!snippet.body.contains("extra"), "{}", snippet.id);
            assert!(!snippet.body.to_lowercase().contains("trusted"), "{}", snippet.id);
        }
    }

    #[test]
    fn plain_http_needs_a_trusted_host() {
        let all = of("http://host.example:8000/api/v1/remote/pypi");
        let body = |id| all.iter().find(|snippet| snippet.id == id).unwrap().body.clone();
        assert!(body("pip-conf").contains("trusted-host = host.example:8000\n"));
        assert!(body("pip-environment").contains("PIP_TRUSTED_HOST=host.example:8000\n"));
        assert!(body("uv-toml").starts_with("allow-insecure-host = [\"host.example:8000\"]\n"));
        assert!(body("uv-environment").contains("UV_INSECURE_HOST=host.example:8000\n"));
    }
}
