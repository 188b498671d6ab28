//! What the source text must not contain.

use anyhow::Result;

use crate::Workspace;

/// The types. `generic` is also a word of English, so it is looked for by itself.
const PACKAGE_TYPES: &[&str] =
    &["alpine", "docker", "goproxy", "helm", "npm", "puppet", "pypi", "rpm", "terraform"];

/// The crates that are written once for all package types.
const TYPE_BLIND: &[&str] = &[
    "admin-client",
    "admin-types",
    "artifact-core",
    "artifact-engine",
    "artifact-http",
    "cas-store",
    "meta-db",
    "ttl-cache",
    "upstream",
];

fn names_a_package_type(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| PACKAGE_TYPES.contains(&word.to_lowercase().as_str()))
}

/// Splits `NpmName`, `npm_name` and `NPM_NAME` into words.
fn words_of_identifier(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower_case = false;
    for letter in identifier.chars() {
        if letter == '_' || (letter.is_uppercase() && was_lower_case) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (letter != '_', words.last_mut()) {
            word.extend(letter.to_lowercase());
        }
        was_lower_case = letter.is_lowercase();
    }
    words
}

fn is_called_after_a_package_type(identifier: &str) -> bool {
    let joined = identifier.to_lowercase();
    let words = words_of_identifier(identifier);
    PACKAGE_TYPES.iter().any(|name| joined == *name || words.iter().any(|word| word == name))
}

fn assert_nowhere(places: &[String], rule: &str) {
    assert!(places.is_empty(), "{rule}:\n{}", places.join("\n"));
}

#[test]
fn only_providers_and_binaries_name_a_package_type() -> Result<()> {
    let workspace = Workspace::load()?;
    let mut places = Vec::new();
    for name in TYPE_BLIND {
        for file in Workspace::shipped_sources(workspace.member(name)?)? {
            places.extend(file.texts(names_a_package_type));
            // The core also has a kind of row with this name.
            if *name != "artifact-core" {
                places.extend(file.texts(|text| text == "\"generic\""));
            }
            places.extend(file.identifiers(is_called_after_a_package_type));
        }
    }
    assert_nowhere(&places, "a new package type is one crate and one line of registration");
    Ok(())
}

#[test]
fn sql_is_written_in_meta_db_and_migrations_only() -> Result<()> {
    const BEGINNINGS: &[&str] =
        &["select ", "insert into ", "insert or ", "update ", "delete from ", "create table "];
    let is_statement = |text: &str| {
        let text = text.trim_start_matches(['r', 'b', '#', '"']).trim_start().to_lowercase();
        let is_query = text.starts_with("select ") && text.contains(" from ");
        let is_change = text.starts_with("update ") && text.contains(" set ");
        let is_other = BEGINNINGS.iter().any(|beginning| {
            !["select ", "update "].contains(beginning) && text.starts_with(beginning)
        });
        is_query || is_change || is_other
    };
    let workspace = Workspace::load()?;
    let mut places = Vec::new();
    for member in workspace.members().iter().filter(|member| member.name.as_str() != "meta-db") {
        for file in Workspace::shipped_sources(member)? {
            places.extend(file.texts(is_statement));
        }
    }
    assert_nowhere(&places, "only meta-db speaks SQL");
    Ok(())
}

#[test]
fn redis_is_mentioned_in_ttl_cache_and_binaries_only() -> Result<()> {
    let workspace = Workspace::load()?;
    let mut places = Vec::new();
    for name in TYPE_BLIND.iter().filter(|name| **name != "ttl-cache") {
        for file in Workspace::shipped_sources(workspace.member(name)?)? {
            places.extend(file.identifiers(|word| word.to_lowercase().contains("redis")));
        }
    }
    assert_nowhere(&places, "only ttl-cache knows Redis");
    Ok(())
}

#[test]
fn nothing_is_unsafe_unfinished_or_skipped() -> Result<()> {
    let workspace = Workspace::load()?;
    let mut places = Vec::new();
    for member in workspace.members() {
        for file in Workspace::all_sources(member)? {
            places.extend(file.identifiers(|word| word == "unsafe"));
            for unfinished in ["todo!", "unimplemented!", "#[ignore]"] {
                places.extend(file.paths(unfinished));
            }
        }
    }
    assert_nowhere(&places, "no unsafe code, no unfinished code, no skipped test");
    Ok(())
}

#[test]
fn tests_do_not_sleep_on_the_real_clock() -> Result<()> {
    let workspace = Workspace::load()?;
    let mut places = Vec::new();
    for member in workspace.members() {
        for file in Workspace::test_sources(member)? {
            places.extend(file.paths("thread::sleep"));
        }
    }
    assert_nowhere(&places, "wait for an event, not for a time");
    Ok(())
}

#[test]
fn the_scans_find_what_they_look_for() {
    for literal in ["\"npm\"", "\"library/docker-hub\"", "b\"helm\"", "r#\"pypi\"#"] {
        assert!(names_a_package_type(literal), "{literal}");
    }
    for literal in ["\"a generic error\"", "\"npmrc\"", "\"overwhelm\""] {
        assert!(!names_a_package_type(literal), "{literal}");
    }
    for identifier in ["NpmName", "npm_name", "PYPI_INDEX", "PyPi", "is_docker"] {
        assert!(is_called_after_a_package_type(identifier), "{identifier}");
    }
    assert!(!is_called_after_a_package_type("overwhelmed"));
}

#[test]
fn a_source_file_is_read_without_comments_documentation_and_tests() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("sample.rs");
    let sample = "//! Says \"one\".\n\n/// Says \"two\".\nfn shipped() { call(\"three\"); } // \"four\"\n\n\
                  #[cfg(test)]\nmod tests {\n    fn checked() { call(\"five\"); }\n}\n";
    std::fs::write(&path, sample)?;
    let shipped = crate::SourceFile::parse(path.clone())?;
    assert_eq!(shipped.texts(|_| true).len(), 1);
    assert_eq!(shipped.paths("fn shipped").len(), 1);
    assert_eq!(shipped.identifiers(|word| word == "call").len(), 1);
    let whole = crate::SourceFile::parse_with_tests(path)?;
    assert_eq!(whole.texts(|_| true).len(), 2);
    Ok(())
}
