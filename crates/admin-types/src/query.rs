//! Query strings: read strictly, because a misspelt filter that is ignored shows the wrong data.

use std::collections::HashMap;
use std::fmt;

use crate::{ObjectState, Problem, closest};

/// The most items of a page.
const LARGEST_PAGE: usize = 500;
/// The longest window of statistics: 30 days.
const LONGEST_WINDOW: u64 = 30 * 86_400;

/// Which repositories to list, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListQuery {
    /// At most this many; 1 to 500.
    pub limit: usize,
    /// Continue there.
    pub cursor: Option<String>,
    /// The order.
    pub sort: Sort,
    /// Only those whose name or description contains this text, whatever the case.
    pub q: Option<String>,
    /// Only the one with this name.
    pub name: Option<String>,
    /// Only those of this type.
    pub package_type: Option<String>,
    /// Only those managed by this tool.
    pub managed_by: Option<String>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            limit: 50,
            cursor: None,
            sort: Sort::default(),
            q: None,
            name: None,
            package_type: None,
            managed_by: None,
        }
    }
}

impl ListQuery {
    const KNOWN: [&'static str; 7] =
        ["limit", "cursor", "sort", "q", "name", "package_type", "managed_by"];

    /// Reads a query string; 400 for anything that is unknown or out of range.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let mut parameters = Parameters::read(query, &Self::KNOWN)?;
        let defaults = Self::default();
        Ok(Self {
            limit: parameters.limit(defaults.limit)?,
            cursor: parameters.text("cursor"),
            sort: parameters.choice("sort", Sort::all)?.unwrap_or_default(),
            q: parameters.text("q"),
            name: parameters.text("name"),
            package_type: parameters.text("package_type"),
            managed_by: parameters.text("managed_by"),
        })
    }

    /// The query string that [`ListQuery::parse`] reads back.
    pub fn to_query(&self) -> String {
        Builder::default()
            .add("limit", Some(self.limit))
            .add("cursor", self.cursor.as_ref())
            .add("sort", Some(self.sort))
            .add("q", self.q.as_ref())
            .add("name", self.name.as_ref())
            .add("package_type", self.package_type.as_ref())
            .add("managed_by", self.managed_by.as_ref())
            .finish()
    }
}

/// An order of repositories; written as the key with a `-` for descending.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sort {
    /// By what. Repositories that are equal in it are in order of name.
    pub key: SortKey,
    /// Whether the greatest comes first.
    pub descending: bool,
}

impl Sort {
    fn all() -> Vec<Self> {
        [SortKey::Name, SortKey::SizeBytes]
            .into_iter()
            .flat_map(|key| [false, true].map(|descending| Self { key, descending }))
            .collect()
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.descending { "-" } else { "" };
        let key = match self.key {
            SortKey::Name => "name",
            SortKey::SizeBytes => "size_bytes",
        };
        write!(f, "{sign}{key}")
    }
}

/// What repositories are ordered by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SortKey {
    /// The name.
    #[default]
    Name,
    /// The sum of the sizes of what they hold.
    SizeBytes,
}

/// Which objects to list, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ObjectQuery {
    /// Only paths that start with this text.
    pub prefix: String,
    /// Fold everything behind the next delimiter after the prefix into one entry.
    pub delimiter: Option<char>,
    /// Only objects in this state.
    pub state: Option<ObjectState>,
    /// At most this many objects and prefixes together; 1 to 500.
    pub limit: usize,
    /// Continue there.
    pub cursor: Option<String>,
}

impl Default for ObjectQuery {
    fn default() -> Self {
        Self { prefix: String::new(), delimiter: None, state: None, limit: 100, cursor: None }
    }
}

impl ObjectQuery {
    const KNOWN: [&'static str; 5] = ["prefix", "delimiter", "state", "limit", "cursor"];

    /// Reads a query string; 400 for anything that is unknown or out of range.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let mut parameters = Parameters::read(query, &Self::KNOWN)?;
        Ok(Self {
            prefix: parameters.text("prefix").unwrap_or_default(),
            delimiter: parameters.delimiter()?,
            state: parameters.choice("state", || ObjectState::ALL.to_vec())?,
            limit: parameters.limit(Self::default().limit)?,
            cursor: parameters.text("cursor"),
        })
    }

    /// The query string that [`ObjectQuery::parse`] reads back.
    pub fn to_query(&self) -> String {
        Builder::default()
            .add("prefix", Some(&self.prefix).filter(|prefix| !prefix.is_empty()))
            .add("delimiter", self.delimiter)
            .add("state", self.state)
            .add("limit", Some(self.limit))
            .add("cursor", self.cursor.as_ref())
            .finish()
    }
}

