//! The settings of a training.

use std::sync::Arc;

use super::{ClassWeights, Trainable};
use crate::dataset::Dataset;
use crate::error::{Error, ErrorKind, Result, Settings};
use crate::needs::Labels;
use crate::optim::{AdamWConfig, Group};
use crate::schedule::Schedule;

/// Settings of [`super::fine_tune`]. Change one at a time and compare.
#[derive(Clone, Debug)]
pub struct TrainConfig {
    /// Times that every text is seen (3). More texts, fewer epochs.
    pub epochs: usize,
    /// Size of the steps (2e-4). Try 1e-4 to 1e-3; adapters bear more than whole models.
    pub learning_rate: f64,
    /// Texts that are computed side by side (16). Fewer need less memory and make noisier steps.
    pub batch_size: usize,
    /// Keeps what goes into each layer and computes the rest again for the gradients (false): the same
    /// steps, with less memory and in more time. Training adapters on GPT-2's shape of 82 million weights, 4 texts of 128
    /// tokens, took 142 MB besides the weights in place of 348, and training all weights 1,737 in place of 1,858.
    pub recompute: bool,
    /// Batches whose gradients are added up before each step (1). Where memory ends, halve `batch_size` and double this:
    /// the steps stay the same.
    pub accumulate: usize,
    /// Share of the steps in which the learning rate rises from zero (0.1).
    pub warmup_ratio: f64,
    /// The learning rate's shape after that (cosine); `Linear` and `Constant` are the others.
    pub schedule: Schedule,
    /// Decay of matrices (0.01); norms and biases never decay.
    pub weight_decay: f64,
    /// Weights with a learning rate and a decay of their own (none), such as a new head: see [`ParamGroup`].
    pub groups: Vec<ParamGroup>,
    /// Share of each label that is given to all labels alike (0.0): a model that is told so is less sure of itself. Try 0.1.
    /// Where a text has several labels, or a number, there is nothing to share out: other values than 0 are an error.
    pub label_smoothing: f64,
    /// How much each class weighs in the loss of a classifier (`ClassWeights::Equal`). Where one is rare, try
    /// `ClassWeights::Balanced`: it is guessed more often then. Losses that are measured stay plain.
    pub class_weights: ClassWeights,
    /// Longest gradient that is let through (1.0).
    pub max_grad_norm: f64,
    /// After this many epochs without a better result training ends, and the best epoch's weights are put back
    /// (0: never). Try 2 or 3, with more epochs than you think it needs.
    pub patience: usize,
    /// What the best epoch is chosen by: `"loss"` on the validation texts, or a metric's name (`"loss"`).
    pub monitor: String,
    /// What else is measured on the validation texts after each epoch (nothing): see [`Metric`].
    pub metrics: Vec<Metric>,
    /// At most this many steps (0: as many as the epochs make).
    pub max_steps: usize,
    /// At most this many minutes of training (0: no limit). The learning rate does not know of it: it falls as if all
    /// epochs were to come.
    pub max_minutes: f64,
    /// Folder in which the state of the training is kept, so that it can be gone on with (none). It is also written
    /// where you stop the training.
    pub checkpoint: String,
    /// Steps from one writing of `checkpoint` to the next (0: after each epoch).
    pub checkpoint_steps: usize,
    /// Goes on from what `checkpoint` holds, exactly as if it had not been interrupted (false). Where it holds nothing,
    /// training begins anew. Load the same model first, give the same texts and settings.
    pub resume: bool,
    /// Seed of the order of the texts (42): the same seed repeats the run exactly.
    pub seed: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 3,
            learning_rate: 2e-4,
            batch_size: 16,
            recompute: false,
            accumulate: 1,
            warmup_ratio: 0.1,
            schedule: Schedule::Cosine,
            weight_decay: 0.01,
            groups: Vec::new(),
            label_smoothing: 0.0,
            class_weights: ClassWeights::Equal,
            max_grad_norm: 1.0,
            patience: 0,
            monitor: LOSS.to_string(),
            metrics: Vec::new(),
            max_steps: 0,
            max_minutes: 0.0,
            checkpoint: String::new(),
            checkpoint_steps: 0,
            resume: false,
            seed: 42,
        }
    }
}

/// The name by which the validation loss is monitored.
const LOSS: &str = "loss";

/// Some weights with a learning rate and a decay of their own.
///
/// ```
/// use aula::train::ParamGroup;
/// // A new head learns faster than the body that it stands on.
/// let head = ParamGroup { pattern: "classifier".into(), learning_rate: 1e-3, ..Default::default() };
/// ```
#[derive(Clone, Debug)]
pub struct ParamGroup {
    /// A part of the weights' names, such as `"classifier"` or `"layers.0."`; where two groups fit, the first counts.
    pub pattern: String,
    /// Size of their steps (2e-4). For a new head, try 5 to 10 times the rest's.
    pub learning_rate: f64,
    /// Decay of the matrices among them (0.01); norms and biases never decay.
    pub weight_decay: f64,
}

