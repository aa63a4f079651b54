//! Charts as SVG: lines, histograms and bars that read in light and dark themes and without telling colours apart.
//!
//! Values that are no numbers (a loss that became NaN) are left out and counted in the legend; a chart with nothing
//! left says so instead of failing.

mod bars;
mod confusion;
mod frame;
mod heat;
mod histogram;
mod lines;
mod unit;

use crate::error::{Error, ErrorKind, Result};
use crate::show::{escape, Html};
use std::fmt;
use std::path::Path;

pub use bars::bar_chart;
pub use confusion::confusion_chart;
pub use heat::heat_map;
pub use histogram::{histogram, log_histogram};
pub use lines::{line_chart, Series};
pub(crate) use lines::{line_frames, Frame};
pub use unit::unit_chart;

/// A finished chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The drawing, as an SVG document.
    pub svg: String,
    /// The same in words, for a terminal and for those who do not see the drawing.
    pub summary: String,
}

impl Chart {
    /// The chart as a page shows it, and in words.
    pub fn html(&self) -> Html {
        // As an image's address: JupyterLab shows that also in a notebook it does not trust, where it hides plain SVG.
        let words = escape(&self.summary);
        let address = address(&self.svg);
        let html = format!("<img alt=\"{words}\" src=\"data:image/svg+xml;charset=utf-8,{address}\">");
        Html { html, plain: self.summary.clone() }
    }

    /// Shows the chart in a notebook's cell.
    pub fn evcxr_display(&self) {
        self.html().evcxr_display();
    }

    /// Writes the chart to a `.svg` file, which every browser opens.
    ///
    /// # Errors
    /// When `path` names another format, or the disk refuses.
    pub fn save(&self, path: &str) -> Result<()> {
        let extension = Path::new(path).extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if extension != "svg" {
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!(
                    "Un gráfico se guarda como .svg, no como «{path}».",
                    "A chart is saved as .svg, not as \"{path}\"."
                ),
            )
            .next(tr!(
                "Usa un nombre como grafico.svg; el navegador lo abre y lo imprime como PDF.",
                "Use a name like chart.svg; a browser opens it and prints it as PDF."
            )));
        }
        // First beside it, then in its place: an older file is never left half written.
        let beside = format!("{path}.tmp");
        let written = std::fs::write(&beside, &self.svg).and_then(|()| std::fs::rename(&beside, path));
        written.map_err(|error| {
            // What could not be written may not be there to remove either.
            let _ = std::fs::remove_file(&beside);
            Error::new(
                ErrorKind::System,
                tr!("El gráfico no se pudo guardar en «{path}».", "The chart could not be saved to \"{path}\"."),
            )
            .why(error)
        })
    }
}

/// A text as an address holds it: most signs by their number.
fn address(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut address = String::with_capacity(2 * text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            address.push(char::from(byte));
        } else {
            let digits = [byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)]));
            address.extend(['%', digits[0], digits[1]]);
        }
    }
    address
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)
    }
}

