//! One plain sentence under a message of rustc or evcxr that a beginner meets: what it means and what to do.

use super::cell::{Loss, Variables};
use crate::say;

/// What beginners use without importing it, and where it lies.
const IMPORTS: [(&str, &str); 14] = [
    ("HashMap", "std::collections::HashMap"),
    ("HashSet", "std::collections::HashSet"),
    ("BTreeMap", "std::collections::BTreeMap"),
    ("BTreeSet", "std::collections::BTreeSet"),
    ("VecDeque", "std::collections::VecDeque"),
    ("Rc", "std::rc::Rc"),
    ("Arc", "std::sync::Arc"),
    ("Mutex", "std::sync::Mutex"),
    ("RefCell", "std::cell::RefCell"),
    ("Path", "std::path::Path"),
    ("PathBuf", "std::path::PathBuf"),
    ("Instant", "std::time::Instant"),
    ("Duration", "std::time::Duration"),
    ("File", "std::fs::File"),
];

/// The sentence for an error's message, or nothing. `text` is the message and all that is shown with it.
pub fn sentence(message: &str, text: &str, variables: &Variables) -> String {
    let name = quoted(message).unwrap_or_default();
    let has = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if has(&["Couldn't automatically determine type", "type annotations needed"]) {
        let name = if is_variable(name) { name } else { quoted_variable(text).unwrap_or("x") };
        return say!(
            "→ Rust no puede deducir el tipo. Escríbelo: `let {name}: Tipo = ...;`, por ejemplo `let {name}: Vec<String> = ...;`.",
            "→ Rust cannot tell the type. Write it: `let {name}: Type = ...;`, for example `let {name}: Vec<String> = ...;`."
        );
    }
    if has(&["use of moved value", "borrow of moved value"]) {
        return moved(name);
    }
    if has(&["cannot find value"]) {
        return missing_value(name, variables);
    }
    if has(&["expected `;`", "missing a semicolon"]) {
        return say!(
            "→ Falta un punto y coma: escribe `;` al final de la línea que se señala.",
            "→ A semicolon is missing: write `;` at the end of the line that is pointed at."
        );
    }
    if has(&["non-static lifetime"]) {
        return say!(
            "→ `{name}` apunta a datos de otro. Guarda una copia propia: `.to_string()`, `.to_vec()` o `.clone()`.",
            "→ `{name}` points into something else. Keep a copy of its own: `.to_string()`, `.to_vec()` or `.clone()`."
        );
    }
    if has(&["not declared as mutable", "assign twice to immutable"]) {
        return say!(
            "→ Para poder cambiar `{name}`, créala con `let mut {name} = ...;`.",
            "→ To be able to change `{name}`, make it with `let mut {name} = ...;`."
        );
    }
    if has(&["cannot find ", "failed to resolve", "unresolved import", "unlinked crate", "undeclared type"]) {
        return missing_import(name);
    }
    String::new()
}

fn moved(name: &str) -> String {
    say!(
        "→ `{name}` ya se entregó a otra parte, que ahora es su dueña. Presta una referencia, `&{name}`, o entrega una copia, `{name}.clone()`.",
        "→ `{name}` was handed over, and its new owner keeps it. Lend a reference, `&{name}`, or hand over a copy, `{name}.clone()`."
    )
}

fn missing_value(name: &str, variables: &Variables) -> String {
    match variables.loss(name) {
        Some(Loss::Failed(count)) => say!(
            "→ `{name}` no existe porque la celda [{count}], que debía crearla, falló. Corrígela y vuelve a ejecutarla.",
            "→ `{name}` does not exist because cell [{count}], which was to make it, failed. Mend that cell and run it again."
        ),
        Some(Loss::Ended) => say!(
            "→ `{name}` se perdió cuando terminó el programa de las celdas. Vuelve a ejecutar la celda que la crea.",
            "→ `{name}` was lost when the cells' program ended. Run the cell that makes it again."
        ),
        None if variables.is_known(name) => moved(name),
        None => say!(
            "→ Aún no hay ninguna variable `{name}`: mira si está bien escrita y si ya ejecutaste la celda que la crea.",
            "→ There is no variable `{name}` yet: check its spelling, and that the cell that makes it has been run."
        ),
    }
}

