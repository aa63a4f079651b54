//! Trying several settings, each on the same model as it is, for a few steps: which one is worth a whole training?

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use candle_core::Tensor;

use super::run::{copies, planned_steps, run, set_trained};
use super::{TrainConfig, Trainable};
use crate::dataset::Dataset;
use crate::energy::in_joules;
use crate::error::{Error, ErrorKind, Result};
use crate::history::{Ended, History};
use crate::plot::{bar_chart, line_chart, Chart, Series};
use crate::show::{Html, Progress};
use crate::sys::stopped;

/// One of the settings that were tried, and how it went.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What sets it apart from the others, such as `learning_rate 3e-3`.
    pub name: String,
    /// Its settings.
    pub config: TrainConfig,
    /// What happened; empty where it failed.
    pub history: History,
    /// Seconds it took.
    pub seconds: f64,
    /// Why it failed, where it did: a loss that is no number, too little memory.
    pub problem: Option<String>,
}

/// Several settings tried on the same model: a table, a chart, and the best.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// What was tried, in order; the last one may be unfinished.
    pub trials: Vec<Trial>,
    /// How many were to be tried.
    pub planned: usize,
    /// The place in `trials` of the best whole one: of the lowest validation loss, or what `monitor` says.
    pub best_place: Option<usize>,
    /// The settings that are not the same in all trials.
    pub varied: Vec<String>,
}

/// Trains `model` once with each of `configs`, always from the weights that it has now, and tells them apart by their result.
///
/// The model is as before when it returns, bit for bit; the memory of one more copy of the trainable weights is needed.
/// Give each a small budget with `max_steps`. A trial whose loss is no longer a number is a row of the table that says so,
/// and the others go on. Stopped by the reader, it ends at the next step with what it has; a trial that was stopped is in
/// the table and cannot be the best.
///
/// ```no_run
/// # use aula::prelude::*;
/// # fn main() -> Result<()> {
/// # let model = LanguageModel::load("cuentos")?;
/// # let (train, valid) = model.dataset(&["a b".to_string(), "b a".to_string()], 8)?.split(0.5, 1)?;
/// let short = TrainConfig { max_steps: 24, ..Default::default() };
/// let search = sweep(&model, &train, &valid, &short.vary("learning_rate", &[1e-4, 1e-3, 1e-2])?)?;
/// println!("{search}");
/// let best = search.best()?.config.learning_rate;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// No settings, settings out of their range, data that the model cannot read, or a `checkpoint` (trials would share it).
pub fn sweep(model: &dyn Trainable, train: &Dataset, valid: &Dataset, configs: &[TrainConfig]) -> Result<Sweep> {
    check(configs)?;
    let needs = model.needs();
    train.check(&needs)?;
    valid.check(&needs)?;
    let start = Start { model, weights: copies(model)? };
    let (varied, names) = names(configs);
    let steps: Vec<usize> = configs.iter().map(|config| planned_steps(train, config)).collect();
    let mut progress = Progress::start(&tr!("Probando ajustes", "Trying settings"), steps.iter().sum());
    progress = progress.seen_after(Duration::ZERO);
    let mut sweep = Sweep { trials: Vec::new(), planned: configs.len(), best_place: None, varied };
    for (i, (config, name)) in configs.iter().zip(names).enumerate() {
        if stopped() {
            break;
        }
        let (before, begin) = (steps[..i].iter().sum::<usize>(), Instant::now());
        let mut watch = |history: &History| {
            let shown = || (note(&sweep, &name, history), sweep.curves_with(&name, history));
            progress.update_with(before + history.steps.len(), shown);
        };
        let done = run(model, train, valid, config, Some(&mut watch));
        start.restore()?;
        let (history, problem) = match done {
            Ok(history) => (history, None),
            Err(error) => (History::default(), Some(first_line(&error))),
        };
        let seconds = begin.elapsed().as_secs_f64();
        sweep.add(Trial { name, config: config.clone(), history, seconds, problem });
    }
    let (table, curves) = (sweep.table(), sweep.curves());
    let below = Html::new(&(curves.html + &table.html), &table.plain);
    progress.finish_with(&sweep.lines().join(" "), &below);
    Ok(sweep)
}

/// The weights that every trial starts from; they are put back also where a trial panics.
struct Start<'a> {
    model: &'a dyn Trainable,
    weights: BTreeMap<String, Tensor>,
}

