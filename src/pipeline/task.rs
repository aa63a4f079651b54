//! What can be asked of a model, by the names that the Hugging Face Hub uses, and which model can do what.

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::table::similar::similar;

/// What a pipeline does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Classify,
    FillMask,
    Generate,
    Ask,
    Summarize,
    Translate,
    Embed,
    ZeroShot,
    Picture,
}

use Task::{Ask, Classify, Embed, FillMask, Generate, Picture, Summarize, Translate, ZeroShot};

/// The names that a task goes by; the first two are one task.
const NAMES: [(&str, Task); 10] = [
    ("sentiment-analysis", Classify),
    ("text-classification", Classify),
    ("fill-mask", FillMask),
    ("text-generation", Generate),
    ("question-answering", Ask),
    ("summarization", Summarize),
    ("translation", Translate),
    ("feature-extraction", Embed),
    ("zero-shot-classification", ZeroShot),
    ("image-classification", Picture),
];

/// The tasks that [`super::pipeline`] knows, by name.
pub fn pipeline_tasks() -> Vec<String> {
    NAMES.iter().map(|(name, _)| name.to_string()).collect()
}

/// The two languages of `translation_en_to_fr`.
pub(super) fn languages(task: &str) -> Option<(&str, &str)> {
    task.strip_prefix("translation_")?.split_once("_to_")
}

impl Task {
    pub(super) fn named(name: &str) -> Result<Self> {
        if languages(name).is_some() {
            return Ok(Translate);
        }
        if let Some((_, task)) = NAMES.iter().find(|(known, _)| *known == name) {
            return Ok(*task);
        }
        let (known, list) = (pipeline_tasks(), pipeline_tasks().join(", "));
        let next = tr!("Las que hay: {list}, translation_es_to_en.", "Those there are: {list}, translation_es_to_en.");
        let near = similar(&name.replace('_', "-"), &known, 1);
        Err(Error::new(
            ErrorKind::BadSetting,
            tr!("No conozco la tarea «{name}».", "I do not know the task \"{name}\"."),
        )
        .next(match near.first() {
            Some(near) => tr!("¿Quisiste decir «{near}»? ", "Did you mean \"{near}\"? ") + &next,
            None => next,
        }))
    }

    fn name(self) -> &'static str {
        NAMES.iter().find(|(_, task)| *task == self).map_or("", |(name, _)| name)
    }
}

/// What the model of a `config.json` can do, most fitting first.
fn tasks_of(config: &Value) -> Vec<Task> {
    let decides = |label: &Value| label.as_str().is_some_and(|label| label.to_lowercase().starts_with("entail"));
    match config["model_type"].as_str().unwrap_or_default() {
        "gpt2" | "llama" | "qwen2" | "qwen3" => return vec![Generate],
        "vit" => return vec![Picture],
        "t5" | "mt5" => return vec![Summarize, Translate, Ask],
        _ => {}
    }
    let class = config["architectures"][0].as_str().unwrap_or_default();
    match class.split_once("For").map_or("", |(_, head)| head) {
        "SequenceClassification" => match config["id2label"].as_object().is_some_and(|all| all.values().any(decides)) {
            true => vec![ZeroShot, Classify, Embed],
            false => vec![Classify, Embed],
        },
        "QuestionAnswering" => vec![Ask, Embed],
        "MaskedLM" | "PreTraining" => vec![FillMask, Embed, ZeroShot],
        // Nothing is said: what its weights hold decides.
        "" if class.is_empty() => vec![Embed, ZeroShot, FillMask, Classify, Ask],
        _ => vec![Embed, ZeroShot],
    }
}

/// Fails where the model `name` cannot do `task`, and says what it can do.
pub(super) fn check_kind(task: Task, name: &str, config: &Value) -> Result<()> {
    let able = tasks_of(config);
    if able.contains(&task) {
        return Ok(());
    }
    let class = config["architectures"][0].as_str().or(config["model_type"].as_str()).unwrap_or("?");
    let (wanted, first) = (task.name(), able.first().map_or("", |task| task.name()));
    let list = able.iter().map(|task| task.name()).collect::<Vec<_>>().join(", ");
    Err(Error::new(ErrorKind::BadModel, tr!("«{name}» no sirve para {wanted}.", "\"{name}\" cannot do {wanted}."))
        .why(tr!("Es de la clase {class}, que sirve para: {list}.", "It is a {class}, which can do: {list}."))
        .next(tr!(
            "Pídele lo que sabe, pipeline(\"{first}\", \"{name}\")?, o elige otro modelo.",
            "Ask for what it can do, pipeline(\"{first}\", \"{name}\")?, or choose another model."
        )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_task_is_guessed_and_all_are_listed() {
        let error = Task::named("sentiment_analisis").map(|_| ()).map_err(|error| error.to_string());
        let error = error.err().unwrap_or_default();
        assert!(error.contains("\"sentiment-analysis\"") || error.contains("«sentiment-analysis»"), "{error}");
        assert!(pipeline_tasks().iter().all(|name| error.contains(name)), "{error}");
        assert_eq!(Task::named("translation_en_to_fr").ok(), Some(Translate));
    }
}
