//! The configuration as the serving path sees it: immutable, compiled, swapped as a whole.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use artifact_core::ports::{Change, UpstreamTarget};
use artifact_core::{
    Definition, Error, ErrorKind, MountPoint, Provider, Repository, RepositoryId, RepositoryKind,
    RepositoryName, Result,
};

use crate::mount::{Mount, mount_path};
use crate::policy::{Denial, Rules};
use crate::providers::Providers;
use crate::statistics::{Counters, Statistics};

/// All repositories at one generation of the configuration.
#[derive(Debug, Default)]
pub struct Snapshot {
    generation: i64,
    by_name: HashMap<RepositoryName, Arc<Mounted>>,
    by_id: HashMap<RepositoryId, Arc<Mounted>>,
    private: HashSet<RepositoryName>,
}

/// A repository ready to serve: compiled rules, resolved provider.
#[derive(Debug)]
pub struct Mounted {
    /// The stored configuration.
    pub repository: Repository,
    /// The rule book of its type.
    pub provider: Arc<dyn Provider>,
    /// The compiled rules; open on anything but a remote.
    pub rules: Rules,
    /// How to reach upstream; on remotes only.
    pub upstream: Option<Arc<UpstreamTarget>>,
    /// What is counted for it; survives changes of the configuration.
    pub counters: Arc<Counters>,
}

impl Mounted {
    /// Compiles one repository. Fails for a type without a provider, a base URL or a pattern
    /// that this version does not accept.
    pub(crate) fn compile(
        repository: Repository,
        providers: &Providers,
        statistics: &Statistics,
    ) -> Result<Self> {
        let provider = providers.get(repository.package_type.as_str()).ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                format!("package type {} is not part of this server", repository.package_type),
            )
        })?;
        let (rules, upstream) = match &repository.definition {
            Definition::Remote(remote) => {
                let rules = Rules::compile(remote).map_err(|_| {
                    let text = format!("a pattern of remote {} does not compile", repository.name);
                    Error::new(ErrorKind::Unavailable, text)
                })?;
                (rules, Some(Arc::new(upstream_target(&repository, remote)?)))
            }
            Definition::Local(_) | Definition::Virtual(_) => (Rules::open(), None),
        };
        let counters = statistics.counters(repository.id);
        Ok(Self { repository, provider, rules, upstream, counters })
    }

    /// The database's number.
    pub fn id(&self) -> RepositoryId {
        self.repository.id
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.repository.name.as_str()
    }

    /// The kind.
    pub fn kind(&self) -> RepositoryKind {
        self.repository.kind()
    }

    /// Why the operator's rules refuse a path, if they do. Of a registry they speak of the names that it holds, whatever
    /// of a name is asked for.
    pub fn denial(&self, path: &str) -> Option<Denial<'_>> {
        let subject = match self.provider.mount_point() {
            MountPoint::Package => path,
            MountPoint::Registry => path.split_once("/_").map_or(path, |(name, _)| name),
        };
        self.rules.denial(subject)
    }

    /// Whether upstream is shown a credential.
    pub(crate) fn has_credential(&self) -> bool {
        self.upstream.as_ref().is_some_and(|upstream| upstream.credential.is_some())
    }

    /// Its path below our origin, without a trailing slash.
    pub fn path(&self) -> String {
        mount_path(self.provider.mount_point(), self.kind(), self.name())
    }
}

fn upstream_target(
    repository: &Repository,
    remote: &artifact_core::Remote,
) -> Result<UpstreamTarget> {
    let base_url = url::Url::parse(&remote.base_url).map_err(|error| {
        let text = format!("the base URL of remote {} is not a URL", repository.name);
        Error::new(ErrorKind::Unavailable, text).with_source(error)
    })?;
    Ok(UpstreamTarget {
        id: repository.id,
        revision: repository.revision,
        name: repository.name.clone(),
        base_url,
        credential: remote.credential.clone(),
        allowed_hosts: remote.allowed_hosts.clone(),
        ca_certificates: remote.ca_certificates.clone(),
    })
}

