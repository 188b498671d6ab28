//! Repositories are put together as clients have to find them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "../examples/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use artifact_core::{
    Algorithm, AssemblyContext, AssemblyError, DocumentError, FileFact, Generation, Provider,
};
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use formats::xml::{Event, Reader};
use provider_rpm::RpmProvider;
use support::{DirectoryGeneration, DirectoryOutput, HashSigner, context};
use tempfile::TempDir;

/// A package of a repository that is written by hand.
struct Package {
    name: &'static str,
    version: &'static str,
    /// Stands for the digest of the file.
    content: &'static str,
    base: &'static str,
}

const fn package(name: &'static str, version: &'static str, content: &'static str) -> Package {
    Package { name, version, content, base: "" }
}

/// A SHA-256 in hexadecimal.
fn hash(bytes: &[u8]) -> String {
    hex::encode(HashSigner::over(bytes))
}

impl Package {
    fn id(&self) -> String {
        hash(self.content.as_bytes())
    }

    fn primary(&self) -> String {
        let Self { name, version, base, .. } = self;
        let base = if base.is_empty() { String::new() } else { format!("xml:base=\"{base}\" ") };
        format!(
            "<package type=\"rpm\"><name>{name}</name><arch>noarch</arch>\
             <version epoch=\"0\" ver=\"{version}\" rel=\"1\"/>\
             <checksum type=\"sha256\" pkgid=\"YES\">{id}</checksum><summary>{name} &amp; more</summary>\
             <size package=\"7\"/><location {base}href=\"Packages/{name}-{version}-1.noarch.rpm\"/>\
             <format><rpm:license>MIT</rpm:license></format></package>\n",
            id = self.id()
        )
    }

