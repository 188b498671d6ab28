//! A lost file as its columns name it.

use artifact_core::RepoPath;
use artifact_core::ports::LostFile;

use crate::error::StoreError;

pub(crate) fn read(repository: &str, path: &str) -> Result<LostFile, StoreError> {
    Ok(LostFile {
        repository: repository
            .parse()
            .map_err(|error| StoreError::malformed("repository name", error))?,
        path: RepoPath::from_decoded(path).map_err(|error| StoreError::malformed("path", error))?,
    })
}
