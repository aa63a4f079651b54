//! How each task goes from its input to an answer.

use super::answer::{Answer, Answers, Choice};
use super::steps::{sigmoid, softmax};
use super::task::Task;
use super::{Model, Pipeline};
use crate::classifier::Classifier;
use crate::embedder::Embedder;
use crate::error::{Error, ErrorKind, Result};
use crate::masked_model::{Filling, MaskedModel};
use crate::question_answerer::Span;
use crate::show::Progress;
use crate::sys::{stopped, stopped_error};

impl Pipeline {
    /// The answer to a text. Question answering is asked by [`Pipeline::ask`], zero-shot classification by
    /// [`Pipeline::choose`].
    pub fn run(&self, text: &str) -> Result<Answer> {
        one(self.run_all(&[text.to_string()])?)
    }

    /// The answer to each of some texts, in their order.
    pub fn run_all(&self, texts: &[String]) -> Result<Answers> {
        let rows = match &self.model {
            _ if self.task == Task::ZeroShot => return Err(self.other_way("choose(\"...\", &[\"a\", \"b\"])")),
            _ if self.task == Task::Ask => return Err(self.other_way("ask(\"...?\", \"...\")")),
            Model::Classifier(model) => self.classify(model, texts)?,
            Model::Masked(model) => each(texts.len(), |i| self.fill(model, &texts[i]))?,
            Model::Language(model) => {
                let prompts: Vec<&str> = texts.iter().map(String::as_str).collect();
                let written = model.generate_all(&prompts, &self.generate)?;
                written.iter().map(|text| Answer::text(self.task, &text.prompt, text.full_text())).collect()
            }
            Model::Seq2Seq(_) => self.rewrite(texts, |text| format!("{}{text}", self.prefix))?,
            Model::Embedder(model) => {
                let vectors = model.embed(texts)?.vectors;
                let answer = |(text, vector): (&String, Vec<f32>)| Answer {
                    vector,
                    ..Answer::text(self.task, text, String::new())
                };
                texts.iter().zip(vectors).map(answer).collect()
            }
            Model::Picture(model) => each(texts.len(), |i| {
                let shares = softmax(&model.logits_of(&texts[i])?);
                Ok(Answer::of(self.task, &texts[i], choices(model.labels(), &shares)))
            })?,
            Model::Span(_) => return Err(self.other_way("ask(\"...?\", \"...\")")),
        };
        Ok(Answers { rows })
    }

    /// The answer to a question, from the text that holds it.
    pub fn ask(&self, question: &str, context: &str) -> Result<Answer> {
        match &self.model {
            Model::Span(model) => {
                let choice = |span: Span| {
                    let Span { text, score, start, end } = span;
                    Choice { text, score, start, end, ..Choice::default() }
                };
                let spans = model.answers(question, context, self.count)?;
                Ok(Answer::of(self.task, question, spans.into_iter().map(choice).collect()))
            }
            Model::Seq2Seq(_) if self.task == Task::Ask => {
                let prompt = |question: &str| format!("question: {question} context: {context}");
                let mut answer = one(Answers { rows: self.rewrite(&[question.to_string()], prompt)? })?;
                if let Some(place) = context.find(&answer.text).filter(|_| !answer.text.is_empty()) {
                    answer.start = context[..place].chars().count();
                    answer.end = answer.start + answer.text.chars().count();
                }
                Ok(answer)
            }
            _ => Err(self.other_way(self.way())),
        }
    }

    /// Which of `labels` a text is about, without training for them.
    ///
    /// A model of inference (one of its own labels is `entailment`) says how well "This example is LABEL." follows from the
    /// text: Yin et al., arXiv 1909.00161. One that gives vectors is asked which label is nearest to the text: the scores
    /// are cosines then, and no probabilities.
    pub fn choose(&self, text: &str, labels: &[&str]) -> Result<Answer> {
        one(self.choose_all(&[text.to_string()], labels)?)
    }

