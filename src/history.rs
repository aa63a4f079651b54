//! What happened during training: a table, a chart, and whether anything moved.

use crate::energy::{in_joules, Energy};
use crate::error::Result;
use crate::plot::{line_frames, Chart, Frame, Series};
use crate::show::Html;

/// One optimizer step.
#[derive(Clone, Copy, Debug)]
pub struct StepRecord {
    /// Number of the step, from 1.
    pub step: usize,
    /// Mean loss of its batch.
    pub loss: f64,
    /// The learning rate it used.
    pub learning_rate: f64,
    /// Length of the gradient before clipping.
    pub grad_norm: f64,
}

/// The end of an epoch; epoch 0 is before any training.
#[derive(Clone, Debug)]
pub struct EpochRecord {
    /// Number of the epoch.
    pub epoch: usize,
    /// Steps made so far.
    pub step: usize,
    /// Mean loss of the epoch's batches; none before training.
    pub train_loss: Option<f64>,
    /// Loss on the validation texts.
    pub valid_loss: f64,
    /// Seconds since training began.
    pub seconds: f64,
    /// Joules since training began.
    pub joules: f64,
    /// The metrics on the validation texts, in the order of [`History::metrics`].
    pub metrics: Vec<f64>,
}

/// Why a run made fewer steps than were planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// The reader stopped it.
    #[default]
    ByReader,
    /// No epoch was better than the best for as long as `patience` says.
    NoBetter,
    /// The time was over.
    ByTime,
}

impl EpochRecord {
    /// Perplexity on the validation texts: e to the loss.
    pub fn valid_perplexity(&self) -> f64 {
        self.valid_loss.exp()
    }
}

/// The record of a training run.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Every step.
    pub steps: Vec<StepRecord>,
    /// Steps that were to be made: more than there are when the run ended early.
    pub planned: usize,
    /// Why it ended early, if it did.
    pub ended: Ended,
    /// The epoch whose weights were kept as the best; none where the last ones were kept without a comparison.
    pub best: Option<usize>,
    /// What was measured besides the loss.
    pub metrics: Vec<String>,
    /// The metric that epochs were compared by; none where that was the loss.
    pub monitored: Option<String>,
    /// True when labels of texts were learned and not tokens: perplexity says nothing of those.
    pub of_labels: bool,
    /// Every epoch, the state before training first.
    pub epochs: Vec<EpochRecord>,
    /// Tensors whose numbers changed.
    pub moved: usize,
    /// Tensors that training was allowed to change.
    pub trainable: usize,
    /// All tensors of the model.
    pub tensors: usize,
    /// Numbers that training was allowed to change.
    pub trainable_parameters: usize,
    /// Tokens that were learned from, padding excluded.
    pub tokens: usize,
    /// Seconds of the whole run.
    pub seconds: f64,
    /// Joules of the whole run, and how they were found; none before it began.
    pub energy: Option<Energy>,
}

impl History {
    /// Perplexity on the validation texts before and after.
    pub fn perplexities(&self) -> (f64, f64) {
        let of = |record: Option<&EpochRecord>| record.map_or(f64::NAN, EpochRecord::valid_perplexity);
        (of(self.epochs.first()), of(self.kept()))
    }

    /// The epoch whose weights the model has now: the best where it was looked for, else the last.
    pub fn kept(&self) -> Option<&EpochRecord> {
        let best = self.epochs.iter().find(|record| Some(record.epoch) == self.best);
        best.or(self.epochs.last())
    }

    /// A metric's values, an epoch each; none where it was not measured.
    pub fn metric(&self, name: &str) -> Option<Vec<f64>> {
        let at = self.metrics.iter().position(|metric| metric == name)?;
        Some(self.epochs.iter().filter_map(|record| record.metrics.get(at).copied()).collect())
    }

    /// The monitored metric's name and its value after an epoch; none where the loss was monitored.
    pub(crate) fn watched(&self, record: &EpochRecord) -> Option<(&str, f64)> {
        let name = self.monitored.as_deref()?;
        let at = self.metrics.iter().position(|metric| metric == name)?;
        Some((name, *record.metrics.get(at)?))
    }

