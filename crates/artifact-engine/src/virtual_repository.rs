//! Virtual repositories: routing first, fetching second.
//!
//! Invariant: a member that fails stops the walk. A virtual repository never falls through to
//! another member for a name that the failing one might own, and never silently shrinks.

use std::sync::Arc;

use artifact_core::{
    Definition, Error, ErrorKind, Forward, Origin, Ownership, RequestBody, Result, Shape, Target,
    Virtual,
};
use http::{HeaderName, HeaderValue};

use crate::call::{Call, admit};
use crate::documents::{self, Source};
use crate::forward;
use crate::local;
use crate::remote::{self, Wanted};
use crate::request::Reply;
use crate::shared::Shared;
use crate::snapshot::{Mounted, Snapshot};

const MEMBER: HeaderName = HeaderName::from_static("x-artifact-member");
/// How deep virtual repositories may stand in each other.
const MAX_DEPTH: usize = 16;

/// The remotes and locals behind a virtual repository in order of precedence: locals first
/// among equals of one level, nested virtual repositories unfolded where they stand.
pub(crate) fn members(snapshot: &Snapshot, definition: &Virtual) -> Result<Vec<Arc<Mounted>>> {
    let mut unfolded = Vec::new();
    unfold(snapshot, definition, MAX_DEPTH, &mut unfolded)?;
    // A name held by a local member belongs to it, wherever it stands in the list.
    unfolded.sort_by_key(|member| !matches!(member.repository.definition, Definition::Local(_)));
    Ok(unfolded)
}

fn unfold(
    snapshot: &Snapshot,
    definition: &Virtual,
    depth: usize,
    into: &mut Vec<Arc<Mounted>>,
) -> Result<()> {
    if depth == 0 {
        return Err(Error::new(
            ErrorKind::Unavailable,
            "virtual repositories are nested too deeply",
        ));
    }
    for member in snapshot.members(&definition.members)? {
        if let Definition::Virtual(nested) = &member.repository.definition {
            unfold(snapshot, nested, depth - 1, into)?;
        } else if !into.iter().any(|known| known.id() == member.id()) {
            into.push(member);
        }
    }
    Ok(())
}

/// Serves a file or a document of a virtual repository.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    definition: &Virtual,
    target: &Target,
) -> Result<Reply> {
    let members = members(call.snapshot, definition)?;
    match (&target.shape, &target.origin) {
        (Shape::Document { .. }, _) => {
            let (sources, _) = owners(shared, call, definition, &members, target).await?;
            let mut reply = documents::serve_sources(shared, call, target, &sources).await?;
            if let Some(first) = sources.first() {
                name_member(&mut reply, &first.mounted);
            }
            Ok(reply)
        }
        (Shape::File, Origin::Index(index)) => {
            serve_listed(shared, call, definition, &members, target, index).await
        }
        (Shape::File, Origin::Upstream(_)) => serve_first(shared, call, &members, target).await,
    }
}

/// Puts a question to the first remote member. Names that locals own would have to be taken
/// out of it first; types that forward questions are not hosted yet.
pub(crate) async fn forward(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    definition: &Virtual,
    question: &Forward,
    body: Option<RequestBody>,
) -> Result<Reply> {
    let members = members(call.snapshot, definition)?;
    let member = members
        .iter()
        .find(|member| member.upstream.is_some())
        .ok_or_else(|| Error::new(ErrorKind::NotFound, "no member can answer this question"))?;
    forward::serve(shared, call, member, question, body).await
}

fn name_member(reply: &mut Reply, member: &Mounted) {
    if let Ok(name) = HeaderValue::from_str(member.name()) {
        reply.headers.insert(MEMBER, name);
    }
}

/// How one member answered.
enum Tried<T> {
    Found(T),
    Absent(Error),
}

