//! All baselines on one column of labels, and a warning where the exam was seen before.

use std::collections::HashSet;

use super::Baseline;
use crate::error::Result;
use crate::metrics::{classification_report, guesses, ClassificationReport};
use crate::show::say;

/// Trains the baselines on some texts and reports how good they are on others: majority, each label always where there
/// are two, length only, TF-IDF with logistic regression. Says so where a test text stands in the training too.
///
/// # Errors
/// When there is not one label for each text, or only one class.
pub fn baseline_reports(
    texts: &[String],
    labels: &[String],
    test_texts: &[String],
    test_labels: &[String],
) -> Result<Vec<ClassificationReport>> {
    Baseline::seen_before(texts, test_texts).iter().for_each(|line| say(line));
    let mut all = vec![Baseline::majority(labels)?];
    if let [first, second] = all[0].labels.clone().as_slice() {
        // The majority is one of the two.
        let most = all[0].predict("").label;
        all.push(Baseline::always(if most == *first { second } else { first }, labels)?);
    }
    all.push(Baseline::length(texts, labels)?);
    all.push(Baseline::tfidf(texts, labels)?);
    let report = |baseline: &Baseline| {
        let guess = guesses(&baseline.predict_all(test_texts)?);
        Ok(classification_report(test_labels, &guess)?.named(&baseline.name))
    };
    all.iter().map(report).collect()
}

impl Baseline {
    /// Looks for test texts that stand among the training texts too; spaces around a text do not count.
    ///
    /// Returns a warning with their number, to print, or none where no test text was seen before. It never fails. For
    /// texts that are nearly equal see [`crate::split::Split::leaks`].
    pub fn seen_before(texts: &[String], test_texts: &[String]) -> Option<String> {
        let seen: HashSet<&str> = texts.iter().map(|text| text.trim()).collect();
        let leaks = test_texts.iter().filter(|text| seen.contains(text.trim())).count();
        (leaks > 0).then(|| {
            tr!(
                "⚠ {leaks} textos de prueba están también en los de entrenamiento: la medida sale mejor de lo que es. \
                 Usa table.split con text: \"columna\".",
                "⚠ {leaks} test texts stand among the training texts too: the figures look better than they are. Use \
                 table.split with text: \"column\"."
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exam_that_was_seen_before_is_told_with_the_number_of_its_texts() {
        let texts = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        let learned = texts(&["good film", "bad film", "long film"]);
        let line = Baseline::seen_before(&learned, &texts(&["bad film ", "good film", "good", "new film"])).unwrap();
        assert!(line.starts_with("⚠ 2 ") && line.contains("table.split"), "{line}");
        assert_eq!(Baseline::seen_before(&learned, &texts(&["good", "new film"])), None);
    }
}
