//! Virtual repositories: routing first, fetching second.
//!
//! Invariant: a member that fails stops the walk. A virtual repository never falls through to
//! another member for a name that the failing one might own, and never silently shrinks.

use std::slice;
use std::sync::Arc;

use artifact_core::{
    Definition, Error, ErrorKind, Forward, MEMBERS, Origin, Owner, Ownership, PackageRequest,
    RepoPath, RequestBody, Result, Route, Shape, Target, Virtual,
};
use http::{HeaderName, HeaderValue};

use crate::addressed::key_of;
use crate::answer;
use crate::assembled;
use crate::call::{Call, admit, remote_of};
use crate::described::describe;
use crate::documents::{self, Source};
use crate::forward;
use crate::hosting;
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
    unfolded.sort_by_key(|member| !is_local(member));
    Ok(unfolded)
}

fn is_local(member: &Mounted) -> bool {
    matches!(member.repository.definition, Definition::Local(_))
}

/// The remotes whose place `mounted` takes: itself, or those behind a virtual repository.
pub(crate) fn remotes_behind(snapshot: &Snapshot, mounted: &Arc<Mounted>) -> Vec<Arc<Mounted>> {
    let mut behind = match &mounted.repository.definition {
        Definition::Remote(_) => vec![Arc::clone(mounted)],
        Definition::Local(_) => Vec::new(),
        Definition::Virtual(definition) => members(snapshot, definition).unwrap_or_default(),
    };
    behind.retain(|member| member.upstream.is_some());
    behind
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
    let walk = Walk { shared, call, definition, members: &members };
    if matches!(target.origin, Origin::Addressed { .. }) {
        return walk.serve_addressed(target).await;
    }
    let walk = walk.within_holder().await?;
    // United documents have nobody who owns them; their files still have.
    let is_owned = match &target.owner {
        Owner::First | Owner::FirstUnlessNamed { .. } | Owner::Everyone => false,
        Owner::Witnessed { version, .. } => version.is_some() || !definition.merge_versions,
    };
    if is_owned {
        let (member, asked) = walk.owner_by_witness().await?;
        return walk.serve_from(&member, target, &asked).await;
    }
    match (&target.shape, &target.origin) {
        (Shape::Document { .. }, _) => {
            let sources = walk.owners(|asked| Some(asked.clone())).await?;
            serve_document(shared, call, target, sources).await
        }
        (Shape::Assembled { index }, _) => {
            let sources = walk.owners(index_of_set).await?;
            assembled::serve(shared, call, target, index, sources).await
        }
        (Shape::File, Origin::Index { index, unlisted }) => {
            walk.serve_listed(target, index, unlisted.is_some()).await
        }
        (Shape::File, _) => walk.serve_first(target).await,
    }
}

async fn serve_document(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    target: &Target,
    sources: Vec<Source>,
) -> Result<Reply> {
    let first = sources.first().map(|first| Arc::clone(&first.mounted));
    let mut reply = documents::serve_sources(shared, call, target, sources).await?;
    if let Some(first) = first {
        name_member(&mut reply, &first);
    }
    Ok(reply)
}

/// The member that a path with `_m/{member}/{path}` in it addresses, and the path there. Indexes of
/// directories say so relative to their own place, so it may stand behind anything.
pub(crate) fn addressed_member(
    call: &Call<'_>,
    definition: &Virtual,
) -> Result<Option<(Arc<Mounted>, RepoPath)>> {
    let mut segments = call.path.segments();
    if !segments.any(|segment| segment == MEMBERS) {
        return Ok(None);
    }
    let members = members(call.snapshot, definition)?;
    let name = segments.next().unwrap_or_default();
    let Some(member) = members.iter().find(|member| member.name() == name) else {
        return Ok(None);
    };
    let rest: Vec<_> = segments.collect();
    let path = RepoPath::from_decoded(&rest.join("/"))
        .map_err(|error| Error::new(ErrorKind::BadRequest, error.to_string()))?;
    Ok(Some((Arc::clone(member), path)))
}

/// Serves a file of the member that an index of ours names.
pub(crate) async fn serve_member(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    member: &Arc<Mounted>,
    path: &RepoPath,
) -> Result<Reply> {
    let request = PackageRequest {
        kind: member.kind(),
        path,
        remote: remote_of(member),
        ..call.package_request()
    };
    match member.provider.classify(&request)? {
        Route::Serve(target) if !matches!(target.shape, Shape::Document { .. }) => {
            serve_file(shared, call, member, &target).await
        }
        _ => Err(Error::new(ErrorKind::NotFound, "only files are served of a single member")),
    }
}

