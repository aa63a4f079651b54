//! Every way a cell can fail, in plain words: what failed, with which value, why, and what to do next.

use std::fmt;

/// What a fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of thing went wrong, for programs; people read the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A file, folder, column, model or name that is not there.
    NotFound,
    /// Data that cannot be used as it is: empty, binary, of the wrong form.
    BadData,
    /// A model's folder or weights that do not fit together.
    BadModel,
    /// A setting outside its allowed values.
    BadSetting,
    /// Training cannot go on.
    Training,
    /// The reader stopped the work before it had anything to return.
    Stopped,
    /// The disk, the network or the operating system refused.
    System,
    /// The tensor library refused: most often a mistake of this crate.
    Engine,
}

/// An error that tells the whole story. `Display` and `Debug` give the same text, because a notebook shows either.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    what: String,
    why: Option<String>,
    next: Option<String>,
}

impl Error {
    /// An error of `kind` about `what`: one sentence that names the value.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: None, next: None }
    }

    /// Adds the cause, as another library or the system told it.
    pub fn why(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(why.to_string());
        self
    }

    /// Adds what the reader can do now.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// The same error with another name in it: of the folder that the reader asked for, not of the one beside it.
    pub(crate) fn renamed(mut self, from: &str, to: &str) -> Self {
        self.what = self.what.replace(from, to);
        self
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "✗ {}", self.what)?;
        if let Some(why) = &self.why {
            write!(f, "\n  {} {why}", tr!("Causa:", "Cause:"))?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  → {next}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Error::new(ErrorKind::Engine, tr!("El cálculo con tensores falló.", "The tensor computation failed."))
            .why(error)
    }
}

impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        candle_core::Error::Msg(error.to_string())
    }
}

/// Gathers what is wrong with a struct of settings, so that one error names all of it.
pub(crate) struct Settings {
    name: &'static str,
    wrong: Vec<String>,
}

impl Settings {
    /// The settings of the struct `name`.
    pub(crate) fn of(name: &'static str) -> Self {
        Self { name, wrong: Vec::new() }
    }

    /// Notes a wrong value, where it is not `ok`: its name, the value, and in parentheses those that work.
    pub(crate) fn must(&mut self, ok: bool, text: String) {
        if !ok {
            self.wrong.push(text);
        }
    }

    /// The error that lists them, if there are any.
    pub(crate) fn check(self) -> Result<()> {
        if self.wrong.is_empty() {
            return Ok(());
        }
        let (name, list) = (self.name, self.wrong.join("; "));
        Err(Error::new(
            ErrorKind::BadSetting,
            tr!("{name} tiene valores que no sirven: {list}.", "{name} has values that do not work: {list}."),
        )
        .next(tr!("Entre paréntesis están los que sirven.", "Those that work are in parentheses.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_what_why_and_what_next_and_debug_is_the_same() {
        let error = Error::new(ErrorKind::NotFound, "no file x").why("gone").next("look at y");
        let text = error.to_string();
        assert!(text.starts_with("✗ no file x\n"));
        assert!(text.contains("gone") && text.ends_with("→ look at y"));
        assert_eq!(format!("{error:?}"), text);
    }
}
