//! `aula-engine`: the commands that need the library. People type `aula`, which hands over to this.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::Tensor;

use aula::error::{Error, ErrorKind, Result};
use aula::forum::{Forum, ROWS, SEED};
use aula::language_model::LanguageModel;
use aula::pretrain::{pretrain, pretrain_lector, pretrain_sentiment, stories_folder, PretrainConfig};
use aula::stories::{pairs, StoryTeller};

const USAGE: &str = "usage:
  aula pretrain [cuentos|lector] [--out DIR] [--checkpoint DIR] [--steps N] [--hidden N] [--layers N] [--batch N] [--rate X] [--seed N]
      makes the models that ship again; interrupted, the same command goes on from its last checkpoint
  aula pretrain sentiment [--model DIR] [--out DIR] [--seed N]
      teaches `lector` to tell praise from blame: lector-sentiment
  aula exercise list|next|check|hint|solution|reset
      the exercises from a terminal
  aula stories es|en [--count N] [--seed N] [--plot NAME]
      tells stories from data/stories
  aula stories es|en --summaries FILE.csv
      makes data/es/cuentos-resumidos.csv or data/en/stories-summarized.csv again: stories with a summary of one line
  aula forum es|en [--out FILE.csv] [--rows N] [--seed N]
      makes data/es/foro.csv or data/en/forum.csv again, and the list of its faults in data/forum
  aula logits --model DIR --text TEXT --out FILE.safetensors
      what the model answers to a text, for `tests/peers/open_in_transformers.py`";

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match command(&arguments) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn command(arguments: &[String]) -> Result<()> {
    if let Some(("exercise", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return aula::exercise::terminal(rest);
    }
    let options = Options { arguments };
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return Ok(());
    }
    options.only_known()?;
    match arguments.first().map(String::as_str) {
        Some("pretrain") => {
            // It goes on from its checkpoint; the other commands have nothing to keep.
            aula::sys::stop_on_ctrl_c();
            match arguments.get(1).map(String::as_str) {
                Some("lector") => pretrain_lector(&options.pretrain_lector()?),
                Some("sentiment") => options.pretrain_sentiment(),
                _ => pretrain(&options.pretrain()?),
            }
        }
        Some("stories") => options.stories(),
        Some("forum") => options.forum(),
        Some("logits") => options.logits(),
        _ => Err(Error::new(ErrorKind::BadSetting, USAGE)),
    }
}

/// The command line: `--name value` pairs.
struct Options<'a> {
    arguments: &'a [String],
}

/// Every option of every command; each takes a value.
const KNOWN: &[&str] = &[
    "--out",
    "--checkpoint",
    "--steps",
    "--hidden",
    "--layers",
    "--batch",
    "--rate",
    "--seed",
    "--count",
    "--plot",
    "--summaries",
    "--model",
    "--text",
    "--rows",
];

