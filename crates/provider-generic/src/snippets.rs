//! Client configuration: commands. `-f` always, so that a build fails when the download does.

use artifact_core::{RepositoryKind, Snippet, SnippetContext};

pub(crate) fn snippets(context: &SnippetContext<'_>) -> Vec<Snippet> {
    let file = format!("{}/path/to/file", context.url);
    let mut snippets = vec![
        shell("curl", "curl", format!("curl -fLO {file}\n")),
        shell("wget", "wget", format!("wget {file}\n")),
    ];
    if context.kind == RepositoryKind::Local {
        snippets.push(shell(
            "checksum",
            "curl",
            format!(
                "curl -fLO {file}\n\
                 echo \"$(curl -fsS {file}.sha256 | cut -d' ' -f1)  file\" | sha256sum -c -\n"
            ),
        ));
        snippets.push(shell("upload", "curl", format!("curl -fT file {file}\n")));
    }
    snippets
}

fn shell(id: &'static str, client: &'static str, body: String) -> Snippet {
    Snippet { id, client, language: "sh", file: None, body, verify: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(kind: RepositoryKind) -> Vec<&'static str> {
        let context = SnippetContext {
            name: "files",
            kind,
            url: "https://host.example/files",
            upstreams: &[],
            keys: None,
        };
        snippets(&context).iter().map(|snippet| snippet.id).collect()
    }

    #[test]
    fn uploading_is_shown_only_where_it_works() {
        assert!(!ids(RepositoryKind::Remote).contains(&"upload"));
        assert!(!ids(RepositoryKind::Virtual).contains(&"upload"));
        assert!(ids(RepositoryKind::Local).contains(&"upload"));
    }
}
