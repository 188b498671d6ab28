//! Paths of modules.

use artifact_core::{Class, DocumentKind, Origin, Owner, Reject, RepoPath, Shape, Target, Variant};
use formats::version::GoVersion;

use super::escape::{escape, unescape};
use super::{JSON, LATEST, LIST, PLAIN, TEXT, not_found};

/// What a version consists of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum File {
    Info,
    Mod,
    Zip,
}

impl File {
    pub(crate) const ALL: [Self; 3] = [Self::Info, Self::Mod, Self::Zip];

    fn extension(self) -> &'static str {
        match self {
            Self::Info => ".info",
            Self::Mod => ".mod",
            Self::Zip => ".zip",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Info => JSON,
            Self::Mod => TEXT,
            Self::Zip => "application/zip",
        }
    }
}

/// The canonical path of a file of a version, given the escaped path of its module; `None` for what
/// is no version.
pub(crate) fn file_path(module: &str, version: &str, file: File) -> Option<String> {
    Some(format!("{module}/@v/{}{}", escape(version)?, file.extension()))
}

pub(super) fn classify(path: &str) -> Result<Target, Reject> {
    if let Some(escaped) = path.strip_suffix("/@latest") {
        let module = Module::parse(escaped)?;
        return module.document(path, LATEST, JSON);
    }
    let (escaped, below) = path.split_once("/@v/").ok_or_else(not_found)?;
    let module = Module::parse(escaped)?;
    if below == "list" {
        return module.list();
    }
    let found =
        File::ALL.into_iter().find_map(|file| Some((file, below.strip_suffix(file.extension())?)));
    let (file, escaped_version) = found.ok_or_else(not_found)?;
    module.file(escaped_version, file)
}

/// A module.
struct Module<'r> {
    escaped: &'r str,
    path: String,
}

impl<'r> Module<'r> {
    fn parse(escaped: &'r str) -> Result<Self, Reject> {
        let malformed = || Reject::not_found("this is not the path of a module");
        let path = unescape(escaped).ok_or_else(malformed)?.into_owned();
        if path.split('/').all(is_element) { Ok(Self { escaped, path }) } else { Err(malformed()) }
    }

    fn list(&self) -> Result<Target, Reject> {
        self.document(&format!("{}/@v/list", self.escaped), LIST, TEXT)
    }

    fn document(
        &self,
        path: &str,
        kind: DocumentKind,
        content_type: &'static str,
    ) -> Result<Target, Reject> {
        let shape = Shape::Document { kind, variant: PLAIN };
        self.target(path, Class::Mutable, shape, content_type)
    }

    /// A file of a version. Only of a canonical one there is more than the `.info`, which is how
    /// `go` asks what a branch or a commit is.
    fn file(&self, escaped_version: &str, file: File) -> Result<Target, Reject> {
        let version = unescape(escaped_version).ok_or_else(not_found)?;
        let class = match GoVersion::parse(&version) {
            Some(_) => Class::Immutable,
            None if file == File::Info && is_query(&version) => Class::Mutable,
            None => return Err(Reject::not_found("this is not a canonical version of a module")),
        };
        let info = self.one_file(escaped_version, File::Info, class)?;
        let target = self.one_file(escaped_version, file, class)?;
        let owner =
            Owner::Witnessed { name: Some(Box::new(self.list()?)), version: Some(Box::new(info)) };
        Ok(Target { owner, ..target })
    }

    fn one_file(&self, version: &str, file: File, class: Class) -> Result<Target, Reject> {
        let path = format!("{}/@v/{version}{}", self.escaped, file.extension());
        self.target(&path, class, Shape::File, file.content_type())
    }

    fn target(
        &self,
        path: &str,
        class: Class,
        shape: Shape,
        content_type: &'static str,
    ) -> Result<Target, Reject> {
        let path =
            RepoPath::from_decoded(path).map_err(|error| Reject::bad_request(error.to_string()))?;
        Ok(Target {
            origin: Origin::Upstream(path.to_encoded()),
            path,
            source: Variant::SOURCE,
            class,
            shape,
            package: Some(self.path.clone()),
            owner: Owner::First,
            content_type: Some(content_type),
            accept: None,
            html_allowed: false,
        })
    }
}

/// Whether `element` can be a segment of a module's path.
fn is_element(element: &str) -> bool {
    let is_character = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !element.is_empty()
        && element.bytes().all(is_character)
        && !element.starts_with('.')
        && !element.ends_with('.')
}

/// Whether `go` may ask what `query` is: a branch, a tag, a commit or an incomplete version.
fn is_query(query: &str) -> bool {
    !query.is_empty() && query.split('/').all(|element| !element.is_empty())
}