impl Start<'_> {
    fn restore(&self) -> Result<()> {
        set_trained(self.model, &self.weights)
    }
}

impl Drop for Start<'_> {
    fn drop(&mut self) {
        let _ = self.restore(); // after each trial it is asked for, and its error told
    }
}

fn check(configs: &[TrainConfig]) -> Result<()> {
    let wrong = |what: String, next: String| Err(Error::new(ErrorKind::BadSetting, what).next(next));
    let Some(first) = configs.first() else {
        return wrong(
            tr!("No hay ajustes que probar: la lista está vacía.", "There are no settings to try: the list is empty."),
            tr!(
                "Da al menos uno, por ejemplo config.vary(\"learning_rate\", &[1e-4, 1e-3])?.",
                "Give one at least, for example config.vary(\"learning_rate\", &[1e-4, 1e-3])?."
            ),
        );
    };
    for config in configs {
        config.check()?;
        if !config.checkpoint.is_empty() {
            return wrong(
                tr!("Los ensayos no pueden compartir checkpoint.", "Trials cannot share a checkpoint."),
                tr!("Quita checkpoint de los ajustes.", "Take checkpoint out of the settings."),
            );
        }
        if config.monitor != first.monitor {
            let (one, other) = (&first.monitor, &config.monitor);
            return wrong(
                tr!(
                    "Los ensayos se comparan por cosas distintas: {one} y {other}.",
                    "The trials are compared by different things: {one} and {other}."
                ),
                tr!("Usa el mismo monitor en todos.", "Use the same monitor in all of them."),
            );
        }
    }
    Ok(())
}

/// The settings that differ, and a name for each trial that gives them.
fn names(configs: &[TrainConfig]) -> (Vec<String>, Vec<String>) {
    let all: Vec<_> = configs.iter().map(TrainConfig::decisive).collect();
    let differs = |i: &usize| all.iter().any(|row| row[*i].1 != all[0][*i].1);
    let places: Vec<usize> = (0..all.first().map_or(0, Vec::len)).filter(differs).collect();
    let varied = places.iter().map(|i| all[0][*i].0.to_string()).collect();
    let mut names = Vec::new();
    for (number, (row, config)) in all.iter().zip(configs).enumerate() {
        let part = |i: &usize| format!("{} {}", row[*i].0, value(config, row[*i].0, &row[*i].1));
        names.push(match places.is_empty() {
            true => tr!("ensayo {}", "trial {}", number + 1),
            false => places.iter().map(part).collect::<Vec<_>>().join(", "),
        });
    }
    (varied, names)
}

/// A setting's value as people write it.
fn value(config: &TrainConfig, name: &str, plain: &str) -> String {
    if name == "learning_rate" {
        format!("{:e}", config.learning_rate)
    } else {
        plain.to_string()
    }
}

fn note(sweep: &Sweep, name: &str, history: &History) -> String {
    let (number, of) = (sweep.trials.len() + 1, sweep.planned);
    let loss =
        history.steps.last().map_or_else(String::new, |step| tr!(" · pérdida {:.3}", " · loss {:.3}", step.loss));
    tr!("· ensayo {number} de {of}: {name}{loss}", "· trial {number} of {of}: {name}{loss}")
}

fn first_line(error: &Error) -> String {
    error.to_string().lines().next().unwrap_or_default().trim_start_matches("✗ ").to_string()
}

impl Trial {
    /// Loss on the validation texts at its end; not a number where it failed or was stopped before measuring.
    pub fn valid_loss(&self) -> f64 {
        self.history.kept().map_or(f64::NAN, |record| record.valid_loss)
    }

    /// True when it neither failed nor was stopped by the reader.
    pub fn whole(&self) -> bool {
        let stopped = self.history.ended == Ended::ByReader && self.history.steps.len() < self.history.planned;
        self.problem.is_none() && !stopped
    }

    /// What trials are compared by: less is better.
    fn watched(&self) -> f64 {
        let watched = self.history.kept().map(|record| self.config.watched(record.valid_loss, &record.metrics));
        watched.filter(|_| self.whole()).unwrap_or(f64::NAN)
    }
}

impl Sweep {
    fn add(&mut self, trial: Trial) {
        let best = self.best_place.map_or(f64::INFINITY, |place| self.trials[place].watched());
        if trial.watched() < best {
            self.best_place = Some(self.trials.len());
        }
        self.trials.push(trial);
    }

