//! What the curve of a training says, in words, with a remedy.
//!
//! The rules, in the order in which they are looked at; the first that holds decides. A loss has *changed* when it moved by 2 %
//! or more, and by 0.01 at least: less is no change. The training curve is looked at in *stretches*, the means of a tenth
//! of the steps (of four steps at least), so that the trembling from one batch to the next does not decide.
//!
//! 1. **Too little to say**: under five steps, or nothing was measured after the start.
//! 2. **Rate too high**: a loss that is no number; a stretch that is a quarter above the first one; a stretch half above the
//!    lowest one before it, and by 0.5 at least; or both losses end higher than they were.
//! 3. **Not learning**: neither of the two losses fell.
//! 4. **Overfitting**: the validation loss rose again after its best epoch, by a twentieth or more of what it had fallen, while
//!    the training loss did not.
//! 5. **Too short**: the last epoch still lowered the validation loss (one of less than half the steps of the others is taken
//!    together with that before it); with a single epoch, the last quarter of its steps lowered the training loss.
//! 6. **Fine**: none of these.

use crate::history::{EpochRecord, History};
use crate::show::{escape, Html};

/// Changes smaller than this share of a loss are none.
const SHARE: f64 = 0.02;
/// Changes smaller than this are none.
const LEAST: f64 = 0.01;
/// A stretch this much above the first one is a rise above the start.
const ABOVE_START: f64 = 1.25;
/// A stretch this much above the lowest before it is a jump, where it is also higher by `JUMP`.
const ABOVE_LOWEST: f64 = 1.5;
/// In nats.
const JUMP: f64 = 0.5;
/// A validation loss that rises by less than this share of its fall only trembles.
const GIVEN_BACK: f64 = 0.05;

/// What a curve looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There are too few figures.
    TooLittle,
    /// The steps are too large.
    RateTooHigh,
    /// The losses stay where they were.
    NotLearning,
    /// It memorizes in place of learning.
    Overfitting,
    /// It was still getting better.
    TooShort,
    /// It fell and flattened out.
    Fine,
}

/// What the curve of a training says.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The case.
    pub verdict: Verdict,
    /// Its name, in the reader's language.
    pub name: String,
    /// The figures that it was decided by.
    pub evidence: String,
    /// What to try.
    pub remedy: String,
    /// The epoch of the lowest validation loss; none where nothing was measured.
    pub best_epoch: Option<usize>,
}

impl History {
    /// Says in words what the curve shows: the rules are at the head of `diagnosis.rs`.
    pub fn diagnose(&self) -> Diagnosis {
        let curve = Curve::of(self);
        let (verdict, evidence) = curve
            .too_little()
            .or_else(|| curve.rate_too_high())
            .or_else(|| curve.not_learning())
            .or_else(|| curve.overfitting())
            .or_else(|| curve.too_short())
            .unwrap_or_else(|| curve.fine());
        let remedy = curve.remedy(verdict);
        Diagnosis { verdict, name: verdict.name(), evidence, remedy, best_epoch: curve.best.map(|best| best.epoch) }
    }
}

fn fell(from: f64, to: f64) -> bool {
    from - to > (SHARE * from).max(LEAST)
}

/// A case and the figures that show it.
type Found = Option<(Verdict, String)>;

/// The figures of a history that the rules look at.
struct Curve<'a> {
    history: &'a History,
    /// Means of the training loss.
    stretches: Vec<f64>,
    first: Option<&'a EpochRecord>,
    best: Option<&'a EpochRecord>,
    last: Option<&'a EpochRecord>,
}

impl<'a> Curve<'a> {
    fn of(history: &'a History) -> Self {
        let losses: Vec<f64> = history.steps.iter().map(|step| step.loss).collect();
        let size = (losses.len() / 10).max(4);
        let stretches = losses.chunks(size).filter(|part| part.len() * 2 >= size).map(mean).collect();
        let finite = history.epochs.iter().filter(|record| record.valid_loss.is_finite());
        let best = finite.min_by(|a, b| a.valid_loss.total_cmp(&b.valid_loss));
        Self { history, stretches, first: history.epochs.first(), best, last: history.epochs.last() }
    }

