//! Stored repositories as the API shows them.

use std::collections::HashMap;
use std::sync::Arc;

use admin_types::{
    Kind, LocalRepository, Problem, RemoteRepository, Repository, Versioned, VirtualRepository,
};
use artifact_core::ports::{Upstream, Usage};
use artifact_core::{
    Credential, Definition, Local, MountPoint, Remote, RepositoryId, RepositoryKind, Timestamp,
    Virtual,
};

use super::problem::from_error;
use super::{Admin, status};
use crate::mount::{mount_path, mount_url};
use crate::providers::Providers;
use crate::snapshot::Snapshot;

/// What is needed to show repositories.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) upstream: &'a dyn Upstream,
    public_url: Option<&'a str>,
    providers: &'a Providers,
    usage: HashMap<RepositoryId, Usage>,
}

impl<'a> View<'a> {
    /// A view of `admin`'s repositories; sizes are asked for only `with_usage`.
    pub(super) async fn load(admin: &'a Admin, with_usage: bool) -> Result<Self, Problem> {
        let usage = if with_usage {
            admin.meta().usage().await.map_err(from_error)?.0.into_iter().collect()
        } else {
            HashMap::new()
        };
        Ok(Self {
            snapshot: admin.engine.configuration().snapshot(),
            providers: &admin.engine.parts().providers,
            upstream: &*admin.engine.parts().upstream,
            public_url: admin.engine.settings().public_url.as_deref(),
            usage,
        })
    }

    /// How much a repository holds, as far as it was asked for.
    pub(super) fn usage(&self, id: RepositoryId) -> Usage {
        self.usage.get(&id).copied().unwrap_or_default()
    }

    /// A stored repository with its entity tag.
    pub(super) fn versioned(
        &self,
        repository: &artifact_core::Repository,
    ) -> Versioned<Repository> {
        Versioned { etag: etag(repository), value: self.repository(repository) }
    }

    /// A repository.
    pub(super) fn repository(&self, stored: &artifact_core::Repository) -> Repository {
        match &stored.definition {
            Definition::Remote(remote) => Repository::Remote(Box::new(self.remote(stored, remote))),
            Definition::Local(local) => Repository::Local(self.local(stored, local)),
            Definition::Virtual(virtual_) => Repository::Virtual(self.virtual_(stored, virtual_)),
        }
    }

    fn remote(&self, stored: &artifact_core::Repository, remote: &Remote) -> RemoteRepository {
        let password =
            remote.credential.as_ref().filter(|credential| !credential.secret.expose().is_empty());
        RemoteRepository {
            name: stored.name.to_string(),
            package_type: stored.package_type.to_string(),
            base_url: remote.base_url.clone(),
            description: stored.description.clone(),
            immutable_ttl: remote.immutable_ttl.as_secs(),
            mutable_ttl: remote.mutable_ttl.as_secs(),
            patterns: remote.patterns.clone(),
            blocklist: remote.blocklist.clone(),
            mutable_patterns: remote.mutable_patterns.clone(),
            immutable_patterns: remote.immutable_patterns.clone(),
            ban_tags_enabled: remote.ban_tags_enabled,
            ban_tags: remote.ban_tags.clone(),
            username: remote.credential.as_ref().map(user_name).unwrap_or_default(),
            has_password: password.is_some(),
            credentials_updated_at: password.map(|credential| credential.updated_at.to_rfc3339()),
            allowed_hosts: remote.allowed_hosts.clone(),
            ca_certificates: remote.ca_certificates.clone(),
            strict_freshness: remote.strict_freshness,
            verify_before_serve: remote.verify_before_serve,
            forbidden_means_missing: remote.forbidden_means_missing,
            offline: remote.offline,
            private: stored.private,
            managed_by: stored.managed_by.clone(),
            url: self.url(stored),
            created_at: stored.created_at.to_rfc3339(),
            updated_at: stored.updated_at.to_rfc3339(),
            status: status::of(stored, &self.snapshot, self.upstream),
        }
    }

    fn local(&self, stored: &artifact_core::Repository, local: &Local) -> LocalRepository {
        let usage = self.usage(stored.id);
        LocalRepository {
            name: stored.name.to_string(),
            package_type: stored.package_type.to_string(),
            description: stored.description.clone(),
            allow_overwrite: local.allow_overwrite,
            private: stored.private,
            managed_by: stored.managed_by.clone(),
            url: self.url(stored),
            objects: usage.objects,
            stored_bytes: usage.logical_bytes,
            created_at: stored.created_at.to_rfc3339(),
            updated_at: stored.updated_at.to_rfc3339(),
            status: status::of(stored, &self.snapshot, self.upstream),
        }
    }

    fn virtual_(
        &self,
        stored: &artifact_core::Repository,
        virtual_: &Virtual,
    ) -> VirtualRepository {
        VirtualRepository {
            name: stored.name.to_string(),
            package_type: stored.package_type.to_string(),
            members: virtual_.members.iter().map(ToString::to_string).collect(),
            merge_versions: virtual_.merge_versions,
            deployment: virtual_.deployment.as_ref().map(ToString::to_string),
            description: stored.description.clone(),
            private: stored.private,
            managed_by: stored.managed_by.clone(),
            url: self.url(stored),
            created_at: stored.created_at.to_rfc3339(),
            updated_at: stored.updated_at.to_rfc3339(),
            status: status::of(stored, &self.snapshot, self.upstream),
        }
    }

    fn url(&self, stored: &artifact_core::Repository) -> String {
        let provider = self.providers.get(stored.package_type.as_str());
        let point = provider.map_or(MountPoint::Package, |provider| provider.mount_point());
        match self.public_url {
            Some(origin) => mount_url(origin, point, stored.kind(), stored.name.as_str()),
            None => mount_path(point, stored.kind(), stored.name.as_str()),
        }
    }
}

fn user_name(credential: &Credential) -> String {
    credential.username.clone()
}

/// The strong entity tag of a stored repository: numbers are never reused, so that a
/// repository created again under the same name has another tag.
pub(super) fn etag(repository: &artifact_core::Repository) -> String {
    format!("\"{}-{}\"", repository.id, repository.revision)
}

/// The kind as the API names it.
pub(super) fn kind_of(repository: &artifact_core::Repository) -> Kind {
    api_kind(repository.kind())
}

/// The kind as the API names it.
pub(super) fn api_kind(kind: RepositoryKind) -> Kind {
    match kind {
        RepositoryKind::Remote => Kind::Remote,
        RepositoryKind::Local => Kind::Local,
        RepositoryKind::Virtual => Kind::Virtual,
    }
}

/// A moment that may be absent.
pub(super) fn moment(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::to_rfc3339)
}