impl fmt::Display for ObjectState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What to evict.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selection {
    /// One path with all its representations.
    Path(String),
    /// Every path that starts with this text; empty means everything.
    Prefix(String),
}

/// An eviction as a query string.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EvictQuery {
    /// What to evict.
    pub selection: Selection,
    /// Whether only to count.
    pub dry_run: bool,
}

impl EvictQuery {
    /// Reads a query string; 400 unless it has exactly one of `path` and `prefix`, so that a
    /// forgotten parameter never empties a repository.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let mut parameters = Parameters::read(query, &["path", "prefix", "dry_run"])?;
        let dry_run = parameters.switch("dry_run")?;
        let selection = match (parameters.text("path"), parameters.text("prefix")) {
            (Some(path), None) => Selection::Path(path),
            (None, Some(prefix)) => Selection::Prefix(prefix),
            (None, None) => return Err(Problem::bad_request("say path=… or prefix=…")),
            (Some(_), Some(_)) => {
                return Err(Problem::bad_request("path and prefix exclude each other"));
            }
        };
        Ok(Self { selection, dry_run })
    }

    /// The query string that [`EvictQuery::parse`] reads back.
    pub fn to_query(&self) -> String {
        let (path, prefix) = match &self.selection {
            Selection::Path(path) => (Some(path), None),
            Selection::Prefix(prefix) => (None, Some(prefix)),
        };
        Builder::default()
            .add("path", path)
            .add("prefix", prefix)
            .add("dry_run", self.dry_run.then_some(true))
            .finish()
    }
}

/// The query string of a write.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct WriteQuery {
    /// Only validate, and say what would be stored.
    pub dry_run: bool,
}

impl WriteQuery {
    /// Reads a query string; 400 for anything unknown.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let mut parameters = Parameters::read(query, &["dry_run"])?;
        Ok(Self { dry_run: parameters.switch("dry_run")? })
    }

    /// The query string that [`WriteQuery::parse`] reads back.
    pub fn to_query(self) -> String {
        Builder::default().add("dry_run", self.dry_run.then_some(true)).finish()
    }
}

/// The query string of a request to collect garbage.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CollectQuery {
    /// Only count what is due.
    pub dry_run: bool,
    /// Somebody has looked: pass the guards that ask for a look.
    pub confirm: bool,
}

impl CollectQuery {
    /// Reads a query string; 400 for anything unknown.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let mut parameters = Parameters::read(query, &["dry_run", "confirm"])?;
        Ok(Self { dry_run: parameters.switch("dry_run")?, confirm: parameters.switch("confirm")? })
    }

    /// The query string that [`CollectQuery::parse`] reads back.
    pub fn to_query(self) -> String {
        Builder::default()
            .add("dry_run", self.dry_run.then_some(true))
            .add("confirm", self.confirm.then_some(true))
            .finish()
    }
}

/// The query string of a request for snippets.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SnippetQuery {
    /// Only those of this client program.
    pub client: Option<String>,
}

impl SnippetQuery {
    /// Reads a query string; 400 for anything unknown.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let mut parameters = Parameters::read(query, &["client"])?;
        Ok(Self { client: parameters.text("client") })
    }

    /// The query string that [`SnippetQuery::parse`] reads back.
    pub fn to_query(&self) -> String {
        Builder::default().add("client", self.client.as_ref()).finish()
    }
}

/// Which tokens to list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenQuery {
    /// At most this many; 1 to 500.
    pub limit: usize,
    /// Continue there.
    pub cursor: Option<String>,
}

impl Default for TokenQuery {
    fn default() -> Self {
        Self { limit: 100, cursor: None }
    }
}

impl TokenQuery {
    /// Reads a query string; 400 for anything that is unknown or out of range.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let mut parameters = Parameters::read(query, &["limit", "cursor"])?;
        Ok(Self {
            limit: parameters.limit(Self::default().limit)?,
            cursor: parameters.text("cursor"),
        })
    }

    /// The query string that [`TokenQuery::parse`] reads back.
    pub fn to_query(&self) -> String {
        Builder::default()
            .add("limit", Some(self.limit))
            .add("cursor", self.cursor.as_ref())
            .finish()
    }
}

/// Which statistics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatsQuery {
    /// The length of the window that ends now, in seconds; at most 30 days.
    pub window_seconds: u64,
    /// Only this repository.
    pub repository: Option<String>,
}

