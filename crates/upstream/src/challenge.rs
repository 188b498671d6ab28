//! What a registry wants to be shown before it answers: the challenges of a 401 (RFC 9110, section
//! 11.6.1; the Bearer form is that of container registries).

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use url::Url;

/// The longest challenge that is read, in bytes.
const LIMIT: usize = 8 * 1024;

/// A token that can be fetched.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct BearerChallenge {
    /// Who gives it.
    pub(crate) realm: Url,
    /// For whom it is.
    pub(crate) service: Option<String>,
    /// What it allows.
    pub(crate) scope: Option<String>,
}

impl BearerChallenge {
    /// The first Bearer challenge of an answer that can be followed.
    pub(crate) fn find(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok().filter(|value| value.len() <= LIMIT))
            .flat_map(challenges)
            .find_map(|challenge| challenge.bearer())
    }

    /// Where the token is asked for.
    pub(crate) fn url(&self) -> Url {
        let mut url = self.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &self.service {
                query.append_pair("service", service);
            }
            // Several scopes are separated by spaces in a challenge, and are parameters of their own here.
            for scope in
                self.scope.iter().flat_map(|scope| scope.split(' ')).filter(|s| !s.is_empty())
            {
                query.append_pair("scope", scope);
            }
        }
        url
    }
}

#[derive(Debug)]
struct Challenge<'a> {
    scheme: &'a str,
    parameters: Vec<(&'a str, String)>,
}

impl Challenge<'_> {
    fn bearer(&self) -> Option<BearerChallenge> {
        if !self.scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameter = |wanted: &str| {
            let found = self.parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        let realm = Url::parse(&parameter("realm")?).ok()?;
        let (service, scope) = (parameter("service"), parameter("scope"));
        Some(BearerChallenge { realm, service, scope })
    }
}

/// Splits a field into challenges. A word that no equals sign follows begins the next one.
fn challenges(field: &str) -> Vec<Challenge<'_>> {
    let mut found: Vec<Challenge<'_>> = Vec::new();
    let mut rest = field;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        if word.is_empty() {
            return found;
        }
        match (behind.trim_start().strip_prefix('='), found.last_mut()) {
            (Some(value), Some(challenge)) => {
                let (value, behind) = take_value(value.trim_start());
                challenge.parameters.push((word, value));
                rest = behind;
            }
            (Some(_), None) => return found,
            (None, _) => {
                found.push(Challenge { scheme: word, parameters: Vec::new() });
                rest = behind;
            }
        }
    }
}

/// A token or a quoted string, and what follows it.
fn take_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, quoted.get(index + 1..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

fn is_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(fields: &[&str]) -> Option<(String, Option<String>, Option<String>)> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(WWW_AUTHENTICATE, field.parse().unwrap());
        }
        let challenge = BearerChallenge::find(&headers)?;
        Some((challenge.realm.to_string(), challenge.service, challenge.scope))
    }

    #[test]
    fn a_bearer_challenge_is_found_among_others_in_every_spelling() {
        let realm = "https://auth.example/token";
        let full =
            Some((realm.to_owned(), Some("a".to_owned()), Some("repository:x:pull".to_owned())));
        for fields in [
            &[r#"Bearer realm="https://auth.example/token",service="a",scope="repository:x:pull""#]
                [..],
            &[
                r#"bearer REALM="https://auth.example/token" , Service=a, scope="repository:x:pull""#,
            ],
            &[
                r#"Basic realm="x", Bearer realm="https://auth.example/token",service="a",scope="repository:x:pull""#,
            ],
            &[
                "Negotiate",
                r#"Bearer service="a",scope="repository:x:pull",realm="https://auth.example/token""#,
            ],
            &[
                r#"Bearer realm="https:\/\/auth.example/token",service="a",scope="repository:x:pull",error="invalid_token""#,
            ],
        ] {
            assert_eq!(found(fields), full, "{fields:?}");
        }
        assert_eq!(
            found(&[r#"Bearer realm="https://auth.example/token""#]),
            Some((realm.into(), None, None))
        );
    }

    #[test]
    fn what_cannot_be_followed_is_no_challenge() {
        for field in [
            "",
            "Basic realm=\"x\"",
            "Bearer",
            "Bearer service=\"a\"",
            "Bearer realm=\"not a url\"",
            "Bearer realm=\"unfinished",
            "=\"x\"",
            "\"Bearer\" realm=\"https://auth.example\"",
        ] {
            assert_eq!(found(&[field]), None, "{field}");
        }
    }

    #[test]
    fn the_token_is_asked_for_with_service_and_every_scope() {
        let challenge = BearerChallenge {
            realm: "https://auth.example/token?a=b".parse().unwrap(),
            service: Some("registry.example".to_owned()),
            scope: Some("repository:a:pull repository:b:pull".to_owned()),
        };
        assert_eq!(
            challenge.url().as_str(),
            "https://auth.example/token?a=b&service=registry.example\
             &scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull"
        );
    }
}
