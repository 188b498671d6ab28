use std::collections::HashSet;

use artifact_core::DocumentError;

use super::{CoreMetadata, FileRow, Page};
use crate::ProjectName;
use crate::filename::{Sidecar, version_key, version_of};
use crate::route::file_path;

/// Leaves out the files that a policy refuses, and the versions that have none left. What a file
/// promises beside itself is kept only as far as the policy admits that too: an installer that
/// is refused promised metadata gives up.
pub(crate) fn admit(page: &mut Page, admits: &dyn Fn(&str) -> bool) -> Result<(), DocumentError> {
    let project = page.project.clone();
    let admits_file = |filename: &str| admits(&file_path(&project, filename));
    let (mut admitted, refused): (Vec<FileRow>, Vec<FileRow>) =
        std::mem::take(&mut page.files).into_iter().partition(|file| admits_file(&file.filename));
    if admitted.is_empty() && !refused.is_empty() {
        return Err(DocumentError::AllDenied);
    }
    for file in &mut admitted {
        let admits_sidecar =
            |sidecar: Sidecar| admits_file(&format!("{}{}", file.filename, sidecar.suffix()));
        if file.core_metadata.is_some() && !admits_sidecar(Sidecar::Metadata) {
            file.core_metadata = Some(CoreMetadata::No);
        }
        if file.provenance.is_some() && !admits_sidecar(Sidecar::Provenance) {
            file.provenance = None;
        }
        if file.gpg_sig == Some(true) && !admits_sidecar(Sidecar::Signature) {
            file.gpg_sig = Some(false);
        }
    }
    if let Some(versions) = &mut page.versions {
        let kept = version_keys(&admitted, &project);
        let lost: HashSet<String> =
            version_keys(&refused, &project).difference(&kept).cloned().collect();
        versions.retain(|version| !lost.contains(&version_key(version)));
    }
    page.files = admitted;
    Ok(())
}

fn version_keys(files: &[FileRow], project: &ProjectName) -> HashSet<String> {
    let versions = files.iter().filter_map(|file| version_of(&file.filename, project));
    versions.map(version_key).collect()
}
