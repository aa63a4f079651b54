//! What happened during training: a table, a chart, and whether anything moved.

use crate::error::Result;
use crate::plot::{line_chart, Chart, Series};
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
#[derive(Clone, Copy, Debug)]
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
    /// Steps that were to be made: more than there are when the reader stopped the run.
    pub planned: usize,
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
}

impl History {
    /// Perplexity on the validation texts before and after.
    pub fn perplexities(&self) -> (f64, f64) {
        let of = |record: Option<&EpochRecord>| record.map_or(f64::NAN, EpochRecord::valid_perplexity);
        (of(self.epochs.first()), of(self.epochs.last()))
    }

    /// The curves: training loss at each step, validation loss at each epoch.
    pub fn plot(&self) -> Result<Chart> {
        let train = self.steps.iter().map(|record| (record.step as f64, record.loss)).collect();
        let valid = self.epochs.iter().map(|record| (record.step as f64, record.valid_loss)).collect();
        let series = [
            Series { name: tr!("entrenamiento", "training"), points: train, dots: false },
            Series { name: tr!("validación", "validation"), points: valid, dots: true },
        ];
        line_chart(
            &tr!("Pérdida (más baja es mejor)", "Loss (lower is better)"),
            &tr!("paso", "step"),
            &tr!("pérdida", "loss"),
            &series,
        )
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

    /// Where the run stopped, when the reader stopped it.
    pub fn stopped_line(&self) -> Option<String> {
        let (made, planned) = (self.steps.len(), self.planned);
        (made < planned).then(|| tr!("parado en el paso {made} de {planned}", "stopped at step {made} of {planned}"))
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

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |record: &EpochRecord| {
            self.columns([
                record.epoch.to_string(),
                record.step.to_string(),
                record.train_loss.map_or("—".into(), |loss| format!("{loss:.3}")),
                format!("{:.3}", record.valid_loss),
                format!("{:.1}", record.valid_perplexity()),
                format!("{:.0} s", record.seconds),
            ])
        };
        self.epochs.iter().map(row).collect()
    }

    fn headers(&self) -> Vec<String> {
        self.columns([
            tr!("época", "epoch"),
            tr!("pasos", "steps"),
            tr!("pérdida entrenamiento", "training loss"),
            tr!("pérdida validación", "validation loss"),
            tr!("perplejidad validación", "validation perplexity"),
            tr!("tiempo", "time"),
        ])
    }

    /// A row of the table, without the perplexity where it says nothing.
    fn columns(&self, row: [String; 6]) -> Vec<String> {
        row.into_iter().enumerate().filter(|(i, _)| !(self.of_labels && *i == 4)).map(|(_, cell)| cell).collect()
    }

    fn table(&self) -> Html {
        Html::table(&self.headers(), &self.rows(), &self.lines().join(" "))
    }

    /// What stands beside the table.
    fn lines(&self) -> Vec<String> {
        let stopped = self.stopped_line().map(|line| format!("⏹ {line}."));
        stopped.into_iter().chain([self.moved_line()]).collect()
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
}
