//! How a package type plugs in: a rule book.
//!
//! A provider decides what a request means, what an index says and how an error reads. It
//! is synchronous, performs no I/O, reads no clock and keeps no state, so that every rule can be
//! tested with a table. The engine owns everything else: caching, flights, policy,
//! storage, ownership inside virtual repositories.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::signer::{KeyKind, PublicKeys, Signer};
use crate::{
    Algorithm, Assembly, Class, Digest, Digests, Error, ErrorBody, ErrorKind, PackageType,
    PathRules, Problem, Publishing, Remote, RepoPath, RepositoryKind, Timestamp, Variant, Worded,
    encode_path,
};

/// The rules of one package type.
pub trait Provider: fmt::Debug + Send + Sync {
    /// The type's name.
    fn package_type(&self) -> &PackageType;

    /// Where its repositories are mounted.
    fn mount_point(&self) -> MountPoint {
        MountPoint::Package
    }

    /// How the type's clients write paths.
    fn path_rules(&self) -> PathRules;

    /// Freshness and size defaults.
    fn defaults(&self) -> Defaults;

    /// What a request means. Total and deterministic: every path is a route or a rejection.
    fn classify(&self, request: &PackageRequest<'_>) -> Result<Route, Reject>;

    /// Judges one document that upstream sent before it takes the place of the last good one, and
    /// says what else belongs to it. What is refused here is never stored. A type whose documents
    /// stand alone only checks that [`Provider::rewrite`] will understand it.
    fn inspect(&self, document: &SourceDocument<'_>) -> Result<Inspection, DocumentError>;

    /// Turns index documents into what our clients get, links leading to us. On a remote the
    /// document with its companions; on a virtual repository the documents of every member that counts
    /// in order of precedence, where the first wins what several have. Must give at least the
    /// context's `wanted` variant and may give all variants that the same parse yields. Idempotent
    /// on links: every link written is classified by [`Provider::classify`] and found in
    /// [`Rewritten::facts`], or begins with [`MEMBERS`] and the name of the member that has it.
    fn rewrite(
        &self,
        documents: &[SourceDocument<'_>],
        context: &RewriteContext<'_>,
    ) -> Result<Rewritten, DocumentError>;

    /// The header that carries a kind of document, for protocols that answer in a header. Upstream's
    /// value of it, whatever the status of success, counts as the body; an answer without it has a
    /// body as always. Our answers have the rendition [`HEADER`] as its value, beside the body.
    fn header_of(&self, _kind: DocumentKind) -> Option<&'static str> {
        None
    }

    /// Whether upstream sends a kind of document in pages, each of which leads to the next by a `Link` (RFC 8288). They
    /// are one document then, in which the pages stand one behind the other.
    fn is_linked(&self, _kind: DocumentKind) -> bool {
        false
    }

    /// What takes the place of a document that upstream does not have, if anything does. For such documents "see other"
    /// (303) is an absence as well.
    fn substitute(&self, _absent: &Target) -> Option<Substitute> {
        None
    }

    /// The answer to a request for a part of a document, such as a page, or to any for one whose rendition is not
    /// what is sent. Its status is that of success. `None`: the rendition as it is.
    fn excerpt(&self, _asked: &Excerpt<'_>) -> Result<Option<Worded>, Reject> {
        Ok(None)
    }

    /// An error in the form that this type's clients print.
    fn error_body(&self, problem: &Problem<'_>) -> ErrorBody;

    /// Client configuration for a repository, ready to copy.
    fn snippets(&self, context: &SnippetContext<'_>) -> Vec<Snippet>;

    /// The rules of hosting, for types that can be hosted.
    fn hosting(&self) -> Option<&dyn Hosting>;

    /// The rules of publishing in several requests, for types that are hosted in that way.
    fn publishing(&self) -> Option<&dyn Publishing> {
        None
    }

    /// The rules of assembling, for types whose index is a set of files of any size.
    fn assembly(&self) -> Option<&dyn Assembly>;
}

/// Where the repositories of a type are mounted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MountPoint {
    /// `/api/v1/{kind}/{name}/`.
    Package,
    /// `/v2/{name}/`, where the clients of container registries look.
    Registry,
}

/// The rendition that is sent in the header that [`Provider::header_of`] names. It is visible ASCII.
pub const HEADER: Variant = Variant::new("header");

/// The first segment of paths that address a member of a virtual repository by its name:
/// `_m/{member}/{path}` is `{path}` of that member. Types whose index can name any path use it, so
/// that no look-up has to decide from whom a file comes.
pub const MEMBERS: &str = "_m";

/// The rules of a hosted repository.
pub trait Hosting: fmt::Debug + Send + Sync {
    /// Judges an upload by its head, before a byte of its body is read.
    fn admit(&self, request: &PackageRequest<'_>) -> Result<UploadPlan, Reject>;

    /// The file and the algorithm that a checksum path such as `a.tar.gz.sha256` speaks of, used
    /// when no file is stored under that very path.
    fn checksum_of(&self, path: &RepoPath) -> Option<(RepoPath, Algorithm)>;

    /// The listing of a directory in every representation.
    fn listing(&self, directory: &RepoPath, entries: &[Entry]) -> Vec<Rendition>;
}

/// Defaults of a package type; an operator's settings win.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Defaults {
    /// How long a mutable document is fresh.
    pub mutable_ttl: Duration,
    /// How long after that it is served while one revalidation runs behind the scenes.
    pub stale_while_revalidate: Duration,
    /// How long after that it is served when upstream fails.
    pub stale_if_error: Duration,
    /// How long an absent document is remembered.
    pub negative_document_ttl: Duration,
    /// How long an absent file is remembered.
    pub negative_file_ttl: Duration,
    /// The largest document that is read, in bytes.
    pub document_limit: u64,
    /// Who answers for a name in a virtual repository.
    pub ownership: Ownership,
    /// What becomes of a cached file that its index now describes differently.
    pub republishing: Republishing,
    /// Whether clients need this installation's public keys for what it makes of the type.
    pub signs: bool,
    /// A segment that references begin with and that people also paste at the end of a
    /// `base_url`; it then counts once.
    pub base_suffix: Option<&'static str>,
    /// The header in which upstream names the digest (`algorithm:hexadecimal`) of a mutable file, also in answer
    /// to HEAD: copies are then confirmed by HEAD, which registries do not count as a download.
    pub digest_header: Option<&'static str>,
    /// Whether upstream's 401 and 403 may mean that there is nothing: public registries do not tell. Clients are
    /// then told of an absence, and are not asked for credentials that are none of theirs.
    pub refusal_means_absence: bool,
    /// Whether a `base_url` may have a query: where it can be that of a list of mirrors.
    pub base_query: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            mutable_ttl: Duration::from_secs(300),
            stale_while_revalidate: Duration::from_secs(60),
            stale_if_error: Duration::from_secs(7 * 24 * 3600),
            negative_document_ttl: Duration::from_secs(30),
            negative_file_ttl: Duration::from_secs(60),
            document_limit: 64 << 20,
            ownership: Ownership::ByName,
            republishing: Republishing::Reported,
            signs: false,
            base_suffix: None,
            digest_header: None,
            refusal_means_absence: false,
            base_query: false,
        }
    }
}

/// Who answers for a name in a virtual repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ownership {
    /// A local member that holds the name; otherwise the first member that has it.
    ByName,
    /// Every member's whole index, united by exact version.
    Union,
}

