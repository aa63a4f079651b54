//! The reader's language: Spanish in `notebooks/es`, English in `notebooks/en`, else what the system speaks.

use std::sync::OnceLock;

/// True when messages should be in Spanish.
///
/// `AULA_LANG` decides; without it the folder of the notebook; without that `LC_ALL`, `LC_MESSAGES` or `LANG`.
pub fn spanish() -> bool {
    static SPANISH: OnceLock<bool> = OnceLock::new();
    *SPANISH.get_or_init(|| {
        let folder = std::env::current_dir().unwrap_or_default();
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let system = variable("LC_ALL").or_else(|| variable("LC_MESSAGES")).or_else(|| variable("LANG"));
        decide(variable("AULA_LANG").as_deref(), &folder.to_string_lossy(), system.as_deref())
    })
}

fn decide(asked: Option<&str>, folder: &str, system: Option<&str>) -> bool {
    if let Some(language) = asked {
        return language.starts_with("es");
    }
    for part in folder.split(['/', '\\']).rev() {
        match part {
            "es" => return true,
            "en" => return false,
            _ => {}
        }
    }
    system.is_some_and(|language| language.starts_with("es"))
}

/// Text in the reader's language: `tr!("Faltan {n}", "{n} missing")`.
#[macro_export]
macro_rules! tr {
    ($es:literal, $en:literal $(, $arg:expr)* $(,)?) => {
        if $crate::lang::spanish() { format!($es $(, $arg)*) } else { format!($en $(, $arg)*) }
    };
}

#[cfg(test)]
mod tests {
    use super::decide;

    #[test]
    fn the_notebooks_folder_beats_the_system_and_a_request_beats_both() {
        assert!(decide(None, "/a/notebooks/es", Some("en_US.UTF-8")));
        assert!(!decide(None, "/a/notebooks/en", Some("es_AR.UTF-8")));
        assert!(!decide(Some("en"), "/a/notebooks/es", Some("es_AR.UTF-8")));
        assert!(decide(None, "/a/b", Some("es_AR.UTF-8")));
        assert!(!decide(None, "/a/b", None));
    }
}
