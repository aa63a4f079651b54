//! How good guesses are: labels against the right ones, texts against others, and how sure one can be of a figure.
//!
//! Figures of labels equal scikit-learn's; a label's order is that of its name.

mod bleu;
mod calibration;
mod compare;
mod confusion;
mod facts;
mod interval;
mod labels;
mod mistakes;
mod porter;
mod prediction;
mod report;
mod roc;
mod rouge;
mod summary;
mod tally;
mod thresholds;
mod words;

pub use bleu::{bleu, bleu_of_several, Bleu};
pub use calibration::{calibration, calibration_of, Calibration, CalibrationBin};
pub use compare::{compare_models, compare_models_with, mcnemar, scoreboard, McNemar, ModelComparison, Scoreboard};
pub use confusion::{confusion_matrix, ConfusionMatrix};
pub use facts::{check_all_facts, check_facts, Fact, FactCheck, FactKind, FactReport};
pub use interval::{bootstrap, bootstrap_with, paired_bootstrap, BootstrapConfig, Interval, PairedInterval};
pub use labels::{clean_labels, inspect_labels, split_labels, LabelCheck};
pub use mistakes::{mistakes, Mistake, Mistakes};
pub use prediction::{guesses, label_scores, Prediction};
pub use report::{classification_report, multi_label_report, ClassificationReport, LabelScore};
pub use roc::{multi_label_roc_curves, roc_curve, roc_curves, RocCurve, RocCurves, RocPoint};
pub use rouge::{
    compare_rouge, rouge, rouge_of, rouge_of_with, rouge_scoreboard, rouge_with, Rouge, RougeReport, RougeScore,
};
pub use summary::{length_ratio, novelty, summary_report, SummaryReport};
pub use thresholds::{SweepPoint, ThresholdSweep, Thresholds};

pub use words::{stem_word, Stemming};

pub(crate) use labels::{check_same_length, one_class};
pub(crate) use tally::figure_of_places;
