use std::cell::RefCell;

use lol_html::errors::RewritingError;
use lol_html::html_content::Element;
use lol_html::{HtmlRewriter, MemorySettings, Settings, element, text};

/// How much of a page is read at a time; an unfinished token is all that is kept between two pieces.
const PIECE: usize = 16 << 10;

/// What a page may cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The most anchors.
    pub anchors: usize,
    /// The longest attribute value or anchor text in bytes, before entities are decoded.
    pub attribute: usize,
    /// The most memory that the tokenizer may hold in bytes: one unfinished tag and the stack
    /// of open elements.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { anchors: 1_000_000, attribute: 16 << 10, memory: 8 << 20 }
    }
}

/// Why a page was not read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HtmlError {
    /// More anchors than allowed.
    #[error("the page has more than {0} links")]
    TooManyAnchors(usize),
    /// A longer attribute or anchor text than allowed.
    #[error("the page has an attribute or a link text of more than {0} bytes")]
    TooLong(usize),
    /// A tag that does not end, or elements nested without end.
    #[error("the page needs too much memory to read")]
    TooMuchMemory,
    /// The tokenizer gave up.
    #[error("the page cannot be tokenized")]
    Unreadable,
}

/// An anchor that has an `href`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Anchor {
    /// The reference as written, entities decoded, not resolved.
    pub href: String,
    /// The other attributes in order, names in lower case, values decoded. An attribute without
    /// a value has the empty one.
    pub attributes: Vec<(String, String)>,
    /// The text inside, decoded and trimmed.
    pub text: String,
}

impl Anchor {
    /// The value of the attribute `name` (lower case), if it is present.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What a page says besides its anchors.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Head {
    /// The `href` of the first `<base>`, against which anchors are to be resolved.
    pub base: Option<String>,
    /// The named `<meta>` elements in order: name in lower case, and content.
    pub metas: Vec<(String, String)>,
    /// Whether the page has a form or a script, as login pages have and indexes have not.
    pub is_interactive: bool,
}

impl Head {
    /// The contents of every `<meta>` called `name` (lower case).
    pub fn metas<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.metas.iter().filter(move |(key, _)| key == name).map(|(_, content)| content.as_str())
    }
}

/// A page, read whole.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// What it says besides its anchors.
    pub head: Head,
    /// Its anchors in order.
    pub anchors: Vec<Anchor>,
}

/// Reads a page whole.
pub fn read(html: &[u8], limits: Limits) -> Result<Page, HtmlError> {
    let mut anchors = Vec::new();
    let head = scan(html, limits, &mut |anchor| anchors.push(anchor))?;
    Ok(Page { head, anchors })
}

/// Reads a page and hands each anchor to `sink` as soon as it is complete, so that a page of
/// any number of links costs no more than the caller keeps.
pub fn scan(html: &[u8], limits: Limits, sink: &mut dyn FnMut(Anchor)) -> Result<Head, HtmlError> {
    let state = RefCell::new(Reader { limits, head: Head::default(), open: None, seen: 0, sink });
    tokenize(html, limits, &state).map_err(|error| into_html_error(&error))?;
    let mut reader = state.into_inner();
    reader.finish_anchor();
    Ok(reader.head)
}

fn tokenize(
    html: &[u8],
    limits: Limits,
    state: &RefCell<Reader<'_>>,
) -> Result<(), RewritingError> {
    let settings = Settings::new()
        .with_strict(false)
        .with_memory_settings(MemorySettings::new().with_max_allowed_memory_usage(limits.memory))
        .append_element_content_handler(element!("a[href]", |tag| {
            Ok(state.borrow_mut().start_anchor(tag)?)
        }))
        .append_element_content_handler(text!("a[href]", |chunk| {
            Ok(state.borrow_mut().add_text(chunk.as_str())?)
        }))
        .append_element_content_handler(element!("base[href]", |tag| {
            Ok(state.borrow_mut().read_base(tag)?)
        }))
        .append_element_content_handler(element!("meta[name]", |tag| {
            Ok(state.borrow_mut().read_meta(tag)?)
        }))
        .append_element_content_handler(element!("form, script", |_| {
            state.borrow_mut().head.is_interactive = true;
            Ok(())
        }));
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
    for piece in html.chunks(PIECE) {
        rewriter.write(piece)?;
    }
    rewriter.end()
}

