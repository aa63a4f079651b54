//! A model that finds the answer to a question in a text, as a notebook holds it.

use candle_core::{DType, Device, Tensor};
use serde_json::{json, Value};

use crate::checkpoint::ModelFolder;
use crate::dataset::{check_columns, Batch, Dataset, Row, Targets};
use crate::error::{Error, ErrorKind, Result};
use crate::model_methods::model_methods;
use crate::models::{encoder_config, SpanEncoder};
use crate::needs::{Labels, Needs};
use crate::nn::{self, LoraConfig, Param};
use crate::show::Progress;
use crate::sys::{stopped, stopped_error};
use crate::tokenizer::Window;
use crate::train::{evaluate, Trainable};

/// Tokens that are read at a time, as far as the model can.
const WINDOW: usize = 384;
/// Tokens that two windows share.
const OVERLAP: usize = 128;
/// Windows that are computed side by side.
const AT_ONCE: usize = 8;

/// A model that marks where in a text the answer to a question begins and ends.
pub struct QuestionAnswerer {
    /// The longest answer, in tokens (15).
    pub max_answer_tokens: usize,
    files: ModelFolder,
    model: SpanEncoder,
}

/// A part of a text that may be the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The answer.
    pub text: String,
    /// The product of the probabilities that it begins and that it ends there; of a long text within one window, and
    /// added up over all places where the same answer was found (so it may pass 1).
    pub score: f64,
    /// Where it begins in the text, in characters from 0.
    pub start: usize,
    /// The first character after it.
    pub end: usize,
}

impl QuestionAnswerer {
    /// Loads a trained model, `...ForQuestionAnswering`: a folder or a name of the Hub (`"org/name"`): bert, deberta-v2,
    /// distilbert, roberta, xlm-roberta.
    pub fn load(name: &str) -> Result<Self> {
        let files = ModelFolder::open(name)?;
        let weights = files.weights()?;
        if !weights.any(SpanEncoder::NAMES) {
            return Err(Error::new(
                ErrorKind::BadModel,
                tr!(
                    "«{name}» no responde preguntas: no trae qa_outputs.",
                    "\"{name}\" answers no questions: it has no qa_outputs."
                ),
            )
            .next(tr!(
                "Entrena uno: QuestionAnswerer::new(\"{name}\")?",
                "Train one: QuestionAnswerer::new(\"{name}\")?"
            )));
        }
        let model = SpanEncoder::new(encoder_config(&files.config)?, weights, dropout(&files.config))?;
        Self::of(files, model)
    }

    /// A model of the same kinds with a new head, to train. It knows nothing of answers yet.
    pub fn new(name: &str) -> Result<Self> {
        let mut files = ModelFolder::open(name)?;
        if let Some(Value::String(class)) = files.config["architectures"].get_mut(0) {
            // BertForMaskedLM, BertModel: what is before says the family.
            let family = class.split("For").next().unwrap_or_default().trim_end_matches("Model");
            *class = format!("{family}ForQuestionAnswering");
        }
        if let Some(config) = files.config.as_object_mut() {
            // Two numbers for each token: what transformers takes for the number of labels.
            config.insert("id2label".into(), json!({"0": "LABEL_0", "1": "LABEL_1"}));
            config.insert("label2id".into(), json!({"LABEL_0": 0, "LABEL_1": 1}));
        }
        let config = encoder_config(&files.config)?;
        let model = SpanEncoder::with_new_head(config, files.weights()?, dropout(&files.config), 42)?;
        Self::of(files, model)
    }

    fn of(files: ModelFolder, model: SpanEncoder) -> Result<Self> {
        files.tokenizer.check_fits(model.encoder.vocab_size())?;
        Ok(Self { max_answer_tokens: 15, files, model })
    }

    /// The likeliest answer to `question` in `context`.
    pub fn answer(&self, question: &str, context: &str) -> Result<Span> {
        let spans = self.answers(question, context, 1)?;
        spans.into_iter().next().ok_or_else(|| nothing_to_read(question, context))
    }

    /// The `count` likeliest answers to `question` in `context`, likeliest first, each of whole words.
    ///
    /// A long text is read in windows that overlap, as transformers' pipeline does: 384 tokens or what the model reads,
    /// of which two share 128 or a half.
    pub fn answers(&self, question: &str, context: &str, count: usize) -> Result<Vec<Span>> {
        if question.trim().is_empty() || context.trim().is_empty() {
            return Err(nothing_to_read(question, context));
        }
        let windows = self.windows(question, context, self.window())?;
        let letters: Vec<char> = context.chars().collect();
        let mut progress = Progress::start(&tr!("Leyendo el texto", "Reading the text"), windows.len());
        let mut spans: Vec<Span> = Vec::new();
        for (done, some) in windows.chunks(AT_ONCE).enumerate() {
            if stopped() {
                return Err(stopped_error(
                    tr!("Parado antes de leer todo el texto.", "Stopped before all of the text was read."),
                    tr!("Ejecuta la celda otra vez.", "Run the cell again."),
                ));
            }
            let rows = some.iter().map(|window| self.row(window, Vec::new())).collect();
            let logits: Vec<Vec<Vec<f64>>> = self.logits(&Batch::of(rows, false)?)?.to_dtype(DType::F64)?.to_vec3()?;
            for (window, logits) in some.iter().zip(&logits) {
                for (first, last, score) in likeliest(window, logits, 2 * count + 10, self.max_answer_tokens) {
                    let (start, end) = (window.word_chars(first).0, window.word_chars(last).1);
                    let text: String = letters.get(start..end).unwrap_or_default().iter().collect();
                    match spans.iter_mut().find(|span| span.text.to_lowercase() == text.to_lowercase()) {
                        Some(span) => span.score += score,
                        None => spans.push(Span { text, score, start, end }),
                    }
                }
            }
            progress.update(done * AT_ONCE + some.len(), "");
        }
        progress.end("");
        spans.sort_by(|a, b| b.score.total_cmp(&a.score));
        spans.truncate(count);
        Ok(spans)
    }

