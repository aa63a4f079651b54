//! What went wrong, told so that a person can mend it: what, why, and the next step.

use std::fmt;

/// A failure with its cause and its remedy.
#[derive(Debug)]
pub struct Problem {
    what: String,
    why: String,
    next: String,
}

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    /// A failure of which only what happened is known.
    pub fn new(what: impl Into<String>) -> Problem {
        Problem { what: what.into(), why: String::new(), next: String::new() }
    }

    /// Adds the cause.
    pub fn why(mut self, why: impl fmt::Display) -> Problem {
        self.why = why.to_string();
        self
    }

    /// Adds the next step.
    pub fn next(mut self, next: impl Into<String>) -> Problem {
        self.next = next.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "✗ {}", self.what)?;
        for line in self.why.lines() {
            write!(f, "\n    {line}")?;
        }
        for line in self.next.lines() {
            write!(f, "\n  → {line}")?;
        }
        Ok(())
    }
}

/// How one thing stands that set-up or doctor looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Fine,
    /// The course works, with something less.
    Warning,
    /// The course does not work.
    Broken,
}

/// One line of a report: a thing, how it stands, and the remedy where it needs one.
#[derive(Clone, Debug)]
pub struct Check {
    /// How it stands.
    pub level: Level,
    /// What it is and how it was found.
    pub text: String,
    /// What to do about it; empty when there is nothing to do.
    pub remedy: String,
}

impl Check {
    /// A thing that is as it should be.
    pub fn fine(text: impl Into<String>) -> Check {
        Check { level: Level::Fine, text: text.into(), remedy: String::new() }
    }

    /// A thing without which the course still works.
    pub fn warning(text: impl Into<String>, remedy: impl Into<String>) -> Check {
        Check { level: Level::Warning, text: text.into(), remedy: remedy.into() }
    }

    /// A thing without which the course does not work.
    pub fn broken(text: impl Into<String>, remedy: impl Into<String>) -> Check {
        Check { level: Level::Broken, text: text.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.level {
            Level::Fine => "✓",
            Level::Warning => "!",
            Level::Broken => "✗",
        };
        write!(f, "{mark} {}", self.text)?;
        if !self.remedy.is_empty() {
            write!(f, " → {}", self.remedy)?;
        }
        Ok(())
    }
}
