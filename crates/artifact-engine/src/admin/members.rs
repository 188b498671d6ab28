//! Members of virtual repositories: who may be one. Pure.

use std::collections::HashSet;

use admin_types::closest;
use artifact_core::{Definition, PackageType, Repository, RepositoryName};

/// What is wrong with one member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Flaw {
    pub(super) index: usize,
    pub(super) code: &'static str,
    pub(super) detail: String,
}

/// Everything that is wrong with `members` of the virtual repository `name`.
pub(super) fn flaws<'m>(
    name: &str,
    package_type: Option<&PackageType>,
    members: &'m [String],
    stored: &[Repository],
) -> Vec<Flaw> {
    let mut seen = HashSet::new();
    let judge = |(index, member): (usize, &'m String)| {
        let is_repeated = !seen.insert(member.as_str());
        let (code, detail) = if is_repeated {
            ("duplicate", format!("{member:?} is already a member"))
        } else {
            flaw(name, package_type, member, stored)?
        };
        Some(Flaw { index, code, detail })
    };
    members.iter().enumerate().filter_map(judge).collect()
}

fn flaw(
    name: &str,
    package_type: Option<&PackageType>,
    member: &str,
    stored: &[Repository],
) -> Option<(&'static str, String)> {
    if member == name {
        return Some(("cycle", "a virtual repository cannot be its own member".into()));
    }
    let Some(repository) = find(member, stored) else {
        let names = stored.iter().map(|repository| repository.name.as_str());
        let hint = closest(member, names).map(|meant| format!(", did you mean {meant:?}?"));
        let hint = hint.unwrap_or_default();
        return Some(("unknown_member", format!("there is no repository {member:?}{hint}")));
    };
    if package_type.is_some_and(|wanted| *wanted != repository.package_type) {
        let found = &repository.package_type;
        return Some(("type_mismatch", format!("{member} is of package type {found}")));
    }
    reaches(repository, name, stored)
        .then(|| ("cycle", format!("{member} leads back to {name} through its own members")))
}

/// Whether `target` is among the members of `start` or of their members.
fn reaches(start: &Repository, target: &str, stored: &[Repository]) -> bool {
    let mut visited = HashSet::new();
    let mut waiting = vec![start];
    while let Some(repository) = waiting.pop() {
        if !visited.insert(repository.name.as_str()) {
            continue;
        }
        let Definition::Virtual(virtual_) = &repository.definition else { continue };
        if virtual_.members.iter().any(|member| member.as_str() == target) {
            return true;
        }
        waiting.extend(virtual_.members.iter().filter_map(|name| find(name.as_str(), stored)));
    }
    false
}

/// The virtual repositories that name `member`.
pub(super) fn virtuals_of<'s>(
    member: &'s str,
    stored: &'s [Repository],
) -> impl Iterator<Item = &'s str> {
    let names_it = move |repository: &&Repository| match &repository.definition {
        Definition::Virtual(virtual_) => {
            virtual_.members.iter().any(|name| name.as_str() == member)
        }
        Definition::Remote(_) | Definition::Local(_) => false,
    };
    stored.iter().filter(names_it).map(|repository| repository.name.as_str())
}

/// The virtual repositories that name `member` and may be read by everybody.
pub(super) fn public_virtuals_of<'s>(
    member: &'s str,
    stored: &'s [Repository],
) -> impl Iterator<Item = &'s str> {
    let is_public = move |name: &&str| find(name, stored).is_some_and(|found| !found.private);
    virtuals_of(member, stored).filter(is_public)
}

/// The members that may not be read by everybody, with their places.
pub(super) fn private_ones<'m>(
    members: &'m [RepositoryName],
    stored: &[Repository],
) -> impl Iterator<Item = (usize, &'m RepositoryName)> {
    let is_private = move |(_, name): &(usize, &RepositoryName)| {
        find(name.as_str(), stored).is_some_and(|found| found.private)
    };
    members.iter().enumerate().filter(is_private)
}

fn find<'s>(name: &str, stored: &'s [Repository]) -> Option<&'s Repository> {
    stored.iter().find(|repository| repository.name.as_str() == name)
}

#[cfg(test)]
mod tests {
    use artifact_core::{Local, RepositoryId, Timestamp, Virtual};

    use super::*;

    fn repository(name: &str, package_type: &str, members: Option<&[&str]>) -> Repository {
        let definition = match members {
            None => Definition::Local(Local::default()),
            Some(members) => Definition::Virtual(Virtual {
                members: members.iter().map(|name| name.parse().unwrap()).collect(),
                merge_versions: false,
                deployment: None,
            }),
        };
        Repository {
            id: RepositoryId(1),
            name: name.parse().unwrap(),
            package_type: package_type.parse().unwrap(),
            description: String::new(),
            managed_by: String::new(),
            private: false,
            revision: 1,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
            definition,
        }
    }

    #[test]
    fn each_flaw_points_at_its_member() {
        let stored = [
            repository("hosted", "npm", None),
            repository("other", "pypi", None),
            repository("inner", "npm", Some(&["middle"])),
            repository("middle", "npm", Some(&["all", "hosted"])),
        ];
        let members = ["hosted", "other", "hosetd", "inner", "all", "hosted"].map(String::from);
        let package_type = "npm".parse().unwrap();
        let found: Vec<_> = flaws("all", Some(&package_type), &members, &stored)
            .into_iter()
            .map(|flaw| (flaw.index, flaw.code))
            .collect();
        assert_eq!(
            found,
            [
                (1, "type_mismatch"),
                (2, "unknown_member"),
                (3, "cycle"),
                (4, "cycle"),
                (5, "duplicate"),
            ]
        );
    }

    #[test]
    fn nested_virtuals_without_a_cycle_are_fine() {
        let stored =
            [repository("hosted", "npm", None), repository("inner", "npm", Some(&["hosted"]))];
        let members = ["inner".to_owned(), "hosted".to_owned()];
        assert_eq!(flaws("outer", None, &members, &stored), []);
    }

    #[test]
    fn an_existing_cycle_does_not_hang_the_check() {
        let stored = [repository("a", "npm", Some(&["b"])), repository("b", "npm", Some(&["a"]))];
        assert_eq!(flaws("c", None, &["a".to_owned()], &stored), []);
    }

    #[test]
    fn the_virtuals_of_a_member_are_found() {
        let stored = [
            repository("hosted", "npm", None),
            repository("one", "npm", Some(&["hosted"])),
            repository("two", "npm", Some(&["one"])),
        ];
        assert_eq!(virtuals_of("hosted", &stored).collect::<Vec<_>>(), ["one"]);
    }

    #[test]
    fn what_would_show_a_private_member_to_everybody_is_found() {
        let stored = [
            Repository { private: true, ..repository("secret", "npm", None) },
            repository("hosted", "npm", None),
            repository("open", "npm", Some(&["hosted", "secret"])),
            Repository { private: true, ..repository("closed", "npm", Some(&["secret"])) },
        ];
        assert_eq!(public_virtuals_of("secret", &stored).collect::<Vec<_>>(), ["open"]);
        let members = ["hosted", "secret"].map(|name| name.parse().unwrap());
        let found: Vec<_> = private_ones(&members, &stored).collect();
        assert_eq!(found, [(1, &members[1])]);
    }
}
