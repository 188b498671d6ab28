//! A package type that does nothing but use every part of the provider trait.
//!
//! `index` and `set/index` are lists of lines; in `set/`, the index and the files that it names are
//! assembled in virtual repositories:
//!
//! ```text
//! file <path> <sha256 or ->          a file below files/
//! page <path>                        another document that belongs to this one
//! part <presence> <path> <sha256>    a file that changes together with the document
//! broken                             cannot be read
//! ```
//!
//! A part of a set lists `<path> <sha256 or ->`, or `elsewhere <url>` for files that are there. Of
//! other names there are `<name>/tag/<tag>`, which changes, and `<name>/by-digest/<sha256>`, which does not.

use std::io::Read;

use artifact_core::{
    Algorithm, Assembly, AssemblyContext, AssemblyError, Base, Class, Defaults, Digest,
    DocumentError, DocumentKind, ErrorBody, Facts, FileFact, Generation, Hosting, Inspection,
    MEMBERS, Origin, Output, Owner, Ownership, PackageRequest, PackageType, Part, PathRules,
    Presence, Problem, Provider, Reject, Rendition, RepoPath, RepositoryKind, Republishing,
    RewriteContext, Rewritten, Route, Shape, Snippet, SnippetContext, SourceDocument, Substitute,
    Survey, Target, Template, Variant,
};

const INDEX: DocumentKind = DocumentKind("index");
const TEXT: Variant = Variant::new("text");

#[derive(Debug)]
pub(crate) struct Catalog {
    package_type: PackageType,
    pub(crate) republishing: Republishing,
    pub(crate) ownership: Ownership,
    pub(crate) digest_header: Option<&'static str>,
}

impl Catalog {
    /// One whose virtual repositories unite, and whose indexes are right about files.
    pub(crate) fn united() -> Self {
        Self {
            package_type: "catalog".parse().unwrap(),
            republishing: Republishing::Followed,
            ownership: Ownership::Union,
            digest_header: None,
        }
    }

    /// One whose names are owned, and whose files never change.
    pub(crate) fn owned() -> Self {
        Self {
            package_type: "owned".parse().unwrap(),
            republishing: Republishing::Reported,
            ownership: Ownership::ByName,
            digest_header: None,
        }
    }

    /// One whose names lead to digests.
    pub(crate) fn addressed() -> Self {
        Self {
            package_type: "addressed".parse().unwrap(),
            digest_header: Some("x-digest"),
            ..Self::united()
        }
    }
}

fn target(path: &str, shape: Shape, origin: Origin) -> Target {
    Target {
        path: RepoPath::from_decoded(path).unwrap(),
        source: Variant::SOURCE,
        class: if matches!(shape, Shape::Document { .. }) {
            Class::Mutable
        } else {
            Class::Immutable
        },
        shape,
        origin,
        package: None,
        owner: Owner::First,
        content_type: Some("text/plain"),
        accept: None,
        html_allowed: false,
    }
}

fn document(path: &str) -> Target {
    let shape = Shape::Document { kind: INDEX, variant: TEXT };
    target(path, shape, Origin::Upstream(path.to_owned()))
}

/// A file that the index in the same directory, or at the top, may list.
fn listed(path: &str, unlisted: Option<&str>) -> Target {
    let index = if path.starts_with("set/") { "set/index" } else { "index" };
    let origin = Origin::Index {
        index: Box::new(document(index)),
        unlisted: unlisted.map(ToOwned::to_owned),
    };
    let class = if path.contains("part") { Class::Mutable } else { Class::Immutable };
    Target { class, ..target(path, Shape::File, origin) }
}

fn of_package(package: &str, path: &str) -> Result<Target, Reject> {
    let (class, origin) = match path[package.len()..].split('/').collect::<Vec<_>>().as_slice() {
        ["", "tag", _] => (Class::Mutable, Origin::Upstream(path.to_owned())),
        ["", "by-digest", hex] => {
            let digest = digest(hex).ok_or_else(|| Reject::bad_request("no digest"))?;
            (Class::Immutable, Origin::Addressed { reference: path.to_owned(), digest })
        }
        _ => return Err(Reject::not_found("no such path")),
    };
    let package = Some(package.to_owned());
    Ok(Target { package, class, ..target(path, Shape::File, origin) })
}

fn digest(hex: &str) -> Option<Digest> {
    Digest::from_hex(Algorithm::Sha256, hex).ok()
}

fn fact(document: &SourceDocument<'_>, number: usize, path: &str, hash: &str) -> FileFact {
    let root = document.url.unwrap().strip_suffix(document.path.as_str()).unwrap_or_default();
    FileFact {
        document: number,
        url: format!("{root}{path}"),
        digests: digest(hash).into_iter().collect(),
        ..FileFact::default()
    }
}

fn lines<'a>(document: &SourceDocument<'a>) -> impl Iterator<Item = Vec<&'a str>> {
    let text = std::str::from_utf8(document.body).unwrap();
    text.lines().map(|line| line.split(' ').collect())
}

impl Provider for Catalog {
    fn package_type(&self) -> &PackageType {
        &self.package_type
    }

    fn path_rules(&self) -> PathRules {
        PathRules::default()
    }

    fn defaults(&self) -> Defaults {
        Defaults {
            republishing: self.republishing,
            ownership: self.ownership,
            digest_header: self.digest_header,
            ..Defaults::default()
        }
    }

