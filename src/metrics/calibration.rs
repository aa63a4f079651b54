//! Whether a model is as often right as it says it is sure (Guo et al., arXiv 1706.04599).

use super::prediction::Prediction;
use crate::error::{Error, ErrorKind, Result};
use crate::look::{headers, shown};
use crate::plot::{unit_chart, Chart, Series};
use crate::show::Html;
use crate::table::count;

/// The rows of which the model is about equally sure.
#[derive(Clone, Copy, Debug)]
pub struct CalibrationBin {
    /// The bin's ends; the first bin holds its lower one, all hold their upper one.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// Rows.
    pub rows: usize,
    /// How sure the model is of them, on average; 0 without rows.
    pub confidence: f64,
    /// The share of them that it gets right; 0 without rows.
    pub accuracy: f64,
}

/// How well a model knows when it is right.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Bins of equal width from 0 to 1.
    pub bins: Vec<CalibrationBin>,
    /// Expected calibration error: the mean distance of confidence and accuracy over the rows, bin by bin. 0 is best.
    pub ece: f64,
    /// The largest distance in any bin.
    pub max_error: f64,
    /// Brier's score: the mean square of what a confidence lacks to 1 where it is right, or has over 0 where not.
    pub brier: f64,
    /// The mean confidence.
    pub confidence: f64,
    /// The share of right rows.
    pub accuracy: f64,
    /// Rows.
    pub rows: usize,
}

/// The calibration of a model that gives each row one label: of how sure it is of its guess, in 10 bins.
///
/// # Errors
/// When there is not one prediction for each row.
pub fn calibration(truth: &[String], predictions: &[Prediction]) -> Result<Calibration> {
    super::check_same_length(truth.len(), predictions.len())?;
    let right: Vec<bool> = truth.iter().zip(predictions).map(|(truth, guess)| *truth == guess.label).collect();
    let confidence: Vec<f64> = predictions.iter().map(|prediction| f64::from(prediction.score)).collect();
    calibration_of(&right, &confidence, 10)
}

/// The calibration of probabilities: `right` says whether what they were given to came true.
///
/// # Errors
/// When the lists differ in length, a probability is not from 0 to 1, or there are no bins.
pub fn calibration_of(right: &[bool], confidence: &[f64], bins: usize) -> Result<Calibration> {
    super::check_same_length(right.len(), confidence.len())?;
    if bins == 0 {
        return Err(Error::new(ErrorKind::BadSetting, tr!("bins = 0 no sirve.", "bins = 0 does not work."))
            .next(tr!("Usa de 5 a 20.", "Use 5 to 20.")));
    }
    if let Some(row) = confidence.iter().position(|value| !(0.0..=1.0).contains(value)) {
        let value = confidence[row];
        return Err(Error::new(
            ErrorKind::BadData,
            tr!(
                "La fila {} tiene la probabilidad {value}: va de 0 a 1.",
                "Row {} has the probability {value}: it goes from 0 to 1.",
                row + 1
            ),
        )
        .next(tr!("Da probabilidades, no logits.", "Give probabilities, no logits.")));
    }
    let mut groups = vec![(0usize, 0.0f64, 0usize); bins];
    let mut brier = 0.0;
    for (right, value) in right.iter().zip(confidence) {
        let at = (0..bins).find(|i| *value <= (i + 1) as f64 / bins as f64).unwrap_or(bins - 1);
        let (rows, sum, hits) = &mut groups[at];
        *rows += 1;
        *sum += value;
        *hits += usize::from(*right);
        brier += (value - f64::from(u8::from(*right))).powi(2);
    }
    let bin = |(i, (rows, sum, hits)): (usize, &(usize, f64, usize))| CalibrationBin {
        low: i as f64 / bins as f64,
        high: (i + 1) as f64 / bins as f64,
        rows: *rows,
        confidence: sum / (*rows).max(1) as f64,
        accuracy: *hits as f64 / (*rows).max(1) as f64,
    };
    let bins: Vec<CalibrationBin> = groups.iter().enumerate().map(bin).collect();
    let rows = right.len() as f64;
    let distance = |bin: &CalibrationBin| (bin.confidence - bin.accuracy).abs();
    Ok(Calibration {
        ece: bins.iter().map(|bin| distance(bin) * bin.rows as f64 / rows).sum(),
        max_error: bins.iter().map(distance).fold(0.0, f64::max),
        brier: brier / rows,
        confidence: confidence.iter().sum::<f64>() / rows,
        accuracy: right.iter().filter(|right| **right).count() as f64 / rows,
        rows: right.len(),
        bins,
    })
}

impl Calibration {
    /// The reliability diagram: a bar for each bin as high as the share of right rows; a model that knows itself
    /// reaches the diagonal.
    pub fn plot(&self) -> Result<Chart> {
        let filled = self.bins.iter().filter(|bin| bin.rows > 0);
        let bars: Vec<(f64, f64, f64)> = filled.clone().map(|bin| (bin.low, bin.high, bin.accuracy)).collect();
        let points = filled.map(|bin| (bin.confidence, bin.accuracy)).collect();
        let series = [Series { name: tr!("este modelo", "this model"), points, dots: true }];
        unit_chart(
            &tr!("Fiabilidad (ECE {:.3})", "Reliability (ECE {:.3})", self.ece),
            &tr!("lo seguro que está", "how sure it is"),
            &tr!("cuánto acierta", "how often it is right"),
            &tr!("perfecto", "perfect"),
            &series,
            &bars,
        )
    }

    /// As a page shows it, and in plain text: the bins, and below them the picture.
    pub fn html(&self) -> Html {
        let headers = headers(
            &["seguro entre", "filas", "seguro, media", "acierta"],
            &["sure between", "rows", "sure, mean", "right"],
        );
        let row = |bin: &CalibrationBin| {
            let value = |value: f64| if bin.rows == 0 { "—".into() } else { format!("{value:.3}") };
            let between = format!("{:.2} – {:.2}", bin.low, bin.high);
            vec![between, count(bin.rows), value(bin.confidence), value(bin.accuracy)]
        };
        let rows: Vec<Vec<String>> = self.bins.iter().map(row).collect();
        let mut table = Html::table(&headers, &rows, &self.verdict());
        if let Ok(chart) = self.plot() {
            table.html += &chart.html().html;
        }
        table
    }

    fn verdict(&self) -> String {
        let (sure, right, ece) = (100.0 * self.confidence, 100.0 * self.accuracy, self.ece);
        let numbers = tr!(
            "seguro al {sure:.1} %, acierta el {right:.1} %, ECE {ece:.3}",
            "{sure:.1} % sure, {right:.1} % right, ECE {ece:.3}"
        );
        match sure - right {
            over if over > 5.0 => tr!("Demasiado seguro de sí: {numbers}", "Too sure of itself: {numbers}"),
            over if over < -5.0 => {
                tr!("Menos seguro de lo que acierta: {numbers}", "Less sure than it is right: {numbers}")
            }
            _ => numbers,
        }
    }
}

shown!(Calibration);