    /// The logits (texts, time, 2) of a batch: that an answer begins, and that it ends, at each token; at padding they mean
    /// nothing.
    pub fn logits(&self, batch: &Batch) -> Result<Tensor> {
        batch.check(&self.needs())?;
        Ok(self.model.logits(&batch.pass(false)?)?.detach())
    }

    /// Questions, the texts that hold their answers, and the answers as they are written there, as data for training or
    /// measuring: at most `max_tokens` of question and text together. Of a longer text the part with the answer is kept.
    pub fn dataset(
        &self,
        questions: &[String],
        contexts: &[String],
        answers: &[String],
        max_tokens: usize,
    ) -> Result<Dataset> {
        check_columns(questions, contexts)?;
        check_columns(questions, answers)?;
        let (max_tokens, mut pairs, mut labels) = (max_tokens.min(self.max_tokens()), Vec::new(), Vec::new());
        for (row, ((question, context), answer)) in questions.iter().zip(contexts).zip(answers).enumerate() {
            let place = context.find(answer.as_str()).filter(|_| !answer.is_empty());
            let place = place.ok_or_else(|| not_there(row + 1, answer))?;
            let start = context[..place].chars().count();
            let wanted = (start, start + answer.chars().count());
            let windows = self.windows(question, context, max_tokens)?;
            let found = windows.iter().find_map(|window| Some((window, tokens_of(window, wanted)?)));
            let (window, (first, last)) = found.ok_or_else(|| not_there(row + 1, answer))?;
            pairs.push(window.pair.clone());
            labels.push(vec![first as u32, last as u32]);
        }
        Dataset::of_pairs(pairs, self.model.encoder.tells_segments(), max_tokens, Targets::Labels(labels))
    }

    fn windows(&self, question: &str, context: &str, max_tokens: usize) -> Result<Vec<Window>> {
        self.tokenizer().windows(question, context, max_tokens, OVERLAP.min(max_tokens / 2))
    }

    /// How many tokens are read at a time.
    fn window(&self) -> usize {
        WINDOW.min(self.max_tokens())
    }

    fn row(&self, window: &Window, labels: Vec<u32>) -> Row {
        let segments = self.model.encoder.tells_segments();
        let token_types = if segments { window.pair.token_types.clone() } else { Vec::new() };
        Row { ids: window.pair.ids.clone(), token_types, labels, ..Row::default() }
    }

    /// Mean loss on some data.
    pub fn loss_on(&self, data: &Dataset) -> Result<f64> {
        Ok(evaluate(self, data)?.loss)
    }

    /// The longest question and text together that it can read at a time, in tokens.
    pub fn max_tokens(&self) -> usize {
        self.model.encoder.max_tokens()
    }

    /// Freezes the encoder and puts small trainable matrices on it; the head is trained in full. Run again, it starts
    /// them anew.
    pub fn add_lora(&mut self, config: &LoraConfig) -> Result<()> {
        let head = self.model.head();
        nn::add_lora(&mut self.model, config, &head)
    }
}

model_methods!(QuestionAnswerer, self => self.model, Some("QUESTION_ANS"));

/// The share that a DistilBERT leaves out before its head while training; other families leave out nothing.
fn dropout(config: &Value) -> f64 {
    match config["model_type"].as_str() {
        Some("distilbert") => config["qa_dropout"].as_f64().unwrap_or(0.1),
        _ => 0.0,
    }
}