impl Options<'_> {
    /// A mistyped option is an error, not a run with the default.
    fn only_known(&self) -> Result<()> {
        match self.arguments.iter().find(|argument| argument.starts_with("--") && !KNOWN.contains(&argument.as_str())) {
            Some(unknown) => {
                Err(Error::new(ErrorKind::BadSetting, format!("{unknown}: there is no such option")).next(USAGE))
            }
            None => Ok(()),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        let at = self.arguments.iter().position(|argument| argument == name)?;
        self.arguments.get(at + 1).map(String::as_str)
    }

    fn value<T: std::str::FromStr>(&self, name: &str, default: T) -> Result<T> {
        let Some(text) = self.text(name) else { return Ok(default) };
        text.parse().map_err(|_| {
            Error::new(ErrorKind::BadSetting, format!("{name} {text}: not a number that fits")).next(USAGE)
        })
    }

    fn pretrain(&self) -> Result<PretrainConfig> {
        let home = home()?;
        let folder = |name, default: PathBuf| self.text(name).map_or(default, PathBuf::from);
        Ok(PretrainConfig {
            stories: stories_folder(&home),
            out: folder("--out", home.join("data/models/cuentos")),
            checkpoint: folder("--checkpoint", home.join(".aula/pretrain/cuentos")),
            hidden_size: self.value("--hidden", 192)?,
            layers: self.value("--layers", 6)?,
            vocab_size: 4096,
            max_tokens: 128,
            batch_size: self.value("--batch", 48)?,
            steps: self.value("--steps", 8000)?,
            learning_rate: self.value("--rate", 2.5e-3)?,
            seed: self.value("--seed", 42)?,
        })
    }

    fn pretrain_lector(&self) -> Result<PretrainConfig> {
        let home = home()?;
        let folder = |name, default: PathBuf| self.text(name).map_or(default, PathBuf::from);
        Ok(PretrainConfig {
            out: folder("--out", home.join("data/models/lector")),
            checkpoint: folder("--checkpoint", home.join(".aula/pretrain/lector")),
            hidden_size: self.value("--hidden", 192)?,
            layers: self.value("--layers", 4)?,
            vocab_size: 5000,
            batch_size: self.value("--batch", 48)?,
            steps: self.value("--steps", 12_000)?,
            learning_rate: self.value("--rate", 1e-3)?,
            ..self.pretrain()?
        })
    }

    fn pretrain_sentiment(&self) -> Result<()> {
        let data = home()?.join("data");
        let folder = |name, default: &str| self.text(name).map_or(data.join(default), PathBuf::from);
        let (encoder, out) = (folder("--model", "models/lector"), folder("--out", "models/lector-sentiment"));
        pretrain_sentiment(&encoder, &out, &data, self.value("--seed", 42)?)
    }

    fn needed(&self, name: &str) -> Result<&str> {
        self.text(name).ok_or_else(|| Error::new(ErrorKind::BadSetting, format!("{name} is missing")).next(USAGE))
    }

    /// Writes `input_ids` (1, time) and `logits` (1, time, vocabulary).
    fn logits(&self) -> Result<()> {
        let model = LanguageModel::load(self.needed("--model")?)?;
        let ids = model.tokenizer().encode(self.needed("--text")?)?;
        let logits = model.logits_of(&ids)?.unsqueeze(0)?;
        let ids: Vec<i64> = ids.iter().map(|id| i64::from(*id)).collect();
        let ids = Tensor::new(ids, logits.device())?.unsqueeze(0)?;
        let tensors = HashMap::from([("input_ids", ids), ("logits", logits)]);
        Ok(candle_core::safetensors::save(&tensors, self.needed("--out")?)?)
    }

    fn stories(&self) -> Result<()> {
        let language = self.arguments.get(1).map_or("es", String::as_str);
        let teller = StoryTeller::new(&stories_file(language, "")?, language)?;
        if let Some(file) = self.text("--summaries") {
            return summaries(teller, language, Path::new(file));
        }
        let (count, seed, plot) = (self.value("--count", 10)?, self.value("--seed", 1)?, self.text("--plot"));
        let primer = plot.is_some_and(|plot| plot.starts_with("primer"));
        let tell = |i| if primer { teller.primer(seed, i) } else { teller.story(seed, i) };
        let stories = (0..200_000).map(tell);
        for story in stories.filter(|story| plot.is_none_or(|plot| story.plot == plot)).take(count) {
            println!("[{}] {}\n", story.plot, story.text);
        }
        Ok(())
    }

    fn forum(&self) -> Result<()> {
        let language = self.arguments.get(1).map_or("es", String::as_str);
        let data = home()?.join("data");
        let name = if language == "es" { "es/foro.csv" } else { "en/forum.csv" };
        let out = self.text("--out").map_or_else(|| data.join(name), PathBuf::from);
        // A trial leaves the list that ships as it is.
        let list = match self.text("--out") {
            Some(_) => out.with_extension("faults.json"),
            None => data.join(format!("forum/{language}-faults.json")),
        };
        let (rows, seed) = (self.value("--rows", ROWS)?, self.value("--seed", SEED)?);
        let forum = Forum::make(&data.join("forum").to_string_lossy(), language, rows, seed)?;
        forum.save(&out.to_string_lossy(), &list.to_string_lossy())?;
        println!("{}: {} rows, {} bytes", out.display(), forum.faults.rows, forum.csv.len());
        for (fault, ids) in &forum.faults.faults {
            println!("{fault:16} {}", ids.len());
        }
        Ok(())
    }
}

/// Writes stories with their summaries, in parts.
fn summaries(teller: StoryTeller, language: &str, out: &Path) -> Result<()> {
    let (names, called) = match language {
        "es" => (["cuento", "resumen", "trama", "parte"], ["entrenar", "validar", "prueba", "otras tramas"]),
        _ => (["story", "summary", "plot", "split"], ["train", "valid", "test", "other plots"]),
    };
    let teller = teller.with_summaries(&stories_file(language, "-summaries")?)?;
    let csv = pairs::csv(&pairs::summarized(&teller, pairs::SEED, &pairs::PARTS)?, &names, &called);
    std::fs::write(out, &csv).map_err(|e| aula::sys::io_error(out, "escribir", "write", &e))?;
    println!("{}: {} bytes", out.display(), csv.len());
    Ok(())
}

/// The text of a file of `data/stories`.
fn stories_file(language: &str, suffix: &str) -> Result<String> {
    let path = stories_folder(&home()?).join(format!("{language}{suffix}.txt"));
    std::fs::read_to_string(&path).map_err(|e| aula::sys::io_error(&path, "leer", "read", &e))
}

/// The project's folder.
fn home() -> Result<PathBuf> {
    aula::hub::home().ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "data/stories is not here").next("Run it inside the project's folder.")
    })
}