    /// The best whole trial; its `config` has the settings.
    ///
    /// # Errors
    /// Where none came to its end with a loss that is a number.
    pub fn best(&self) -> Result<Trial> {
        match self.best_place {
            Some(place) => Ok(self.trials[place].clone()),
            None => Err(Error::new(
                ErrorKind::Training,
                tr!("Ningún ensayo llegó al final con una pérdida.", "No trial came to its end with a loss."),
            )
            .next(tr!(
                "Mira la tabla: prueba tasas menores, o no lo pares antes del primer ensayo.",
                "Look at the table: try smaller rates, or do not stop it before the first trial."
            ))),
        }
    }

    /// Where the reader stopped it, if that was so.
    pub fn stopped_line(&self) -> Option<String> {
        let (whole, of) =
            (self.trials.iter().filter(|trial| trial.whole() || trial.problem.is_some()).count(), self.planned);
        let number = whole + 1;
        (whole < of).then(|| tr!("parado en el ensayo {number} de {of}", "stopped at trial {number} of {of}"))
    }

    /// Validation loss of each trial, one bar each.
    pub fn plot(&self) -> Result<Chart> {
        let bars: Vec<_> = self.trials.iter().map(|trial| (trial.name.clone(), trial.valid_loss())).collect();
        bar_chart(
            &tr!("Pérdida de validación (más baja es mejor)", "Validation loss (lower is better)"),
            &tr!("pérdida", "loss"),
            "",
            &bars,
        )
    }

    /// Training loss at each step, one line for each trial.
    pub fn plot_curves(&self) -> Result<Chart> {
        curves(self.trials.iter().map(|trial| (trial.name.as_str(), &trial.history)))
    }

    fn curves(&self) -> Html {
        on_page(self.plot_curves())
    }

    /// The curves while a trial runs.
    fn curves_with(&self, name: &str, history: &History) -> Html {
        on_page(curves(self.trials.iter().map(|trial| (trial.name.as_str(), &trial.history)).chain([(name, history)])))
    }

    fn of_labels(&self) -> bool {
        self.trials.iter().any(|trial| trial.history.of_labels)
    }

    fn headers(&self) -> Vec<String> {
        let mut headers = vec![tr!("ensayo", "trial")];
        headers.extend(self.varied.iter().cloned());
        headers.push(tr!("pasos", "steps"));
        headers.push(tr!("pérdida validación", "validation loss"));
        headers.extend((!self.of_labels()).then(|| tr!("perplejidad validación", "validation perplexity")));
        headers.extend(self.metrics());
        headers.push(tr!("tiempo", "time"));
        headers.push(tr!("energía", "energy"));
        headers.push(String::new());
        headers
    }

    fn metrics(&self) -> Vec<String> {
        self.trials.iter().map(|trial| trial.history.metrics.clone()).find(|all| !all.is_empty()).unwrap_or_default()
    }

    fn row(&self, place: usize, trial: &Trial) -> Vec<String> {
        let number = |value: f64, digits: usize| match value.is_finite() {
            true => format!("{value:.digits$}"),
            false => "—".to_string(),
        };
        let (loss, best) = (trial.valid_loss(), Some(place) == self.best_place);
        let mut row = vec![(place + 1).to_string()];
        let settings: BTreeMap<&str, String> = trial.config.decisive().into_iter().collect();
        let setting = |name: &String| value(&trial.config, name, settings.get(name.as_str()).map_or("", |v| v));
        row.extend(self.varied.iter().map(setting));
        row.push(trial.history.steps.len().to_string());
        row.push(number(loss, 3));
        row.extend((!self.of_labels()).then(|| number(loss.exp(), 1)));
        let record = trial.history.kept();
        let metric = |i: usize| number(record.and_then(|r| r.metrics.get(i)).copied().unwrap_or(f64::NAN), 3);
        row.extend((0..self.metrics().len()).map(metric));
        row.push(format!("{:.1} s", trial.seconds));
        row.push(trial.history.energy.as_ref().map_or("—".into(), |energy| in_joules(energy.joules)));
        let remark = match (&trial.problem, trial.history.stopped_line()) {
            (Some(problem), _) => format!("✗ {problem}"),
            (None, Some(stopped)) => format!("⏹ {stopped}"),
            (None, None) if best => tr!("★ el mejor", "★ the best"),
            (None, None) => String::new(),
        };
        row.push(remark);
        row
    }

