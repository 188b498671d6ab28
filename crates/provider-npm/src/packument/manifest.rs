//! The manifest of one version.

use std::borrow::Cow;
use std::ops::Range;

use formats::json::{Kind, Reader, Span, Text};

use super::Unreadable;
use super::read::once;

/// What we know of a version.
#[derive(Debug)]
pub(super) struct Version<'t> {
    pub(super) label: Cow<'t, str>,
    /// The label as it was written.
    pub(super) key: Span,
    /// The manifest as it was written.
    pub(super) manifest: Span,
    /// Which of the packument's kept members are this version's; `None` when the manifest is no object.
    pub(super) kept: Option<Range<usize>>,
    /// Upstream's URL of the tarball, as it was written.
    pub(super) tarball: Option<Cow<'t, str>>,
    /// The links that lead elsewhere, in the order in which they were written.
    pub(super) links: Vec<Link>,
    pub(super) integrity: Option<Cow<'t, str>>,
    pub(super) shasum: Option<Cow<'t, str>>,
    pub(super) runs_scripts: RunsScripts,
}

/// A link that has to lead to us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) to: LinkTarget,
    pub(super) span: Span,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LinkTarget {
    Tarball,
    Attestations,
}

/// Whether an installation runs something. Full manifests do not say so; abbreviated ones must.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RunsScripts {
    /// One of the scripts `preinstall`, `install` and `postinstall` is there.
    script: bool,
    /// One of the first two is there.
    builds_itself: bool,
    /// The package has a `binding.gyp`.
    gyp: bool,
    /// What the registry itself says, as it was written.
    pub(super) said: Option<Span>,
}

impl RunsScripts {
    /// The rule by which the public registry computes `hasInstallScript`.
    pub(super) fn computed(&self) -> bool {
        self.script || (self.gyp && !self.builds_itself)
    }
}

/// Walks over a manifest; the members that its abbreviated form keeps are appended to `kept`.
pub(super) fn read_manifest<'t>(
    label: Text<'t>,
    manifest: &mut Reader<'t>,
    kept: &mut Vec<Span>,
) -> Result<Version<'t>, Unreadable> {
    let mut version = Version {
        label: label.decoded(),
        key: label.span(),
        manifest: Span::default(),
        kept: None,
        tarball: None,
        links: Vec::new(),
        integrity: None,
        shasum: None,
        runs_scripts: RunsScripts::default(),
    };
    if manifest.kind()? != Kind::Object {
        version.manifest = manifest.skip()?;
        return Ok(version);
    }
    let first = kept.len();
    let mut has_dist = false;
    version.manifest = manifest.object(|key, value| {
        let start = key.span().start;
        match &*key.decoded() {
            "dist" => {
                once(!std::mem::replace(&mut has_dist, true), "dist")?;
                let end = version.read_dist(value)?.end;
                kept.push(Span { start, end });
            }
            "scripts" => version.runs_scripts.read_scripts(value)?,
            // A literal of four letters that is a Bool is `true`.
            "gypfile" => {
                let kind = value.kind()?;
                let span = value.skip()?;
                version.runs_scripts.gyp = kind == Kind::Bool && span.end - span.start == 4;
            }
            "hasInstallScript" => {
                let end = value.skip()?.end;
                version.runs_scripts.said = Some(Span { start, end });
            }
            key if is_kept(key) => {
                let end = value.skip()?.end;
                kept.push(Span { start, end });
            }
            _ => {}
        }
        Ok::<(), Unreadable>(())
    })?;
    version.kept = Some(first..kept.len());
    Ok(version)
}

impl<'t> Version<'t> {
    fn read_dist(&mut self, dist: &mut Reader<'t>) -> Result<Span, Unreadable> {
        if dist.kind()? != Kind::Object {
            return Ok(dist.skip()?);
        }
        dist.object(|key, value| {
            match &*key.decoded() {
                "tarball" => {
                    once(self.tarball.is_none(), "tarball")?;
                    self.tarball = self.read_link(LinkTarget::Tarball, value)?;
                }
                "attestations" if value.kind()? == Kind::Object => {
                    self.read_attestations(value)?;
                }
                "integrity" => self.integrity = value.string_or_skip()?.map(|sri| sri.decoded()),
                "shasum" => self.shasum = value.string_or_skip()?.map(|sum| sum.decoded()),
                _ => {}
            }
            Ok(())
        })
    }

    fn read_attestations(&mut self, attestations: &mut Reader<'t>) -> Result<(), Unreadable> {
        attestations.object(|key, value| {
            if key.is("url") {
                self.read_link(LinkTarget::Attestations, value)?;
            }
            Ok::<(), Unreadable>(())
        })?;
        Ok(())
    }

    fn read_link(
        &mut self,
        to: LinkTarget,
        value: &mut Reader<'t>,
    ) -> Result<Option<Cow<'t, str>>, Unreadable> {
        let Some(url) = value.string_or_skip()? else { return Ok(None) };
        self.links.push(Link { to, span: url.span() });
        Ok(Some(url.decoded()))
    }
}

impl RunsScripts {
    fn read_scripts(&mut self, scripts: &mut Reader<'_>) -> Result<(), Unreadable> {
        if scripts.kind()? != Kind::Object {
            return Ok(());
        }
        scripts.object(|key, value| {
            let builds_itself = key.is("install") || key.is("preinstall");
            if !builds_itself && !key.is("postinstall") {
                return Ok(());
            }
            let command = value.string_or_skip()?;
            let is_set = command.is_some_and(|command| !command.is(""));
            self.script |= is_set;
            self.builds_itself |= is_set && builds_itself;
            Ok::<(), Unreadable>(())
        })?;
        Ok(())
    }
}

/// What the abbreviated form keeps besides `dist` and `hasInstallScript`. Leaving out `os`,
/// `cpu` or `libc` installs every platform's binaries at once.
fn is_kept(key: &str) -> bool {
    matches!(
        key,
        "name"
            | "version"
            | "deprecated"
            | "dependencies"
            | "acceptDependencies"
            | "optionalDependencies"
            | "devDependencies"
            | "bundleDependencies"
            | "bundledDependencies"
            | "peerDependencies"
            | "peerDependenciesMeta"
            | "bin"
            | "directories"
            | "engines"
            | "_hasShrinkwrap"
            | "funding"
            | "cpu"
            | "os"
            | "libc"
    )
}
