//! What a request means.

use artifact_core::{
    Class, DocumentKind, ErrorKind, Origin, Owner, PackageRequest, Reject, RepoPath,
    RepositoryKind, Route, Shape, Target, Variant,
};
use http::Method;

use crate::fields;
use crate::paging::{MemberPage, Window};
use crate::query::Query;
use crate::slug::{ModuleSlug, ReleaseSlug};

/// A list of modules, releases or users.
pub(crate) const LIST: DocumentKind = DocumentKind("list");
/// One module with all of its releases.
pub(crate) const MODULE: DocumentKind = DocumentKind("module");
/// One release.
pub(crate) const RELEASE: DocumentKind = DocumentKind("release");
/// Anything else that belongs to a module, a release or a user.
pub(crate) const RESOURCE: DocumentKind = DocumentKind("resource");

pub(crate) const JSON: &str = "application/json";
const ARCHIVE: &str = "application/gzip";
const RENDITION: &str = "json";

pub(crate) fn classify(request: &PackageRequest<'_>) -> Result<Route, Reject> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(Reject::new(ErrorKind::MethodNotAllowed, "modules cannot be published here"));
    }
    let segments: Vec<&str> = request.path.segments().collect();
    match segments.as_slice() {
        ["v3", "files", name] if !request.path.is_directory() => file(name),
        ["v3", "modules" | "releases" | "users"] => list(request),
        ["v3", "modules", slug] => module(slug, request),
        ["v3", "releases", slug] => release(slug, request),
        ["v3", "modules" | "releases" | "users", _, ..] => resource(request),
        _ => Err(Reject::not_found("nothing is here, a forge is below v3/")),
    }
    .map(Route::Serve)
}

/// The rendition that answers a query. It is named after the whole of it, because the links in a
/// list repeat it.
fn rendition(query: &Query) -> Variant {
    Variant::named(query.below(RENDITION))
}

/// The query that a rendition answers.
pub(crate) fn query_of(rendition: &Variant) -> Query {
    Query::of(rendition.as_str().split_once('?').map_or("", |(_, query)| query))
}

/// A page of a list as it was asked for, or whatever a page of the united list is made of.
fn list(request: &PackageRequest<'_>) -> Result<Target, Reject> {
    let path = own_path(request.path.as_str().trim_end_matches('/'))?;
    let query = Query::read(request.query)?;
    let releases_of = query.get("module").filter(|_| path.as_str() == "v3/releases");
    let module = releases_of.and_then(ModuleSlug::parse);
    let mut target = document(path.clone(), LIST, &query);
    target.package = module.map(ModuleSlug::package);
    if let Some(module) = module {
        target.owner = owner(module, None)?;
    }
    if request.kind == RepositoryKind::Virtual {
        let window = Window::of(&query)?;
        let page = match module {
            Some(_) => MemberPage::whole(&query),
            None => MemberPage::beginning(&query, window)?,
        };
        ask_for(&mut target, &page);
    }
    Ok(target)
}

/// Another page that is needed of the same member.
pub(crate) fn following(path: &RepoPath, page: &MemberPage) -> Target {
    let mut target = document(path.clone(), LIST, page.query());
    ask_for(&mut target, page);
    target
}

fn ask_for(target: &mut Target, page: &MemberPage) {
    target.source = page.source();
    target.origin = Origin::Upstream(page.query().below(&target.path.to_encoded()));
}

/// In a virtual repository the fields are chosen after members were united.
fn module(slug: &str, request: &PackageRequest<'_>) -> Result<Target, Reject> {
    let module = module_slug(slug)?;
    let query = Query::read(request.query)?;
    let asked = match request.kind {
        RepositoryKind::Virtual => query.clone().without(&fields::PARAMETERS),
        RepositoryKind::Remote | RepositoryKind::Local => query.clone(),
    };
    let mut target = document(own_path(&module.path())?, MODULE, &query);
    target.source = asked.source();
    target.origin = Origin::Upstream(asked.below(&target.path.to_encoded()));
    target.package = Some(module.package());
    Ok(target)
}

fn release(slug: &str, request: &PackageRequest<'_>) -> Result<Target, Reject> {
    let release = release_slug(slug)?;
    let mut target = release_document(release, &Query::read(request.query)?)?;
    let witness = release_document(release, &Query::default())?;
    target.owner = owner(release.module(), Some(witness))?;
    Ok(target)
}

fn release_document(release: ReleaseSlug<'_>, query: &Query) -> Result<Target, Reject> {
    let mut target = document(own_path(&release.path())?, RELEASE, query);
    target.package = Some(release.module().package());
    Ok(target)
}

/// A file is where its release says; a forge that describes no releases has it under its name.
fn file(name: &str) -> Result<Target, Reject> {
    let release = ReleaseSlug::of_file(name)
        .ok_or_else(|| Reject::not_found("this is not the file of a Puppet module"))?;
    let index = release_document(release, &Query::default())?;
    let path = own_path(&release.file_path())?;
    Ok(Target {
        owner: owner(release.module(), Some(index.clone()))?,
        origin: Origin::Index { index: Box::new(index), unlisted: Some(path.to_encoded()) },
        path,
        source: Variant::SOURCE,
        class: Class::Immutable,
        shape: Shape::File,
        package: Some(release.module().package()),
        content_type: Some(ARCHIVE),
        accept: None,
        html_allowed: false,
    })
}

/// What belongs to a module, a release or a user and is passed on.
fn resource(request: &PackageRequest<'_>) -> Result<Target, Reject> {
    let path = own_path(request.path.as_str().trim_end_matches('/'))?;
    let segments: Vec<&str> = path.segments().collect();
    let module = match segments.as_slice() {
        [_, "modules", slug, ..] => Some(module_slug(slug)?),
        [_, "releases", slug, ..] => Some(release_slug(slug)?.module()),
        _ => None,
    };
    let mut target = document(path.clone(), RESOURCE, &Query::read(request.query)?);
    target.package = module.map(ModuleSlug::package);
    Ok(target)
}

/// A document that upstream has under the same path and query.
fn document(path: RepoPath, kind: DocumentKind, query: &Query) -> Target {
    Target {
        origin: Origin::Upstream(query.below(&path.to_encoded())),
        path,
        source: query.source(),
        class: Class::Mutable,
        shape: Shape::Document { kind, variant: rendition(query) },
        package: None,
        owner: Owner::First,
        content_type: Some(JSON),
        accept: Some(JSON),
        html_allowed: false,
    }
}

/// A list of releases is found at every forge, an empty one at those that do not know the module:
/// only the module itself tells whose the name is.
fn owner(module: ModuleSlug<'_>, version: Option<Target>) -> Result<Owner, Reject> {
    let mut witness = document(own_path(&module.path())?, MODULE, &Query::default());
    witness.package = Some(module.package());
    Ok(Owner::Witnessed { name: Some(Box::new(witness)), version: version.map(Box::new) })
}

fn module_slug(slug: &str) -> Result<ModuleSlug<'_>, Reject> {
    ModuleSlug::parse(slug)
        .ok_or_else(|| Reject::not_found("this is not the name of a Puppet module"))
}

fn release_slug(slug: &str) -> Result<ReleaseSlug<'_>, Reject> {
    ReleaseSlug::parse(slug)
        .ok_or_else(|| Reject::not_found("this is not a release of a Puppet module"))
}

fn own_path(path: &str) -> Result<RepoPath, Reject> {
    RepoPath::from_decoded(path).map_err(|error| Reject::bad_request(error.to_string()))
}
