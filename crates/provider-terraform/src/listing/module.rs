//! The versions of a module.

use artifact_core::{DocumentError, Facts, RewriteContext, Rewritten, SourceDocument};
use formats::json::{Kind, Reader, Span};

use super::entry::read_list;
use super::{Entry, List, Selection, Verdict, registry_form};
use crate::document::{Unreadable, once, read_object, text_of};
use crate::name::ModuleName;

pub(crate) fn check(document: &SourceDocument<'_>) -> Result<(), Unreadable> {
    read(document).map(drop)
}

pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let lists = documents.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let name = documents.first().and_then(|document| ModuleName::of_path(document.path));
    let name = name.ok_or(Unreadable::Other("the document belongs to no module"))?;
    let judge = |entry: &Entry<'_>| match name.release(&entry.version) {
        None => Verdict::Unusable,
        Some(release) if (context.admits)(&release.download_path()) => Verdict::Shown(Vec::new()),
        Some(_) => Verdict::Denied,
    };
    let selection = Selection::of(&lists, judge)?;
    Ok(Rewritten { renditions: vec![registry_form(&selection)], facts: Facts::default() })
}

/// Clients read the first module of the document, which is the one that was asked for.
fn read<'t>(document: &SourceDocument<'t>) -> Result<List<'t>, Unreadable> {
    let text = text_of(document)?;
    let (mut modules, mut found) = (None, None);
    read_object(text, |key, value| {
        if !key.is("modules") {
            return Ok(());
        }
        let mut is_first = true;
        let span = value.array(|module| {
            if std::mem::take(&mut is_first) {
                found = Some(read_module(module)?);
            }
            Ok::<(), Unreadable>(())
        })?;
        once(&mut modules, span, "modules")
    })?;
    modules.ok_or(Unreadable::Missing("modules"))?;
    let (span, entries) = found.ok_or(Unreadable::Missing("modules"))?;
    Ok(List { text, span: Some(span), entries })
}

fn read_module<'t>(reader: &mut Reader<'t>) -> Result<(Span, Vec<Entry<'t>>), Unreadable> {
    if reader.kind()? != Kind::Object {
        return Err(Unreadable::Missing("modules"));
    }
    let mut found = None;
    reader.object(|key, value| {
        if key.is("versions") {
            return once(&mut found, read_list(value, "versions")?, "versions");
        }
        Ok::<(), Unreadable>(())
    })?;
    found.ok_or(Unreadable::Missing("versions"))
}
