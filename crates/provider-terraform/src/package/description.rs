//! The registry's description of one package.

use artifact_core::{BlobId, SourceDocument};
use formats::json::{Span, Text};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::document::{Unreadable, once, read_object, resolve, text_of, url_of};
use crate::name::{Package, Platform, Release, is_file_name};

/// What a document says of a package. All of it is needed: without one part, nothing could be verified.
#[derive(Debug)]
pub(super) struct Description<'t> {
    /// The whole document.
    pub(super) text: &'t str,
    pub(super) package: Package,
    /// What the checksums call the zip.
    pub(super) filename: String,
    /// The digest of the zip.
    pub(super) shasum: BlobId,
    pub(super) zip: Link,
    pub(super) sums: Link,
    pub(super) signature: Link,
}

/// A link of the document.
#[derive(Debug)]
pub(super) struct Link {
    /// Where it is, quotes included.
    pub(super) span: Span,
    /// What it means.
    pub(super) url: Url,
}

impl Link {
    /// The name of the file that it leads to, if it has a usable one.
    pub(super) fn file_name(&self) -> Option<String> {
        let last = self.url.path_segments()?.next_back()?;
        let name = percent_decode_str(last).decode_utf8().ok()?.into_owned();
        is_file_name(&name).then_some(name)
    }
}

/// The fields that matter, as they were written.
#[derive(Debug, Default)]
struct Fields<'t> {
    os: Option<Text<'t>>,
    arch: Option<Text<'t>>,
    filename: Option<Text<'t>>,
    shasum: Option<Text<'t>>,
    download_url: Option<Text<'t>>,
    shasums_url: Option<Text<'t>>,
    shasums_signature_url: Option<Text<'t>>,
}

impl<'t> Fields<'t> {
    fn slot(&mut self, key: &str) -> Option<(&mut Option<Text<'t>>, &'static str)> {
        Some(match key {
            "os" => (&mut self.os, "os"),
            "arch" => (&mut self.arch, "arch"),
            "filename" => (&mut self.filename, "filename"),
            "shasum" => (&mut self.shasum, "shasum"),
            "download_url" => (&mut self.download_url, "download_url"),
            "shasums_url" => (&mut self.shasums_url, "shasums_url"),
            "shasums_signature_url" => (&mut self.shasums_signature_url, "shasums_signature_url"),
            _ => return None,
        })
    }
}

impl<'t> Description<'t> {
    pub(super) fn read(document: &SourceDocument<'t>) -> Result<Self, Unreadable> {
        let text = text_of(document)?;
        let mut fields = Fields::default();
        read_object(text, |key, value| {
            let Some((slot, field)) = fields.slot(&key.decoded()) else { return Ok(()) };
            once(slot, value.string_or_skip()?.ok_or(Unreadable::Missing(field))?, field)
        })?;
        let release = Release::of_path(document.path)
            .ok_or(Unreadable::Other("the document belongs to no version"))?;
        let base = url_of(document);
        let link = |field, name| link(field, name, base.as_ref());
        Ok(Self {
            text,
            package: release.package(platform(fields.os, fields.arch)?),
            filename: filename(fields.filename)?,
            shasum: shasum(fields.shasum)?,
            zip: link(fields.download_url, "download_url")?,
            sums: link(fields.shasums_url, "shasums_url")?,
            signature: link(fields.shasums_signature_url, "shasums_signature_url")?,
        })
    }

    /// Makes sure that it is about the package that was asked for: clients do.
    pub(super) fn require_package(&self, document: &SourceDocument<'_>) -> Result<(), Unreadable> {
        if Package::of_path(document.path).as_ref() == Some(&self.package) {
            return Ok(());
        }
        Err(Unreadable::Other("it describes a package for another platform"))
    }

    pub(super) fn zip_path(&self) -> String {
        self.package.zip_path(&self.filename)
    }

    /// The name under which publishers keep the checksums.
    pub(super) fn sums_name(&self) -> String {
        let usual = || {
            let Release { provider, version } = &self.package.release;
            format!("terraform-provider-{}_{version}_SHA256SUMS", provider.kind())
        };
        self.sums.file_name().unwrap_or_else(usual)
    }

    pub(super) fn signature_name(&self) -> String {
        self.signature.file_name().unwrap_or_else(|| format!("{}.sig", self.sums_name()))
    }
}

fn value<'t>(
    field: Option<Text<'t>>,
    name: &'static str,
) -> Result<std::borrow::Cow<'t, str>, Unreadable> {
    field.map(|text| text.decoded()).ok_or(Unreadable::Missing(name))
}

fn platform(os: Option<Text<'_>>, arch: Option<Text<'_>>) -> Result<Platform, Unreadable> {
    let (os, arch) = (value(os, "os")?, value(arch, "arch")?);
    Platform::parse(&os, &arch).ok_or_else(|| Unreadable::Value("os", format!("{os}_{arch}")))
}

fn filename(field: Option<Text<'_>>) -> Result<String, Unreadable> {
    let name = value(field, "filename")?.into_owned();
    if is_file_name(&name) { Ok(name) } else { Err(Unreadable::Value("filename", name)) }
}

fn shasum(field: Option<Text<'_>>) -> Result<BlobId, Unreadable> {
    let digest = value(field, "shasum")?;
    digest.parse().map_err(|_| Unreadable::Value("shasum", digest.into_owned()))
}

fn link(
    field: Option<Text<'_>>,
    name: &'static str,
    base: Option<&Url>,
) -> Result<Link, Unreadable> {
    let text = field.ok_or(Unreadable::Missing(name))?;
    let url = resolve(&text.decoded(), base)
        .ok_or(Unreadable::Other("a link is no http or https address"))?;
    Ok(Link { span: text.span(), url })
}