    fn classify(&self, request: &PackageRequest<'_>) -> Result<Route, Reject> {
        let path = request.path.as_str();
        Ok(Route::Serve(match path.split('/').next().unwrap() {
            "set" if request.kind == RepositoryKind::Virtual => {
                let index = Box::new(document("set/index"));
                let shape = Shape::Assembled { index };
                target(path, shape, Origin::Upstream(path.to_owned()))
            }
            "set" if path == "set/index" => document(path),
            "index" | "page" => document(path),
            "loose" => listed(path, Some(path)),
            "relayed" => {
                let origin = Origin::Relayed {
                    offer: Box::new(document("index")),
                    reference: path.to_owned(),
                    otherwise: format!("http://elsewhere.example/{path}"),
                };
                target(path, Shape::File, origin)
            }
            "set" | "files" | "part" => listed(path, None),
            "named" if path.ends_with("/list") => document(path),
            "named" => {
                let (name, _) = path.rsplit_once('/').unwrap();
                Target {
                    owner: Owner::Witnessed {
                        name: Some(Box::new(document(&format!("{name}/list")))),
                        version: Some(Box::new(document(&format!("{path}.info")))),
                    },
                    ..target(path, Shape::File, Origin::Upstream(path.to_owned()))
                }
            }
            package => of_package(package, path)?,
        }))
    }

    fn inspect(&self, document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
        let mut inspection = Inspection::default();
        for line in lines(document) {
            match line.as_slice() {
                ["page", path] => inspection.companions.push(self::document(path)),
                ["part", presence, path, hash] => inspection.parts.push(Part {
                    target: listed(path, None),
                    fact: fact(document, 0, path, hash),
                    presence: match *presence {
                        "serving" => Presence::BeforeServing,
                        "replacing" => Presence::BeforeReplacing,
                        _ => Presence::WithDocument,
                    },
                }),
                ["file", path, hash] => {
                    let fact = fact(document, 0, path, hash);
                    inspection.facts.files.insert((*path).to_owned(), fact);
                }
                ["broken"] => return Err(DocumentError::Malformed("it says so".to_owned())),
                _ => {}
            }
        }
        Ok(inspection)
    }

    fn rewrite(
        &self,
        documents: &[SourceDocument<'_>],
        context: &RewriteContext<'_>,
    ) -> Result<Rewritten, DocumentError> {
        let mut text = String::new();
        let mut facts = Facts::default();
        for (number, document) in documents.iter().enumerate() {
            for line in lines(document) {
                let [word, path, hash] = line.as_slice() else { continue };
                if *word != "file" || facts.files.contains_key(*path) {
                    continue;
                }
                facts.files.insert((*path).to_owned(), fact(document, number, path, hash));
                let member = match context.kind {
                    RepositoryKind::Virtual => format!("{MEMBERS}/{}/", document.member),
                    _ => String::new(),
                };
                text.extend([&member, *path, "\n"]);
            }
            for line in lines(document) {
                if let ["part", _, path, hash] = line.as_slice() {
                    facts.files.insert((*path).to_owned(), fact(document, number, path, hash));
                }
            }
        }
        let body = Template::fixed(text);
        let rendition = Rendition { variant: TEXT, content_type: "text/plain", body };
        Ok(Rewritten { renditions: vec![rendition], facts })
    }

    fn is_linked(&self, _: DocumentKind) -> bool {
        self.digest_header.is_some()
    }

    fn substitute(&self, absent: &Target) -> Option<Substitute> {
        match absent.path.as_str() {
            "page/first" => Some(Substitute::Document(Box::new(document("page/second")))),
            "page/second" => Some(Substitute::Body("file files/none -\n".into())),
            _ => None,
        }
    }

    fn error_body(&self, problem: &Problem<'_>) -> ErrorBody {
        ErrorBody { content_type: "text/plain", body: problem.message.to_owned().into() }
    }

    fn snippets(&self, _: &SnippetContext<'_>) -> Vec<Snippet> {
        Vec::new()
    }

    fn hosting(&self) -> Option<&dyn Hosting> {
        None
    }

    fn assembly(&self) -> Option<&dyn Assembly> {
        Some(self)
    }
}

fn read(generation: &mut dyn Generation, path: &str) -> Result<String, AssemblyError> {
    let mut text = String::new();
    if let Some(mut part) = generation.open(path)? {
        part.read_to_string(&mut text)?;
    }
    Ok(text)
}

impl Assembly for Catalog {
    fn survey(
        &self,
        generation: &mut dyn Generation,
        found: &mut dyn FnMut(&str, FileFact),
    ) -> Result<Survey, AssemblyError> {
        let mut survey = Survey::default();
        for line in read(generation, "set/part")?.lines() {
            let (path, hash) = line.split_once(' ').unwrap();
            if path == "elsewhere" {
                let (prefix, url) = ("set/ext/".to_owned(), hash.to_owned());
                survey.leads_elsewhere = true;
                survey.bases.push(Base { document: 0, prefix, url });
                continue;
            }
            let digests = digest(hash).into_iter().collect();
            found(path, FileFact { digests, ..FileFact::default() });
        }
        Ok(survey)
    }

    fn assemble(
        &self,
        generations: &mut [Box<dyn Generation>],
        context: &AssemblyContext<'_>,
        output: &mut dyn Output,
    ) -> Result<(), AssemblyError> {
        let mut merged = String::new();
        for generation in generations {
            let member = generation.document().member;
            let member =
                if context.by_member { format!("{MEMBERS}/{member}/") } else { String::new() };
            for line in read(&mut **generation, "set/part")?.lines() {
                let line = if line.starts_with("elsewhere ") { "set/ext/" } else { line };
                merged.extend([&member, line, "\n"]);
            }
        }
        let part = output.store(&mut |file| Ok(file.write_all(merged.as_bytes())?))?;
        let path = format!("set/{}", part.blob);
        output.name(part, &path, "text/plain")?;
        let index = output.store(&mut |file| Ok(file.write_all(path.as_bytes())?))?;
        output.name(index, "set/index", "text/plain")
    }
}
