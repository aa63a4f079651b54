//! What a pipeline answers: one struct for every task, shown as a table.

use super::task::Task;
use crate::show::{cut, display, escape, Html};

/// Longest input, in characters, that a table's caption repeats.
const CAPTION_CHARS: usize = 80;

/// What a pipeline says of one input. A field that its task does not fill is empty, or 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The text that was given; of question answering, the question.
    pub input: String,
    /// The likeliest label; of fill-mask, the likeliest word.
    pub label: String,
    /// The text that was made: the filled or the generated one, the summary, the translation, the answer to a question.
    pub text: String,
    /// How sure the model is of the best choice: a probability, from 0 to 1. Where labels are compared by their vectors,
    /// the cosine. NaN where the model gives no such number.
    pub score: f64,
    /// Where an answer begins in its context, in characters from 0.
    pub start: usize,
    /// Where it ends: the first character after it.
    pub end: usize,
    /// All that the model considered, best first.
    pub choices: Vec<Choice>,
    /// The text's vector, of length 1 (feature extraction).
    pub vector: Vec<f32>,
    pub(super) task: Task,
    /// True where scores are cosines and no probabilities.
    pub(super) by_cosine: bool,
}

/// One of the things that a model considered. A field that the task does not fill is empty, or 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// The label, or the word that fills the gap.
    pub label: String,
    /// The whole text with that word, or the answer to a question.
    pub text: String,
    /// How likely it is.
    pub score: f64,
    /// Where an answer begins in its context, in characters from 0.
    pub start: usize,
    /// The first character after it.
    pub end: usize,
}

/// What a pipeline says of several inputs, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// An answer for each input.
    pub rows: Vec<Answer>,
}

impl Answer {
    /// The answer to `input` with the best of `choices` in front.
    pub(super) fn of(task: Task, input: &str, mut choices: Vec<Choice>) -> Self {
        choices.sort_by(|a, b| b.score.total_cmp(&a.score));
        let best = choices.first().cloned().unwrap_or_default();
        Self {
            input: input.to_string(),
            label: best.label,
            text: best.text,
            score: best.score,
            start: best.start,
            end: best.end,
            choices,
            vector: Vec::new(),
            task,
            by_cosine: false,
        }
    }

    /// The answer to `input` where there is a text and no number that says how sure the model is.
    pub(super) fn text(task: Task, input: &str, text: String) -> Self {
        Self { text, score: f64::NAN, ..Self::of(task, input, Vec::new()) }
    }

    fn score_of(&self, score: f64) -> String {
        match (score.is_nan(), self.by_cosine) {
            (true, _) => "—".into(),
            (_, true) => format!("{score:.3}"),
            _ => format!("{:.1} %", 100.0 * score),
        }
    }

    fn score_name(&self) -> String {
        if self.by_cosine {
            tr!("parecido", "likeness")
        } else {
            tr!("seguridad", "score")
        }
    }

    /// The names of the columns and the cells of `choice`.
    fn cells(&self, choice: &Choice) -> Vec<String> {
        let score = self.score_of(choice.score);
        match self.task {
            Task::FillMask => vec![choice.label.clone(), score, choice.text.clone()],
            Task::Ask => vec![choice.text.clone(), score, format!("{}–{}", choice.start, choice.end)],
            _ => vec![choice.label.clone(), score],
        }
    }

    fn headers(&self) -> Vec<String> {
        match self.task {
            Task::FillMask => vec![tr!("palabra", "word"), self.score_name(), tr!("texto", "text")],
            Task::Ask => vec![tr!("respuesta", "answer"), self.score_name(), tr!("caracteres", "characters")],
            _ => vec![tr!("etiqueta", "label"), self.score_name()],
        }
    }

    /// The answer in a few words.
    fn short(&self) -> String {
        if self.task == Task::Embed {
            let some: Vec<String> = self.vector.iter().take(4).map(|x| format!("{x:.3}")).collect();
            let (size, some) = (self.vector.len(), some.join(", "));
            return tr!("{size} números: {some}, …", "{size} numbers: {some}, …");
        }
        if self.label.is_empty() { &self.text } else { &self.label }.clone()
    }

    fn table(&self) -> Html {
        if self.choices.is_empty() {
            let (input, short) = (escape(&self.input), escape(&self.short()));
            let (html, plain) = match self.task {
                // What is generated begins with its prompt.
                Task::Generate => {
                    let rest = self.text.strip_prefix(&self.input).map(escape);
                    (rest.map_or(short.clone(), |rest| format!("<b>{input}</b>{rest}")), self.short())
                }
                _ => (format!("<b>{input}</b> → {short}"), format!("{} → {}", self.input, self.short())),
            };
            return Html::new(&format!("<p style=\"max-width:48em;line-height:1.5\">{html}</p>"), &plain);
        }
        let rows: Vec<Vec<String>> = self.choices.iter().map(|choice| self.cells(choice)).collect();
        Html::table(&self.headers(), &rows, &cut(&self.input, CAPTION_CHARS))
    }

    /// Shows what the model considered, best first; or the text that it made.
    pub fn evcxr_display(&self) {
        let table = self.table();
        display(&table.html, &table.plain);
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.table().plain)
    }
}

impl Answers {
    /// The best label of each input.
    pub fn labels(&self) -> Vec<String> {
        self.rows.iter().map(|answer| answer.label.clone()).collect()
    }

    /// The text made of each input.
    pub fn texts(&self) -> Vec<String> {
        self.rows.iter().map(|answer| answer.text.clone()).collect()
    }

    /// How sure the model is of each.
    pub fn scores(&self) -> Vec<f64> {
        self.rows.iter().map(|answer| answer.score).collect()
    }

    /// How many inputs.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when there was no input.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn table(&self) -> Html {
        let scored = self.rows.iter().any(|answer| !answer.choices.is_empty());
        let row = |answer: &Answer| {
            let score = scored.then(|| answer.score_of(answer.score));
            [answer.input.clone(), answer.short()].into_iter().chain(score).collect::<Vec<_>>()
        };
        let rows: Vec<Vec<String>> = self.rows.iter().map(row).collect();
        let score = self.rows.first().filter(|_| scored).map(Answer::score_name);
        let headers = [tr!("texto", "text"), tr!("respuesta", "answer")].into_iter().chain(score);
        Html::table(&headers.collect::<Vec<_>>(), &rows, "")
    }

    /// Shows each input with its answer.
    pub fn evcxr_display(&self) {
        let table = self.table();
        display(&table.html, &table.plain);
    }
}

impl std::fmt::Display for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.table().plain)
    }
}