impl Default for ParamGroup {
    fn default() -> Self {
        let TrainConfig { learning_rate, weight_decay, .. } = TrainConfig::default();
        Self { pattern: String::new(), learning_rate, weight_decay }
    }
}

type Measure = dyn Fn(&dyn Trainable, &Dataset) -> Result<f64> + Send + Sync;

/// Something that is measured on the validation texts after each epoch: a name, and a function of a model and its data.
///
/// The function may be one of the library's, or one that a cell defines:
///
/// ```
/// use aula::prelude::*;
/// let metrics = vec![
///     Metric::new("accuracy", Classifier::accuracy),
///     Metric::new("perplexity", LanguageModel::perplexity).lower_is_better(),
/// ];
/// fn certainty(model: &Classifier, data: &Dataset) -> Result<f64> {
///     Ok((-model.loss_on(data)?).exp())
/// }
/// let mine = Metric::new("certainty", certainty);
/// ```
#[derive(Clone)]
pub struct Metric {
    name: String,
    lower_is_better: bool,
    measure: Arc<Measure>,
}

impl Metric {
    /// A metric of models of the kind `M` of which more is better.
    pub fn new<M: Trainable>(name: &str, measure: fn(&M, &Dataset) -> Result<f64>) -> Self {
        let shown = name.to_string();
        let measure = move |model: &dyn Trainable, data: &Dataset| {
            let model: &dyn std::any::Any = model;
            let Some(model) = model.downcast_ref::<M>() else {
                return Err(Error::new(
                    ErrorKind::BadSetting,
                    tr!(
                        "La métrica {shown} mide otra clase de modelo: {}.",
                        "The metric {shown} measures another kind of model: {}.",
                        std::any::type_name::<M>()
                    ),
                )
                .next(tr!("Quítala de metrics.", "Take it out of metrics.")));
            };
            measure(model, data)
        };
        Self { name: name.to_string(), lower_is_better: false, measure: Arc::new(measure) }
    }

    /// The same metric, of which less is better.
    pub fn lower_is_better(mut self) -> Self {
        self.lower_is_better = true;
        self
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Measures a model.
    pub fn measure(&self, model: &dyn Trainable, data: &Dataset) -> Result<f64> {
        (self.measure)(model, data)
    }
}

impl std::fmt::Debug for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Metric({:?})", self.name)
    }
}

impl TrainConfig {
    /// Names every setting outside its allowed values.
    pub fn check(&self) -> Result<()> {
        let mut all = Settings::of("TrainConfig");
        let rate = |rate: f64| rate > 0.0 && rate < 1.0;
        all.must(self.epochs >= 1, format!("epochs = {} (1, 2, 3, ...)", self.epochs));
        all.must(self.batch_size >= 1, format!("batch_size = {} (1, 2, 4, ...)", self.batch_size));
        all.must(self.accumulate >= 1, format!("accumulate = {} (1, 2, 4, ...)", self.accumulate));
        all.must(rate(self.learning_rate), format!("learning_rate = {} (1e-5 ... 1e-2)", self.learning_rate));
        all.must(
            (0.0..1.0).contains(&self.warmup_ratio),
            format!("warmup_ratio = {} (0.0 ... 0.5)", self.warmup_ratio),
        );
        all.must(self.weight_decay >= 0.0, format!("weight_decay = {} (0.0 ... 0.1)", self.weight_decay));
        all.must(self.max_grad_norm >= 0.0, format!("max_grad_norm = {} (0.0 ... 5.0)", self.max_grad_norm));
        all.must(
            (0.0..1.0).contains(&self.label_smoothing),
            format!("label_smoothing = {} (0.0 ... 0.3)", self.label_smoothing),
        );
        all.must(self.class_weights.valid(), format!("class_weights = {:?} (0.0, 1.0, 2.5, ...)", self.class_weights));
        all.must(self.max_minutes >= 0.0, format!("max_minutes = {} (0.0 ... 60.0)", self.max_minutes));
        for group in &self.groups {
            let ParamGroup { pattern, learning_rate, weight_decay } = group;
            all.must(rate(*learning_rate), format!("{pattern}: learning_rate = {learning_rate} (1e-5 ... 1e-2)"));
            all.must(*weight_decay >= 0.0, format!("{pattern}: weight_decay = {weight_decay} (0.0 ... 0.1)"));
        }
        let mut known = vec![LOSS];
        known.extend(self.metrics.iter().map(Metric::name));
        all.must(
            known.contains(&self.monitor.as_str()),
            format!("monitor = {:?} ({})", self.monitor, known.join(", ")),
        );
        all.must(!self.resume || !self.checkpoint.is_empty(), "checkpoint = \"\" (resume: \"folder\")".to_string());
        all.check()
    }