/// What becomes of a cached file whose digest differs from what the newest index says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Republishing {
    /// The index wins: the file is fetched again. For types whose publishers do replace files.
    Followed,
    /// The first bytes stay and the contradiction is reported as `upstream_mutated`.
    Reported,
}

/// A request inside a repository.
#[derive(Clone, Copy, Debug)]
pub struct PackageRequest<'a> {
    /// The kind of repository that was addressed.
    pub kind: RepositoryKind,
    /// The method.
    pub method: &'a Method,
    /// The canonical path.
    pub path: &'a RepoPath,
    /// The raw query, without the question mark.
    pub query: Option<&'a str>,
    /// The client's headers. Only what the protocol negotiates may be read from them.
    pub headers: &'a HeaderMap,
    /// The remote that is asked: the addressed one, or the member of a virtual repository whose
    /// turn it is. `None` where no remote is concerned.
    pub remote: Option<&'a Remote>,
}

/// What a request means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route {
    /// A file or a document.
    Serve(Target),
    /// Look elsewhere (301). The location is relative to the request, so that no proxy prefix is lost.
    Redirect {
        /// A relative reference.
        location: String,
    },
    /// A fixed answer (200).
    Answer {
        /// Its media type.
        content_type: &'static str,
        /// Its body.
        body: Bytes,
    },
    /// A question that upstream answers and nobody stores.
    Forward(Forward),
    /// A public key of this installation.
    PublicKey(KeyKind),
}

