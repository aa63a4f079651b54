//! How sure a figure is: the bootstrap. The rows are drawn again and again, with replacement, and the figure is computed
//! on each draw; the middle 95 % of what comes out is the interval (Efron, 1979: percentile method).

use crate::error::{Error, ErrorKind, Result, Settings};
use crate::look::{headers, quantile, shown};
use crate::rng::Rng;
use crate::show::{Html, Progress};
use crate::sys::{stopped, stopped_error};

/// Fewer draws than this say nothing.
const LEAST: usize = 100;

/// Settings of the bootstrap.
#[derive(Clone, Debug)]
pub struct BootstrapConfig {
    /// How often the rows are drawn again (1000). More make the ends of the interval steadier.
    pub resamples: usize,
    /// The share of draws that the interval holds (0.95).
    pub level: f64,
    /// The same seed gives the same interval (42).
    pub seed: u64,
}

impl Default for BootstrapConfig {
    fn default() -> Self {
        Self { resamples: 1000, level: 0.95, seed: 42 }
    }
}

impl BootstrapConfig {
    fn check(&self) -> Result<()> {
        let mut all = Settings::of("BootstrapConfig");
        all.must(self.resamples >= LEAST, format!("resamples = {} ({LEAST} ... 10000)", self.resamples));
        all.must(self.level > 0.0 && self.level < 1.0, format!("level = {} (0.8 ... 0.99)", self.level));
        all.check()
    }
}

/// A figure and between what values it would move with other rows of the same kind.
#[derive(Clone, Debug)]
pub struct Interval {
    /// What was measured.
    pub name: String,
    /// The figure on the rows as they are.
    pub value: f64,
    /// The interval's ends.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// The share of draws between them.
    pub level: f64,
    /// How many draws there were: fewer than asked when the reader stopped.
    pub resamples: usize,
}

/// The interval of a mean of values, one for each row: ROUGE of each summary, say.
///
/// # Errors
/// When there is no value, or one that is no number.
pub fn bootstrap(values: &[f64], config: &BootstrapConfig) -> Result<Interval> {
    check_values(values)?;
    let interval = bootstrap_with(values.len(), &|rows| mean(values, rows), config)?;
    Ok(Interval { name: tr!("media", "mean"), ..interval })
}

/// The interval of any figure: `measure` gets the places of the rows that were drawn, from 0, some more than once.
///
/// ```
/// use aula::metrics::{bootstrap_with, BootstrapConfig};
/// let lengths = [3.0, 5.0, 4.0, 9.0];
/// let longest = |rows: &[usize]| rows.iter().map(|row| lengths[*row]).fold(0.0, f64::max);
/// let interval = bootstrap_with(lengths.len(), &longest, &BootstrapConfig::default())?;
/// assert_eq!(interval.value, 9.0);
/// # Ok::<(), aula::error::Error>(())
/// ```
pub fn bootstrap_with(rows: usize, measure: &dyn Fn(&[usize]) -> f64, config: &BootstrapConfig) -> Result<Interval> {
    if rows == 0 {
        return Err(Error::new(
            ErrorKind::BadData,
            tr!("No hay filas que sortear.", "There are no rows to draw from."),
        ));
    }
    let drawn = draws(rows, measure, config)?;
    let whole: Vec<usize> = (0..rows).collect();
    Ok(interval(measure(&whole), drawn, config))
}

/// The figure on each draw of the rows.
fn draws(rows: usize, measure: &dyn Fn(&[usize]) -> f64, config: &BootstrapConfig) -> Result<Vec<f64>> {
    config.check()?;
    let mut rng = Rng::new(config.seed);
    let mut progress = Progress::start(&tr!("Sorteando filas", "Drawing rows"), config.resamples);
    let mut drawn = Vec::with_capacity(config.resamples);
    let mut places = vec![0; rows];
    for done in 1..=config.resamples {
        places.fill_with(|| rng.below(rows));
        drawn.push(measure(&places));
        progress.update(done, &tr!("sorteos", "draws"));
        if stopped() {
            break;
        }
    }
    progress.end("");
    match drawn.len() < LEAST.min(config.resamples) {
        true => Err(stopped_error(
            tr!("Parado antes de tener un intervalo.", "Stopped before there was an interval."),
            tr!("Pide menos sorteos: resamples: 200.", "Ask for fewer draws: resamples: 200."),
        )),
        false => Ok(drawn),
    }
}

