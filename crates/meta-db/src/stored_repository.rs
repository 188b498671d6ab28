//! A repository as the databases and the file beside them hold it: its secret encrypted.

use artifact_core::ports::NewRepository;
use artifact_core::{Definition, Repository, RepositoryId, RepositoryName, Secret, Timestamp};
use serde::{Deserialize, Serialize};

use crate::definition::{StoredDefinition, StoredForm};
use crate::encryption::EncryptionKey;
use crate::error::StoreError;

/// The columns of a repository.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct StoredRepository {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) package_type: String,
    pub(crate) description: String,
    pub(crate) managed_by: String,
    pub(crate) revision: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) definition: String,
    #[serde(with = "base64_text")]
    pub(crate) secret: Option<Vec<u8>>,
}

impl StoredRepository {
    /// What it means, with its secret decrypted.
    pub(crate) fn open(self, key: &EncryptionKey) -> Result<Repository, StoreError> {
        let name: RepositoryName =
            self.name.parse().map_err(|error| StoreError::malformed("repository name", error))?;
        let package_type = self.package_type.parse();
        let (definition, private) =
            definition(&name, &self.definition, self.secret.as_deref(), key)?;
        Ok(Repository {
            id: RepositoryId(self.id),
            package_type: package_type
                .map_err(|error| StoreError::malformed("package type", error))?,
            description: self.description,
            managed_by: self.managed_by,
            private,
            revision: self.revision,
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
            definition,
            name,
        })
    }
}

fn definition(
    name: &RepositoryName,
    text: &str,
    sealed: Option<&[u8]>,
    key: &EncryptionKey,
) -> Result<(Definition, bool), StoreError> {
    let StoredForm { definition, private } =
        serde_json::from_str(text).map_err(|error| StoreError::malformed("definition", error))?;
    let Some(sealed) = sealed else { return Ok((definition.put_together(None), private)) };
    let secret = key.open(name.as_str(), sealed).ok_or_else(|| StoreError::credential(name))?;
    Ok((definition.put_together(Some(Secret::new(secret.as_str()))), private))
}

/// The columns `definition` and `secret` of `new`.
pub(crate) fn seal(
    key: &EncryptionKey,
    new: &NewRepository,
) -> Result<(String, Option<Vec<u8>>), StoreError> {
    let (definition, secret) = StoredDefinition::take_apart(&new.definition);
    let text = serde_json::to_string(&StoredForm { definition, private: new.private })
        .map_err(|error| StoreError::malformed("definition", error))?;
    let seal = |secret: &Secret| {
        key.seal(new.name.as_str(), secret.expose()).ok_or(StoreError::Encryption)
    };
    Ok((text, secret.map(seal).transpose()?))
}

/// Whether the name belongs to a repository that cannot become the new one.
pub(crate) fn is_another(stored: &Repository, new: &NewRepository) -> bool {
    stored.kind() != new.definition.kind() || stored.package_type != new.package_type
}

/// Whether storing `new` would change nothing, as far as the stored form can tell.
pub(crate) fn is_the_same(stored: &Repository, new: &NewRepository) -> bool {
    stored.description == new.description
        && stored.managed_by == new.managed_by
        && stored.private == new.private
        && StoredDefinition::take_apart(&stored.definition)
            == StoredDefinition::take_apart(&new.definition)
}

/// Bytes in JSON.
mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    #[expect(clippy::ref_option, reason = "serde hands over what the field is")]
    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|bytes| STANDARD.encode(bytes)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| STANDARD.decode(text).map_err(de::Error::custom)).transpose()
    }
}