/// A file or a document, and how to come by it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// The path under which it is cached: one spelling for all spellings of the request.
    pub path: RepoPath,
    /// The variant of the stored source; [`Variant::SOURCE`] unless a query selects the content.
    pub source: Variant,
    /// How its freshness is judged, before the operator's overrides.
    pub class: Class,
    /// Opaque bytes, or something that [`Provider::rewrite`] understands.
    pub shape: Shape,
    /// Where it comes from.
    pub origin: Origin,
    /// The normalised package name, by which ownership in a virtual repository is decided.
    pub package: Option<String>,
    /// How the member of a virtual repository is found that this comes from.
    pub owner: Owner,
    /// The media type to send; `None` sends what upstream said.
    pub content_type: Option<&'static str>,
    /// `Accept` towards upstream.
    pub accept: Option<&'static str>,
    /// Whether an HTML body can be right. If not, it is a login or error page and is refused.
    pub html_allowed: bool,
}

/// How the member of a virtual repository is found from which a target comes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Owner {
    /// The first member that has the target itself.
    #[default]
    First,
    /// The first member that has the target itself, unless one before it has `name`: whoever has
    /// that owns the whole name. Not asked where versions of one name are united over the members.
    FirstUnlessNamed {
        /// Says whether a member knows the name at all.
        name: Box<Target>,
    },
    /// Every member that has the target, a document, unless a local one holds the name: what is said of something
    /// that is named by its digest.
    Everyone,
    /// The first member that has a witness.
    Witnessed {
        /// Whoever has this owns the whole name. Not asked where versions of one name are
        /// united over the members.
        name: Option<Box<Target>>,
        /// Whoever has this owns the version, if nobody owns the name.
        version: Option<Box<Target>>,
    },
}

/// What kind of thing a target is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shape {
    /// Opaque bytes of any size.
    File,
    /// A document of bounded size, rewritten for our clients.
    Document {
        /// Which document.
        kind: DocumentKind,
        /// Which of its renditions was asked for.
        variant: Variant,
    },
    /// A file of a set that [`Assembly::assemble`] makes of the members of a virtual repository. On a
    /// remote it is an ordinary file.
    Assembled {
        /// The document whose parts are put together.
        index: Box<Target>,
    },
}

/// A kind of document, meaningful only to its provider.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct DocumentKind(pub &'static str);

