//! Scopes in the words of container registries: `repository:<name>:<actions>`. Pure.
//!
//! The first segment of a name is the repository here; the rest is the image in it. Under a host that stands for a
//! repository every name is one of its images.

use artifact_core::{Permission, RepositoryName};
use artifact_engine::Mount;
use http::Method;

use crate::action::{Extent, PackageRoute};

/// The most repositories of one request; whoever asks for more gets less than asked.
const MOST: usize = 32;

/// What a route needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RegistryAccess {
    /// Reading.
    Pull,
    /// Storing.
    Push,
    /// Deleting.
    Delete,
}

/// The scope that a client has to ask for: `repository:<name>:pull`, with `push` or `delete`.
pub fn registry_scope(name: &str, access: RegistryAccess) -> String {
    let actions = match access {
        RegistryAccess::Pull => "pull",
        RegistryAccess::Push => "pull,push",
        RegistryAccess::Delete => "pull,delete",
    };
    format!("repository:{name}:{actions}")
}

/// The scope that a request to a registry needs: of the name in its path, as far as there is one, as its client
/// writes it.
pub(crate) fn needed_scope(route: PackageRoute<'_>, method: &Method) -> Option<String> {
    let access = match *method {
        Method::GET | Method::HEAD => RegistryAccess::Pull,
        Method::DELETE => RegistryAccess::Delete,
        _ => RegistryAccess::Push,
    };
    let (repository, image) = (route.repository, image(route.path));
    let name = match (route.mount, image) {
        (Mount::Root, "") => return None,
        (Mount::Root, image) => image.to_owned(),
        (_, "") => repository.to_owned(),
        (_, image) => format!("{repository}/{image}"),
    };
    Some(registry_scope(&name, access))
}

/// The image in the path of a request, which may have the words of the protocol as segments: what follows it is
/// found from the end.
fn image(path: &str) -> &str {
    let path = path.strip_suffix('/').unwrap_or(path);
    let before = |tail: &str| path.strip_suffix(tail).and_then(|path| path.strip_suffix('/'));
    if let Some(image) = before("blobs/uploads").or_else(|| before("tags/list")) {
        return image;
    }
    let Some((path, _)) = path.rsplit_once('/') else { return "" };
    let behind = ["blobs/uploads", "manifests", "blobs", "referrers"];
    behind
        .into_iter()
        .find_map(|tail| path.strip_suffix(tail)?.strip_suffix('/'))
        .unwrap_or_default()
}

/// What is asked for one repository.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RegistryGrant {
    pub(crate) repository: RepositoryName,
    pub(crate) pull: bool,
    pub(crate) push: bool,
}

impl RegistryGrant {
    /// The grant as far as `holds` says that somebody has it; `None` if nothing is left.
    pub(crate) fn limited_to(self, holds: impl Fn(Permission<'_>) -> bool) -> Option<Self> {
        let name = self.repository.as_str();
        let push = self.push && holds(Permission::Write(name));
        let pull = push || (self.pull && holds(Permission::Read(name)));
        pull.then_some(Self { pull, push, ..self })
    }
}

/// What the scopes in `texts`, several of which may stand in one, ask for: one grant for each repository. What is no
/// scope of a repository is left out. `extent` is what their writer sees of the registry.
pub(crate) fn requested_grants<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    extent: Extent<'_>,
) -> Vec<RegistryGrant> {
    let mut grants: Vec<RegistryGrant> = Vec::new();
    let scopes = texts.into_iter().flat_map(str::split_ascii_whitespace);
    for asked in scopes.filter_map(|scope| parse(scope, extent)) {
        let known = grants.iter_mut().find(|grant| grant.repository == asked.repository);
        if let Some(known) = known {
            known.pull |= asked.pull;
            known.push |= asked.push;
        } else if grants.len() < MOST {
            grants.push(asked);
        }
    }
    grants
}

