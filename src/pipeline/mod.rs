//! A task's name and a model's name make one thing that answers: `pipeline("sentiment-analysis", "org/name")?.run("...")?`.
//!
//! What it does are the steps that one can also take by hand: the tokenizer, the model's logits, [`softmax`], the label's
//! name. The tasks and what they are called are those of transformers' pipelines.

mod answer;
mod run;
mod steps;
mod task;

use serde_json::Value;

pub use answer::{Answer, Answers, Choice};
pub use steps::{sigmoid, softmax};
pub use task::pipeline_tasks;

use crate::checkpoint::read_json;
use crate::classifier::Classifier;
use crate::embedder::Embedder;
use crate::error::{Error, ErrorKind, Result};
use crate::generate::GenerateConfig;
use crate::hub::model_files;
use crate::image_classifier::ImageClassifier;
use crate::language_model::LanguageModel;
use crate::masked_model::MaskedModel;
use crate::question_answerer::QuestionAnswerer;
use crate::seq2seq::Seq2Seq;
use task::{check_kind, languages, Task};

/// A model that is ready for one task. Its settings may be changed between two questions.
pub struct Pipeline {
    /// How many ways to fill a gap or to answer a question are told (5 and 3).
    pub count: usize,
    /// What is set before a text that is summarized or translated: a T5 knows by it what to do (as its `config.json` says).
    pub prefix: String,
    /// The sentence that zero-shot classification makes of each label, in the place of `{}` (`"This example is {}."`; with
    /// a model that compares vectors `"{}"`). Write it in the language of the texts.
    pub template: String,
    /// Zero-shot classification: true where a text may have several of the labels, or none (false).
    pub several: bool,
    /// How texts are written; a summary or a translation takes the likeliest words where nothing else is said.
    pub generate: GenerateConfig,
    name: String,
    asked: String,
    task: Task,
    model: Model,
}

/// The kinds of models that answer.
enum Model {
    Classifier(Classifier),
    Masked(MaskedModel),
    Language(LanguageModel),
    Seq2Seq(Seq2Seq),
    Span(QuestionAnswerer),
    Embedder(Embedder),
    Picture(ImageClassifier),
}

/// Loads a model for a task: `sentiment-analysis` (or `text-classification`), `fill-mask`, `text-generation`,
/// `question-answering`, `summarization`, `translation` (`translation_en_to_fr`), `feature-extraction`,
/// `zero-shot-classification`, `image-classification` (its text is a file's path). `model` is the name of a model of the course or of the Hub, or a folder.
///
/// # Errors
/// An unknown task (all are listed), a model that is not there, or one that cannot do the task (what it can is said).
///
/// ```no_run
/// use aula::prelude::*;
/// # fn main() -> Result<()> {
/// let fill = pipeline("fill-mask", "org/name")?;
/// println!("{}", fill.run("Good [MASK]!")?.label);
/// # Ok(())
/// # }
/// ```
pub fn pipeline(task: &str, model: &str) -> Result<Pipeline> {
    let (asked, name) = (task.trim(), model);
    let task = Task::named(asked)?;
    let config = read_json(&model_files(name)?.join("config.json"))?;
    check_kind(task, name, &config)?;
    let writes = matches!(config["model_type"].as_str(), Some("t5" | "mt5"));
    let decides = config["architectures"][0].as_str().is_some_and(|class| class.ends_with("SequenceClassification"));
    let model = match task {
        Task::Classify => Model::Classifier(Classifier::load(name)?),
        Task::ZeroShot if decides => Model::Classifier(Classifier::load(name)?),
        Task::FillMask => Model::Masked(MaskedModel::load(name)?),
        Task::Generate => Model::Language(LanguageModel::load(name)?),
        Task::Ask if !writes => Model::Span(QuestionAnswerer::load(name)?),
        Task::Ask | Task::Summarize | Task::Translate => Model::Seq2Seq(Seq2Seq::load(name)?),
        Task::Picture => Model::Picture(ImageClassifier::load(name)?),
        Task::Embed | Task::ZeroShot => Model::Embedder(Embedder::load(name)?),
    };
    let compares = matches!(model, Model::Embedder(_));
    Ok(Pipeline {
        count: if task == Task::Ask { 3 } else { 5 },
        prefix: if writes { prefix(asked, task, &config)? } else { String::new() },
        template: if compares { "{}" } else { "This example is {}." }.to_string(),
        several: false,
        generate: if writes { writing(asked, &config) } else { GenerateConfig::default() },
        name: name.to_string(),
        asked: asked.to_string(),
        task,
        model,
    })
}

/// What a T5 is told before a text: what its `config.json` says of the task, or the paper's words (Raffel et al., arXiv
/// 1910.10683) for a pair of languages that it was trained on.
fn prefix(asked: &str, task: Task, config: &Value) -> Result<String> {
    let known = &config["task_specific_params"];
    if let Some(prefix) = known[asked]["prefix"].as_str() {
        return Ok(prefix.to_string());
    }
    if let Some((from, to)) = languages(asked) {
        let name = |code| match code {
            "en" => Some("English"),
            "fr" => Some("French"),
            "de" => Some("German"),
            "ro" => Some("Romanian"),
            _ => None,
        };
        return Ok(match (name(from), name(to)) {
            (Some(from), Some(to)) if config["model_type"] == "t5" => format!("translate {from} to {to}: "),
            _ => String::new(),
        });
    }
    let pairs: Vec<&String> = known.as_object().into_iter().flat_map(|all| all.keys()).collect();
    let pairs: Vec<&str> = pairs.into_iter().map(String::as_str).filter(|name| languages(name).is_some()).collect();
    if task == Task::Translate && !pairs.is_empty() {
        let list = pairs.join(", ");
        return Err(Error::new(
            ErrorKind::BadSetting,
            tr!("Este modelo traduce entre varias lenguas.", "This model translates between several languages."),
        )
        .next(tr!("Di cuáles en la tarea: {list}.", "Say which ones in the task: {list}.")));
    }
    Ok(String::new())
}

/// How a summary, a translation or an answer is written: the likeliest words, with what `config.json` says of the task.
fn writing(asked: &str, config: &Value) -> GenerateConfig {
    let known = &config["task_specific_params"][asked];
    let count = |key: &str, default: usize| known[key].as_u64().map_or(default, |count| count as usize);
    let plain = GenerateConfig { temperature: 0.0, max_tokens: 120, ..GenerateConfig::default() };
    GenerateConfig {
        max_tokens: count("max_length", plain.max_tokens),
        num_beams: count("num_beams", plain.num_beams),
        no_repeat_ngram_size: count("no_repeat_ngram_size", plain.no_repeat_ngram_size),
        length_penalty: known["length_penalty"].as_f64().unwrap_or(plain.length_penalty),
        ..plain
    }
}

impl Pipeline {
    /// The task, by the name that it was asked for.
    pub fn task(&self) -> &str {
        &self.asked
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.name
    }

    /// Shows the task and the model.
    pub fn evcxr_display(&self) {
        println!("{self}");
    }
}

impl std::fmt::Display for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let model: &dyn std::fmt::Display = match &self.model {
            Model::Classifier(model) => model,
            Model::Masked(model) => model,
            Model::Language(model) => model,
            Model::Seq2Seq(model) => model,
            Model::Span(model) => model,
            Model::Embedder(model) => model,
            Model::Picture(model) => model,
        };
        let (task, name) = (&self.asked, &self.name);
        write!(f, "{}", tr!("{task} con «{name}». {model}", "{task} with \"{name}\". {model}"))
    }
}