/// Where a target comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// This percent-encoded reference, resolved below the remote's `base_url`.
    Upstream(String),
    /// A reference as in [`Origin::Upstream`], whose path says what the digest of its bytes is.
    Addressed {
        /// The reference.
        reference: String,
        /// The digest that the bytes must have.
        digest: Digest,
    },
    /// The URL that the facts of this index document name for the target's path. The index is fetched
    /// first when it is not cached; the URL never comes from the request.
    Index {
        /// The index document.
        index: Box<Target>,
        /// A reference as in [`Origin::Upstream`], for what the index does not list and for an
        /// upstream without this index. `None`: what is not listed does not exist.
        unlisted: Option<String>,
    },
    /// An absolute URL whose host the type or the operator names, never the request alone.
    Elsewhere(String),
    /// Something of elsewhere that upstream may pass on.
    Relayed {
        /// The document that an upstream has if it does.
        offer: Box<Target>,
        /// A reference as in [`Origin::Upstream`], for an upstream with the document.
        reference: String,
        /// A URL as in [`Origin::Elsewhere`], for an upstream without it.
        otherwise: String,
    },
}

impl Origin {
    /// What `index` lists, and nothing else.
    pub fn listed(index: Target) -> Self {
        Self::Index { index: Box::new(index), unlisted: None }
    }
}

/// A question for upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forward {
    /// The percent-encoded reference below the `base_url`, with its query.
    pub reference: String,
    /// The method to use.
    pub method: Method,
}

/// A refusal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reject {
    /// What kind of refusal.
    pub kind: ErrorKind,
    /// One lower-case sentence without a full stop.
    pub message: String,
    /// The word that the type's protocol has for it, where the kind does not say which.
    pub code: Option<&'static str>,
}

impl Reject {
    /// A refusal of `kind`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), code: None }
    }

    /// The same refusal with the word that the type's protocol has for it.
    #[must_use]
    pub fn with_code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// Nothing can be under this path.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// The request is malformed.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRequest, message)
    }
}

impl From<Reject> for Error {
    fn from(reject: Reject) -> Self {
        let error = Self::new(reject.kind, reject.message);
        match reject.code {
            Some(code) => error.with_code(code),
            None => error,
        }
    }
}

/// An index document as upstream sent it.
#[derive(Clone, Copy, Debug)]
pub struct SourceDocument<'a> {
    /// Which document.
    pub kind: DocumentKind,
    /// The path under which it is cached.
    pub path: &'a RepoPath,
    /// The variant of the source, where a query selects the content.
    pub source: &'a Variant,
    /// The repository that it comes from.
    pub member: &'a str,
    /// The definition of that, if it is a remote.
    pub remote: Option<&'a Remote>,
    /// Where that repository stands among those whose documents are given; companions have the
    /// number of the document that asked for them.
    pub position: usize,
    /// The URL that answered, against which relative links are resolved.
    pub url: Option<&'a str>,
    /// Upstream's media type.
    pub content_type: Option<&'a str>,
    /// The body, decoded.
    pub body: &'a Bytes,
}

/// What a rewrite has to respect.
pub struct RewriteContext<'a> {
    /// The variant that must be among the results.
    pub wanted: &'a Variant,
    /// Whether a policy admits a file path. What it refuses is left out.
    pub admits: &'a (dyn Fn(&str) -> bool + Send + Sync),
    /// Whether our clients reach us by https.
    pub secure: bool,
    /// The kind of the repository that was addressed.
    pub kind: RepositoryKind,
    /// The path that was asked for.
    pub path: &'a RepoPath,
    /// When the newest of the documents was stored: the same on every replica.
    pub changed_at: Timestamp,
    /// The keys of this installation. Without them nothing that has to be signed can be made.
    pub signer: Option<&'a dyn Signer>,
}

impl fmt::Debug for RewriteContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RewriteContext").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// The result of one parse of one or more documents.
#[derive(Clone, Debug, Default)]
pub struct Rewritten {
    /// What our clients get.
    pub renditions: Vec<Rendition>,
    /// What the index says of the files it lists.
    pub facts: Facts,
}

/// What takes the place of a document that upstream does not have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Substitute {
    /// Another document of the same kind. There may be a substitute for it in turn.
    Document(Box<Target>),
    /// This body.
    Body(Bytes),
}