impl Snapshot {
    /// Compiles a configuration. A repository that does not compile is left out and
    /// reported, so that one broken row never takes the others down.
    pub(crate) fn compile(
        change: Change,
        providers: &Providers,
        statistics: &Statistics,
    ) -> (Self, Vec<Error>) {
        let mut snapshot = Self { generation: change.generation, ..Self::default() };
        let mut errors = Vec::new();
        for repository in change.repositories {
            match Mounted::compile(repository, providers, statistics) {
                Ok(mounted) => snapshot.insert(Arc::new(mounted)),
                Err(error) => errors.push(error),
            }
        }
        snapshot.private = snapshot.find_private();
        (snapshot, errors)
    }

    /// What is marked as private, and every virtual repository over it: two replicas may have written at once what
    /// neither would have accepted after the other.
    fn find_private(&self) -> HashSet<RepositoryName> {
        let is_marked = |mounted: &&Arc<Mounted>| mounted.repository.private;
        let name = |mounted: &Arc<Mounted>| mounted.repository.name.clone();
        let mut private: HashSet<_> = self.all().filter(is_marked).map(name).collect();
        loop {
            let exposes = |mounted: &&Arc<Mounted>| match &mounted.repository.definition {
                Definition::Virtual(virtual_) => {
                    !private.contains(&mounted.repository.name)
                        && virtual_.members.iter().any(|member| private.contains(member))
                }
                Definition::Remote(_) | Definition::Local(_) => false,
            };
            let found: Vec<_> = self.all().filter(exposes).map(name).collect();
            if found.is_empty() {
                return private;
            }
            private.extend(found);
        }
    }

    fn insert(&mut self, mounted: Arc<Mounted>) {
        self.by_id.insert(mounted.id(), Arc::clone(&mounted));
        self.by_name.insert(mounted.repository.name.clone(), mounted);
    }

    /// The generation of the configuration that this snapshot shows.
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// The repository of that name, whatever its kind.
    pub fn find(&self, name: &str) -> Option<&Arc<Mounted>> {
        self.by_name.get(name)
    }

    /// Whether reading the repository of that name needs a permission: it is private, or a virtual repository over
    /// one that is.
    pub fn is_private(&self, name: &str) -> bool {
        self.private.contains(name)
    }

    /// The repository of that name that is addressed in that way.
    pub fn mounted(&self, mount: Mount, name: &str) -> Option<&Arc<Mounted>> {
        let is_addressed = |mounted: &&Arc<Mounted>| {
            mount.addresses(mounted.provider.mount_point(), mounted.kind())
        };
        self.find(name).filter(is_addressed)
    }

    /// The repository of that name that is addressed in that way, or the 404 that says what is missing.
    pub fn require(&self, mount: Mount, name: &str) -> Result<&Arc<Mounted>> {
        self.mounted(mount, name).ok_or_else(|| {
            let text = match mount {
                Mount::Package(kind) => format!("no {kind} repository has this name"),
                Mount::Registry => "no repository of this registry has this name".to_owned(),
                Mount::Root => "the repository of this host is not part of the registry".to_owned(),
            };
            Error::new(ErrorKind::NotFound, text)
        })
    }

    /// The repository of that number.
    pub fn by_id(&self, id: RepositoryId) -> Option<&Arc<Mounted>> {
        self.by_id.get(&id)
    }

    /// Every repository, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Mounted>> {
        self.by_name.values()
    }

    /// The members of a virtual repository in order. A member that is missing from the
    /// snapshot is an error: a virtual repository never silently shrinks.
    pub fn members(&self, names: &[RepositoryName]) -> Result<Vec<Arc<Mounted>>> {
        names
            .iter()
            .map(|name| {
                self.find(name.as_str()).map(Arc::clone).ok_or_else(|| {
                    let text = format!("member {name} of this virtual repository is not available");
                    Error::new(ErrorKind::Unavailable, text)
                })
            })
            .collect()
    }
}