impl Default for StatsQuery {
    fn default() -> Self {
        Self { window_seconds: 86_400, repository: None }
    }
}

impl StatsQuery {
    /// Reads a query string. `window` is a number with `s`, `m`, `h` or `d`; 400 for anything
    /// that is unknown or out of range.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let mut parameters = Parameters::read(query, &["window", "repository"])?;
        let window_seconds = match parameters.text("window") {
            None => Self::default().window_seconds,
            Some(text) => parse_window(&text).ok_or_else(|| {
                Problem::bad_request(format!(
                    "window must be like 10m, 24h or 7d and at most 30d, got {text:?}"
                ))
            })?,
        };
        Ok(Self { window_seconds, repository: parameters.text("repository") })
    }

    /// The query string that [`StatsQuery::parse`] reads back.
    pub fn to_query(&self) -> String {
        Builder::default()
            .add("window", Some(format!("{}s", self.window_seconds)))
            .add("repository", self.repository.as_ref())
            .finish()
    }
}

fn parse_window(text: &str) -> Option<u64> {
    let unit = text.chars().next_back()?;
    let seconds_per_unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = text.strip_suffix(unit).filter(|digits| is_digits(digits))?;
    let seconds = digits.parse::<u64>().ok()?.checked_mul(seconds_per_unit)?;
    (1..=LONGEST_WINDOW).contains(&seconds).then_some(seconds)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Refuses every parameter, for resources that have none.
pub fn refuse_parameters(query: &str) -> Result<(), Problem> {
    Parameters::read(query, &[]).map(|_| ())
}

/// The parameters of a query string, all of them known and given once.
struct Parameters(HashMap<String, String>);

impl Parameters {
    fn read(query: &str, known: &[&str]) -> Result<Self, Problem> {
        let mut read = HashMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if !known.contains(&name.as_str()) {
                return Err(unknown_parameter(&name, known));
            }
            if read.insert(name.clone(), value).is_some() {
                return Err(Problem::bad_request(format!("{name} is given twice")));
            }
        }
        Ok(Self(read))
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn limit(&mut self, default: usize) -> Result<usize, Problem> {
        let Some(text) = self.text("limit") else { return Ok(default) };
        let number = Some(&text).filter(|text| is_digits(text)).and_then(|text| text.parse().ok());
        number.filter(|limit| (1..=LARGEST_PAGE).contains(limit)).ok_or_else(|| {
            Problem::bad_request(format!(
                "limit must be between 1 and {LARGEST_PAGE}, got {text:?}"
            ))
        })
    }

    fn switch(&mut self, name: &str) -> Result<bool, Problem> {
        match self.text(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true" | "") => Ok(true),
            Some(text) => {
                Err(Problem::bad_request(format!("{name} must be true or false, got {text:?}")))
            }
        }
    }

    fn delimiter(&mut self) -> Result<Option<char>, Problem> {
        let Some(text) = self.text("delimiter") else { return Ok(None) };
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(delimiter), None) => Ok(Some(delimiter)),
            _ => {
                Err(Problem::bad_request(format!("delimiter must be one character, got {text:?}")))
            }
        }
    }

    fn choice<T: fmt::Display>(
        &mut self,
        name: &str,
        choices: impl FnOnce() -> Vec<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let choices = choices();
        let words: Vec<_> = choices.iter().map(ToString::to_string).collect();
        let chosen = choices.into_iter().find(|choice| choice.to_string() == text);
        chosen.map(Some).ok_or_else(|| {
            let words = words.join(", ");
            Problem::bad_request(format!("{name} must be one of {words}, got {text:?}"))
        })
    }
}

fn unknown_parameter(name: &str, known: &[&str]) -> Problem {
    let hint = match closest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean {meant}?"),
        None if known.is_empty() => "this resource takes none".to_owned(),
        None => format!("known are {}", known.join(", ")),
    };
    let detail = format!("unknown query parameter {name:?}; {hint}");
    Problem::new(400, "unknown_parameter", "unknown query parameter", detail)
}