    fn other(&self, inside: &str) -> String {
        let Self { name, version, .. } = self;
        format!(
            "<package pkgid=\"{}\" name=\"{name}\" arch=\"noarch\"><version epoch=\"0\" \
             ver=\"{version}\" rel=\"1\"/>{inside}</package>\n",
            self.id()
        )
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

/// Writes a repository of these parts: kind, file name and content.
fn repository(parts: &[(&str, &str, Vec<u8>)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("repodata")).unwrap();
    let mut index = String::from("<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">");
    for (kind, name, content) in parts {
        fs::write(directory.path().join("repodata").join(name), content).unwrap();
        let data = ["<data type=\"", kind, "\"><location href=\"repodata/", name, "\"/></data>"];
        index.extend(data);
    }
    index += "</repomd>";
    fs::write(directory.path().join("repodata/repomd.xml"), index).unwrap();
    directory
}

fn primary(packages: &[Package]) -> Vec<u8> {
    let all: String = packages.iter().map(Package::primary).collect();
    gzip(&format!(
        "<?xml version=\"1.0\"?><metadata xmlns=\"http://linux.duke.edu/metadata/common\" \
         xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"9\">{all}</metadata>"
    ))
}

fn of_packages(packages: &[Package]) -> TempDir {
    let list = |root: &str, inside: &str| {
        let all: String = packages.iter().map(|package| package.other(inside)).collect();
        gzip(&format!(
            "<{root} xmlns=\"http://linux.duke.edu/metadata/{}\" packages=\"9\">{all}</{root}>",
            root.trim_end_matches("data")
        ))
    };
    repository(&[
        ("primary", "primary.xml.gz", primary(packages)),
        ("filelists", "filelists.xml.gz", list("filelists", "<file>/usr/bin/x</file>")),
        ("other", "other.xml.gz", list("otherdata", "")),
    ])
}

/// What a merge made.
struct Merged {
    directory: TempDir,
    named: Vec<(String, &'static str)>,
}

fn merge_with(
    members: &[(&str, &Path)],
    context: &AssemblyContext<'_>,
) -> Result<Merged, AssemblyError> {
    let mut generations: Vec<Box<dyn Generation>> = Vec::new();
    for (name, directory) in members {
        generations.push(Box::new(DirectoryGeneration::open(directory, name).unwrap()));
    }
    let directory = TempDir::new().unwrap();
    let mut output = DirectoryOutput::create(directory.path()).unwrap();
    RpmProvider::new().assembly().unwrap().assemble(&mut generations, context, &mut output)?;
    Ok(Merged { directory, named: output.named })
}

fn merge(members: &[(&str, &Path)]) -> Result<Merged, AssemblyError> {
    merge_with(members, &context(&HashSigner))
}

impl Merged {
    fn bytes(&self, path: &str) -> Vec<u8> {
        fs::read(self.directory.path().join(path)).unwrap()
    }

    fn part(&self, suffix: &str) -> String {
        let (path, content_type) =
            self.named.iter().find(|(path, _)| path.ends_with(suffix)).unwrap();
        let bytes = self.bytes(path);
        if *content_type != "application/gzip" {
            return String::from_utf8(bytes).unwrap();
        }
        let mut text = String::new();
        MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        text
    }

    /// The locations in the list of packages, in order.
    fn links(&self) -> Vec<String> {
        let text = self.part("primary.xml.gz");
        let mut reader = Reader::new(&text);
        let mut links = Vec::new();
        while let Some(event) = reader.next().unwrap() {
            if let Event::Start(tag) = event
                && tag.name == "location"
            {
                assert_eq!(tag.attribute("xml:base"), None);
                links.push(tag.attribute("href").unwrap().into_owned());
            }
        }
        links
    }
}

fn reason(result: Result<Merged, AssemblyError>) -> String {
    match result {
        Err(AssemblyError::Document(DocumentError::Malformed(reason))) => reason,
        Err(other) => panic!("{other:?}"),
        Ok(merged) => panic!("{:?}", merged.named),
    }
}

#[test]
fn of_equal_packages_the_first_member_s_is_taken_in_every_list() {
    let first = of_packages(&[package("a", "1", "a of one"), package("b", "1", "b")]);
    let second = of_packages(&[
        package("a", "1", "a of two"),
        package("b", "1", "b"),
        package("a", "2", "newer a"),
    ]);
    let merged = merge(&[("one", first.path()), ("two", second.path())]).unwrap();
    assert_eq!(
        merged.links(),
        [
            "_m/one/Packages/a-1-1.noarch.rpm",
            "_m/one/Packages/b-1-1.noarch.rpm",
            "_m/two/Packages/a-2-1.noarch.rpm",
        ]
    );
    let refused = package("a", "1", "a of two").id();
    for suffix in ["primary.xml.gz", "filelists.xml.gz", "other.xml.gz"] {
        let text = merged.part(suffix);
        assert!(text.contains(" packages=\"3\">"), "{text}");
        assert!(!text.contains(&refused), "{suffix}");
        assert_eq!(text.matches("<package ").count(), 3, "{suffix}");
    }
}

#[test]
fn a_list_that_a_member_lacks_is_filled_up() {
    let bare = repository(&[("primary", "primary.xml.gz", primary(&[package("a", "1", "a")]))]);
    let merged = merge(&[("one", bare.path())]).unwrap();
    let expected = format!(
        "<package pkgid=\"{}\" name=\"a\" arch=\"noarch\"><version epoch=\"0\" ver=\"1\" rel=\"1\"/></package>",
        package("a", "1", "a").id()
    );
    assert!(merged.part("filelists.xml.gz").contains(&expected));
    assert!(merged.part("other.xml.gz").contains(&expected));
}

#[test]
fn the_index_is_signed_and_named_last_and_the_same_every_time() {
    let one = of_packages(&[package("a", "1", "a")]);
    let two = of_packages(&[package("b", "1", "b")]);
    let members = [("one", one.path()), ("two", two.path())];
    let (merged, again) = (merge(&members).unwrap(), merge(&members).unwrap());
    assert_eq!(merged.named, again.named);
    assert_eq!(merged.named.last().unwrap().0, "repodata/repomd.xml");
    let index = merged.bytes("repodata/repomd.xml");
    assert_eq!(index, again.bytes("repodata/repomd.xml"));
    assert_eq!(merged.bytes("repodata/repomd.xml.asc"), HashSigner::over(&index));
    assert!(String::from_utf8(index).unwrap().contains("<revision>1700000000</revision>"));
}

#[test]
fn what_the_index_promises_is_what_was_stored() {
    let one = of_packages(&[package("a", "1", "a")]);
    let merged = merge(&[("one", one.path())]).unwrap();
    let text = merged.part("repodata/repomd.xml");
    for (path, _) in merged.named.iter().filter(|(_, media)| *media == "application/gzip") {
        let bytes = merged.bytes(path);
        let mut open = Vec::new();
        MultiGzDecoder::new(&bytes[..]).read_to_end(&mut open).unwrap();
        for promise in [
            format!("<location href=\"{path}\"/>"),
            format!("<checksum type=\"sha256\">{}</checksum>", hash(&bytes)),
            format!("<open-checksum type=\"sha256\">{}</open-checksum>", hash(&open)),
            format!("<size>{}</size>", bytes.len()),
            format!("<open-size>{}</open-size>", open.len()),
        ] {
            assert!(text.contains(&promise), "{promise} is not in {text}");
        }
    }
}

#[test]
fn without_a_key_nothing_is_made() {
    let one = of_packages(&[package("a", "1", "a")]);
    let unsigned = AssemblyContext { signer: None, ..context(&HashSigner) };
    let made = merge_with(&[("one", one.path())], &unsigned);
    assert!(matches!(made, Err(AssemblyError::Document(DocumentError::Unsigned(_)))));
}

#[test]
fn what_a_policy_refuses_is_left_out_and_another_member_may_have_it() {
    let one = of_packages(&[package("a", "1", "one"), package("b", "1", "b")]);
    let two = of_packages(&[package("a", "1", "two")]);
    let admits = |position: usize, path: &str| position != 0 || !path.contains("/a-");
    let context = AssemblyContext { admits: &admits, ..context(&HashSigner) };
    let merged = merge_with(&[("one", one.path()), ("two", two.path())], &context).unwrap();
    let expected = ["_m/one/Packages/b-1-1.noarch.rpm", "_m/two/Packages/a-1-1.noarch.rpm"];
    assert_eq!(merged.links(), expected);
}

#[test]
fn packages_on_other_hosts_are_served_by_their_member() {
    let elsewhere = Package { base: "https://cdn.example/x", ..package("a", "1", "a") };
    let own = Package { base: "https://one.example/pub/", ..package("b", "1", "b") };
    let one = of_packages(&[elsewhere, own]);
    let mut generation = DirectoryGeneration::open(one.path(), "one").unwrap();
    let mut found: HashMap<String, FileFact> = HashMap::new();
    let provider = RpmProvider::new();
    let assembly = provider.assembly().unwrap();
    let mut note = |path: &str, fact: FileFact| {
        found.insert(path.to_owned(), fact);
    };
    let survey = assembly.survey(&mut generation, &mut note).unwrap();
    assert!(survey.leads_elsewhere);
    let [base] = &survey.bases[..] else { panic!("{survey:?}") };
    assert_eq!(base.url, "https://cdn.example/x/");

    let merged = merge(&[("one", one.path())]).unwrap();
    let links = merged.links();
    let foreign = format!("{}Packages/a-1-1.noarch.rpm", base.prefix);
    assert_eq!(links, [format!("_m/one/{foreign}"), "_m/one/Packages/b-1-1.noarch.rpm".to_owned()]);
    let fact = &found[&foreign];
    assert_eq!(fact.url, "https://cdn.example/x/Packages/a-1-1.noarch.rpm");
    assert_eq!(fact.size, Some(7));
    assert!(fact.digests.get(Algorithm::Sha256).is_some());
    assert!(found.contains_key("Packages/b-1-1.noarch.rpm"));

    let alone = AssemblyContext { by_member: false, ..context(&HashSigner) };
    let alone = merge_with(&[("one", one.path())], &alone).unwrap();
    assert_eq!(alone.links(), [foreign, "Packages/b-1-1.noarch.rpm".to_owned()]);
}

#[test]
fn a_survey_of_an_own_repository_leads_nowhere_else() {
    let one = of_packages(&[package("a", "1", "a")]);
    let mut generation = DirectoryGeneration::open(one.path(), "one").unwrap();
    let provider = RpmProvider::new();
    let survey = provider.assembly().unwrap().survey(&mut generation, &mut |_, _| {}).unwrap();
    assert_eq!(survey, artifact_core::Survey::default());
}

#[test]
fn groups_advisories_and_modules_are_united() {
    let member = |group: &str, advisory: &str, module: &str| {
        repository(&[
            ("primary", "primary.xml.gz", primary(&[])),
            ("group", "comps.xml", format!("<comps>{group}</comps>").into()),
            ("updateinfo", "updateinfo.xml.gz", gzip(&format!("<updates>{advisory}</updates>"))),
            ("modules", "modules.yaml.gz", gzip(module)),
            ("primary_db", "primary.sqlite.gz", Vec::new()),
            ("prestodelta", "prestodelta.xml.gz", Vec::new()),
        ])
    };
    let one = member(
        "<group><id>g</id><packagelist><packagereq>a</packagereq></packagelist></group>",
        "<update><id>U-1</id></update>",
        "---\ndocument: modulemd\ndata:\n  name: m\n  stream: 1\n...\n",
    );
    let two = member(
        "<group><id>g</id><packagelist><packagereq>b</packagereq></packagelist></group>",
        "<update><id>U-1</id></update><update><id>U-2</id></update>",
        "---\ndocument: modulemd\ndata:\n  name: m\n  stream: 2\n...\n",
    );
    let merged = merge(&[("one", one.path()), ("two", two.path())]).unwrap();
    let groups = merged.part("comps.xml");
    assert!(groups.contains("<packagereq>a</packagereq><packagereq>b</packagereq>"), "{groups}");
    assert_eq!(merged.part("updateinfo.xml.gz").matches("<update>").count(), 2);
    assert_eq!(merged.part("modules.yaml.gz").matches("document: modulemd\n").count(), 2);
    let index = merged.part("repodata/repomd.xml");
    assert!(!index.contains("_db") && !index.contains("presto"), "{index}");
}

#[test]
fn a_merge_of_a_merge_is_the_same_again() {
    let one = of_packages(&[package("a", "1", "a"), package("b", "2", "b")]);
    let alone = AssemblyContext { by_member: false, ..context(&HashSigner) };
    let first = merge_with(&[("one", one.path())], &alone).unwrap();
    let second = merge_with(&[("one", first.directory.path())], &alone).unwrap();
    assert_eq!(first.named, second.named);
    assert_eq!(first.bytes("repodata/repomd.xml"), second.bytes("repodata/repomd.xml"));
}

#[test]
fn hostile_lists_are_refused_with_a_reason() {
    let head = "<metadata xmlns=\"http://linux.duke.edu/metadata/common\" packages=\"1\">";
    let whole = package("a", "1", "a").primary();
    let bomb = "<!DOCTYPE m [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>";
    let deep = "<package>".repeat(100);
    let cut = gzip(&format!("{head}{whole}</metadata>"));
    let broken_name = whole.replace("<name>a</name>", "<name>&a;</name>");
    for (content, expected) in [
        (gzip(&format!("{bomb}{head}</metadata>")), "a document type that declares something"),
        (gzip(&format!("{head}{deep}")), "nested too deeply"),
        (gzip(&format!("{head}{whole}")), "ends too early"),
        (cut[..cut.len() / 2].to_vec(), "damaged"),
        (b"\x1f\x8bhello".to_vec(), "damaged"),
        (gzip(&format!("{head}{broken_name}</metadata>")), "unknown entity"),
        (gzip("<html></html>"), "another root element"),
        (gzip("<metadata xmlns=\"urn:x\"></metadata>"), "another namespace"),
        (
            gzip(&format!("{head}<package><name>{}</package></metadata>", "x".repeat(9 << 20))),
            "an element of more than",
        ),
        (b"\xfd7zXZ\0\0\x04".to_vec(), "damaged"),
        (b"\x28\xb5\x2f\xfd\xff\xff".to_vec(), "damaged"),
        (b"BZh9xxxxxxxx".to_vec(), "damaged"),
    ] {
        let bad = repository(&[("primary", "primary.xml.gz", content)]);
        let reason = reason(merge(&[("bad", bad.path())]));
        assert!(reason.contains(expected), "{reason} does not say {expected}");
    }
}

#[test]
fn a_part_that_is_not_there_is_a_broken_index() {
    let one = of_packages(&[package("a", "1", "a")]);
    fs::remove_file(one.path().join("repodata/filelists.xml.gz")).unwrap();
    assert!(reason(merge(&[("one", one.path())])).contains("filelists.xml.gz is not there"));
}