/// A document that was rendered, and a request for it or a part of it.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a> {
    /// Which document.
    pub kind: DocumentKind,
    /// The rendition that [`Provider::classify`] chose, whole.
    pub whole: &'a Template,
    /// The request.
    pub request: &'a PackageRequest<'a>,
    /// The path of the repository that was addressed, without a trailing slash.
    pub mount: &'a str,
}

/// One representation of a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rendition {
    /// Which.
    pub variant: Variant,
    /// Its media type.
    pub content_type: &'static str,
    /// Its text.
    pub body: Template,
}

/// A text with holes for the URL of the repository, so that one parse serves every
/// address under which we are reached.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Template {
    text: Bytes,
    holes: Vec<usize>,
}

impl Template {
    /// A text without holes.
    pub fn fixed(text: impl Into<Bytes>) -> Self {
        Self { text: text.into(), holes: Vec::new() }
    }

    /// A text and the ascending byte offsets at which the repository's URL (without a trailing
    /// slash) is to be inserted. Offsets beyond the end are ignored.
    pub fn with_holes(text: impl Into<Bytes>, holes: Vec<usize>) -> Self {
        Self { text: text.into(), holes }
    }

    /// Whether the text is the same for every URL.
    pub fn is_fixed(&self) -> bool {
        self.holes.is_empty()
    }

    /// Its size in memory.
    pub fn weight(&self) -> usize {
        self.text.len() + self.holes.len() * size_of::<usize>()
    }

    /// The text with `url` in every hole. Free of copies when there is no hole.
    pub fn fill(&self, url: &str) -> Bytes {
        if self.is_fixed() {
            return self.text.clone();
        }
        let mut filled = Vec::with_capacity(self.text.len() + self.holes.len() * url.len());
        let mut from = 0;
        for &hole in &self.holes {
            let Some(piece) = self.text.get(from..hole) else { continue };
            filled.extend_from_slice(piece);
            filled.extend_from_slice(url.as_bytes());
            from = hole;
        }
        filled.extend_from_slice(self.text.get(from..).unwrap_or_default());
        filled.into()
    }
}

/// What belongs to a document that upstream sent.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// Documents of the same remote that [`Provider::rewrite`] needs beside this one. They are
    /// inspected in turn, so that a list of pages unrolls.
    pub companions: Vec<Target>,
    /// Files that change together with this document.
    pub parts: Vec<Part>,
    /// What the document says of files: cached copies that it contradicts are dropped or, where
    /// [`Defaults::republishing`] says so, kept and reported.
    pub facts: Facts,
}

/// A file that changes together with an index document.
#[derive(Clone, Debug)]
pub struct Part {
    /// The file. Its origin must be the index document.
    pub target: Target,
    /// What the document says of it.
    pub fact: FileFact,
    /// When it is fetched.
    pub presence: Presence,
}

/// When a part is fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presence {
    /// Before the document is served at all, because what the document means depends on it.
    BeforeServing,
    /// When it is first asked for; but before a newer document takes the place of an older one,
    /// so that nobody sees an index whose parts are gone.
    BeforeReplacing,
    /// Anew with every change of the document. Upstream may have none.
    WithDocument,
}

/// What an index says of the files it lists, by canonical repository path.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The files.
    pub files: HashMap<String, FileFact>,
    /// Where everything below a path is; the longest path counts, and a listed file before all.
    pub bases: Vec<Base>,
}

impl Facts {
    /// What is known of `path`: as a listed file, or by the base that it is below.
    pub fn find(&self, path: &str) -> Option<FileFact> {
        if let Some(fact) = self.files.get(path) {
            return Some(fact.clone());
        }
        let below = |base: &&Base| path.starts_with(base.prefix.as_str());
        let base = self.bases.iter().filter(below).max_by_key(|base| base.prefix.len())?;
        let rest = path.get(base.prefix.len()..)?;
        Some(FileFact {
            document: base.document,
            url: format!("{}{}", base.url, encode_path(rest)),
            ..FileFact::default()
        })
    }
}

