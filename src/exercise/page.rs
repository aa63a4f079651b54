//! The text of an exercise, in both languages, from its Markdown file, and the pieces of its Rust file that are shown.

use crate::show::escape;

/// An exercise's text in one language.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Its name.
    pub title: String,
    /// What is to be done.
    pub task: String,
    /// Three of them: the idea, where to look, almost the code.
    pub hints: Vec<String>,
    /// Why the solution is one.
    pub solution: String,
    /// What is wrong with an answer, by the name of its idea.
    pub ideas: Vec<(String, String)>,
    /// The same on the learner's own data: what to do and what to look at.
    pub own: String,
}

impl Page {
    /// The page of `language` (`es` or `en`) in the text of an exercise's file.
    ///
    /// `## es` and `## en` begin the languages. In each, the first `###` is the title with the task below it; then come
    /// the hints (a numbered list), the solution, the ideas (`- name: text`), and the same on one's own data, each below a
    /// `###` of its own.
    pub fn parse(text: &str, language: &str) -> Self {
        let marker = format!("## {language}");
        let lines = text.lines().skip_while(|line| line.trim() != marker).skip(1);
        let lines: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
        let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in lines {
            match (line.strip_prefix("### "), sections.last_mut()) {
                (Some(title), _) => sections.push((title.trim(), Vec::new())),
                (None, Some((_, body))) => body.push(line),
                (None, None) => {}
            }
        }
        let body = |i: usize| sections.get(i).map_or(String::new(), |(_, lines)| lines.join("\n").trim().to_string());
        let ideas = body(3);
        let ideas = ideas.lines().filter_map(|line| line.strip_prefix("- ")?.split_once(": "));
        Self {
            title: sections.first().map_or(String::new(), |(title, _)| title.to_string()),
            task: body(0),
            hints: numbered(&body(1)),
            solution: body(2),
            ideas: ideas.map(|(name, text)| (name.trim().to_string(), text.trim().to_string())).collect(),
            own: body(4),
        }
    }

    /// What is said of an idea.
    pub fn idea(&self, name: &str) -> Option<&str> {
        self.ideas.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }
}

/// The items of a numbered list; lines without a number go on with the item before.
fn numbered(text: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for line in text.lines() {
        let item = line.split_once(". ").filter(|(number, _)| number.parse::<u8>().is_ok());
        match (item, items.last_mut()) {
            (Some((_, rest)), _) => items.push(rest.to_string()),
            (None, Some(last)) => *last += &format!("\n{line}"),
            (None, None) => {}
        }
    }
    items.into_iter().map(|item| item.trim_end().to_string()).collect()
}

/// The inside of `pub mod NAME { ... }` in a Rust file, as a learner would type it: not indented, nothing `pub`.
pub fn module(code: &str, name: &str) -> String {
    let lines = code.lines().skip_while(|line| *line != format!("pub mod {name} {{")).skip(1);
    let lines = lines.take_while(|line| *line != "}");
    let shown = lines.filter(|line| !line.trim_start().starts_with("use super")).map(|line| {
        let line = line.strip_prefix("    ").unwrap_or(line);
        line.strip_prefix("pub ").unwrap_or(line).to_string()
    });
    shown.collect::<Vec<_>>().join("\n").trim().to_string()
}

/// Markdown as HTML, as far as exercises use it: paragraphs, lists, `code`, **bold**, blocks of code.
pub fn html(markdown: &str) -> String {
    let mut html = String::new();
    for (i, part) in markdown.split("```").enumerate() {
        if i % 2 == 1 {
            let code = part.split_once('\n').map_or(part, |(_, code)| code);
            html += &format!("<pre style=\"text-align:left\"><code>{}</code></pre>", escape(code.trim_end()));
            continue;
        }
        for paragraph in part.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
            let items: Vec<&str> = paragraph.lines().filter_map(|line| line.strip_prefix("- ")).collect();
            html += &match items.is_empty() {
                true => format!("<p>{}</p>", inline(paragraph)),
                false => items.iter().map(|item| format!("<li>{}</li>", inline(item))).collect::<String>(),
            };
        }
    }
    html
}

/// `code` and **bold** within a line.
fn inline(text: &str) -> String {
    let (mut html, mut bold) = (String::new(), false);
    for (i, part) in text.split('`').enumerate() {
        if i % 2 == 1 {
            html += &format!("<code>{}</code>", escape(part));
            continue;
        }
        for (j, piece) in part.split("**").enumerate() {
            if j > 0 {
                bold = !bold;
                html += if bold { "<b>" } else { "</b>" };
            }
            html += &escape(piece);
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# 03x\n## es\n### Título\nHaz **esto**.\n\nCon `f`.\n### Pistas\n1. uno\n2. dos\nsigue\n3. tres\n### Solución\nPorque sí.\n### Ideas\n- suma: Sumaste: mal.\n### Con tus datos\nMira los tuyos.\n## en\n### Title\nDo it.\n";

    #[test]
    fn a_page_is_read_by_its_headings() {
        let page = Page::parse(TEXT, "es");
        assert_eq!((page.title.as_str(), page.solution.as_str()), ("Título", "Porque sí."));
        assert_eq!(page.hints, ["uno", "dos\nsigue", "tres"]);
        assert_eq!(page.idea("suma"), Some("Sumaste: mal."));
        assert_eq!((page.own.as_str(), Page::parse(TEXT, "en").own.as_str()), ("Mira los tuyos.", ""));
        assert_eq!(Page::parse(TEXT, "en").task, "Do it.");
        assert_eq!(Page::parse(TEXT, "fr"), Page::default());
    }

    #[test]
    fn what_is_shown_of_a_module_is_what_a_learner_types() {
        let code = "pub mod stub {\n    pub fn f(x: f64) -> f64 {\n        x\n    }\n}\n\npub mod solution {\n}\n";
        assert_eq!(module(code, "stub"), "fn f(x: f64) -> f64 {\n    x\n}");
        assert_eq!(module(code, "none"), "");
    }

    #[test]
    fn markdown_becomes_html_and_nothing_in_it_is_taken_for_html() {
        assert_eq!(html("a **b** `<c>`"), "<p>a <b>b</b> <code>&lt;c&gt;</code></p>");
        assert!(html("```rust\nlet x = 1;\n```").contains("<pre"));
        assert!(html("- a\n- b").contains("<li>a</li><li>b</li>"));
    }
}