    /// The training loss in the first and in the last stretch.
    fn ends(&self) -> (f64, f64) {
        let of = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        (of(self.stretches.first()), of(self.stretches.last()))
    }

    /// The validation loss before training, at its best and at the end.
    fn valid(&self) -> (f64, f64, f64) {
        let of = |record: Option<&EpochRecord>| record.map_or(f64::NAN, |record| record.valid_loss);
        (of(self.first), of(self.best), of(self.last))
    }

    fn too_little(&self) -> Found {
        let (steps, epochs) = (self.history.steps.len(), self.history.epochs.len());
        let measured = epochs.saturating_sub(1);
        let evidence = tr!(
            "hay {steps} pasos y {measured} medidas de validación después del comienzo",
            "there are {steps} steps and {measured} validations after the start"
        );
        (steps < 5 || measured == 0).then_some((Verdict::TooLittle, evidence))
    }

    fn rate_too_high(&self) -> Found {
        let found = |evidence: String| Some((Verdict::RateTooHigh, evidence));
        let losses = self.history.steps.iter().map(|step| step.loss);
        if losses.chain(self.history.epochs.iter().map(|epoch| epoch.valid_loss)).any(|loss| !loss.is_finite()) {
            return found(tr!("la pérdida dejó de ser un número", "the loss is no longer a number"));
        }
        let (start, end) = self.ends();
        let mut lowest = start;
        for loss in &self.stretches {
            if *loss > ABOVE_START * start && fell(*loss, start) {
                return found(tr!(
                    "la pérdida de entrenamiento empezó en {start:.2} y llegó a {loss:.2}, más arriba que al empezar",
                    "the training loss began at {start:.2} and came to {loss:.2}, higher than at the start"
                ));
            }
            if *loss > ABOVE_LOWEST * lowest && loss - lowest > JUMP {
                return found(tr!(
                    "la pérdida de entrenamiento había bajado a {lowest:.2} y saltó a {loss:.2}",
                    "the training loss had come down to {lowest:.2} and jumped to {loss:.2}"
                ));
            }
            lowest = lowest.min(*loss);
        }
        let (before, _, after) = self.valid();
        let rose = fell(after, before) && fell(end, start);
        rose.then(|| {
            let evidence = tr!(
                "las dos pérdidas terminaron más altas: entrenamiento {start:.2} → {end:.2}, validación {before:.2} → {after:.2}",
                "both losses ended higher: training {start:.2} → {end:.2}, validation {before:.2} → {after:.2}"
            );
            (Verdict::RateTooHigh, evidence)
        })
    }

    fn not_learning(&self) -> Found {
        let ((start, end), (before, best, _)) = (self.ends(), self.valid());
        (!fell(start, end) && !fell(before, best)).then(|| {
            let evidence = tr!(
                "ninguna pérdida bajó: entrenamiento {start:.2} → {end:.2}, validación {before:.2} → {best:.2} en el mejor momento",
                "neither loss fell: training {start:.2} → {end:.2}, validation {before:.2} → {best:.2} at its best"
            );
            (Verdict::NotLearning, evidence)
        })
    }

    fn overfitting(&self) -> Found {
        let (best, last) = (self.best?, self.last?);
        let (low, end) = (best.valid_loss, last.valid_loss);
        let learned = match (best.train_loss, last.train_loss) {
            (Some(then), Some(now)) => now <= then,
            _ => true, // the best is the model before training
        };
        let trembles = end - low < GIVEN_BACK * (self.valid().0 - low);
        (fell(end, low) && learned && !trembles).then(|| {
            let epoch = best.epoch;
            let evidence = tr!(
                "la validación fue mejor en la época {epoch} ({low:.2}) y después subió hasta {end:.2}, mientras el entrenamiento seguía bajando",
                "validation was best at epoch {epoch} ({low:.2}) and rose to {end:.2} after it, while training went on falling"
            );
            (Verdict::Overfitting, evidence)
        })
    }