/// Decodes a component as HTML forms write it: `+` is a space.
fn decode(component: &str) -> Result<String, Problem> {
    let mut bytes = Vec::with_capacity(component.len());
    let mut rest = component.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(nibble), rest.next().and_then(nibble)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(Problem::bad_request("the query has a broken percent-encoding")),
            },
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| Problem::bad_request("the query is not valid UTF-8"))
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Percent-encodes a text so that it may stand as one segment of a path or one value of a query.
pub fn encode_component(text: &str) -> String {
    use fmt::Write;
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[derive(Default)]
struct Builder(Vec<String>);

impl Builder {
    fn add(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.0.push(format!("{name}={}", encode_component(&value.to_string())));
        }
        self
    }

    fn finish(self) -> String {
        self.0.join("&")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status<T: fmt::Debug>(result: Result<T, Problem>) -> (u16, Box<str>) {
        let problem = result.unwrap_err();
        (problem.status, problem.detail)
    }

    #[test]
    fn an_empty_query_gives_the_defaults() {
        assert_eq!(ListQuery::parse(""), Ok(ListQuery::default()));
        assert_eq!(ObjectQuery::parse(""), Ok(ObjectQuery::default()));
        assert_eq!(StatsQuery::parse(""), Ok(StatsQuery::default()));
        assert_eq!(WriteQuery::parse(""), Ok(WriteQuery { dry_run: false }));
    }

    #[test]
    fn queries_survive_the_way_through_a_string() {
        let list = ListQuery {
            limit: 7,
            cursor: Some("6162".into()),
            sort: Sort { key: SortKey::SizeBytes, descending: true },
            q: Some("a&b=c d+é".into()),
            name: Some("n".into()),
            package_type: Some("npm".into()),
            managed_by: Some("terraform".into()),
        };
        assert_eq!(ListQuery::parse(&list.to_query()), Ok(list));
        let objects = ObjectQuery {
            prefix: "@s/".into(),
            delimiter: Some('/'),
            state: Some(ObjectState::Stale),
            limit: 500,
            cursor: Some("00".into()),
        };
        assert_eq!(ObjectQuery::parse(&objects.to_query()), Ok(objects));
        for selection in [Selection::Path("a b".into()), Selection::Prefix(String::new())] {
            let evict = EvictQuery { selection, dry_run: true };
            assert_eq!(EvictQuery::parse(&evict.to_query()), Ok(evict));
        }
        let stats = StatsQuery { window_seconds: 61, repository: Some("r".into()) };
        assert_eq!(StatsQuery::parse(&stats.to_query()), Ok(stats));
        let collect = CollectQuery { dry_run: true, confirm: true };
        assert_eq!(CollectQuery::parse(&collect.to_query()), Ok(collect));
        let tokens = TokenQuery { limit: 2, cursor: Some("6162".into()) };
        assert_eq!(TokenQuery::parse(&tokens.to_query()), Ok(tokens));
        let snippets = SnippetQuery { client: Some("pip".into()) };
        assert_eq!(SnippetQuery::parse(&snippets.to_query()), Ok(snippets));
    }

    #[test]
    fn an_unknown_parameter_is_named_with_a_suggestion() {
        let (status, detail) = status(ListQuery::parse("limt=3"));
        assert_eq!(status, 400);
        assert_eq!(&*detail, "unknown query parameter \"limt\"; did you mean limit?");
        assert_eq!(refuse_parameters("x=1").map_err(|problem| problem.status), Err(400));
        assert_eq!(refuse_parameters(""), Ok(()));
    }

    #[test]
    fn what_makes_no_sense_is_a_bad_request() {
        for query in [
            "limit=0",
            "limit=501",
            "limit=+5",
            "limit=x",
            "limit=1&limit=2",
            "sort=colour",
            "q=%zz",
            "q=%ff",
            "q=%4",
        ] {
            assert_eq!(status(ListQuery::parse(query)).0, 400, "{query}");
        }
        for query in ["delimiter=//", "delimiter=", "state=rotten"] {
            assert_eq!(status(ObjectQuery::parse(query)).0, 400, "{query}");
        }
        for query in ["", "path=a&prefix=b", "prefix=a&dry_run=maybe"] {
            assert_eq!(status(EvictQuery::parse(query)).0, 400, "{query}");
        }
    }

    #[test]
    fn windows_are_a_number_with_a_unit() {
        for (text, expected) in [
            ("10m", Some(600)),
            ("24h", Some(86_400)),
            ("7d", Some(604_800)),
            ("30d", Some(2_592_000)),
            ("90s", Some(90)),
            ("31d", None),
            ("0h", None),
            ("+1h", None),
            ("h", None),
            ("10", None),
            ("99999999999999999999d", None),
            ("9999999999999999999d", None),
            ("1é", None),
        ] {
            assert_eq!(parse_window(text), expected, "{text}");
        }
    }
}
