//! Client configuration as the API shows it.

use admin_types::{Problem, Snippet, Snippets};
use artifact_core::{PublicKeys, RepositoryKind, SnippetContext};

use super::Admin;
use super::problem::from_error;
use super::view::api_kind;
use crate::call::remote_of;
use crate::snapshot::Mounted;
use crate::virtual_repository;

impl Admin {
    pub(super) async fn write_snippets(
        &self,
        name: &str,
        client: Option<&str>,
        origin: &str,
    ) -> Result<Snippets, Problem> {
        let snapshot = self.engine.configuration().snapshot();
        let mounted = snapshot
            .find(name)
            .ok_or_else(|| Problem::not_found(format!("there is no repository {name:?}")))?;
        let public_url = self.engine.settings().public_url.as_deref();
        let origin = public_url.unwrap_or(origin).trim_end_matches('/');
        let url = format!("{origin}{}", mounted.path());
        let keys = self.public_keys(mounted).await?;
        let behind = virtual_repository::remotes_behind(&snapshot, mounted);
        let upstreams: Vec<_> = behind.iter().filter_map(|member| base_url(member)).collect();
        let context = SnippetContext {
            name,
            kind: mounted.kind(),
            url: &url,
            upstreams: &upstreams,
            keys: keys.as_ref(),
        };
        let written = mounted.provider.snippets(&context);
        let snippets = chosen(written.into_iter().map(shown).collect(), client)?;
        let warning = "no public URL is configured: the address of this request was written";
        Ok(Snippets {
            repository: name.to_owned(),
            kind: api_kind(mounted.kind()),
            package_type: mounted.repository.package_type.to_string(),
            origin: origin.to_owned(),
            warnings: public_url.is_none().then(|| warning.to_owned()).into_iter().collect(),
            snippets,
        })
    }
}

impl Admin {
    /// The keys that clients of `mounted` have to know.
    async fn public_keys(&self, mounted: &Mounted) -> Result<Option<PublicKeys>, Problem> {
        let is_made_here = mounted.kind() != RepositoryKind::Remote;
        if !is_made_here || !mounted.provider.defaults().signs {
            return Ok(None);
        }
        Ok(Some(self.engine.public_keys().await.map_err(from_error)?))
    }
}

fn base_url(mounted: &Mounted) -> Option<&str> {
    remote_of(mounted).map(|remote| remote.base_url.as_str())
}

fn chosen(snippets: Vec<Snippet>, client: Option<&str>) -> Result<Vec<Snippet>, Problem> {
    let Some(client) = client else { return Ok(snippets) };
    let mut clients: Vec<_> = snippets.iter().map(|snippet| snippet.client.clone()).collect();
    clients.dedup();
    let chosen: Vec<_> = snippets.into_iter().filter(|snippet| snippet.client == client).collect();
    if chosen.is_empty() {
        let known = clients.join(", ");
        let detail = format!("there is no snippet for client {client:?}, known are {known}");
        return Err(Problem::not_found(detail));
    }
    Ok(chosen)
}

fn shown(snippet: artifact_core::Snippet) -> Snippet {
    Snippet {
        id: snippet.id.to_owned(),
        client: snippet.client.to_owned(),
        language: snippet.language.to_owned(),
        file: snippet.file.map(ToOwned::to_owned),
        scope: snippet.file.map(scope).map(ToOwned::to_owned),
        body: snippet.body,
        verify: snippet.verify,
        undo: None,
        tested_with: None,
    }
}

/// How far a change of `file` reaches.
fn scope(file: &str) -> &'static str {
    match file {
        home if home.starts_with('~') || home.starts_with("$HOME") => "user",
        absolute if absolute.starts_with('/') => "system",
        _ => "project",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_tells_how_far_a_snippet_reaches() {
        for (file, expected) in
            [("~/.npmrc", "user"), ("/etc/pip.conf", "system"), (".npmrc", "project")]
        {
            assert_eq!(scope(file), expected);
        }
    }
}