    /// The curves: training loss at each step, validation loss at each epoch; below them the metric that was monitored.
    pub fn plot(&self) -> Result<Chart> {
        let train = self.steps.iter().map(|record| (record.step as f64, record.loss)).collect();
        let valid = self.epochs.iter().map(|record| (record.step as f64, record.valid_loss)).collect();
        let mut series = vec![
            Series { name: tr!("entrenamiento", "training"), points: train, dots: false },
            Series { name: tr!("validación", "validation"), points: valid, dots: true },
        ];
        series.extend(self.best_point(|record| Some(record.valid_loss)));
        let (title, y_label) = (tr!("Pérdida (más baja es mejor)", "Loss (lower is better)"), tr!("pérdida", "loss"));
        let name = self.monitored.clone().unwrap_or_default();
        let value = |record: &EpochRecord| self.watched(record).map(|(_, value)| value);
        let points = |record: &EpochRecord| Some((record.step as f64, value(record)?));
        let points = self.epochs.iter().filter_map(points).collect();
        let mut metric = vec![Series { name: name.clone(), points, dots: true }];
        metric.extend(self.best_point(value));
        let metric_title = tr!("{name} en validación", "{name} on validation");
        // The best epoch has one colour in both.
        let loss = Frame { title: &title, y_label: &y_label, series: &series, colours: &[0, 1, 2] };
        let metric = Frame { title: &metric_title, y_label: &name, series: &metric, colours: &[3, 2] };
        line_frames(&tr!("paso", "step"), &[loss, metric])
    }

    /// The best epoch as a point of a chart, where it was looked for.
    fn best_point(&self, value: impl Fn(&EpochRecord) -> Option<f64>) -> Option<Series> {
        let record = self.kept().filter(|record| Some(record.epoch) == self.best)?;
        let name = tr!("mejor época: {}", "best epoch: {}", record.epoch);
        Some(Series { name, points: vec![(record.step as f64, value(record)?)], dots: true })
    }

    /// The curves for a page, once there is something to draw.
    pub(crate) fn curve(&self) -> Html {
        let drawn = if self.steps.len() > 1 { self.plot().ok() } else { None };
        drawn.map_or(Html::new("", ""), |chart| Html { plain: String::new(), ..chart.html() })
    }

    /// The curves and the table of epochs for a page.
    pub(crate) fn curve_and_table(&self) -> Html {
        let (curve, table) = (self.curve(), self.table());
        Html { html: curve.html + &table.html, plain: table.plain }
    }

    /// Where the run ended and why, when it made fewer steps than planned.
    pub fn stopped_line(&self) -> Option<String> {
        let (made, planned) = (self.steps.len(), self.planned);
        let line = match self.ended {
            Ended::ByReader => tr!("parado en el paso {made} de {planned}", "stopped at step {made} of {planned}"),
            Ended::NoBetter => tr!(
                "terminó en el paso {made} de {planned}: ya no mejoraba",
                "ended at step {made} of {planned}: it got no better"
            ),
            Ended::ByTime => tr!(
                "terminó en el paso {made} de {planned}: se acabó el tiempo",
                "ended at step {made} of {planned}: the time was over"
            ),
        };
        (made < planned).then_some(line)
    }

    /// Which epoch's weights the model has, where the best was looked for, and by what it is the best.
    pub fn best_line(&self) -> Option<String> {
        let (epoch, record) = (self.best?, self.kept()?);
        let (name, value) = match self.watched(record) {
            Some((name, value)) => (name.to_string(), value),
            None => (tr!("pérdida", "loss"), record.valid_loss),
        };
        Some(tr!(
            "El modelo se queda con los pesos de la época {epoch}, la mejor ({name} {value:.3}).",
            "The model keeps the weights of epoch {epoch}, the best ({name} {value:.3})."
        ))
    }

    /// One sentence on how many tensors moved: the answer to "I trained it and it answers as before".
    pub fn moved_line(&self) -> String {
        let (moved, trainable, tensors, numbers) =
            (self.moved, self.trainable, self.tensors, self.trainable_parameters);
        let line = tr!(
            "{moved} de {trainable} tensores entrenables se movieron ({tensors} en el modelo; {numbers} números entrenables).",
            "{moved} of {trainable} trainable tensors moved ({tensors} in the model; {numbers} trainable numbers)."
        );
        match moved < trainable {
            true => format!("✗ {line}"),
            false => line,
        }
    }

