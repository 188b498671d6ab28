//! `*.repo` files: what clients are configured with, turned to us.

use artifact_core::{
    DocumentError, Facts, Rendition, RewriteContext, Rewritten, SourceDocument, Template,
    encode_path,
};
use url::Url;

use crate::failure::malformed;
use crate::route::PLAIN;

const WHAT: &str = "the .repo file";
/// The most lines.
const MAX_LINES: usize = 20_000;

/// Refuses what is no `.repo` file.
pub(crate) fn check(document: &SourceDocument<'_>) -> Result<(), DocumentError> {
    let text = text_of(document)?;
    let mut lines = text.lines().map(str::trim);
    if lines.by_ref().take(MAX_LINES).any(|line| line.starts_with('[') && line.ends_with(']')) {
        return Ok(());
    }
    Err(malformed(WHAT, "it has no section"))
}

/// The file with every URL that leads to upstream leading to us. Lists of mirrors are dropped, as
/// they lead past us; a section whose place is not below us is switched off, and says why.
pub(crate) fn rewrite(
    document: &SourceDocument<'_>,
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    check(document)?;
    let text = text_of(document)?;
    let path = context.path.as_str();
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut file = File {
        upstream: upstream_of(document),
        directory: encode_path(directory),
        text: String::with_capacity(text.len()),
        holes: Vec::new(),
    };
    let mut section = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with('[') {
            file.section(&section);
            section.clear();
        }
        section.push(line);
    }
    file.section(&section);
    let body = Template::with_holes(file.text, file.holes);
    let rendition = Rendition { variant: PLAIN, content_type: "text/plain; charset=utf-8", body };
    Ok(Rewritten { renditions: vec![rendition], facts: Facts::default() })
}

fn text_of<'a>(document: &SourceDocument<'a>) -> Result<&'a str, DocumentError> {
    let body: &'a [u8] = document.body;
    let text = std::str::from_utf8(body).map_err(|_| malformed(WHAT, "not UTF-8"))?;
    match text.lines().nth(MAX_LINES) {
        Some(_) => Err(malformed(WHAT, "too many lines")),
        None => Ok(text.trim_start_matches('\u{feff}')),
    }
}

/// The URL of upstream's root: that of the file without the path of the file.
fn upstream_of(document: &SourceDocument<'_>) -> Option<String> {
    let url = Url::parse(document.url?).ok()?;
    let path = encode_path(document.path.as_str());
    url.as_str().strip_suffix(path.as_str()).map(str::to_owned)
}

/// The file as it is written.
struct File {
    upstream: Option<String>,
    directory: String,
    text: String,
    holes: Vec<usize>,
}

impl File {
    /// Writes one section, or what stands before the first.
    fn section(&mut self, lines: &[&str]) {
        let has = |key: &str| lines.iter().any(|line| option(line).is_some_and(|(k, _)| k == key));
        let is_only_listed = !has("baseurl") && (has("mirrorlist") || has("metalink"));
        let mut is_elsewhere = false;
        for line in lines {
            match option(line) {
                Some(("mirrorlist" | "metalink", _)) => {}
                Some(("baseurl", value)) => is_elsewhere |= !self.option("baseurl", value),
                Some(("gpgkey", value)) => {
                    self.option("gpgkey", value);
                }
                Some(("enabled", _)) if is_elsewhere => {}
                _ => self.line(line),
            }
            if is_only_listed && line.trim_start().starts_with('[') {
                self.text.push_str("baseurl=");
                self.link(&self.directory.clone());
                self.text.push_str("/\n");
            }
        }
        if is_elsewhere {
            self.text.push_str("# its packages are not below this repository\nenabled=0\n");
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Writes an option that holds URLs. Says whether all of them lead to us now.
    fn option(&mut self, key: &str, value: &str) -> bool {
        let mut all = true;
        self.text.push_str(key);
        self.text.push('=');
        let urls = value.split([' ', ',', '\t']).filter(|url| !url.is_empty());
        for (index, url) in urls.enumerate() {
            if index > 0 {
                self.text.push(' ');
            }
            let below =
                self.upstream.as_ref().and_then(|upstream| url.strip_prefix(upstream.as_str()));
            if let Some(below) = below {
                self.link(below);
            } else {
                all = false;
                self.text.push_str(url);
            }
        }
        self.text.push('\n');
        all
    }

    /// Writes a URL below us.
    fn link(&mut self, rest: &str) {
        self.holes.push(self.text.len());
        if !rest.is_empty() {
            self.text.push('/');
            self.text.push_str(rest);
        }
    }
}

/// The key and the value of a line that sets something.
fn option(line: &str) -> Option<(&str, &str)> {
    let is_comment = line.starts_with(['#', ';', ' ', '\t', '[']);
    let (key, value) = line.split_once('=').filter(|_| !is_comment)?;
    Some((key.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use artifact_core::{RepoPath, RepositoryKind, Timestamp, Variant};
    use bytes::Bytes;

    use super::*;

    fn rewritten(text: &str) -> Result<String, DocumentError> {
        let path = RepoPath::from_decoded("linux/docker.repo").unwrap();
        let body = Bytes::copy_from_slice(text.as_bytes());
        let document = SourceDocument {
            kind: crate::route::REPO_FILE,
            path: &path,
            source: &Variant::SOURCE,
            member: "a",
            remote: None,
            position: 0,
            url: Some("https://up.example/pub/linux/docker.repo"),
            content_type: None,
            body: &body,
        };
        let context = RewriteContext {
            wanted: &PLAIN,
            admits: &|_| true,
            secure: true,
            kind: RepositoryKind::Remote,
            path: &path,
            changed_at: Timestamp::EPOCH,
            signer: None,
        };
        let made = rewrite(&document, &context)?;
        let filled = made.renditions[0].body.fill("https://us.example/r");
        Ok(String::from_utf8(filled.to_vec()).unwrap())
    }

    #[test]
    fn places_and_keys_below_upstream_lead_to_us() {
        let text = "# c\n[a]\nname=A\nbaseurl = https://up.example/pub/linux/$releasever/$basearch\n\
                    enabled=1\ngpgkey=https://up.example/pub/gpg https://other.example/gpg\n";
        let expected = "# c\n[a]\nname=A\nbaseurl=https://us.example/r/linux/$releasever/$basearch\n\
                        enabled=1\ngpgkey=https://us.example/r/gpg https://other.example/gpg\n";
        assert_eq!(rewritten(text).unwrap(), expected);
    }

    #[test]
    fn lists_of_mirrors_are_replaced() {
        let text = "[a]\nmetalink=https://m.example/?a\n#baseurl=x\n[b]\nmirrorlist=x\nbaseurl=https://up.example/pub/b\n";
        let expected = "[a]\nbaseurl=https://us.example/r/linux/\n#baseurl=x\n[b]\nbaseurl=https://us.example/r/b\n";
        assert_eq!(rewritten(text).unwrap(), expected);
    }

    #[test]
    fn what_lies_elsewhere_is_switched_off() {
        let made = rewritten("[a]\nbaseurl=https://other.example/\nenabled=1\n").unwrap();
        assert!(made.ends_with("enabled=0\n") && !made.contains("enabled=1"), "{made}");
    }

    #[test]
    fn what_is_no_repo_file_is_refused() {
        assert!(rewritten("<html>").is_err());
        assert!(rewritten(&"\n".repeat(30_000)).is_err());
    }
}