    /// As [`Pipeline::choose`] for each of some texts.
    pub fn choose_all(&self, texts: &[String], labels: &[&str]) -> Result<Answers> {
        if self.task != Task::ZeroShot {
            return Err(self.other_way(self.way()));
        }
        if labels.is_empty() || !self.template.contains("{}") {
            let template = &self.template;
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!(
                    "Con las etiquetas {labels:?} y la frase {template:?} no hay nada que comparar.",
                    "With the labels {labels:?} and the sentence {template:?} there is nothing to compare."
                ),
            )
            .next(tr!(
                "Da al menos una etiqueta, y una frase con {{}} en su lugar: \"Este texto trata de {{}}.\"",
                "Give at least one label, and a sentence with {{}} in its place: \"This text is about {{}}.\""
            )));
        }
        let sentences: Vec<String> = labels.iter().map(|label| self.template.replace("{}", label)).collect();
        let rows = match &self.model {
            Model::Classifier(model) => self.infer(model, texts, labels, &sentences)?,
            Model::Embedder(model) => self.compare(model, texts, labels, &sentences)?,
            _ => return Err(self.other_way(self.way())),
        };
        Ok(Answers { rows })
    }

    fn classify(&self, model: &Classifier, texts: &[String]) -> Result<Vec<Answer>> {
        let answer = |(text, logits): (&String, Vec<f64>)| {
            let shares = match model.is_multi_label() {
                true => logits.into_iter().map(sigmoid).collect(),
                false => softmax(&logits),
            };
            Answer::of(self.task, text, choices(model.labels(), &shares))
        };
        Ok(texts.iter().zip(model.logits_of_all(texts)?).map(answer).collect())
    }

    fn fill(&self, model: &MaskedModel, text: &str) -> Result<Answer> {
        let choice = |option: Filling| Choice {
            label: option.token,
            text: option.text,
            score: f64::from(option.probability),
            ..Choice::default()
        };
        let options = model.fill(text, self.count)?.options;
        Ok(Answer::of(self.task, text, options.into_iter().map(choice).collect()))
    }

    /// The text that the model makes of what `prompt` makes of each text.
    fn rewrite(&self, texts: &[String], prompt: impl Fn(&str) -> String) -> Result<Vec<Answer>> {
        let Model::Seq2Seq(model) = &self.model else { return Err(self.other_way(self.way())) };
        let prompts: Vec<String> = texts.iter().map(|text| prompt(text)).collect();
        let written = model.generate_all(&prompts.iter().map(String::as_str).collect::<Vec<_>>(), &self.generate)?;
        let answer = |(text, written): (&String, &crate::generate::Generation)| {
            Answer::text(self.task, text, written.text.trim().to_string())
        };
        Ok(texts.iter().zip(&written).map(answer).collect())
    }

    /// How well each sentence follows from each text.
    fn infer(
        &self,
        model: &Classifier,
        texts: &[String],
        labels: &[&str],
        sentences: &[String],
    ) -> Result<Vec<Answer>> {
        let follows = model.labels().iter().position(|label| label.to_lowercase().starts_with("entail")).unwrap_or(0);
        // As transformers takes it: the first label, or the last one where the first is the entailment.
        let against = if follows == 0 { model.labels().len() - 1 } else { 0 };
        let count = sentences.len();
        let logits = each(texts.len() * count, |i| model.logits_of_pair(&texts[i / count], &sentences[i % count]))?;
        let answer = |(text, logits): (&String, &[Vec<f64>])| {
            let shares = match self.several || count == 1 {
                true => logits.iter().map(|row| softmax(&[row[against], row[follows]])[1]).collect(),
                false => softmax(&logits.iter().map(|row| row[follows]).collect::<Vec<_>>()),
            };
            Answer::of(self.task, text, choices(labels, &shares))
        };
        Ok(texts.iter().zip(logits.chunks(count)).map(answer).collect())
    }

    /// How near each sentence's vector is to each text's.
    fn compare(
        &self,
        model: &Embedder,
        texts: &[String],
        labels: &[&str],
        sentences: &[String],
    ) -> Result<Vec<Answer>> {
        let (read, named) = (model.embed(texts)?.vectors, model.embed(sentences)?.vectors);
        let cosine = |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let answer = |(text, vector): (&String, &Vec<f32>)| {
            let scores: Vec<f64> = named.iter().map(|other| cosine(vector, other)).collect();
            Answer { by_cosine: true, ..Answer::of(self.task, text, choices(labels, &scores)) }
        };
        Ok(texts.iter().zip(&read).map(answer).collect())
    }

    /// How this pipeline's task is asked.
    fn way(&self) -> &'static str {
        match self.task {
            Task::ZeroShot => "choose(\"...\", &[\"a\", \"b\"])",
            Task::Ask => "ask(\"...?\", \"...\")",
            _ => "run(\"...\")",
        }
    }

    fn other_way(&self, way: &str) -> Error {
        let task = &self.asked;
        Error::new(ErrorKind::BadSetting, tr!("{task} se pide de otra manera.", "{task} is asked in another way."))
            .next(tr!("Escribe pipeline.{way}?", "Write pipeline.{way}?"))
    }
}

fn choices<T: ToString>(labels: &[T], scores: &[f64]) -> Vec<Choice> {
    let choice = |(label, score): (&T, &f64)| Choice { label: label.to_string(), score: *score, ..Choice::default() };
    labels.iter().zip(scores).map(choice).collect()
}

fn one(answers: Answers) -> Result<Answer> {
    answers.rows.into_iter().next().ok_or_else(|| Error::new(ErrorKind::Engine, "no answer"))
}

/// What `work` gives for 0, 1, ... `count`. The reader may stop it; half of it would be of no use.
fn each<T>(count: usize, mut work: impl FnMut(usize) -> Result<T>) -> Result<Vec<T>> {
    let mut progress = Progress::start(&tr!("Leyendo textos", "Reading texts"), count);
    let mut done = Vec::with_capacity(count);
    for i in 0..count {
        if stopped() {
            return Err(stopped_error(
                tr!("Parado en el {i} de {count}.", "Stopped at {i} of {count}."),
                tr!("Ejecuta la celda otra vez.", "Run the cell again."),
            ));
        }
        done.push(work(i)?);
        progress.update(i + 1, "");
    }
    progress.end("");
    Ok(done)
}