fn index_of_set(asked: &Target) -> Option<Target> {
    match &asked.shape {
        Shape::Assembled { index } => Some((**index).clone()),
        Shape::File | Shape::Document { .. } => None,
    }
}

fn index_of_file(asked: &Target) -> Option<Target> {
    match &asked.origin {
        Origin::Index { index, .. } => Some((**index).clone()),
        Origin::Upstream(_)
        | Origin::Addressed { .. }
        | Origin::Elsewhere(_)
        | Origin::Relayed { .. } => None,
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
pub(crate) enum Tried<T> {
    /// With this.
    Found(T),
    /// It does not have it, for this reason.
    Absent(Error),
}

/// Absence continues the walk; so does a refusal by the member's own rules, which say what it is
/// for. Everything else stops.
pub(crate) fn tried<T>(member: &Mounted, result: Result<T>) -> Result<Tried<T>> {
    match result {
        Ok(found) => Ok(Tried::Found(found)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::Gone | ErrorKind::Denied => Ok(Tried::Absent(error)),
            ErrorKind::UpstreamAuth if !member.has_credential() => Ok(Tried::Absent(error)),
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

/// Whether a member has documents besides its files: those of upstream, or made of what is hosted.
fn has_documents(member: &Mounted) -> bool {
    member.upstream.is_some() || member.provider.publishing().is_some()
}

/// One request on its way over the members.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) call: &'a Call<'a>,
    definition: &'a Virtual,
    /// In order of precedence.
    pub(crate) members: &'a [Arc<Mounted>],
}

impl<'a> Walk<'a> {
    fn remotes(self) -> impl Iterator<Item = &'a Arc<Mounted>> {
        self.members.iter().filter(|member| member.upstream.is_some())
    }

    /// What `member` has to be asked for; `None` if it cannot have what was asked for.
    pub(crate) fn asked_of(self, member: &Mounted) -> Result<Option<Target>> {
        let request = PackageRequest { remote: remote_of(member), ..self.call.package_request() };
        match member.provider.classify(&request) {
            Ok(Route::Serve(target)) => Ok(Some(target)),
            Ok(_) => Ok(None),
            Err(reject) if reject.kind == ErrorKind::NotFound => Ok(None),
            Err(reject) => Err(reject.into()),
        }
    }

    /// What is answered in the name of `member` without asking anybody.
    fn answer_of(self, member: &Mounted) -> Option<Reply> {
        let request = PackageRequest { remote: remote_of(member), ..self.call.package_request() };
        match member.provider.classify(&request) {
            Ok(Route::Answer { content_type, body }) => {
                Some(answer::fixed(&self.call.asking(), content_type, body))
            }
            _ => None,
        }
    }

    /// Whether versions of one name come from all members, so that nobody owns it.
    fn is_united(self) -> bool {
        let ownership = self.call.mounted.provider.defaults().ownership;
        self.definition.merge_versions || ownership == Ownership::Union
    }

    /// The walk to the local member alone that holds the name which is asked for; to all if there is none. A row of
    /// what is asked for proves it, but not of what is named by its digest: that is looked for before.
    pub(crate) async fn within_holder(self) -> Result<Self> {
        if self.is_united() {
            return Ok(self);
        }
        for member in self.members.iter().filter(|member| is_local(member)) {
            let Some(rules) = member.provider.publishing() else { continue };
            let Some(asked) = self.asked_of(member)? else { continue };
            let Some(name) = &asked.package else { continue };
            if self.shared.rows.hot(&key_of(member, &asked)).is_some()
                || hosting::holds(self.shared, member, &rules.witness(name)).await?
            {
                return Ok(Self { members: slice::from_ref(member), ..self });
            }
        }
        Ok(self)
    }

    /// Whether `member`, which does not have what was `asked` of it, has the name all the same. Asked only where
    /// another member would be asked next.
    async fn owns_name(self, member: &Arc<Mounted>, asked: &Target) -> Result<bool> {
        let Owner::FirstUnlessNamed { name } = &asked.owner else { return Ok(false) };
        let is_last = self.members.last().is_some_and(|last| last.id() == member.id());
        if is_last || member.upstream.is_none() || self.is_united() {
            return Ok(false);
        }
        let found = documents::source(self.shared, member, name).await;
        Ok(matches!(tried(member, found)?, Tried::Found(_)))
    }

    /// The documents that count: the owner's alone, or everybody's where versions are united.
    /// `choose` picks the document out of what a member is asked for.
    async fn owners(self, choose: impl Fn(&Target) -> Option<Target>) -> Result<Vec<Source>> {
        let mut sources = Vec::new();
        let mut absent = Vec::new();
        for member in self.members.iter().filter(|member| has_documents(member)) {
            let Some(document) = self.asked_of(member)?.as_ref().and_then(&choose) else {
                continue;
            };
            let found = if member.upstream.is_some() {
                documents::source(self.shared, member, &document).await
            } else {
                documents::hosted(self.shared, member, &document).await
            };
            match tried(member, found)? {
                Tried::Found(source) => {
                    sources.push(source);
                    if !self.is_united() && document.owner != Owner::Everyone {
                        break;
                    }
                }
                Tried::Absent(error) => absent.push(error),
            }
        }
        if sources.is_empty() { Err(nothing_found(absent)) } else { Ok(sources) }
    }

    /// The first member that has a witness, and what it has to be asked for.
    async fn owner_by_witness(self) -> Result<(Arc<Mounted>, Target)> {
        let mut absent = Vec::new();
        for by_name in [true, false] {
            if by_name && self.definition.merge_versions {
                continue;
            }
            for member in self.remotes() {
                let Some(asked) = self.asked_of(member)? else { continue };
                let Owner::Witnessed { name, version } = &asked.owner else { continue };
                let Some(witness) = (if by_name { name } else { version }) else { continue };
                match tried(member, documents::source(self.shared, member, witness).await)? {
                    Tried::Found(_) => return Ok((Arc::clone(member), asked)),
                    Tried::Absent(error) => absent.push(error),
                }
            }
        }
        Err(nothing_found(absent))
    }

    /// A file that an index lists comes from the member whose entry was shown.
    async fn serve_listed(self, target: &Target, index: &Target, unlisted: bool) -> Result<Reply> {
        let Self { shared, call, .. } = self;
        let sources = match self.owners(index_of_file).await {
            Ok(sources) => sources,
            Err(error) if error.is_absent() && unlisted => return self.serve_first(target).await,
            Err(error) => return Err(error),
        };
        let rendered =
            documents::rendered(shared, call.mounted, index, sources, call.is_secure()).await?;
        let Some(fact) = rendered.set.facts.find(target.path.as_str()) else {
            if unlisted {
                return self.serve_first(target).await;
            }
            return Err(Error::new(ErrorKind::NotFound, "no index of a member lists this file"));
        };
        let Some(placed) = rendered.sources.get(fact.document) else {
            let text = "an index names a member that it was not made of";
            return Err(Error::new(ErrorKind::Internal, text));
        };
        let member = &placed.source.mounted;
        match self.asked_of(member)? {
            Some(asked) => self.serve_from(member, target, &asked).await,
            None => Err(Error::new(ErrorKind::NotFound, "the member does not have this file")),
        }
    }

    /// A file without an index comes from the first member that has it, unless one before it owns the name.
    pub(crate) async fn serve_first(self, target: &Target) -> Result<Reply> {
        let mut absent = Vec::new();
        for member in self.members {
            if let Some(reply) = self.answer_of(member) {
                return Ok(reply);
            }
            let Some(asked) = self.asked_of(member)? else { continue };
            match tried(member, self.serve_from(member, target, &asked).await)? {
                Tried::Found(reply) => {
                    self.pin(target, member).await;
                    return Ok(reply);
                }
                Tried::Absent(error) => {
                    // What its own rules refuse says nothing of what a member has.
                    let is_asked = error.kind() != ErrorKind::Denied;
                    absent.push(error);
                    if is_asked && self.owns_name(member, &asked).await? {
                        break;
                    }
                }
            }
        }
        Err(nothing_found(absent))
    }

    /// What was `asked` of `member` as the answer to a request for `target`.
    pub(crate) async fn serve_from(
        self,
        member: &Arc<Mounted>,
        target: &Target,
        asked: &Target,
    ) -> Result<Reply> {
        if matches!(target.shape, Shape::Document { .. }) {
            let source = documents::source(self.shared, member, asked).await?;
            return serve_document(self.shared, self.call, target, vec![source]).await;
        }
        serve_file(self.shared, self.call, member, asked).await
    }
}

async fn serve_file(
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
    describe(shared, member, target, &mut reply);
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
