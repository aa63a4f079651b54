//! The language of what is told to people: Spanish or English.
//!
//! `AULA_LANG` decides; without it `LC_ALL`, `LC_MESSAGES` and `LANG`, the first that is set. Whatever begins with
//! `es` is Spanish, all else is English.

use std::sync::OnceLock;

/// Formats the Spanish or the English text, with the same captured values in both.
#[macro_export]
macro_rules! say {
    ($es:literal, $en:literal $(,)?) => {
        if $crate::say::spanish() {
            format!($es)
        } else {
            format!($en)
        }
    };
}

/// Whether people are spoken to in Spanish.
pub fn spanish() -> bool {
    static SPANISH: OnceLock<bool> = OnceLock::new();
    *SPANISH.get_or_init(|| code(|name| std::env::var(name).ok()) == "es")
}

/// `es` or `en`, as the environment that `read` gives says.
fn code(read: impl Fn(&str) -> Option<String>) -> &'static str {
    let chosen = ["AULA_LANG", "LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .filter_map(|name| read(name))
        .find(|value| !value.is_empty());
    match chosen {
        Some(value) if value.to_lowercase().starts_with("es") => "es",
        _ => "en",
    }
}

/// The code of the language in use, for programs that we start.
pub fn language() -> &'static str {
    if spanish() {
        "es"
    } else {
        "en"
    }
}

#[cfg(test)]
mod tests {
    use super::code;

    fn with(pairs: &'static [(&str, &str)]) -> &'static str {
        code(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn aula_lang_wins_over_the_locale() {
        assert_eq!(with(&[("LANG", "es_ES.UTF-8"), ("AULA_LANG", "en")]), "en");
        assert_eq!(with(&[("LANG", "en_GB.UTF-8"), ("AULA_LANG", "es")]), "es");
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        assert_eq!(with(&[("LC_ALL", ""), ("LANG", "es_MX.UTF-8")]), "es");
    }

    #[test]
    fn english_when_nothing_or_another_language_is_set() {
        assert_eq!(with(&[]), "en");
        assert_eq!(with(&[("LANG", "fr_FR.UTF-8")]), "en");
    }
}
