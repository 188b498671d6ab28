//! Deleting repositories.

use admin_types::{Condition, FieldError, Kind, Problem};
use artifact_core::Repository;
use artifact_core::ports::{Precondition, Published, Selector};

use super::problem::{from_error, missing};
use super::view::{etag, kind_of};
use super::{Admin, members};

/// How often a deletion starts again because another replica changed the repository.
const ATTEMPTS: usize = 5;

impl Admin {
    pub(super) async fn delete_repository(
        &self,
        kind: Kind,
        name: &str,
        condition: &Condition,
        dry_run: bool,
    ) -> Result<(), Problem> {
        let _one_at_a_time = self.writing.lock().await;
        for _ in 0..ATTEMPTS {
            let stored = self.stored().await?;
            let doomed = deletable(kind, name, condition, &stored)?;
            if dry_run {
                return Ok(());
            }
            let precondition = Precondition::Unchanged(doomed.revision);
            let deleted = self.meta().delete_repository(&doomed.name, precondition).await;
            if let Published::Stored(deleted) = deleted.map_err(from_error)? {
                self.reload().await;
                self.engine.forget(deleted.id, &Selector::Prefix(String::new()));
                return Ok(());
            }
        }
        Err(Problem::conflict("the repository keeps changing at the same time", Vec::new()))
    }
}

/// The repository, if nothing speaks against deleting it.
fn deletable<'s>(
    kind: Kind,
    name: &'s str,
    condition: &Condition,
    stored: &'s [Repository],
) -> Result<&'s Repository, Problem> {
    let found = stored
        .iter()
        .find(|repository| repository.name.as_str() == name && kind_of(repository) == kind)
        .ok_or_else(|| missing(kind, name))?;
    if !condition.holds(Some(&etag(found))) {
        return Err(Problem::precondition_failed("the repository is not in the expected state"));
    }
    let virtuals: Vec<_> = members::virtuals_of(name, stored).collect();
    if virtuals.is_empty() {
        return Ok(found);
    }
    let detail = format!("{kind} {name} is a member of {}", virtuals.join(", "));
    let errors = virtuals.into_iter().map(membership).collect();
    Err(Problem::conflict(detail, errors))
}

fn membership(virtual_: &str) -> FieldError {
    FieldError::new("#", "member", format!("virtual {virtual_} names it as a member"))
}