    /// The energy of the run, and how it was found.
    pub fn energy_line(&self) -> Option<String> {
        self.energy.as_ref().map(|energy| tr!("Energía: {energy}.", "Energy: {energy}."))
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |record: &EpochRecord| {
            let mark = if Some(record.epoch) == self.best { " ★" } else { "" };
            let mut row = vec![
                format!("{}{mark}", record.epoch),
                record.step.to_string(),
                record.train_loss.map_or("—".into(), |loss| format!("{loss:.3}")),
                format!("{:.3}", record.valid_loss),
            ];
            row.extend((!self.of_labels).then(|| format!("{:.1}", record.valid_perplexity())));
            row.extend(record.metrics.iter().map(|value| format!("{value:.3}")));
            row.push(format!("{:.0} s", record.seconds));
            row.push(in_joules(record.joules));
            row
        };
        self.epochs.iter().map(row).collect()
    }

    fn headers(&self) -> Vec<String> {
        let mut headers = vec![
            tr!("época", "epoch"),
            tr!("pasos", "steps"),
            tr!("pérdida entrenamiento", "training loss"),
            tr!("pérdida validación", "validation loss"),
        ];
        // Perplexity says nothing of labels.
        headers.extend((!self.of_labels).then(|| tr!("perplejidad validación", "validation perplexity")));
        headers.extend(self.metrics.iter().cloned());
        headers.push(tr!("tiempo", "time"));
        headers.push(tr!("energía", "energy"));
        headers
    }

    fn table(&self) -> Html {
        Html::table(&self.headers(), &self.rows(), &self.lines().join(" "))
    }

    /// What stands beside the table.
    fn lines(&self) -> Vec<String> {
        let stopped = self.stopped_line().map(|line| format!("⏹ {line}."));
        stopped.into_iter().chain(self.best_line()).chain([self.moved_line()]).chain(self.energy_line()).collect()
    }

    /// Shows the table of epochs and the line on moved tensors.
    pub fn evcxr_display(&self) {
        self.table().evcxr_display();
    }
}

impl std::fmt::Display for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.headers().join(" | "))?;
        for row in self.rows() {
            writeln!(f, "{}", row.join(" | "))?;
        }
        f.write_str(&self.lines().join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_run_says_where_and_a_whole_one_does_not() {
        let step = StepRecord { step: 1, loss: 2.0, learning_rate: 1e-3, grad_norm: 1.0 };
        let mut history = History { steps: vec![step], planned: 3, ..History::default() };
        let line = history.stopped_line().unwrap();
        assert!(line.contains('1') && line.contains('3'), "{line}");
        assert!(history.to_string().contains(&line) && history.table().html.contains(&line));
        history.planned = 1;
        assert_eq!(history.stopped_line(), None);
        assert!(!history.to_string().contains('⏹'));
    }

    #[test]
    fn the_best_epoch_is_told_and_drawn_by_what_was_monitored() {
        let epoch = |epoch: usize, valid_loss: f64, macro_f1: f64| EpochRecord {
            epoch,
            step: 10 * epoch,
            train_loss: None,
            valid_loss,
            seconds: 0.0,
            joules: 0.0,
            metrics: vec![0.5, macro_f1],
        };
        let by_loss = History {
            best: Some(1),
            metrics: vec!["accuracy".into(), "macro_f1".into()],
            epochs: vec![epoch(0, 0.9, 0.25), epoch(1, 0.4, 0.5), epoch(2, 0.7, 0.648)],
            ..History::default()
        };
        let line = by_loss.best_line().unwrap();
        assert!(line.contains("0.400") && !line.contains("macro_f1"), "{line}");
        assert!(!by_loss.plot().unwrap().svg.contains("macro_f1"));
        let by_metric = History { best: Some(2), monitored: Some("macro_f1".into()), ..by_loss };
        let line = by_metric.best_line().unwrap();
        assert!(line.contains("(macro_f1 0.648)") && !line.contains("0.700"), "{line}");
        let chart = by_metric.plot().unwrap();
        assert!(chart.svg.contains("macro_f1") && chart.summary.contains("macro_f1: 3"), "{chart}");
        assert_eq!(chart.svg.matches(": 2").count(), 2, "the best epoch is in both frames");
    }
}