    fn too_short(&self) -> Found {
        let found = |evidence| Some((Verdict::TooShort, evidence));
        let (first, last) = (self.first?, self.last?);
        let per_epoch = self.history.epochs.get(1).map_or(0, |epoch| epoch.step - first.step);
        // What came before the last epoch; training may have ended soon after that one began.
        let whole = |record: &&EpochRecord| 2 * (last.step - record.step) >= per_epoch && record.step < last.step;
        let before = self.history.epochs.iter().rev().find(whole)?;
        if before.step > first.step {
            let (before, after, epoch) = (before.valid_loss, last.valid_loss, last.epoch);
            return fell(before, after).then(|| {
                let evidence = tr!(
                    "la última época ({epoch}) todavía bajó la validación de {before:.2} a {after:.2}",
                    "the last epoch ({epoch}) still lowered validation from {before:.2} to {after:.2}"
                );
                (Verdict::TooShort, evidence)
            });
        }
        let quarter = self.history.steps.len() / 4;
        let losses: Vec<f64> = self.history.steps.iter().map(|step| step.loss).collect();
        let (third, fourth) = (mean(&losses[2 * quarter..3 * quarter]), mean(&losses[3 * quarter..]));
        match fell(third, fourth) {
            true => found(tr!(
                "en el último cuarto de los pasos el entrenamiento todavía bajó de {third:.2} a {fourth:.2}",
                "in the last quarter of the steps training still fell from {third:.2} to {fourth:.2}"
            )),
            false => None,
        }
    }

    fn fine(&self) -> (Verdict, String) {
        let (before, _, after) = self.valid();
        let evidence = tr!(
            "la validación bajó de {before:.2} a {after:.2} y al final se aplanó, sin volver a subir",
            "validation fell from {before:.2} to {after:.2} and flattened out at the end, without rising again"
        );
        (Verdict::Fine, evidence)
    }

    fn remedy(&self, verdict: Verdict) -> String {
        let (moved, trainable) = (self.history.moved, self.history.trainable);
        let epoch = self.best.map_or(0, |best| best.epoch);
        match verdict {
            Verdict::TooLittle => tr!("Entrena una época entera al menos.", "Train for one whole epoch at least."),
            Verdict::RateTooHigh => tr!(
                "Carga el modelo otra vez y prueba una learning_rate de 3 a 10 veces menor.",
                "Load the model again and try a learning_rate 3 to 10 times smaller."
            ),
            Verdict::NotLearning if moved == 0 => tr!(
                "No se movió ningún tensor de {trainable}: mira si el modelo tiene algo que entrenar (add_lora o train_all).",
                "None of {trainable} tensors moved: see whether the model has anything to train (add_lora or train_all)."
            ),
            Verdict::NotLearning => tr!(
                "Prueba una learning_rate de 3 a 10 veces mayor, y mira si tus textos tienen algo que aprender.",
                "Try a learning_rate 3 to 10 times larger, and see whether your texts have something to be learned."
            ),
            Verdict::Overfitting if self.history.best.is_some() => tr!(
                "El modelo ya se quedó con los pesos de la época {epoch}. Para mejorar, hacen falta más textos.",
                "The model has kept the weights of epoch {epoch} already. To get better it needs more texts."
            ),
            Verdict::Overfitting if epoch == 0 => tr!(
                "Cada época lo empeoró: prueba una learning_rate menor, o más textos.",
                "Each epoch made it worse: try a smaller learning_rate, or more texts."
            ),
            Verdict::Overfitting => tr!(
                "Carga el modelo otra vez y entrena unas {epoch} épocas, o pon patience: 2 y se quedará con la mejor. Más textos también ayudan.",
                "Load the model again and train for about {epoch} epochs, or set patience: 2 and it keeps the best one. More texts help too."
            ),
            Verdict::TooShort => tr!(
                "Dale más épocas: el doble, por ejemplo.",
                "Give it more epochs: twice as many, for example."
            ),
            Verdict::Fine => tr!("Nada que arreglar: está listo.", "Nothing to mend: it is done."),
        }
    }
}