    /// Fails where a setting asks for what a model that learns `labels` cannot do.
    pub(super) fn check_labels(&self, labels: Labels) -> Result<()> {
        let smoothing = self.label_smoothing;
        let learned = match labels {
            Labels::Several(_) => tr!(
                "este modelo decide cada etiqueta por sí misma, sí o no",
                "this model decides each label by itself, yes or no"
            ),
            Labels::Number => tr!("este modelo aprende un número", "this model learns a number"),
            Labels::Places => {
                tr!("este modelo aprende dos lugares de un texto", "this model learns two places in a text")
            }
            _ => return Ok(()),
        };
        if smoothing == 0.0 {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::BadSetting,
            tr!(
                "label_smoothing = {smoothing} no sirve con este modelo.",
                "label_smoothing = {smoothing} does not work with this model."
            ),
        )
        .why(tr!(
            "reparte cada etiqueta entre clases de las que un texto tiene una, y {learned}",
            "it shares each label out among classes of which a text has one, and {learned}"
        ))
        .next(tr!("Quita label_smoothing, o ponlo en 0.0.", "Take label_smoothing out, or set it to 0.0.")))
    }

    /// The optimizer's settings.
    pub fn optimizer(&self) -> AdamWConfig {
        AdamWConfig { weight_decay: self.weight_decay, max_grad_norm: self.max_grad_norm, ..AdamWConfig::default() }
    }

    /// The optimizer's groups. A pattern that is in no trainable weight's name is an error.
    pub(super) fn groups_of(&self, model: &dyn Trainable) -> Result<Vec<Group>> {
        let names: Vec<String> =
            model.params().into_iter().filter(|param| param.trainable).map(|param| param.name.clone()).collect();
        let group = |group: &ParamGroup| {
            if group.pattern.is_empty() || !names.iter().any(|name| name.contains(&group.pattern)) {
                let (pattern, first) = (&group.pattern, names.first().cloned().unwrap_or_default());
                let last = names.last().cloned().unwrap_or_default();
                return Err(Error::new(
                    ErrorKind::BadSetting,
                    tr!(
                        "Ningún peso entrenable tiene {pattern:?} en su nombre.",
                        "No trainable weight has {pattern:?} in its name."
                    ),
                )
                .next(tr!("Van de {first} a {last}.", "They go from {first} to {last}.")));
            }
            let factor = group.learning_rate / self.learning_rate;
            Ok(Group { pattern: group.pattern.clone(), rate_factor: factor, weight_decay: group.weight_decay })
        };
        self.groups.iter().map(group).collect()
    }

    /// The number by which epochs are compared, of which less is better, from an epoch's loss and metrics.
    pub(super) fn watched(&self, loss: f64, metrics: &[f64]) -> f64 {
        let at = self.metrics.iter().position(|metric| metric.name == self.monitor);
        match at.filter(|_| self.monitor != LOSS).and_then(|i| Some((&self.metrics[i], metrics.get(i)?))) {
            Some((metric, value)) if metric.lower_is_better => *value,
            Some((_, value)) => -value,
            None => loss,
        }
    }

    /// The metric that epochs are compared by; none where that is the loss.
    pub(super) fn monitored(&self) -> Option<String> {
        (self.monitor != LOSS).then(|| self.monitor.clone())
    }

    /// The settings that decide what each step does, each with its value: a resumed run must have the same.
    pub(super) fn decisive(&self) -> Vec<(&'static str, String)> {
        vec![
            ("epochs", self.epochs.to_string()),
            ("learning_rate", self.learning_rate.to_string()),
            ("batch_size", self.batch_size.to_string()),
            ("accumulate", self.accumulate.to_string()),
            ("warmup_ratio", self.warmup_ratio.to_string()),
            ("schedule", format!("{:?}", self.schedule)),
            ("weight_decay", self.weight_decay.to_string()),
            ("groups", format!("{:?}", self.groups)),
            ("label_smoothing", self.label_smoothing.to_string()),
            ("class_weights", format!("{:?}", self.class_weights)),
            ("max_grad_norm", self.max_grad_norm.to_string()),
            ("patience", self.patience.to_string()),
            ("monitor", self.monitor.clone()),
            ("metrics", format!("{:?}", self.metrics)),
            ("max_steps", self.max_steps.to_string()),
            ("seed", self.seed.to_string()),
        ]
    }
}
