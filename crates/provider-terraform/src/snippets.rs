//! Client configuration. It makes us stand in for the registry that modules and lock files name,
//! so that nothing but this configuration tells where packages come from.

use artifact_core::{Snippet, SnippetContext};

use crate::route::host_of;

/// The host that stands for the upstream's where none is known.
const EXAMPLE_HOST: &str = "registry.example.com";

/// Mirrors only where the clients take them: they refuse plain http.
pub(crate) fn snippets(context: &SnippetContext<'_>) -> Vec<Snippet> {
    let registry = registry(context);
    let mut snippets = vec![
        Snippet {
            id: "terraform",
            client: "terraform",
            language: "hcl",
            file: Some("~/.terraformrc"),
            body: registry.clone(),
            verify: Some("terraform init".to_owned()),
        },
        Snippet {
            id: "tofu",
            client: "tofu",
            language: "hcl",
            file: Some("~/.tofurc"),
            body: registry.clone(),
            verify: Some("tofu init".to_owned()),
        },
        Snippet {
            id: "terraform-ci",
            client: "terraform",
            language: "sh",
            file: None,
            body: format!(
                "cat > ci.tfrc <<'EOF'\n{registry}EOF\nexport TF_CLI_CONFIG_FILE=\"$PWD/ci.tfrc\"\n"
            ),
            verify: Some("terraform init".to_owned()),
        },
    ];
    if context.url.starts_with("https://") {
        snippets.push(mirror("terraform-mirror", "terraform", "~/.terraformrc", context.url));
        snippets.push(mirror("tofu-mirror", "tofu", "~/.tofurc", context.url));
    }
    snippets
}

/// A block for every host whose place we take.
fn registry(context: &SnippetContext<'_>) -> String {
    let mut hosts: Vec<String> = Vec::new();
    for host in context.upstreams.iter().filter_map(|upstream| host_of(upstream)) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    if hosts.is_empty() {
        hosts.push(EXAMPLE_HOST.to_owned());
    }
    let block = |host: &String| {
        format!(
            "host \"{host}\" {{\n  services = {{\n    \
             \"providers.v1\" = \"{url}/v1/providers/\"\n    \
             \"modules.v1\"   = \"{url}/v1/modules/\"\n  }}\n}}\n",
            url = context.url
        )
    };
    hosts.iter().map(block).collect::<Vec<_>>().join("\n")
}

fn mirror(id: &'static str, client: &'static str, file: &'static str, url: &str) -> Snippet {
    Snippet {
        id,
        client,
        language: "hcl",
        file: Some(file),
        body: format!(
            "provider_installation {{\n  network_mirror {{\n    url = \"{url}/mirror/\"\n  }}\n}}\n"
        ),
        verify: Some(format!("{client} providers lock -net-mirror={url}/mirror/")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use artifact_core::RepositoryKind;

    use super::*;

    fn of(url: &str, upstreams: &[&str]) -> Vec<Snippet> {
        let kind = RepositoryKind::Virtual;
        snippets(&SnippetContext { name: "tf", kind, url, upstreams, keys: None })
    }

    #[test]
    fn the_place_of_every_upstream_is_taken_once() {
        let upstreams = ["https://r.test/", "https://R.test/path", "http://127.0.0.1:8080", "x"];
        let all = of("https://h.test/api/v1/virtual/tf", &upstreams);
        let ids: HashSet<_> = all.iter().map(|snippet| snippet.id).collect();
        assert_eq!((ids.len(), all.len()), (5, 5));
        let expected = "host \"r.test\" {\n  services = {\n    \
            \"providers.v1\" = \"https://h.test/api/v1/virtual/tf/v1/providers/\"\n    \
            \"modules.v1\"   = \"https://h.test/api/v1/virtual/tf/v1/modules/\"\n  }\n}\n";
        assert!(all[0].body.starts_with(expected), "{}", all[0].body);
        assert_eq!(all[0].body.matches("host \"").count(), 2);
        assert!(all[0].body.contains("host \"127.0.0.1:8080\" {"));
        assert_eq!(all[0].body, all[1].body);
        assert!(all[2].body.contains(&all[0].body));
    }

    #[test]
    fn a_mirror_is_offered_over_https_only() {
        let mirrors = |url| of(url, &[]).iter().filter(|s| s.id.ends_with("-mirror")).count();
        assert_eq!(mirrors("https://h.test/api/v1/remote/tf"), 2);
        assert_eq!(mirrors("http://h.test/api/v1/remote/tf"), 0);
        let all = of("https://h.test/tf", &[]);
        assert!(all[3].body.contains("url = \"https://h.test/tf/mirror/\""));
        assert!(all[0].body.contains("host \"registry.example.com\" {"));
    }
}