fn into_html_error(error: &RewritingError) -> HtmlError {
    match error {
        RewritingError::MemoryLimitExceeded(_) => HtmlError::TooMuchMemory,
        RewritingError::ContentHandlerError(source) => {
            source.downcast_ref::<HtmlError>().cloned().unwrap_or(HtmlError::Unreadable)
        }
        _ => HtmlError::Unreadable,
    }
}

/// What is known half-way through a page.
struct Reader<'a> {
    limits: Limits,
    head: Head,
    open: Option<Anchor>,
    seen: usize,
    sink: &'a mut dyn FnMut(Anchor),
}

impl Reader<'_> {
    /// Begins an anchor. One that was left open ends here, as HTML5 says: anchors do not nest.
    fn start_anchor(&mut self, tag: &Element<'_, '_>) -> Result<(), HtmlError> {
        self.finish_anchor();
        self.seen += 1;
        if self.seen > self.limits.anchors {
            return Err(HtmlError::TooManyAnchors(self.limits.anchors));
        }
        let mut anchor = Anchor::default();
        let mut has_href = false;
        for attribute in tag.attributes() {
            let name = attribute.name();
            let value = self.decode(&attribute.value())?;
            if name != "href" {
                anchor.attributes.push((name, value));
            } else if !has_href {
                has_href = true;
                value.trim().clone_into(&mut anchor.href);
            }
        }
        self.open = Some(anchor);
        Ok(())
    }

    fn add_text(&mut self, text: &str) -> Result<(), HtmlError> {
        let limit = self.limits.attribute;
        let Some(anchor) = &mut self.open else { return Ok(()) };
        if anchor.text.len() + text.len() > limit {
            return Err(HtmlError::TooLong(limit));
        }
        anchor.text.push_str(text);
        Ok(())
    }

    /// Entities are decoded only here, because a piece of text may end within one.
    fn finish_anchor(&mut self) {
        let Some(mut anchor) = self.open.take() else { return };
        let raw = std::mem::take(&mut anchor.text);
        htmlize::unescape(raw.as_str()).trim().clone_into(&mut anchor.text);
        (self.sink)(anchor);
    }

    fn read_base(&mut self, tag: &Element<'_, '_>) -> Result<(), HtmlError> {
        if self.head.base.is_some() {
            return Ok(());
        }
        let href = self.decode(&tag.get_attribute("href").unwrap_or_default())?;
        self.head.base = Some(href.trim().to_owned());
        Ok(())
    }

    fn read_meta(&mut self, tag: &Element<'_, '_>) -> Result<(), HtmlError> {
        /// Real pages have a handful.
        const MOST_METAS: usize = 256;
        if self.head.metas.len() >= MOST_METAS {
            return Ok(());
        }
        let name = self.decode(&tag.get_attribute("name").unwrap_or_default())?;
        let content = self.decode(&tag.get_attribute("content").unwrap_or_default())?;
        self.head.metas.push((name.to_ascii_lowercase(), content));
        Ok(())
    }

    fn decode(&self, raw: &str) -> Result<String, HtmlError> {
        if raw.len() > self.limits.attribute {
            return Err(HtmlError::TooLong(self.limits.attribute));
        }
        Ok(htmlize::unescape_attribute(raw).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(html: &str) -> Page {
        read(html.as_bytes(), Limits::default()).unwrap()
    }

    fn hrefs(html: &str) -> Vec<String> {
        page(html).anchors.into_iter().map(|anchor| anchor.href).collect()
    }

    #[test]
    fn an_anchor_is_read_with_its_attributes_and_text() {
        let page = page(
            "<A HREF='f-1.whl#sha256=ab' Data-Requires-Python=\"&gt;=3.8,&lt;4\" data-yanked \
             rel=internal> f-1<b>.</b>whl\n</A>",
        );
        let anchor = &page.anchors[0];
        assert_eq!(anchor.href, "f-1.whl#sha256=ab");
        assert_eq!(anchor.attribute("data-requires-python"), Some(">=3.8,<4"));
        assert_eq!(anchor.attribute("data-yanked"), Some(""));
        assert_eq!(anchor.attribute("rel"), Some("internal"));
        assert_eq!(anchor.attribute("data-core-metadata"), None);
        assert_eq!(anchor.text, "f-1.whl");
    }

    #[test]
    fn only_real_anchors_count() {
        assert_eq!(
            hrefs(
                "<!-- <a href=commented> --><a name=x>no href</a><script>'<a href=scripted>'</script>\
                 <textarea><a href=typed></textarea><a href=unquoted>x<a href=\"unclosed\">y"
            ),
            ["unquoted", "unclosed"]
        );
    }

    #[test]
    fn entities_follow_the_rules_for_attributes_and_for_text() {
        let page = page("<a href='?a=1&amp;b=2&copy=3&#43;'>a&lt;b &eacute;&#x2b;</a>");
        assert_eq!(page.anchors[0].href, "?a=1&b=2&copy=3+");
        assert_eq!(page.anchors[0].text, "a<b é+");
    }

    #[test]
    fn the_first_of_a_repeated_attribute_wins() {
        assert_eq!(hrefs("<a href=first HREF=second>"), ["first"]);
    }

    #[test]
    fn the_head_is_read() {
        let page = page(
            "<html><head><base href=' https://files.example/ '><base href=second>\
             <META NAME='PyPI:Repository-Version' CONTENT=1.4><meta charset=utf-8></head>",
        );
        assert_eq!(page.head.base.as_deref(), Some("https://files.example/"));
        assert_eq!(page.head.metas("pypi:repository-version").collect::<Vec<_>>(), ["1.4"]);
        assert!(!page.head.is_interactive);
    }

    #[test]
    fn forms_and_scripts_are_noticed() {
        assert!(page("<form action=/login>").head.is_interactive);
        assert!(page("<SCRIPT src=x></SCRIPT>").head.is_interactive);
    }

    #[test]
    fn a_tag_over_the_border_of_two_pieces_is_read() {
        let filler = " ".repeat(PIECE - 10);
        assert_eq!(hrefs(&format!("{filler}<a href='over-the-border'>x</a>")), ["over-the-border"]);
    }

    #[test]
    fn bounds_hold() {
        let limits = Limits { anchors: 2, attribute: 8, memory: 64 << 10 };
        let error = |html: &str| read(html.as_bytes(), limits).unwrap_err();
        assert_eq!(error(&"<a href=x>".repeat(3)), HtmlError::TooManyAnchors(2));
        assert_eq!(error("<a href=123456789>"), HtmlError::TooLong(8));
        assert_eq!(error("<a href=x>123456789</a>"), HtmlError::TooLong(8));
        let endless = format!("<a href='{}", "x".repeat(128 << 10));
        assert_eq!(error(&endless), HtmlError::TooMuchMemory);
    }

    #[test]
    fn bytes_that_are_no_utf_8_do_no_harm() {
        let page = read(b"<a href='a\xff'>\xc3</a>", Limits::default()).unwrap();
        assert_eq!(page.anchors[0].href, "a\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_text_survives_escaping_and_reading(text in "[ -~äß\\n]{0,60}") {
            let html = format!("<a href=\"{0}\" title=\"{0}\">{0}</a>", crate::html::escape(&text));
            let page = page(&html);
            prop_assert_eq!(page.anchors.len(), 1);
            prop_assert_eq!(page.anchors[0].href.as_str(), text.trim());
            prop_assert_eq!(page.anchors[0].attribute("title"), Some(text.as_str()));
            prop_assert_eq!(page.anchors[0].text.as_str(), text.trim());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes, Limits::default());
        }
    }
}
