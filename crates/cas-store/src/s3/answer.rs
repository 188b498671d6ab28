//! Reading answers before rusoto does.
//!
//! It knows a handful of error codes and loses the rest, so these are read here. And it goes round
//! in a circle at the end of a document that is not well-formed, so none reaches it.

use xml::EventReader;

use super::failure::S3Failure;

/// More than any refusal has; the rest is not read.
pub(super) const LARGEST_REFUSAL: usize = 64 * 1024;
/// Far more than a page of a listing has.
pub(super) const LARGEST_DOCUMENT: usize = 8 << 20;

const CODES_OF_CREDENTIALS: &[&str] = &[
    "AccessDenied",
    "AccountProblem",
    "AllAccessDisabled",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "NotSignedUp",
    "SignatureDoesNotMatch",
];
const CODES_OF_REGION: &[&str] =
    &["AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"];
const CODES_OF_SPACE: &[&str] =
    &["QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"];

/// Fails unless `document` is well-formed or empty.
pub(super) fn check_document(document: &[u8]) -> Result<(), S3Failure> {
    if document.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    for event in EventReader::new(document) {
        event.map_err(|error| S3Failure::Unreadable { problem: error.msg().to_owned() })?;
    }
    Ok(())
}

/// An answer that is not the wanted one.
#[derive(Debug)]
pub(super) struct Refusal<'a> {
    pub(super) status: u16,
    /// Empty in answers to HEAD, whatever happened.
    pub(super) body: &'a [u8],
    /// Whether an answer to this request has a body at all.
    pub(super) is_explained: bool,
    /// The header `x-amz-bucket-region`.
    pub(super) region: Option<String>,
}

impl Refusal<'_> {
    /// What it means.
    pub(super) fn meaning(self) -> S3Failure {
        let text = String::from_utf8_lossy(self.body);
        let code = element(&text, "Code").unwrap_or_default();
        let region = self.region.or_else(|| element(&text, "Region"));
        let is = |codes: &[&str]| codes.contains(&code.as_str());
        match self.status {
            _ if code == "NoSuchBucket" => S3Failure::MissingBucket,
            _ if is(CODES_OF_REGION) || self.status == 301 => S3Failure::WrongRegion { region },
            _ if is(CODES_OF_SPACE) || self.status == 507 => S3Failure::Full { code },
            _ if is(CODES_OF_CREDENTIALS) => S3Failure::Refused { code },
            status @ (401 | 403) if code.is_empty() => {
                S3Failure::Refused { code: format!("status {status}") }
            }
            status @ 300..=499 if code.is_empty() && self.is_explained && status != 416 => {
                S3Failure::NotAStore { status }
            }
            status => S3Failure::Answer { status, code },
        }
    }
}

/// The text of the first element `name` if it is one plain word. Anything else is no code, and
/// would let a server write into our log.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (word, _) = rest.split_once(&format!("</{name}>"))?;
    let is_plain = word.len() <= 64
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    is_plain.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(status: u16, body: &str) -> String {
        let refusal = Refusal { status, body: body.as_bytes(), is_explained: true, region: None };
        format!("{:?}", refusal.meaning())
    }

    fn error(code: &str) -> String {
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>")
    }

    #[test]
    fn a_refusal_is_told_apart_by_what_has_to_be_changed() {
        let table = [
            (404, error("NoSuchBucket"), "MissingBucket"),
            (404, error("NoSuchKey"), "Answer { status: 404, code: \"NoSuchKey\" }"),
            (403, error("InvalidAccessKeyId"), "Refused { code: \"InvalidAccessKeyId\" }"),
            (403, error("SignatureDoesNotMatch"), "Refused { code: \"SignatureDoesNotMatch\" }"),
            (403, error("RequestTimeTooSkewed"), "RequestTimeTooSkewed"),
            (403, String::new(), "Refused { code: \"status 403\" }"),
            (301, String::new(), "WrongRegion { region: None }"),
            (400, error("AuthorizationHeaderMalformed"), "WrongRegion { region: None }"),
            (507, error("XMinioStorageFull"), "Full { code: \"XMinioStorageFull\" }"),
            (503, error("SlowDown"), "Answer { status: 503, code: \"SlowDown\" }"),
            (502, "<html>bad gateway".to_owned(), "Answer { status: 502, code: \"\" }"),
            (404, "<html>not here".to_owned(), "NotAStore { status: 404 }"),
            (400, "speak TLS".to_owned(), "NotAStore { status: 400 }"),
            (416, String::new(), "Answer { status: 416, code: \"\" }"),
        ];
        for (status, body, expected) in table {
            let found = meaning(status, &body);
            assert!(found.contains(expected), "{status} {body}: {found}");
        }
    }

    #[test]
    fn the_region_is_where_the_server_says_it_is() {
        let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region>";
        assert!(meaning(400, body).contains("eu-west-1"));
        let refusal =
            Refusal { status: 301, body: b"", is_explained: false, region: Some("here".into()) };
        assert!(format!("{:?}", refusal.meaning()).contains("here"));
    }

    #[test]
    fn an_answer_without_a_body_is_judged_by_its_status() {
        let refusal = Refusal { status: 404, body: b"", is_explained: false, region: None };
        assert!(refusal.meaning().is_bare_not_found());
    }

    #[test]
    fn a_document_is_well_formed_or_empty() {
        for document in ["", " \n ", "<R/>", "<?xml version=\"1.0\"?>\n  <R><A>1</A></R>\n"] {
            assert!(check_document(document.as_bytes()).is_ok(), "{document}");
        }
        for document in ["<R>", "<R><A></R>", "<R><A>", "<R></R", "text", "\u{0}"] {
            assert!(check_document(document.as_bytes()).is_err(), "{document}");
        }
    }

    #[test]
    fn what_is_no_word_is_no_code() {
        for code in ["", "two words", "a\nb", &"x".repeat(65), "<b>"] {
            let text = format!("<Code>{code}</Code>");
            let found = element(&text, "Code").unwrap_or_default();
            assert_eq!(found, "", "{code}");
        }
        assert_eq!(element("<Code>NoEnd", "Code"), None);
    }
}
