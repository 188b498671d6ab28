//! Client configuration, ready to copy.

use artifact_core::{RepositoryKind, Snippet, SnippetContext};

/// Every snippet for a repository. A virtual repository is signed by this installation, a
/// remote by its vendor, whose key usually came with the distribution.
pub(crate) fn of(context: &SnippetContext<'_>) -> Vec<Snippet> {
    vec![dnf(context), dnf_once(context), zypper(context)]
}

fn dnf(context: &SnippetContext<'_>) -> Snippet {
    let SnippetContext { name, url, .. } = context;
    let signed = if is_signed(context) {
        format!("repo_gpgcheck=1\ngpgkey={url}/gpgkey.asc\n")
    } else {
        String::new()
    };
    Snippet {
        id: "dnf",
        client: "dnf",
        language: "ini",
        file: Some("/etc/yum.repos.d/artifacts.repo"),
        body: format!(
            "# Append the directory that holds repodata/ to baseurl; $releasever and $basearch work in it.\n\
             # Remove metalink and mirrorlist from other files: they lead past this server.\n\
             [{name}]\nname={name}\nbaseurl={url}/\nenabled=1\ngpgcheck=1\n{signed}"
        ),
        verify: Some(format!("dnf --disablerepo='*' --enablerepo={name} makecache")),
    }
}

fn dnf_once(context: &SnippetContext<'_>) -> Snippet {
    let SnippetContext { name, url, .. } = context;
    Snippet {
        id: "dnf-once",
        client: "dnf",
        language: "sh",
        file: None,
        body: format!("dnf --repofrompath={name},{url}/ --repo={name} makecache\n"),
        verify: None,
    }
}

fn zypper(context: &SnippetContext<'_>) -> Snippet {
    let SnippetContext { name, url, .. } = context;
    let key =
        if is_signed(context) { format!("rpm --import {url}/gpgkey.asc\n") } else { String::new() };
    Snippet {
        id: "zypper",
        client: "zypper",
        language: "sh",
        file: None,
        body: format!("{key}zypper addrepo --refresh {url}/ {name}\n"),
        verify: Some(format!("zypper refresh {name}")),
    }
}

fn is_signed(context: &SnippetContext<'_>) -> bool {
    context.kind == RepositoryKind::Virtual
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn bodies(kind: RepositoryKind) -> Vec<Snippet> {
        let url = "https://host.example/api/v1/x/el9";
        of(&SnippetContext { name: "el9", kind, url, keys: None, upstreams: &[] })
    }

    #[test]
    fn every_snippet_names_the_repository() {
        let all = bodies(RepositoryKind::Remote);
        let ids: HashSet<_> = all.iter().map(|snippet| snippet.id).collect();
        assert_eq!(ids.len(), all.len());
        for snippet in &all {
            assert!(snippet.body.contains("https://host.example/api/v1/x/el9/"), "{}", snippet.id);
            assert!(!snippet.body.contains("gpgkey"), "upstream's key is upstream's business");
        }
    }

    #[test]
    fn what_we_sign_is_verified_with_our_key() {
        let all = bodies(RepositoryKind::Virtual);
        let body = |id| all.iter().find(|snippet| snippet.id == id).unwrap().body.clone();
        assert!(
            body("dnf")
                .contains("repo_gpgcheck=1\ngpgkey=https://host.example/api/v1/x/el9/gpgkey.asc\n")
        );
        assert!(body("zypper").starts_with("rpm --import "));
    }
}
