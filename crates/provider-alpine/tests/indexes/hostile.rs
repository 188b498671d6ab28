//! Indexes of somebody who means harm.

use artifact_core::DocumentError;
use formats::archive::{TarWriter, compress};

use crate::support::{Asking, Index, inspected, passed_on};

#[test]
fn an_index_that_leads_out_of_its_directory_is_refused_everywhere() {
    for text in [
        "P:../../../etc/passwd\nV:1\n\n",
        "P:a\nV:1/../../b\n\n",
        "P:a\nV:1\nA:../x86\n\n",
        "P:a\nV:1\nA:..\n\n",
        "P:a%2e%2e%2f\nV:1\n\n",
        "P:a;b\nV:1\n\n",
        "P:a\u{7f}\nV:1\n\n",
    ] {
        let index = Index::of("one", text);
        let merged = Asking::default().rewrite(std::slice::from_ref(&index)).map(|_| ());
        let passed_on = passed_on(&index).map(|_| ());
        for outcome in [inspected(&index).map(|_| ()), merged, passed_on] {
            assert!(matches!(outcome, Err(DocumentError::Malformed(_))), "{text:?}: {outcome:?}");
        }
    }
}

#[test]
fn long_names_are_refused() {
    let index = Index::of("one", &format!("P:{}\nV:1\n\n", "a".repeat(250)));
    assert!(matches!(inspected(&index), Err(DocumentError::Malformed(_))));
    let index = Index::of("one", &format!("P:{}\nV:1\n\n", "a".repeat(249)));
    assert!(inspected(&index).is_ok());
}

#[test]
fn a_name_that_looks_like_an_address_stays_a_name() {
    let index = Index::of("one", "P:https:evil.example\nV:1\nA:noarch\n\n");
    let facts = passed_on(&index).unwrap().facts;
    assert!(facts.files.values().all(|fact| {
        fact.url == "https://one.example/alpine/v3.22/main/noarch/https:evil.example-1.apk"
    }));
    assert_eq!(facts.files.len(), 2);
}

#[test]
fn a_bomb_is_refused() {
    let mut content = TarWriter::new();
    content.file("APKINDEX", &vec![b'\n'; 80 << 20]).unwrap();
    let body = compress(&content.finish()).unwrap();
    assert!(body.len() < 1 << 20);
    let index = Index { body: body.into(), ..Index::of("one", "") };
    let error = inspected(&index).unwrap_err();
    assert!(error.to_string().contains("decompresses to more than"), "{error}");
}

#[test]
fn a_page_that_is_not_an_index_is_refused() {
    for body in [&b""[..], b"<!DOCTYPE html>", &[0x1f, 0x8b, 8, 0], &[0; 1024]] {
        let index = Index { body: body.to_vec().into(), ..Index::of("one", "") };
        assert!(matches!(inspected(&index), Err(DocumentError::Malformed(_))));
    }
}