/// Read from both ends, because the name may hold colons.
fn parse(scope: &str, extent: Extent<'_>) -> Option<RegistryGrant> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    // The type may be followed by a class in parentheses.
    let kind = kind.split_once('(').map_or(kind, |(kind, _)| kind);
    let repository = match extent {
        Extent::All => name.split('/').next()?,
        Extent::One(repository) => repository,
    };
    let repository = repository.parse().ok()?;
    if kind != "repository" {
        return None;
    }
    let has = |wanted: &[&str]| actions.split(',').any(|action| wanted.contains(&action));
    let grant = RegistryGrant {
        repository,
        pull: has(&["pull", "*"]),
        push: has(&["push", "delete", "*"]),
    };
    (grant.pull || grant.push).then_some(grant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_needs_the_scope_of_the_image_in_its_path() {
        for (request, expected) in [
            ("GET team/app/manifests/v1", "repository:r/team/app:pull"),
            ("HEAD manifests/manifests/latest", "repository:r/manifests:pull"),
            ("PUT app/manifests/v1", "repository:r/app:pull,push"),
            ("POST app/blobs/uploads/", "repository:r/app:pull,push"),
            ("POST app/blobs/uploads", "repository:r/app:pull,push"),
            ("PATCH app/blobs/uploads/0-1", "repository:r/app:pull,push"),
            ("DELETE app/blobs/sha256:ab", "repository:r/app:pull,delete"),
            ("GET a/tags/list", "repository:r/a:pull"),
            ("GET a/referrers/sha256:ab", "repository:r/a:pull"),
            ("GET other", "repository:r:pull"),
        ] {
            let (method, path) = request.split_once(' ').unwrap();
            let route = |mount| PackageRoute { mount, repository: "r", path };
            let scope = |mount| needed_scope(route(mount), &method.parse().unwrap());
            assert_eq!(scope(Mount::Registry).as_deref(), Some(expected), "{request}");
            // What the host says the client does not see.
            let nameless = expected.contains("r/").then(|| expected.replacen("r/", "", 1));
            assert_eq!(scope(Mount::Root), nameless, "{request}");
        }
    }

    fn grant(repository: &str, pull: bool, push: bool) -> RegistryGrant {
        RegistryGrant { repository: repository.parse().unwrap(), pull, push }
    }

    #[test]
    fn scopes_name_a_repository_and_what_to_do_in_it() {
        for (scope, expected) in [
            ("repository:hub/library/alpine:pull", Some(grant("hub", true, false))),
            ("repository:hub/app:pull,push", Some(grant("hub", true, true))),
            ("repository:hub/app:push", Some(grant("hub", false, true))),
            ("repository:hub/app:delete", Some(grant("hub", false, true))),
            ("repository:hub/app:*", Some(grant("hub", true, true))),
            ("repository(plugin):hub/app:pull", Some(grant("hub", true, false))),
            ("repository:hub:pull", Some(grant("hub", true, false))),
            ("repository:host:5000/hub/app:pull", None),
            ("repository:hub/app:fly", None),
            ("repository:hub/app:", None),
            ("repository:HUB/app:pull", None),
            ("repository:pull", None),
            ("registry:catalog:*", None),
            ("", None),
        ] {
            assert_eq!(parse(scope, Extent::All), expected, "{scope}");
        }
    }

    #[test]
    fn what_is_asked_of_one_repository_is_one_grant() {
        let texts = ["repository:a/x:pull repository:b/y:pull", "repository:a/z:push", "junk"];
        let granted = requested_grants(texts, Extent::All);
        assert_eq!(granted, [grant("a", true, true), grant("b", true, false)]);
        assert_eq!(requested_grants(texts, Extent::One("c")), [grant("c", true, true)]);
        let many: Vec<_> = (0..40).map(|n| format!("repository:r{n}/x:pull")).collect();
        let granted = requested_grants(many.iter().map(String::as_str), Extent::All);
        assert_eq!(granted.len(), MOST);
    }

    #[test]
    fn a_grant_is_what_is_asked_and_held() {
        let reader = |permission: Permission<'_>| matches!(permission, Permission::Read(_));
        let all = |_: Permission<'_>| true;
        let nobody = |_: Permission<'_>| false;
        assert_eq!(grant("a", true, true).limited_to(reader), Some(grant("a", true, false)));
        assert_eq!(grant("a", false, true).limited_to(reader), None);
        assert_eq!(grant("a", true, false).limited_to(all), Some(grant("a", true, false)));
        assert_eq!(grant("a", false, true).limited_to(all), Some(grant("a", true, true)));
        assert_eq!(grant("a", true, true).limited_to(nobody), None);
    }

    #[test]
    fn a_route_names_the_scope_that_it_needs() {
        for (access, expected) in [
            (RegistryAccess::Pull, "repository:hub/app:pull"),
            (RegistryAccess::Push, "repository:hub/app:pull,push"),
            (RegistryAccess::Delete, "repository:hub/app:pull,delete"),
        ] {
            let scope = registry_scope("hub/app", access);
            assert_eq!(scope, expected);
            assert!(parse(&scope, Extent::All).is_some());
        }
    }
}
