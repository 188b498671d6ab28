//! A Rust file as its words: identifiers, literals, paths and attributes, without comments.

use std::path::PathBuf;

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{Visit, visit_item};
use syn::{Attribute, Item};

/// One file. Comments and documentation are never part of it.
pub(crate) struct SourceFile {
    path: PathBuf,
    words: Vec<Word>,
}

/// One word and the line it stands in.
struct Word {
    line: usize,
    kind: WordKind,
    text: String,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum WordKind {
    Identifier,
    /// A string, character or byte string literal, with its quotes.
    Text,
    Other,
}

impl SourceFile {
    /// The file without items that only tests compile.
    pub(crate) fn parse(path: PathBuf) -> Result<Self> {
        Self::read(path, false)
    }

    /// The whole file.
    pub(crate) fn parse_with_tests(path: PathBuf) -> Result<Self> {
        Self::read(path, true)
    }

    fn read(path: PathBuf, with_tests: bool) -> Result<Self> {
        let text = std::fs::read_to_string(&path)?;
        let file = syn::parse_file(&text).with_context(|| path.display().to_string())?;
        let mut test_items = TestItems::default();
        if !with_tests {
            test_items.visit_file(&file);
        }
        let mut words = Vec::new();
        let stream: TokenStream = text.parse().map_err(|error| anyhow::anyhow!("{error}"))?;
        collect_words(stream, &mut words);
        words.retain(|word| !test_items.contains(word.line));
        Ok(Self { path, words })
    }

    /// The places of identifiers that are as described.
    pub(crate) fn identifiers(&self, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
        self.places(WordKind::Identifier, is_meant)
    }

    /// The places of string literals whose content, quotes included, is as described.
    pub(crate) fn texts(&self, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
        self.places(WordKind::Text, is_meant)
    }

    /// The places where the words of `path`, as in `hyper::server`, follow each other.
    pub(crate) fn paths(&self, path: &str) -> Vec<String> {
        let wanted: Vec<String> = words_of(path);
        let starts = self.words.windows(wanted.len()).filter(|window| {
            window
                .iter()
                .zip(&wanted)
                .all(|(word, wanted)| word.kind != WordKind::Text && word.text == *wanted)
        });
        starts.filter_map(|window| window.first()).map(|word| self.place(word)).collect()
    }

    fn places(&self, kind: WordKind, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
        let words = self.words.iter().filter(|word| word.kind == kind && is_meant(&word.text));
        words.map(|word| self.place(word)).collect()
    }

    fn place(&self, word: &Word) -> String {
        format!("{}:{}: {}", self.path.display(), word.line, word.text)
    }
}

fn words_of(path: &str) -> Vec<String> {
    let mut words = Vec::new();
    if let Ok(stream) = path.parse() {
        collect_words(stream, &mut words);
    }
    words.into_iter().map(|word| word.text).collect()
}

/// Flattens a token stream. Documentation has become `#[doc = "…"]` by now and is left out.
fn collect_words(stream: TokenStream, words: &mut Vec<Word>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) if is_documentation(group.stream()) => {}
            TokenTree::Group(group) => collect_words(group.stream(), words),
            TokenTree::Ident(identifier) => {
                words.push(Word { line, kind: WordKind::Identifier, text: identifier.to_string() });
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let kind =
                    if text.ends_with(['"', '\'', '#']) { WordKind::Text } else { WordKind::Other };
                words.push(Word { line, kind, text });
            }
            TokenTree::Punct(sign) => {
                words.push(Word { line, kind: WordKind::Other, text: sign.to_string() });
            }
        }
    }
}

fn is_documentation(stream: TokenStream) -> bool {
    let mut trees = stream.into_iter();
    let first = trees.next();
    let second = trees.next();
    matches!((first, second), (Some(TokenTree::Ident(name)), Some(TokenTree::Punct(sign)))
        if name == "doc" && sign.as_char() == '=')
}

/// The lines of items under `#[cfg(test)]`.
#[derive(Default)]
struct TestItems(Vec<(usize, usize)>);

impl TestItems {
    fn contains(&self, line: usize) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }
}

impl<'ast> Visit<'ast> for TestItems {
    fn visit_item(&mut self, item: &'ast Item) {
        if attributes(item).iter().any(is_test_only) {
            use syn::spanned::Spanned;
            let span = item.span();
            self.0.push((span.start().line, span.end().line));
            return;
        }
        visit_item(self, item);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test_only(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Ident>().is_ok_and(|argument| argument == "test")
}