fn missing_import(name: &str) -> String {
    if let Some((_, path)) = IMPORTS.iter().find(|(known, _)| *known == name) {
        return say!(
            "→ Falta importar `{name}`: pon `use {path};` al principio de la celda.",
            "→ `{name}` is not imported: put `use {path};` at the top of the cell."
        );
    }
    say!(
        "→ Rust no conoce `{name}`: mira si está bien escrito, o impórtalo al principio de la celda, `use ...::{name};`.",
        "→ Rust does not know `{name}`: check its spelling, or import it at the top of the cell, `use ...::{name};`."
    )
}

/// What stands between the first pair of backticks.
fn quoted(message: &str) -> Option<&str> {
    let mut parts = message.split('`');
    parts.next()?;
    parts.next()
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_lowercase()) && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// The name after the first `let` in the code that is shown.
fn quoted_variable(text: &str) -> Option<&str> {
    let rest = &text[text.find("let ")? + 4..];
    let rest = rest.strip_prefix("mut ").unwrap_or(rest);
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    (end > 0).then_some(&rest[..end])
}

/// What a failed cell was to make, told under its error.
pub fn not_made(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let names = list(names);
    say!(
        "→ Las variables de las celdas anteriores siguen ahí; las que esta celda iba a crear ({names}) no existen.",
        "→ The variables of earlier cells are still there; those that this cell was to make ({names}) do not exist."
    )
}

/// What was lost with the learner's process.
pub fn lost(names: &[String]) -> String {
    if names.is_empty() {
        return say!("→ No se perdió ninguna variable.", "→ No variable was lost.");
    }
    let names = list(names);
    say!(
        "→ Se perdieron las variables: {names}. Vuelve a ejecutar las celdas que las crean.",
        "→ These variables are lost: {names}. Run the cells that make them again."
    )
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The text without colours.
pub fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split("\u{1b}[");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |end| end + 1);
        out.push_str(&part[end..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> String {
        sentence(message, "1 | let mut data = Vec::new();", &Variables::default())
    }

    #[test]
    fn every_message_that_beginners_meet_has_its_remedy() {
        // As rustc 1.95 and evcxr 0.22 write them.
        let cases = [
            ("Couldn't automatically determine type of variable `x`.\nPlease", "let x: "),
            ("type annotations needed for `Vec<_>`", "let data: "),
            ("borrow of moved value: `texts`", "`&texts`"),
            ("use of moved value: `texts`", "`texts.clone()`"),
            ("cannot find value `loss` in this scope", "`loss`"),
            ("expected `;`, found keyword `let`", "`;`"),
            ("Looks like you're missing a semicolon", "`;`"),
            ("cannot find type `HashMap` in this scope", "use std::collections::HashMap;"),
            ("failed to resolve: use of undeclared type `Instant`", "use std::time::Instant;"),
            ("cannot find function `foo` in this scope", "`foo`"),
            ("cannot assign twice to immutable variable `x`", "let mut x"),
            ("The variable `s` contains a reference with a non-static lifetime so", "`s`"),
        ];
        for (message, remedy) in cases {
            assert!(told(message).contains(remedy), "{message}: {}", told(message));
        }
    }

    #[test]
    fn other_messages_are_left_alone() {
        assert_eq!(told("mismatched types"), "");
        assert_eq!(told("✗ missing file"), "");
    }

    #[test]
    fn a_variable_that_was_lost_or_handed_over_tells_how() {
        let mut variables = Variables::default();
        variables.made("let model = 1;", 3);
        let message = "cannot find value `model` in this scope";
        assert!(sentence(message, "", &variables).contains("`&model`"));
        variables.lose_all();
        assert!(!sentence(message, "", &variables).contains("`&model`"));
        variables.failed("let data = 1;", 7);
        assert!(sentence("cannot find value `data` in this scope", "", &variables).contains("[7]"));
    }

    #[test]
    fn colours_are_taken_out() {
        assert_eq!(plain("\u{1b}[31mError\u{1b}[0m: \u{1b}[38;5;246mx"), "Error: x");
    }

    #[test]
    fn names_are_listed() {
        assert!(not_made(&["a".to_owned(), "b".to_owned()]).contains("(`a`, `b`)"));
        assert_eq!(not_made(&[]), "");
    }
}
