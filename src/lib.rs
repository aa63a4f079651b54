//! aula: learn, fine-tune, evaluate and share small language models on your own machine.
//!
//! The modules are in the order of the work, and a module uses only those above it (`docs/architecture.md`).

#[macro_use]
pub mod lang;
pub mod error;

pub mod rng;
pub mod sys;

pub mod energy;

pub mod show;

pub mod claim;
pub mod hub;
pub mod plot;
pub mod stories;
pub mod table;
pub mod tokenizer;
pub mod vocab;

pub mod look;

pub mod split;

pub mod clean;

pub mod forum;

pub mod layers;

pub mod metrics;

pub mod baseline;

pub mod ops;

pub mod nn;

pub mod models;

pub mod needs;

pub mod batch;

pub mod masking;

pub mod dataset;

pub mod optim;

pub mod schedule;

pub mod history;

pub mod diagnosis;

pub mod save;

pub mod checkpoint;

pub mod adapter;

pub(crate) mod model_methods;

pub mod train;

pub mod generate;

pub mod blind;

pub mod beam;

pub mod language_model;

pub mod masked_model;

pub mod testbed;

pub mod classifier;

pub mod embedder;

pub mod seq2seq;

pub mod extract;

pub mod question_answerer;

pub mod image_classifier;

pub mod pipeline;

pub mod exercise;

pub mod pretrain;

/// What every notebook has at hand.
pub mod prelude {
    pub use candle_core::{DType, Device, Tensor, Var};
    pub use polars::prelude::DataFrame;

    pub use crate::baseline::{baseline_reports, Baseline, Tfidf, TfidfConfig};
    pub use crate::blind::{blind, Blind, Revealed};
    pub use crate::claim::{claim, claim_full};
    pub use crate::classifier::{Classifier, Explanation, WordShare};
    pub use crate::clean::{Cleaned, Recipe, Step};
    pub use crate::dataset::Dataset;
    pub use crate::diagnosis::{Diagnosis, Verdict};
    pub use crate::embedder::{Embedder, Embeddings};
    pub use crate::energy::{Energy, EnergyMeter};
    pub use crate::error::{Error, Result};
    pub use crate::exercise::{check, exercise, hint, progress, quiz, reset, solution};
    pub use crate::extract::{
        extract, extract_all, extract_all_with, extract_with, lead_all, lead_n, sentence_lines, split_parts,
        split_sentences, Extract, ExtractConfig, Ranking,
    };
    pub use crate::forum::Faults;
    pub use crate::generate::{compare, Comparison, GenerateConfig, Generation};
    pub use crate::history::History;
    pub use crate::hub::{available, describe, network_audit, search, ModelInfo, NetworkAudit, Search};
    pub use crate::language_model::{logits_difference, LanguageModel, LoraConfig};
    pub use crate::layers::{Layers, Ready};
    pub use crate::look::{guess_language, mask_personal_data, repair_mojibake, PersonalKind};
    pub use crate::masked_model::{Filling, Fillings, MaskedModel};
    pub use crate::metrics::{
        bleu, bootstrap, bootstrap_with, calibration, check_all_facts, check_facts, classification_report,
        clean_labels, compare_models, compare_rouge, confusion_matrix, guesses, inspect_labels, label_scores,
        length_ratio, mcnemar, mistakes, multi_label_report, multi_label_roc_curves, novelty, paired_bootstrap,
        roc_curves, rouge, rouge_of, rouge_scoreboard, rouge_with, scoreboard, split_labels, summary_report,
        BootstrapConfig, ClassificationReport, Interval, Prediction, Stemming, Thresholds,
    };
    pub use crate::pipeline::{pipeline, sigmoid, softmax, Answer, Answers, Pipeline};
    pub use crate::plot::Chart;
    pub use crate::question_answerer::{QuestionAnswerer, Span};
    pub use crate::save::SaveOptions;
    pub use crate::schedule::Schedule;
    pub use crate::seq2seq::Seq2Seq;
    pub use crate::split::{Split, SplitConfig};
    pub use crate::sys::stopped;
    pub use crate::table::Table;
    pub use crate::testbed::{BedAnswer, BedHistory, BedRun, TestBed};
    pub use crate::tokenizer::{compare_tokenizers, Tokenizer, TokenizerKind, Tokens};
    pub use crate::train::{
        evaluate, fine_tune, forgetting, perplexity_interval, sweep, ClassWeights, Forgetting, Metric, ParamGroup,
        Score, Sweep, TrainConfig, Trial,
    };
}

pub use {candle_core, candle_nn, plotters, polars, tokenizers};