/// Absence continues the walk; so does a refusal by the member's own rules, which say what it is
/// for. Everything else stops.
fn tried<T>(member: &Mounted, result: Result<T>) -> Result<Tried<T>> {
    let has_credential =
        member.upstream.as_ref().is_some_and(|upstream| upstream.credential.is_some());
    match result {
        Ok(found) => Ok(Tried::Found(found)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::Gone | ErrorKind::Denied => Ok(Tried::Absent(error)),
            ErrorKind::UpstreamAuth if !has_credential => Ok(Tried::Absent(error)),
            _ => Err(error),
        },
    }
}

/// The error of a walk that found nothing: a refusal says more than an absence.
fn nothing_found(tried: Vec<Error>) -> Error {
    let denied = tried.iter().position(|error| error.kind() == ErrorKind::Denied);
    let mut tried = tried;
    match denied {
        Some(index) => tried.swap_remove(index),
        None => tried
            .into_iter()
            .next()
            .filter(Error::is_absent)
            .unwrap_or_else(|| Error::new(ErrorKind::NotFound, "no member has it")),
    }
}

/// The members' documents that count: the owner's alone, or everybody's where versions are united.
async fn owners(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    definition: &Virtual,
    members: &[Arc<Mounted>],
    target: &Target,
) -> Result<(Vec<Source>, Vec<Error>)> {
    let ownership = call.mounted.provider.defaults().ownership;
    let united = definition.merge_versions || ownership == Ownership::Union;
    let mut sources = Vec::new();
    let mut absent = Vec::new();
    for member in members.iter().filter(|member| member.upstream.is_some()) {
        match tried(member, documents::source(shared, member, target).await)? {
            Tried::Found(source) => {
                sources.push(source);
                if !united {
                    break;
                }
            }
            Tried::Absent(error) => absent.push(error),
        }
    }
    if sources.is_empty() { Err(nothing_found(absent)) } else { Ok((sources, absent)) }
}

/// A file that an index lists comes from the member whose entry was shown.
async fn serve_listed(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    definition: &Virtual,
    members: &[Arc<Mounted>],
    target: &Target,
    index: &Target,
) -> Result<Reply> {
    let (sources, _) = owners(shared, call, definition, members, index).await?;
    let (_, set) = documents::rendered(shared, index, &sources, call.is_secure()).await?;
    let fact = set.facts.files.get(target.path.as_str());
    let owner = fact.map_or(0, |fact| fact.document);
    let Some(source) = sources.get(owner) else {
        return Err(Error::new(
            ErrorKind::Internal,
            "an index names a member that it was not made of",
        ));
    };
    serve_from(shared, call, &source.mounted, target).await
}

/// A file without an index comes from the first member that has it.
async fn serve_first(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    members: &[Arc<Mounted>],
    target: &Target,
) -> Result<Reply> {
    let mut absent = Vec::new();
    for member in members {
        match tried(member, serve_from(shared, call, member, target).await)? {
            Tried::Found(reply) => return Ok(reply),
            Tried::Absent(error) => absent.push(error),
        }
    }
    Err(nothing_found(absent))
}

async fn serve_from(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    member: &Arc<Mounted>,
    target: &Target,
) -> Result<Reply> {
    admit(member, target)?;
    let mut reply = match &member.repository.definition {
        Definition::Remote(_) => remote::serve(shared, call, &Wanted::new(member, target)?).await?,
        Definition::Local(_) => local::serve(shared, call, member, target).await?,
        Definition::Virtual(_) => {
            return Err(Error::new(ErrorKind::Internal, "a member was not unfolded"));
        }
    };
    name_member(&mut reply, member);
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_without_a_find_reports_the_refusal_before_the_absence() {
        let denied = || Error::new(ErrorKind::Denied, "blocked");
        let absent = || Error::new(ErrorKind::NotFound, "absent");
        let auth = || Error::new(ErrorKind::UpstreamAuth, "auth");
        assert_eq!(nothing_found(vec![absent(), denied()]).kind(), ErrorKind::Denied);
        assert_eq!(nothing_found(vec![absent(), absent()]).kind(), ErrorKind::NotFound);
        assert_eq!(nothing_found(vec![auth()]).kind(), ErrorKind::NotFound);
        assert_eq!(nothing_found(vec![]).kind(), ErrorKind::NotFound);
    }
}