fn mean(losses: &[f64]) -> f64 {
    losses.iter().sum::<f64>() / losses.len() as f64
}

impl Verdict {
    /// Its name, in the reader's language.
    pub fn name(self) -> String {
        match self {
            Self::TooLittle => tr!("Poco para decir algo", "Too little to say"),
            Self::RateTooHigh => tr!("Tasa demasiado grande", "Rate too large"),
            Self::NotLearning => tr!("No aprende", "Not learning"),
            Self::Overfitting => {
                tr!("Sobreajuste: memoriza en lugar de aprender", "Overfitting: it memorizes instead of learning")
            }
            Self::TooShort => tr!("Entrenamiento corto", "Too short"),
            Self::Fine => tr!("Va bien", "Going well"),
        }
    }
}

impl Diagnosis {
    /// Shows the case, the figures and the remedy.
    pub fn evcxr_display(&self) {
        let (name, evidence, remedy) = (escape(&self.name), escape(&self.evidence), escape(&self.remedy));
        Html::new(&format!("<p><b>{name}</b>: {evidence}.<br>→ {remedy}</p>"), &self.to_string()).evcxr_display();
    }
}

impl std::fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}.\n→ {}", self.name, self.evidence, self.remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::StepRecord;

    /// Ten steps an epoch, whose losses go in a straight line from one epoch's end to the next, and tremble by 3 %.
    fn history(train: &[f64], valid: &[f64]) -> History {
        let loss = |step: usize| {
            let (epoch, share) = (step / 10, (step % 10) as f64 / 10.0);
            let level = train[epoch] + share * (train[epoch + 1] - train[epoch]);
            level * (1.0 + if step.is_multiple_of(2) { 0.03 } else { -0.03 })
        };
        let count = 10 * (train.len() - 1);
        let step = |i: usize| StepRecord { step: i + 1, loss: loss(i), learning_rate: 1e-3, grad_norm: 1.0 };
        let epoch = |epoch: usize| EpochRecord {
            epoch,
            step: 10 * epoch,
            train_loss: (epoch > 0).then(|| (train[epoch - 1] + train[epoch]) / 2.0),
            valid_loss: valid[epoch],
            seconds: 0.0,
            joules: 0.0,
            metrics: Vec::new(),
        };
        let (steps, epochs) = ((0..count).map(step).collect(), (0..valid.len()).map(epoch).collect());
        History { steps, epochs, planned: count, moved: 4, trainable: 4, ..History::default() }
    }

    fn verdict(train: &[f64], valid: &[f64]) -> Verdict {
        history(train, valid).diagnose().verdict
    }

    #[test]
    fn a_curve_that_falls_and_flattens_is_fine() {
        let found = history(&[5.0, 3.2, 2.6, 2.5, 2.48], &[5.0, 3.1, 2.7, 2.62, 2.6]).diagnose();
        assert_eq!((found.verdict, found.best_epoch), (Verdict::Fine, Some(4)), "{found}");
        // The validation loss comes up by less than 2 %: that is no rise.
        assert_eq!(verdict(&[5.0, 3.2, 2.6, 2.5, 2.4], &[5.0, 3.1, 2.6, 2.6, 2.63]), Verdict::Fine);
    }

    #[test]
    fn a_rise_that_is_small_beside_the_fall_is_trembling() {
        assert_eq!(verdict(&[5.0, 2.0, 0.3, 0.1, 0.09], &[5.0, 2.0, 0.3, 0.16, 0.18]), Verdict::Fine);
    }

    #[test]
    fn validation_that_turns_up_is_overfitting_and_the_best_epoch_is_told() {
        let found = history(&[5.0, 3.0, 2.0, 1.2, 0.6], &[5.0, 3.2, 2.8, 3.0, 3.4]).diagnose();
        assert_eq!((found.verdict, found.best_epoch), (Verdict::Overfitting, Some(2)), "{found}");
        assert!(found.evidence.contains(" 2 (2.80)") && found.evidence.contains("3.40"), "{found}");
        assert!(found.remedy.contains("patience: 2"), "{found}");
        // From the first epoch on.
        assert_eq!(verdict(&[3.0, 2.0, 1.0], &[3.0, 3.3, 3.9]), Verdict::Overfitting);
        // The best epoch's weights are there already.
        let mut kept = history(&[5.0, 3.0, 2.0, 1.2], &[5.0, 3.2, 2.8, 3.4]);
        kept.best = Some(2);
        assert!(!kept.diagnose().remedy.contains("patience"));
    }

    #[test]
    fn a_loss_that_rises_jumps_or_is_no_number_means_too_large_a_rate() {
        assert_eq!(verdict(&[3.0, 6.0, 6.0], &[3.0, 5.0, 5.5]), Verdict::RateTooHigh);
        assert_eq!(verdict(&[5.0, 2.0, 4.0, 2.0], &[5.0, 2.5, 2.4, 2.4]), Verdict::RateTooHigh);
        assert_eq!(verdict(&[3.0, 2.5, 2.4], &[3.0, 2.5, f64::NAN]), Verdict::RateTooHigh);
        // Both end a little higher than they were.
        assert_eq!(verdict(&[3.0, 3.1, 3.3, 3.3], &[3.0, 3.2, 3.3, 3.3]), Verdict::RateTooHigh);
    }

    #[test]
    fn losses_that_stay_where_they_were_mean_that_it_does_not_learn() {
        let mut found = history(&[3.0, 3.0, 2.99], &[3.0, 2.99, 2.98]);
        assert_eq!(found.diagnose().verdict, Verdict::NotLearning);
        let advice = found.diagnose().remedy;
        found.moved = 0;
        assert_ne!(found.diagnose().remedy, advice, "that nothing moved is another reason");
    }

    #[test]
    fn validation_that_still_falls_at_the_end_is_too_short() {
        assert_eq!(verdict(&[5.0, 4.0, 3.2], &[5.0, 4.0, 3.3]), Verdict::TooShort);
        // A single epoch: its last quarter decides.
        assert_eq!(verdict(&[5.0, 3.0], &[5.0, 3.0]), Verdict::TooShort);
        let mut flat = history(&[5.0, 3.0], &[5.0, 3.0]);
        flat.steps[4..].iter_mut().for_each(|step| step.loss = 3.0);
        assert_eq!(flat.diagnose().verdict, Verdict::Fine);
    }

    #[test]
    fn an_epoch_that_had_hardly_begun_does_not_make_a_training_long_enough() {
        let mut ended = history(&[5.0, 4.0, 3.2, 3.2], &[5.0, 4.0, 3.3, 3.3]);
        assert_eq!(ended.diagnose().verdict, Verdict::Fine);
        ended.epochs[3].step = 21; // one step after the second epoch, of ten in each
        ended.steps.truncate(21);
        assert_eq!(ended.diagnose().verdict, Verdict::TooShort);
    }

    #[test]
    fn few_figures_say_nothing() {
        assert_eq!(History::default().diagnose().verdict, Verdict::TooLittle);
        assert_eq!(verdict(&[5.0, 4.0], &[5.0]), Verdict::TooLittle, "stopped before the first validation");
        let mut short = history(&[5.0, 4.0], &[5.0, 4.0]);
        short.steps.truncate(4);
        assert_eq!(short.diagnose().verdict, Verdict::TooLittle);
    }

    #[test]
    fn what_is_shown_has_the_case_the_figures_and_the_remedy() {
        let found = history(&[5.0, 4.0, 3.2], &[5.0, 4.0, 3.3]).diagnose();
        for part in [&found.name, &found.evidence, &found.remedy] {
            assert!(found.to_string().contains(part.as_str()) && !part.is_empty());
        }
    }
}
