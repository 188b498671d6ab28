//! Creating, replacing and merging repositories.

use admin_types::{FieldError, Kind, Outcome, Problem, Versioned, Write, WriteMode, Written};
use artifact_core::ports::{NewRepository, Precondition, Published};
use artifact_core::{Repository, RepositoryId};
use serde_json::Value;

use super::definition::{self, Surroundings};
use super::problem::{from_error, missing};
use super::view::{View, etag, kind_of};
use super::{Admin, readonly};

/// How often a write starts again because another replica was faster.
const ATTEMPTS: usize = 5;

/// What a write comes down to.
enum Plan {
    /// Everything is as wanted already.
    Nothing(Repository),
    /// Something has to be stored.
    Store { wanted: NewRepository, current: Option<Repository> },
}

impl Admin {
    pub(super) async fn write_repository(
        &self,
        kind: Kind,
        write: &Write,
    ) -> Result<Written, Problem> {
        let _one_at_a_time = self.writing.lock().await;
        for _ in 0..ATTEMPTS {
            if let Some(written) = self.try_write(kind, write).await? {
                return Ok(written);
            }
        }
        Err(Problem::conflict("the repository keeps changing at the same time", Vec::new()))
    }

    /// One attempt; `None` if what was judged had changed when it was to be stored.
    async fn try_write(&self, kind: Kind, write: &Write) -> Result<Option<Written>, Problem> {
        let view = View::load(self, kind == Kind::Local).await?;
        let (wanted, current) = match self.plan(kind, write, &view).await? {
            Plan::Nothing(current) => {
                let repository = view.versioned(&current);
                return Ok(Some(Written { outcome: Outcome::Unchanged, repository }));
            }
            Plan::Store { wanted, current } => (wanted, current),
        };
        let outcome = if current.is_some() { Outcome::Replaced } else { Outcome::Created };
        if write.dry_run {
            let value = view.repository(&self.imagined(&wanted, current.as_ref()));
            let repository = Versioned { etag: String::new(), value };
            return Ok(Some(Written { outcome, repository }));
        }
        let precondition = current
            .map_or(Precondition::Absent, |current| Precondition::Unchanged(current.revision));
        let put = self.meta().put_repository(wanted, precondition, self.now()).await;
        match put.map_err(from_error)? {
            Published::Conflict(_) => Ok(None),
            Published::Stored(stored) => {
                self.reload().await;
                let repository = View::load(self, kind == Kind::Local).await?.versioned(&stored);
                Ok(Some(Written { outcome, repository }))
            }
        }
    }

    /// Judges a write: conditions first, because a caller that is out of date must not be
    /// told about fields; then the document; then whether the name is free.
    async fn plan(&self, kind: Kind, write: &Write, view: &View<'_>) -> Result<Plan, Problem> {
        let stored = self.stored().await?;
        let current = match write.name.as_deref() {
            Some(name) => addressed(kind, name, write.mode, &stored)?,
            None => None,
        };
        if !write.condition.holds(current.map(etag).as_deref()) {
            return Err(Problem::precondition_failed(match current {
                Some(_) => "the repository is not in the expected state",
                None => "the repository does not exist",
            }));
        }
        let document = match (write.mode, current) {
            (WriteMode::Merge, Some(current)) => {
                definition::merge(shown(&view.repository(current)), &write.document)
            }
            _ => write.document.clone(),
        };
        let wanted = self.judge(kind, write, &document, current, &stored, view)?;
        match current {
            None => refuse_taken(&wanted, &stored)?,
            Some(current) if is_same(&wanted, current) => {
                return Ok(Plan::Nothing(current.clone()));
            }
            Some(_) => {}
        }
        Ok(Plan::Store { wanted, current: current.cloned() })
    }

    fn judge(
        &self,
        kind: Kind,
        write: &Write,
        document: &Value,
        current: Option<&Repository>,
        stored: &[Repository],
        view: &View<'_>,
    ) -> Result<NewRepository, Problem> {
        let around = Surroundings {
            kind,
            path_name: write.name.as_deref(),
            current,
            stored,
            providers: &self.engine.parts().providers,
            now: self.now(),
        };
        let wanted = definition::read(document, &around);
        let imagined = wanted.as_ref().ok().map(|wanted| self.imagined(wanted, current));
        let views: Vec<_> = current
            .into_iter()
            .chain(imagined.as_ref())
            .map(|repository| shown(&view.repository(repository)))
            .collect();
        let contradictions =
            if views.is_empty() { Vec::new() } else { readonly::contradictions(document, &views) };
        match wanted {
            Ok(wanted) if contradictions.is_empty() => Ok(wanted),
            Ok(_) => Err(refusal(kind, write, contradictions)),
            Err(errors) => Err(refusal(kind, write, [errors, contradictions].concat())),
        }
    }

    /// How `wanted` would look when stored.
    fn imagined(&self, wanted: &NewRepository, current: Option<&Repository>) -> Repository {
        let now = self.now();
        Repository {
            id: current.map_or(RepositoryId(0), |current| current.id),
            name: wanted.name.clone(),
            package_type: wanted.package_type.clone(),
            description: wanted.description.clone(),
            managed_by: wanted.managed_by.clone(),
            private: wanted.private,
            revision: current.map_or(0, |current| current.revision),
            created_at: current.map_or(now, |current| current.created_at),
            updated_at: now,
            definition: wanted.definition.clone(),
        }
    }
}

/// The repository that a path addresses. A name that another kind holds is taken for a
/// `PUT` and simply not there for a `PATCH`.
fn addressed<'s>(
    kind: Kind,
    name: &str,
    mode: WriteMode,
    stored: &'s [Repository],
) -> Result<Option<&'s Repository>, Problem> {
    let found = stored.iter().find(|repository| repository.name.as_str() == name);
    match (found, mode) {
        (Some(found), _) if kind_of(found) == kind => Ok(Some(found)),
        (_, WriteMode::Merge) => Err(missing(kind, name)),
        (Some(found), _) => Err(taken(found)),
        (None, _) => Ok(None),
    }
}

fn refuse_taken(wanted: &NewRepository, stored: &[Repository]) -> Result<(), Problem> {
    match stored.iter().find(|repository| repository.name == wanted.name) {
        Some(found) => Err(taken(found)),
        None => Ok(()),
    }
}

fn taken(found: &Repository) -> Problem {
    let detail = format!("the name {} is taken by a {} repository", found.name, found.kind());
    let error = FieldError::new("#/name", "duplicate", "is taken; names are unique over all kinds");
    Problem::conflict(detail, vec![error])
}

/// A change of the package type is a conflict and not a mistake in a field: declarative tools
/// answer it by creating the repository anew.
fn refusal(kind: Kind, write: &Write, errors: Vec<FieldError>) -> Problem {
    let changes_type =
        |error: &FieldError| error.pointer == "#/package_type" && error.code == "immutable_field";
    let name = write.name.as_deref().or_else(|| write.document.get("name")?.as_str());
    let subject = name.map_or_else(|| kind.to_string(), |name| format!("{kind} {name}"));
    if errors.iter().any(changes_type) {
        let detail = format!("the package type of {subject} cannot be changed");
        return Problem::conflict(detail, errors);
    }
    Problem::invalid(&subject, errors)
}

fn is_same(wanted: &NewRepository, current: &Repository) -> bool {
    wanted.description == current.description
        && wanted.managed_by == current.managed_by
        && wanted.private == current.private
        && wanted.definition == current.definition
}

fn shown(repository: &admin_types::Repository) -> Value {
    // These types hold nothing that JSON could not say.
    serde_json::to_value(repository).unwrap_or_default()
}