    fn rows(&self) -> Vec<Vec<String>> {
        self.trials.iter().enumerate().map(|(place, trial)| self.row(place, trial)).collect()
    }

    fn lines(&self) -> Vec<String> {
        let stopped = self.stopped_line().map(|line| format!("⏹ {line}."));
        let best = self.best_place.map(|place| {
            let (name, loss) = (&self.trials[place].name, self.trials[place].valid_loss());
            tr!("★ {name}: pérdida de validación {loss:.3}.", "★ {name}: validation loss {loss:.3}.")
        });
        stopped.into_iter().chain(best).collect()
    }

    fn table(&self) -> Html {
        Html::table(&self.headers(), &self.rows(), &self.lines().join(" "))
    }

    /// Shows the table.
    pub fn evcxr_display(&self) {
        self.table().evcxr_display();
    }
}

impl std::fmt::Display for Sweep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.table().plain)
    }
}

fn curves<'a>(trials: impl Iterator<Item = (&'a str, &'a History)>) -> Result<Chart> {
    let one = |(name, history): (&str, &History)| Series {
        name: name.to_string(),
        points: history.steps.iter().map(|record| (record.step as f64, record.loss)).collect(),
        dots: false,
    };
    let series: Vec<Series> = trials.map(one).filter(|one| !one.points.is_empty()).collect();
    line_chart(
        &tr!("Pérdida de entrenamiento de cada ensayo", "Training loss of each trial"),
        &tr!("paso", "step"),
        &tr!("pérdida", "loss"),
        &series,
    )
}

/// A chart for a page, without its words.
fn on_page(chart: Result<Chart>) -> Html {
    chart.map_or(Html::new("", ""), |chart| Html { plain: String::new(), ..chart.html() })
}

impl TrainConfig {
    /// These settings once for each of `values`, which takes the place of `setting`: a list for [`sweep`].
    ///
    /// # Errors
    /// A name that is no setting with a number, or a value that it cannot have.
    pub fn vary(&self, setting: &str, values: &[f64]) -> Result<Vec<TrainConfig>> {
        values.iter().map(|value| self.with(setting, *value)).collect()
    }

    fn with(&self, setting: &str, value: f64) -> Result<TrainConfig> {
        let mut config = self.clone();
        let (real, whole) = config.numbers();
        if let Some((_, place)) = real.into_iter().find(|(name, _)| *name == setting) {
            *place = value;
        } else if let Some((_, place)) = whole.into_iter().find(|(name, _)| *name == setting) {
            if value.fract() != 0.0 || !(0.0..1e15).contains(&value) {
                return Err(Error::new(
                    ErrorKind::BadSetting,
                    tr!("{setting} no puede ser {value}.", "{setting} cannot be {value}."),
                )
                .next(tr!("Es un número entero: 1.0, 2.0, 3.0...", "It is a whole number: 1.0, 2.0, 3.0...")));
            }
            *place = value as usize;
        } else {
            let mut blank = Self::default();
            let (real, whole) = blank.numbers();
            let known: Vec<&str> = real.iter().map(|one| one.0).chain(whole.iter().map(|one| one.0)).collect();
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!("No conozco el ajuste {setting:?}.", "There is no setting {setting:?}."),
            )
            .next(tr!("Se pueden variar: {}.", "These can be varied: {}.", known.join(", "))));
        }
        config.check()?;
        Ok(config)
    }

    /// The settings that are numbers, by name.
    #[allow(clippy::type_complexity)] // two lists of a name and a place
    fn numbers(&mut self) -> (Vec<(&'static str, &mut f64)>, Vec<(&'static str, &mut usize)>) {
        let real = vec![
            ("learning_rate", &mut self.learning_rate),
            ("warmup_ratio", &mut self.warmup_ratio),
            ("weight_decay", &mut self.weight_decay),
            ("label_smoothing", &mut self.label_smoothing),
            ("max_grad_norm", &mut self.max_grad_norm),
        ];
        let whole = vec![
            ("epochs", &mut self.epochs),
            ("batch_size", &mut self.batch_size),
            ("accumulate", &mut self.accumulate),
            ("max_steps", &mut self.max_steps),
            ("patience", &mut self.patience),
        ];
        (real, whole)
    }
}
