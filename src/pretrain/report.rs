//! The finished model's folder: weights, twenty samples, and a card whose figures are measured here.

use std::collections::HashSet;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{Corpus, PretrainConfig, Run};
use crate::error::Result;
use crate::generate::{GenerateConfig, Generation};
use crate::language_model::LanguageModel;
use crate::save::write_file;
use crate::sys;

/// Texts whose 8-grams are looked for in the training stories; the first twenty are the samples.
const COPY_TEXTS: u64 = 200;

/// Saves the model, its samples and its card.
pub(super) fn finish(config: &PretrainConfig, corpus: &Corpus, model: &LanguageModel, run: &Run) -> Result<()> {
    let out = config.out.to_string_lossy();
    model.save(&out)?;
    let texts = samples(model)?;
    write_file(&config.out.join("samples.md"), samples_page(&texts[..20]).as_bytes())?;
    println!("looking for copied 8-grams");
    let stories = stories_seen(config, corpus);
    let card = card(config, corpus, model, run, &texts, &stories)?;
    write_file(&config.out.join("README.md"), card.as_bytes())?;
    println!("{card}");
    Ok(())
}

/// How the samples begin, by turns.
const PROMPTS: [&str; 4] = ["Había una vez", "Once upon a time", "Un día", "One day"];

/// Texts of seeds 1 to [`COPY_TEXTS`].
fn samples(model: &LanguageModel) -> Result<Vec<Generation>> {
    let settings = |seed| GenerateConfig { seed, max_tokens: 80, ..GenerateConfig::default() };
    let prompt = |seed: u64| PROMPTS[(seed as usize - 1) % PROMPTS.len()];
    (1..=COPY_TEXTS).map(|seed| model.generate(prompt(seed), &settings(seed))).collect()
}

fn samples_page(texts: &[Generation]) -> String {
    let mut page = String::from(
        "# Twenty samples, unedited\n\nFour beginnings by turns, at most 80 tokens, the default settings, seeds 1 to 20. \
         \"…\" marks a text that did not end by itself.\n",
    );
    for (i, text) in texts.iter().enumerate() {
        let _ = write!(page, "\n{}. {text}\n", i + 1);
    }
    page
}

/// How many stories training read, and the hashes of their 8-grams of words.
struct Seen {
    stories: usize,
    distinct: usize,
    eight_grams: HashSet<u64>,
}

/// Makes the training stories again, row by row, and keeps what the card asks of them.
fn stories_seen(config: &PretrainConfig, corpus: &Corpus) -> Seen {
    let rows = (config.steps * config.batch_size) as u64;
    let of_row = |row: u64| -> Vec<(u64, Vec<u64>)> {
        let stories = corpus.stories_of(row).map(|number| corpus.story(number));
        stories.map(|story| (hash(&story), eight_grams(&story))).collect()
    };
    let mut seen = Seen { stories: 0, distinct: 0, eight_grams: HashSet::new() };
    let mut distinct = HashSet::new();
    for part in (0..rows).collect::<Vec<_>>().chunks(4096) {
        let parts: Vec<_> = part.par_iter().map(|row| of_row(*row)).collect();
        for (story, grams) in parts.into_iter().flatten() {
            seen.stories += 1;
            distinct.insert(story);
            seen.eight_grams.extend(grams);
        }
    }
    seen.distinct = distinct.len();
    seen
}

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The hashes of every run of eight words, without case and punctuation.
fn eight_grams(text: &str) -> Vec<u64> {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.windows(8).map(hash).collect()
}

pub(super) fn sha256(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| sys::io_error(path, "leer", "read", &error))?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

fn card(
    config: &PretrainConfig,
    corpus: &Corpus,
    model: &LanguageModel,
    run: &Run,
    texts: &[Generation],
    seen: &Seen,
) -> Result<String> {
    let (_, parameters) = model.count_parameters();
    let perplexity = |texts: &[String]| model.perplexity(&model.dataset(texts, config.max_tokens)?);
    let (generated, written) = (perplexity(&corpus.held_out(1000))?, perplexity(corpus.held_out_written())?);
    let grams: Vec<u64> = texts.iter().flat_map(|text| eight_grams(&text.full_text())).collect();
    let copied = grams.iter().filter(|gram| seen.eight_grams.contains(gram)).count();
    let ended = texts.iter().filter(|text| text.ended).count();
    let weights = config.out.join("model.safetensors");
    let megabytes = std::fs::metadata(&weights).map(|data| data.len()).unwrap_or(0) as f64 / 1e6;
    let mut card = String::new();
    let _ = write!(
        card,
        "# cuentos\n\n\
         A language model of {parameters} parameters that tells very short stories in Spanish and English. It is the one \
         that ships with the course, so that every lesson runs with no network. Made from nothing by this project, on \
         text that this project made, with `aula pretrain`; licensed with it (MIT OR Apache-2.0).\n\n\
         | | |\n| --- | --- |\n\
         | architecture | Llama: hidden_size {}, {} layers, {} tokens of vocabulary, {} positions |\n\
         | file | model.safetensors, {megabytes:.1} MB |\n\
         | tokenizer | byte-level BPE, learned from the same stories |\n\
         | training | {} steps of {} rows: {:.1} M tokens, padding not counted |\n\
         | stories read | {}, of which {} distinct |\n\
         | time | {:.0} minutes on {} threads |\n\
         | processor | {} |\n\
         | seed | {} |\n\
         | perplexity, 1,000 generated stories it never saw | {generated:.2} |\n\
         | perplexity, {} hand-written stories it never saw | {written:.2} |\n\
         | samples that end by themselves within 80 tokens | {ended} of {} |\n\
         | word 8-grams of those samples that stand in a training story | {:.1} % |\n\
         | SHA-256 of model.safetensors | `{}` |\n\n",
        config.hidden_size,
        config.layers,
        config.vocab_size,
        config.max_tokens,
        config.steps,
        config.batch_size,
        run.tokens as f64 / 1e6,
        seen.stories,
        seen.distinct,
        run.seconds / 60.0,
        sys::threads(),
        sys::processor(),
        config.seed,
        corpus.held_out_written().len(),
        texts.len(),
        100.0 * copied as f64 / grams.len().max(1) as f64,
        sha256(&weights)?,
    );
    let _ = write!(
        card,
        "{} The training text is the \
         grammars and the hand-written stories in `data/stories`; the last 30 hand-written stories of each language are \
         held out. `samples.md` has twenty unedited samples.\n\n\
         What it is not: it knows nothing of the world, answers no question and follows no instruction. It tells small \
         stories with a small vocabulary, and its characters come from the tables of the grammars. So do its plots, \
         which come back; and now and then a story reads like the primers of its training, \
         which name two characters again and again. Half of what it read is Spanish, half English; an empty prompt may \
         give either.\n",
        run.repeating(),
    );
    Ok(card)
}