/// Where everything below a path is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Base {
    /// Which of the documents given to [`Provider::rewrite`] says so.
    pub document: usize,
    /// The beginning of our paths; ends with a slash.
    pub prefix: String,
    /// What stands for it at upstream: an absolute URL that ends with a slash.
    pub url: String,
}

/// What an index says of one file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FileFact {
    /// Which of the documents given to [`Provider::rewrite`] listed it.
    pub document: usize,
    /// Its absolute URL at upstream, query included. Empty: where [`Origin::Index`] says for what is
    /// not listed.
    pub url: String,
    /// Its digests.
    pub digests: Digests,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// When upstream's registry says it was published.
    pub published_at: Option<Timestamp>,
}

/// Why a document could not be rewritten.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DocumentError {
    /// Upstream sent something that this type does not understand.
    #[error("{0}")]
    Malformed(String),
    /// The document is sound, but what was asked for is not in it.
    #[error("{0}")]
    Absent(String),
    /// The document is sound, but what it says cannot be served through us.
    #[error("{0}")]
    Unusable(String),
    /// Everything it lists is refused by a policy.
    #[error("every file of this package is refused by a policy")]
    AllDenied,
    /// It would have to be signed and cannot be.
    #[error("{0}")]
    Unsigned(String),
}

impl From<DocumentError> for Error {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Malformed(message) => Self::new(
                ErrorKind::Upstream,
                format!("the upstream registry sent a document that cannot be read: {message}"),
            ),
            DocumentError::Absent(message) => Self::new(ErrorKind::NotFound, message),
            // Not a server's fault: clients hide the text of those behind retries.
            DocumentError::Unusable(message) => Self::new(ErrorKind::Unprocessable, message),
            DocumentError::AllDenied => Self::new(ErrorKind::Denied, error.to_string()),
            DocumentError::Unsigned(message) => Self::new(ErrorKind::Unavailable, message),
        }
    }
}

/// What an upload is, judged by its head.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UploadPlan {
    /// Where the file will be.
    pub path: RepoPath,
    /// Its media type.
    pub content_type: Option<String>,
    /// Digests that its bytes must have.
    pub expected: Digests,
}

/// An entry of a directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The name; ends with a slash for a directory.
    pub name: String,
    /// The size of a file in bytes.
    pub size: Option<u64>,
    /// When a file was stored.
    pub modified_at: Option<Timestamp>,
}

/// What a snippet is for.
#[derive(Clone, Copy, Debug)]
pub struct SnippetContext<'a> {
    /// The repository's name.
    pub name: &'a str,
    /// Its kind.
    pub kind: RepositoryKind,
    /// Its URL, without a trailing slash.
    pub url: &'a str,
    /// The `base_url` of the remote, or those of a virtual repository's remotes: whose place it
    /// takes for clients that have to be told so.
    pub upstreams: &'a [&'a str],
    /// The public keys of this installation, for types that sign.
    pub keys: Option<&'a PublicKeys>,
}

/// A piece of client configuration, ready to copy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snippet {
    /// A stable id, unique within the type.
    pub id: &'static str,
    /// The client program.
    pub client: &'static str,
    /// The language of the body, for highlighting.
    pub language: &'static str,
    /// The file that the body belongs into, if any.
    pub file: Option<&'static str>,
    /// The text.
    pub body: String,
    /// A command that shows that it works.
    pub verify: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_takes_the_url_in_every_hole() {
        let template = Template::with_holes("a//b", vec![1, 2]);
        assert_eq!(template.fill("X"), "aX/X/b");
        assert_eq!(template.fill(""), "a//b");
        let fixed = Template::fixed("plain");
        assert!(fixed.is_fixed());
        assert_eq!(fixed.fill("X"), "plain");
    }

    #[test]
    fn holes_beyond_the_end_are_ignored() {
        assert_eq!(Template::with_holes("ab", vec![2, 9]).fill("-"), "ab-");
    }
}
