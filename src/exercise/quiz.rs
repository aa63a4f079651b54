//! Quizzes: questions with an explanation for each option, which open by a click, offline.

use super::list::QUIZZES;
use super::page::html;
use crate::error::{Error, ErrorKind, Result};
use crate::show::{display, escape};

/// A question of a quiz.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// What is asked.
    pub text: String,
    /// The options: whether each is right, its text, and why.
    pub options: Vec<(bool, String, String)>,
}

impl Question {
    /// The questions of `language` in a quiz's text: `### question`, and below it `- [ ] option | why` or `- [x] ...`.
    pub fn parse(text: &str, language: &str) -> Vec<Self> {
        let marker = format!("## {language}");
        let lines = text.lines().skip_while(|line| line.trim() != marker).skip(1);
        let mut questions: Vec<Self> = Vec::new();
        for line in lines.take_while(|line| !line.starts_with("## ")) {
            if let Some(text) = line.strip_prefix("### ") {
                questions.push(Self { text: text.trim().to_string(), options: Vec::new() });
            }
            let option = [("- [x] ", true), ("- [ ] ", false)];
            let option = option.iter().find_map(|(mark, right)| Some((*right, line.strip_prefix(mark)?)));
            if let (Some((right, rest)), Some(question)) = (option, questions.last_mut()) {
                let (text, why) = rest.split_once(" | ").unwrap_or((rest, ""));
                question.options.push((right, text.trim().to_string(), why.trim().to_string()));
            }
        }
        questions
    }
}

/// Shows the quiz of a lesson (`quiz("03")?`): click on an option to see why it is right or not.
pub fn quiz(lesson: &str) -> Result<()> {
    let Some((_, text)) = QUIZZES.iter().find(|(number, _)| *number == lesson.trim()) else {
        let known = QUIZZES.iter().map(|(number, _)| *number).collect::<Vec<_>>().join(", ");
        return Err(Error::new(
            ErrorKind::NotFound,
            tr!("No hay preguntas {lesson:?}.", "There is no quiz {lesson:?}."),
        )
        .next(tr!("Las que hay: {known}.", "Those there are: {known}.")));
    };
    let questions = Question::parse(text, if crate::lang::spanish() { "es" } else { "en" });
    let (mut page, mut plain) = (String::new(), String::new());
    for (i, question) in questions.iter().enumerate() {
        page += &format!("<p><b>{}. {}</b></p>", i + 1, escape(&question.text));
        plain += &format!("{}. {}\n", i + 1, question.text);
        for (letter, (right, text, why)) in ('a'..).zip(&question.options) {
            let mark = if *right { "✓" } else { "✗" };
            page += &format!("<details><summary>{letter}) {}</summary>{mark} {}</details>", escape(text), html(why));
            plain += &format!("   {letter}) {text}\n");
        }
    }
    display(&page, &plain);
    Ok(())
}