/// The likeliest spans of a window's second text: first token, last token, probability. The mark at the start takes part in
/// the shares, where some models put what has no answer, and is never an answer itself.
fn likeliest(window: &Window, logits: &[Vec<f64>], count: usize, longest: usize) -> Vec<(usize, usize, f64)> {
    let text = &window.second;
    let shares = |end: usize| -> Vec<f64> {
        let counts = |i: usize| i == 0 || text[i];
        let largest = (0..text.len()).filter(|i| counts(*i)).map(|i| logits[i][end]).fold(f64::NEG_INFINITY, f64::max);
        let raised: Vec<f64> =
            (0..text.len()).map(|i| if counts(i) { (logits[i][end] - largest).exp() } else { 0.0 }).collect();
        let sum: f64 = raised.iter().sum();
        raised.iter().map(|x| x / sum).collect()
    };
    let (starts, ends) = (shares(0), shares(1));
    let mut spans: Vec<(usize, usize, f64)> = Vec::new();
    for first in (0..text.len()).filter(|i| text[*i]) {
        let lasts = (first..text.len().min(first + longest)).filter(|i| text[*i]);
        spans.extend(lasts.map(|last| (first, last, starts[first] * ends[last])));
    }
    spans.sort_by(|a, b| b.2.total_cmp(&a.2));
    spans.truncate(count);
    spans
}

/// The first and the last token of a window's second text that hold its characters from `start` to before `end`; none where
/// they are not all in the window.
fn tokens_of(window: &Window, (start, end): (usize, usize)) -> Option<(usize, usize)> {
    let text = &window.second;
    let tokens: Vec<usize> = (0..text.len()).filter(|i| text[*i]).collect();
    let first = tokens.iter().copied().find(|i| window.chars[*i].1 > start)?;
    let last = tokens.iter().copied().rev().find(|i| window.chars[*i].0 < end)?;
    (window.chars[first].0 <= start && window.chars[last].1 >= end && first <= last).then_some((first, last))
}

fn not_there(row: usize, answer: &str) -> Error {
    Error::new(
        ErrorKind::BadData,
        tr!(
            "Fila {row}: la respuesta «{answer}» no está en su texto, o no cabe en una ventana.",
            "Row {row}: the answer \"{answer}\" is not in its text, or does not fit in a window."
        ),
    )
    .next(tr!(
        "Copia la respuesta tal como está en el texto, o sube max_tokens.",
        "Copy the answer as it stands in the text, or raise max_tokens."
    ))
}

fn nothing_to_read(question: &str, context: &str) -> Error {
    Error::new(
        ErrorKind::BadData,
        tr!(
            "Falta la pregunta ({question:?}) o el texto ({context:?}).",
            "The question ({question:?}) or the text ({context:?}) is missing."
        ),
    )
    .next(tr!("Da los dos.", "Give both."))
}

impl Trainable for QuestionAnswerer {
    fn learns_labels(&self) -> bool {
        true
    }

    fn params(&self) -> Vec<&Param> {
        nn::Module::params(&self.model)
    }

    fn needs(&self) -> Needs {
        let encoder = &self.model.encoder;
        let (vocab_size, max_tokens) = (encoder.vocab_size(), encoder.max_tokens());
        Needs { vocab_size, max_tokens, labels: Labels::Places, ..Needs::default() }
    }

    /// The mean of two cross-entropies over a text's tokens: where the answer begins, and where it ends.
    fn loss(&self, batch: &Batch, training: bool) -> Result<Tensor> {
        batch.check(&self.needs())?;
        let inside = |(places, length): (&[u32], &usize)| places.iter().all(|place| (*place as usize) < *length);
        if batch.labels.len() != 2 * batch.lengths.len() || !batch.labels.chunks(2).zip(&batch.lengths).all(inside) {
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "Estos datos no dicen dónde empieza y acaba una respuesta.",
                    "These data do not say where an answer begins and ends."
                ),
            )
            .next(tr!(
                "Prepáralos con el método dataset del modelo.",
                "Prepare them with the model's dataset method."
            )));
        }
        let logits = self.model.logits(&batch.pass(training)?)?; // (texts, time, 2)
        let (texts, time, _) = logits.dims3()?;
        let padding =
            batch.lengths.iter().flat_map(|length| (0..time).map(move |i| if i < *length { 0f32 } else { -1e9 }));
        let padding = Tensor::from_vec(padding.collect::<Vec<_>>(), (texts, time), &Device::Cpu)?;
        let side = |side: usize| -> Result<Tensor> {
            let logits = (logits.narrow(2, side, 1)?.squeeze(2)?.contiguous()? + &padding)?; // (texts, time)
            let labels: Vec<u32> = batch.labels.chunks(2).map(|labels| labels[side]).collect();
            Ok(candle_nn::loss::cross_entropy(&logits, &Tensor::new(labels, &Device::Cpu)?)?)
        };
        Ok(((side(0)? + side(1)?)? / 2.0)?)
    }
}

impl std::fmt::Display for QuestionAnswerer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.files.config["model_type"].as_str().unwrap_or("?");
        let ((trainable, all), limit) = (self.count_parameters(), self.max_tokens());
        write!(
            f,
            "{}",
            tr!(
                "Modelo que responde preguntas ({kind}): {all} números, {trainable} entrenables; lee hasta {limit} tokens",
                "Model that answers questions ({kind}): {all} numbers, {trainable} trainable; reads up to {limit} tokens"
            )
        )
    }
}

impl Span {
    /// Shows the answer, how sure the model is, and where it stands.
    pub fn evcxr_display(&self) {
        println!("{self}");
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({:.1} %, {}–{})", self.text, 100.0 * self.score, self.start, self.end)
    }
}