fn interval(value: f64, mut drawn: Vec<f64>, config: &BootstrapConfig) -> Interval {
    // A draw on which the figure has no value (an AUC of one class) says nothing.
    drawn.retain(|value| !value.is_nan());
    drawn.sort_by(f64::total_cmp);
    let side = (1.0 - config.level) / 2.0;
    let (low, high) = (quantile(&drawn, side), quantile(&drawn, 1.0 - side));
    Interval { name: String::new(), value, low, high, level: config.level, resamples: drawn.len() }
}

/// How much better one of two lists of values is than the other, on the same rows.
#[derive(Clone, Debug)]
pub struct PairedInterval {
    /// The second figure less the first, with its interval.
    pub difference: Interval,
    /// The share of draws in which the second figure is higher; equal ones count half.
    pub higher: f64,
}

/// Compares the means of two lists of values of the same rows, by drawing the same rows of both.
///
/// # Errors
/// When the lists are not of the same length.
pub fn paired_bootstrap(first: &[f64], second: &[f64], config: &BootstrapConfig) -> Result<PairedInterval> {
    super::check_same_length(first.len(), second.len())?;
    check_values(first)?;
    check_values(second)?;
    paired_with(first.len(), &|rows| mean(second, rows) - mean(first, rows), config)
}

/// As [`bootstrap_with`], of a figure that is a difference.
pub(super) fn paired_with(
    rows: usize,
    difference: &dyn Fn(&[usize]) -> f64,
    config: &BootstrapConfig,
) -> Result<PairedInterval> {
    let drawn = draws(rows, difference, config)?;
    let points = |value: &f64| f64::from(u8::from(*value > 0.0)) + 0.5 * f64::from(u8::from(*value == 0.0));
    let higher = drawn.iter().map(points).sum::<f64>() / drawn.len() as f64;
    let whole: Vec<usize> = (0..rows).collect();
    let difference = interval(difference(&whole), drawn, config);
    Ok(PairedInterval { difference: Interval { name: tr!("diferencia", "difference"), ..difference }, higher })
}

fn mean(values: &[f64], rows: &[usize]) -> f64 {
    rows.iter().map(|row| values[*row]).sum::<f64>() / rows.len() as f64
}

fn check_values(values: &[f64]) -> Result<()> {
    let bad = values.iter().position(|value| !value.is_finite());
    match bad {
        None if !values.is_empty() => Ok(()),
        None => Err(Error::new(ErrorKind::BadData, tr!("No hay ningún valor.", "There are no values."))),
        Some(row) => {
            let value = values[row];
            Err(Error::new(
                ErrorKind::BadData,
                tr!("El valor de la fila {} es {value}.", "The value of row {} is {value}.", row + 1),
            ))
        }
    }
}

impl Interval {
    /// True where `value` lies in the interval.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The figure with its interval, short: `0.836 [0.801, 0.869]`.
    pub fn short(&self) -> String {
        format!("{:.3} [{:.3}, {:.3}]", self.value, self.low, self.high)
    }

    /// Shows it in a notebook's cell.
    pub fn evcxr_display(&self) {
        println!("{self}");
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, short, draws) = (&self.name, self.short(), self.resamples);
        let level = 100.0 * self.level;
        write!(
            f,
            "{}",
            tr!(
                "{name}: {short} (intervalo del {level:.0} %, {draws} sorteos)",
                "{name}: {short} ({level:.0} % interval, {draws} draws)"
            )
        )
    }
}

impl PairedInterval {
    /// True where the interval of the difference does not hold 0.
    pub fn certain(&self) -> bool {
        !self.difference.contains(0.0)
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(&["diferencia", "el segundo es mayor"], &["difference", "the second is higher"]);
        let share = tr!("en el {:.1} % de los sorteos", "in {:.1} % of the draws", 100.0 * self.higher);
        Html::table(&headers, &[vec![self.difference.short(), share]], &self.verdict())
    }

    fn verdict(&self) -> String {
        let level = 100.0 * self.difference.level;
        match self.certain() {
            true => tr!(
                "El intervalo del {level:.0} % no contiene el 0: el azar solo rara vez hace tanto.",
                "The {level:.0} % interval does not hold 0: chance alone seldom does as much."
            ),
            false => tr!(
                "El intervalo del {level:.0} % contiene el 0: puede ser azar.",
                "The {level:.0} % interval holds 0: it may be chance."
            ),
        }
    }
}

shown!(PairedInterval);
