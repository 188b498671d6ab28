//! The versions of a provider.

use std::collections::HashMap;

use artifact_core::{
    DocumentError, Facts, FileFact, Rendition, RewriteContext, Rewritten, SourceDocument,
};
use url::Url;

use super::entry::read_list;
use super::selection::Shown;
use super::{Entry, List, Selection, Verdict, registry_form, rendition};
use crate::document::{Unreadable, once, read_object, text_of, url_of};
use crate::name::{Platform, ProviderName, Release};
use crate::output::Output;
use crate::route::MIRROR;

pub(crate) fn check(document: &SourceDocument<'_>) -> Result<(), Unreadable> {
    read(document).map(drop)
}

/// The list in both forms. Of versions that the clients cannot read, one alone would fail them all.
pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let lists = documents.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let name = documents.first().and_then(|document| ProviderName::of_path(document.path));
    let name = name.ok_or(Unreadable::Other("the document belongs to no provider"))?;
    let selection = Selection::of(&lists, |entry| judge(&name, entry, context.admits))?;
    let renditions = vec![registry_form(&selection), mirror_form(&selection)];
    Ok(Rewritten { renditions, facts: facts(&name, &selection, documents) })
}

fn read<'t>(document: &SourceDocument<'t>) -> Result<List<'t>, Unreadable> {
    let text = text_of(document)?;
    let mut found = None;
    read_object(text, |key, value| {
        if key.is("versions") {
            return once(&mut found, read_list(value, "versions")?, "versions");
        }
        Ok(())
    })?;
    let (span, entries) = found.ok_or(Unreadable::Missing("versions"))?;
    Ok(List { text, span: Some(span), entries })
}

/// A version is shown with the platforms whose packages a policy admits.
fn judge(name: &ProviderName, entry: &Entry<'_>, admits: &dyn Fn(&str) -> bool) -> Verdict {
    let Some(release) = name.release(&entry.version) else { return Verdict::Unusable };
    let is_admitted = |platform: &Platform| {
        let package = release.package(platform.clone());
        package.is_admitted(&package.usual_zip(), admits)
    };
    let listed = entry.platforms.as_ref().filter(|platforms| platforms.count > 0);
    let Some(platforms) = listed else {
        let is_shown = is_admitted(&Platform::usual());
        return if is_shown { Verdict::Shown(Vec::new()) } else { Verdict::Denied };
    };
    let known = platforms.known.iter();
    let shown: Vec<_> =
        known.filter(|(_, platform)| is_admitted(platform)).map(|(span, _)| *span).collect();
    match (shown.is_empty(), platforms.known.is_empty()) {
        (false, _) => Verdict::Shown(shown),
        (true, false) => Verdict::Denied,
        (true, true) => Verdict::Unusable,
    }
}

fn mirror_form(selection: &Selection<'_, '_>) -> Rendition {
    let mut out = Output::default();
    out.push("{\"versions\":{");
    out.list(&selection.shown, |out, shown| {
        out.quote(&shown.entry.version);
        out.push(":{}");
    });
    out.push("}}");
    rendition(MIRROR, out.finish())
}

/// Where the document is that speaks for all packages of a version: that of its first platform.
fn facts(
    name: &ProviderName,
    selection: &Selection<'_, '_>,
    documents: &[SourceDocument<'_>],
) -> Facts {
    let urls: Vec<_> = documents.iter().map(url_of).collect();
    let fact = |shown: &Shown<'_, '_>| {
        let release = name.release(&shown.entry.version)?;
        let url = urls.get(shown.document)?.as_ref()?;
        let usual = Platform::usual();
        let platform = shown.first_platform().unwrap_or(&usual);
        let url = download_url(&release, platform, url)?;
        let fact = FileFact { document: shown.document, url, ..FileFact::default() };
        Some((release.archives_path(), fact))
    };
    let files: HashMap<_, _> = selection.shown.iter().filter_map(fact).collect();
    Facts { files, ..Facts::default() }
}

/// The document of a package stands beside the list of versions.
fn download_url(release: &Release, platform: &Platform, versions: &Url) -> Option<String> {
    let Platform { os, arch } = platform;
    let reference = format!("./{}/download/{os}/{arch}", release.version);
    let mut url = versions.join(&artifact_core::encode_path(&reference)).ok()?;
    url.set_query(None);
    Some(url.into())
}
