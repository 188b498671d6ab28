use artifact_core::{Algorithm, Digest, Digests};
use serde_json::{Map, Value};

/// The hashes of one file by the name of their algorithm, known to us or not. Lower case, and
/// nothing but letters, digits, `_` and `-`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Hashes(Vec<(String, String)>);

impl Hashes {
    /// The order of preference where only one can be given.
    const PREFERENCE: [&'static str; 6] = ["sha256", "sha512", "sha384", "sha224", "sha1", "md5"];

    /// Reads a JSON object; what is no hash is left out.
    pub(crate) fn from_object(object: &Map<String, Value>) -> Self {
        let pairs =
            object.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
        Self(pairs.filter_map(|(name, value)| sound_pair(name, value)).collect())
    }

    /// Reads `sha256=…`, as in a fragment or an attribute; in a fragment it may have company.
    pub(crate) fn from_assignment(text: &str) -> Self {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let known = pairs.filter(|(name, _)| {
            let name = name.to_ascii_lowercase();
            Self::PREFERENCE.contains(&name.as_str()) || name.starts_with("blake2")
        });
        Self(known.filter_map(|(name, value)| sound_pair(name, value)).collect())
    }

    /// `algorithm=hash` for the best of them.
    pub(crate) fn best_assignment(&self) -> Option<String> {
        let best = Self::PREFERENCE
            .iter()
            .find_map(|preferred| self.0.iter().find(|(name, _)| name == preferred))
            .or_else(|| self.0.first())?;
        Some(format!("{}={}", best.0, best.1))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that we can check.
    pub(crate) fn digests(&self) -> Digests {
        let known = self.0.iter().filter_map(|(name, value)| {
            Digest::from_hex(name.parse::<Algorithm>().ok()?, value).ok()
        });
        known.collect()
    }

    pub(crate) fn to_value(&self) -> Value {
        let pairs = self.0.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        Value::Object(pairs.collect())
    }
}

fn sound_pair(name: &str, value: &str) -> Option<(String, String)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let is_sound = !name.is_empty()
        && name.chars().all(is_name)
        && !value.is_empty()
        && value.chars().all(|c| c.is_ascii_hexdigit());
    is_sound.then(|| (name.to_ascii_lowercase(), value.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_read_even_in_company() {
        let hashes = Hashes::from_assignment("egg=foo&SHA256=AB12");
        assert_eq!(hashes.best_assignment().as_deref(), Some("sha256=ab12"));
        assert!(Hashes::from_assignment("egg=abc").is_empty());
        assert!(Hashes::from_assignment("sha256=not-hex").is_empty());
    }

    #[test]
    fn the_strongest_common_hash_is_preferred_and_weak_ones_are_kept() {
        let object = serde_json::json!({"md5": "aa", "sha256": "bb", "blake2b_256": "cc"});
        let hashes = Hashes::from_object(object.as_object().unwrap());
        assert_eq!(hashes.best_assignment().as_deref(), Some("sha256=bb"));
        assert_eq!(hashes.to_value(), object);
        let weak = Hashes::from_assignment("md5=d41d8cd98f00b204e9800998ecf8427e");
        assert!(weak.digests().get(Algorithm::Md5).is_some());
    }
}