/// A value that a chart can place: a finite number of a size that does not overflow when ranges are computed.
fn drawable(value: f64) -> bool {
    value.abs() < 1e100
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the chart where `AULA_CHARTS` says, for people to look at.
    fn look(name: &str, chart: &Chart) {
        if let Ok(folder) = std::env::var("AULA_CHARTS") {
            chart.save(&format!("{folder}/{name}.svg")).unwrap();
        }
        assert!(chart.svg.starts_with("<svg") && chart.svg.trim_end().ends_with("</svg>"));
        assert!(!chart.svg.contains("NaN") && !chart.svg.contains("inf"), "{name}");
    }

    #[test]
    fn an_address_holds_any_text() {
        assert_eq!(address("<a b=\"ñ\">-_."), "%3Ca%20b%3D%22%C3%B1%22%3E-_.");
    }

    fn series(name: &str, points: Vec<(f64, f64)>, dots: bool) -> Series {
        Series { name: name.into(), points, dots }
    }

    #[test]
    fn a_loss_chart_has_its_labels_and_its_legend() {
        let train =
            (0..3_000).map(|i| (f64::from(i), 4.0 * (-f64::from(i) / 800.0).exp() + 0.6 + 0.1 * f64::from(i).sin()));
        let valid = (0..=10).map(|i| (f64::from(i) * 300.0, 4.1 * (-f64::from(i) * 0.3).exp() + 0.9));
        let all = [series("entrenamiento", train.collect(), false), series("validación", valid.collect(), true)];
        let chart = line_chart("Pérdida de «cuentos» con LoRA", "paso", "pérdida (nats por token)", &all).unwrap();
        assert!(chart.svg.contains("validación") && chart.svg.contains("pérdida"));
        assert!(chart.svg.len() < 60_000, "{} bytes", chart.svg.len());
        look("loss", &chart);
    }

    #[test]
    fn a_second_frame_stands_below_the_first_and_one_without_points_is_left_out() {
        let loss = [series("validación", vec![(0.0, 0.7), (30.0, 0.5), (60.0, 0.6)], true)];
        let score = [
            series("macro_f1", vec![(0.0, 0.2), (30.0, 0.6), (60.0, 0.65)], true),
            series("mejor época: 2", vec![(60.0, 0.65)], true),
        ];
        fn frame<'a>(title: &'a str, series: &'a [Series], colours: &'a [usize]) -> Frame<'a> {
            Frame { title, y_label: title, series, colours }
        }
        let frames = [frame("Pérdida", &loss, &[0]), frame("macro_f1", &score, &[3, 2])];
        let (alone, both) = (line_frames("paso", &frames[..1]).unwrap(), line_frames("paso", &frames).unwrap());
        assert_eq!(alone.svg, line_chart("Pérdida", "paso", "Pérdida", &loss).unwrap().svg);
        assert!(both.svg.contains("mejor época: 2") && both.svg.len() > alone.svg.len());
        assert!(both.summary.contains(&alone.summary) && both.summary.contains("macro_f1: 3"), "{both}");
        look("frames", &both);
        let frames = [frame("Pérdida", &loss, &[0]), frame("macro_f1", &[], &[])];
        assert_eq!(line_frames("paso", &frames).unwrap().svg, alone.svg);
    }

    #[test]
    fn many_series_with_long_names_wrap_their_legend() {
        let all: Vec<Series> = (0..7)
            .map(|k| {
                let points = (0..6).map(|i| (f64::from(i), f64::from(i * k) * 1e-5)).collect();
                series(&format!("rango {k}, tasa de aprendizaje 2e-{k}"), points, true)
            })
            .collect();
        look("legend", &line_chart("Siete corridas", "época", "tasa", &all).unwrap());
    }

    #[test]
    fn values_that_are_no_numbers_are_left_out_and_counted() {
        let points = vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, f64::INFINITY), (3.0, 2.0), (4.0, 1e300)];
        let all = [series("a", points, false), series("b", vec![(2.0, 1.5)], false)];
        let chart = line_chart("T", "x", "y", &all).unwrap();
        assert!(chart.summary.contains("a: 2") && chart.svg.contains("3"), "{chart}");
        look("nan", &chart);
    }

    #[test]
    fn empty_and_constant_data_do_not_fail() {
        look("empty", &line_chart("Vacío", "x", "y", &[]).unwrap());
        look("all_nan", &line_chart("T", "x", "y", &[series("a", vec![(0.0, f64::NAN)], true)]).unwrap());
        look("constant", &line_chart("T", "x", "y", &[series("a", vec![(5.0, 2.0), (6.0, 2.0)], true)]).unwrap());
        look("large", &line_chart("T", "x", "y", &[series("a", vec![(0.0, 3e9), (1e7, 8e9)], true)]).unwrap());
        look("h_empty", &histogram("T", "x", "y", &[f64::NAN], &[("p95".into(), f64::NAN)]).unwrap());
        look("h_one", &histogram("T", "x", "y", &[7.0], &[]).unwrap());
        look("b_empty", &bar_chart("T", "x", "y", &[]).unwrap());
        look("b_zero", &bar_chart("T", "x", "y", &[("nada".into(), 0.0), ("roto".into(), f64::NAN)]).unwrap());
    }

    #[test]
    fn a_histogram_counts_every_value_and_labels_its_marks() {
        let mut rng = crate::rng::Rng::new(1);
        let lengths: Vec<f64> = (0..5_000).map(|_| f64::from((rng.normal() * 0.5 + 3.5).exp()).round()).collect();
        let marks = [
            ("p50".to_string(), 33.0),
            ("p95".into(), 76.0),
            ("p99: corte elegido".into(), 107.0),
            ("p90".into(), 63.0),
        ];
        let chart = histogram("Largo de los textos", "tokens por texto", "textos", &lengths, &marks).unwrap();
        assert!(chart.svg.contains("p99") && chart.summary.contains("5000"), "{chart}");
        look("histogram", &chart);
        let few: Vec<f64> = [1.0, 1.0, 2.0, 4.0, 4.0, 4.0].to_vec();
        look("histogram_few", &histogram("Pocos", "palabras", "textos", &few, &[]).unwrap());
    }

    #[test]
    fn bars_have_long_names_and_negative_values() {
        let bars: Vec<(String, f64)> = [
            ("modelo base", 0.512),
            ("con LoRA (rango 8, tres épocas, tasa 2e-4) y un nombre larguísimo que no cabe", 0.934),
            ("peor que nada", -0.2),
            ("日本語", 0.7),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .to_vec();
        look("bars", &bar_chart("Exactitud por modelo", "exactitud", "", &bars).unwrap());
        let votes = [("positivo", 1_234.0), ("negativo", 987.0)].map(|(name, value)| (name.to_string(), value));
        look("bars_counts", &bar_chart("Ejemplos por etiqueta", "ejemplos", "etiqueta", &votes).unwrap());
    }

    #[test]
    fn a_confusion_matrix_has_counts_and_shares_and_many_labels_still_fit() {
        let names = |count: usize| (0..count).map(|i| format!("etiqueta número {i}")).collect::<Vec<_>>();
        let counts =
            |count: usize| (0..count).map(|i| (0..count).map(|j| 40 / (1 + i.abs_diff(j))).collect()).collect();
        for count in [1, 2, 7, 20] {
            let counts: Vec<Vec<usize>> = counts(count);
            let chart = confusion_chart("Confusión", "correcta", "predicha", &names(count), &counts).unwrap();
            assert!(chart.svg.contains("40") && chart.summary.contains("etiqueta número 0 40"), "{chart}");
            look(&format!("confusion_{count}"), &chart);
        }
        look("confusion_none", &confusion_chart("Nada", "a", "b", &[], &[]).unwrap());
    }

    #[test]
    fn a_chart_between_0_and_1_has_its_diagonal_its_bars_and_its_lines() {
        let curve: Vec<(f64, f64)> = (0..=2_000).map(|i| f64::from(i) / 2e3).map(|x| (x, x.powf(0.3))).collect();
        let all =
            [series("positivo (AUC 0.77)", curve, false), series("negativo", vec![(0.0, 0.0), (1.0, 1.0)], false)];
        let chart = unit_chart("Curva ROC", "falsos positivos", "verdaderos positivos", "azar", &all, &[]).unwrap();
        assert!(chart.svg.contains("azar") && chart.svg.len() < 60_000, "{} bytes", chart.svg.len());
        look("roc", &chart);
        let bars: Vec<(f64, f64, f64)> = (0..10).map(|i| f64::from(i) / 10.0).map(|x| (x, x + 0.1, x * x)).collect();
        let dots = [series("este modelo", bars.iter().map(|bar| (bar.0 + 0.05, bar.2)).collect(), true)];
        let chart = unit_chart("Fiabilidad", "seguro", "acierta", "perfecto", &dots, &bars).unwrap();
        assert!(chart.summary.contains("0.810"), "{chart}");
        look("reliability", &chart);
        look("unit_none", &unit_chart("Nada", "x", "y", "", &[], &[]).unwrap());
    }

    #[test]
    fn only_svg_is_saved_and_text_cannot_break_the_drawing() {
        let folder = tempfile::tempdir().unwrap();
        let chart = line_chart("<b> & \"x\"", "x", "y", &[series("<a>", vec![(0.0, 1.0)], false)]).unwrap();
        assert!(!chart.svg.contains("<b>") && !chart.svg.contains("<a>"));
        let path = folder.path().join("a.svg").to_string_lossy().into_owned();
        chart.save(&path).unwrap();
        chart.save(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), chart.svg);
        assert_eq!(chart.save("a.png").unwrap_err().kind(), ErrorKind::BadSetting);
        assert_eq!(chart.save("/no/such/folder/a.svg").unwrap_err().kind(), ErrorKind::System);
    }
}
