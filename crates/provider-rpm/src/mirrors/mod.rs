//! Lists of mirrors: as what a remote is configured with, and as what clients ask for.
//!
//! The first mirror that can be used stands for all of them. What clients get names us alone,
//! because a list that is passed on is a way around us.

mod list;
mod metalink;

use artifact_core::{
    Class, DocumentError, Origin, Owner, Remote, Rendition, RepoPath, RewriteContext, Rewritten,
    Shape, SourceDocument, Target, Template, Variant,
};
use url::Url;

use crate::route::{MIRROR_LIST, PLAIN};

const TEXT: &str = "text/plain; charset=utf-8";
const METALINK: &str = "application/metalink+xml";

/// Whether a file of this name is a list of mirrors.
pub(crate) fn is_list_name(name: &str) -> bool {
    let stem = ["", ".xml", ".txt", ".list"].iter().find_map(|end| name.strip_suffix(end));
    let ends = [".metalink", ".meta4", ".mirrorlist"];
    let is_stem = |stem: &str| matches!(stem, "metalink" | "mirrorlist" | "mirrors" | "mirror");
    stem.is_some_and(is_stem)
        || name.rsplit_once('.').is_some_and(|(stem, end)| {
            matches!(stem, "metalink" | "mirrorlist") && matches!(end, "xml" | "txt")
        })
        || ends.iter().any(|end| name.ends_with(end))
}

/// The list that a remote is configured with instead of a place.
pub(crate) fn list_of(remote: Option<&Remote>) -> Option<Target> {
    let base_url = &remote?.base_url;
    // Asked for every request, so that usual URLs are told apart before they are parsed.
    if !["metalink", "mirrorlist", "?"].iter().any(|mark| base_url.contains(mark)) {
        return None;
    }
    let url = Url::parse(base_url).ok()?;
    let name = url.path_segments()?.rfind(|segment| !segment.is_empty()).unwrap_or_default();
    let is_query = url.query_pairs().any(|(key, _)| key == "repo" || key == "arch");
    let kind = match name {
        "metalink" | "metalink.xml" => "metalink",
        "mirrorlist" | "mirrorlist.txt" => "mirrorlist",
        _ if is_query => "mirrorlist",
        _ => return None,
    };
    Some(Target {
        path: RepoPath::from_decoded(kind).ok()?,
        source: Variant::SOURCE,
        class: Class::Mutable,
        shape: Shape::Document { kind: MIRROR_LIST, variant: PLAIN },
        origin: Origin::Elsewhere(base_url.clone()),
        package: None,
        owner: Owner::First,
        content_type: None,
        accept: None,
        html_allowed: false,
    })
}

/// A list in which clients find us alone, and where everything is in truth.
pub(crate) fn rewrite(
    document: &SourceDocument<'_>,
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let read = list::read(document)?;
    let path = context.path.as_str();
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let below = artifact_core::encode_path(directory);
    let below = if below.is_empty() { below } else { format!("/{below}") };
    let (content_type, body) = if read.is_metalink {
        (METALINK, metalink::of_one(&below))
    } else {
        (TEXT, Template::with_holes(format!("{below}/\n"), vec![0]))
    };
    Ok(Rewritten {
        renditions: vec![Rendition { variant: PLAIN, content_type, body }],
        facts: read.facts(document),
    })
}

/// Refuses what is no list, or a list without a mirror that can be used.
pub(crate) fn check(document: &SourceDocument<'_>) -> Result<(), DocumentError> {
    list::read(document).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_known_by_their_names() {
        for name in [
            "metalink",
            "mirrorlist",
            "metalink.xml",
            "mirrorlist.txt",
            "mirrors",
            "fedora.metalink",
        ] {
            assert!(is_list_name(name), "{name}");
        }
        for name in ["a.rpm", "mirrored", "metalink.rpm", "repomd.xml"] {
            assert!(!is_list_name(name), "{name}");
        }
    }

    #[test]
    fn a_remote_may_be_configured_with_a_list() {
        let path = |url: &str| list_of(Some(&Remote::new(url))).map(|list| list.path.to_string());
        assert_eq!(path("https://a.example/metalink?repo=b&arch=c").as_deref(), Some("metalink"));
        assert_eq!(path("https://a.example/x/mirrorlist").as_deref(), Some("mirrorlist"));
        assert_eq!(
            path("https://a.example/?release=8&arch=x&repo=y").as_deref(),
            Some("mirrorlist")
        );
        assert_eq!(path("https://a.example/linux/"), None);
        assert_eq!(path("https://a.example/linux?token=x"), None);
        assert!(list_of(None).is_none());
    }
}
