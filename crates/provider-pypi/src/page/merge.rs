use std::collections::HashSet;

use artifact_core::DocumentError;

use super::Page;

/// Unites pages of one project, the first first: of files of one name the first wins, within a
/// page too. What has no union (status, members that we do not interpret) is the first page's.
/// Versions are known only if every page knows its own.
pub(crate) fn unite(pages: Vec<Page>) -> Result<Page, DocumentError> {
    let mut pages = pages.into_iter().enumerate();
    let Some((_, mut united)) = pages.next() else {
        return Err(DocumentError::Malformed("there is no document".to_owned()));
    };
    let mut seen = HashSet::new();
    united.files.retain(|file| seen.insert(file.filename.clone()));
    for (document, page) in pages {
        for mut file in page.files {
            if seen.insert(file.filename.clone()) {
                file.document = document;
                united.files.push(file);
            }
        }
        united.versions = union(united.versions.take(), page.versions);
    }
    Ok(united)
}

fn union(first: Option<Vec<String>>, second: Option<Vec<String>>) -> Option<Vec<String>> {
    let (mut all, more) = (first?, second?);
    let known: HashSet<String> = all.iter().cloned().collect();
    all.extend(more.into_iter().filter(|version| !known.contains(version)));
    Some(all)
}
