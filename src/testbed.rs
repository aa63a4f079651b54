//! The learner's own sentences with a gap, put to one model after another; what each answered is kept in a file.

use std::io::{Read, Seek, SeekFrom, Write};

use crate::error::{Error, ErrorKind, Result};
use crate::masked_model::MaskedModel;
use crate::show::{Html, Progress};
use crate::sys::{date_and_time, stopped, stopped_error};
use crate::table::Table;

/// How people write the gap.
const GAPS: [&str; 2] = ["[MASK]", "<mask>"];
/// Answers of each sentence that are kept.
const KEPT: usize = 3;
/// Most runs whose places stand side by side.
const SIDE_BY_SIDE: usize = 4;

/// Sentences with a gap and the word that is expected in each, and the file of all runs.
///
/// The file is a CSV that any spreadsheet opens, a row for each sentence of each run. Runs are only ever added at its end:
/// yesterday's are there tomorrow.
#[derive(Clone, Debug)]
pub struct TestBed {
    /// The file.
    pub file: String,
    /// Sentences, each with the word that is expected.
    pub sentences: Vec<(String, String)>,
}

/// What a model answered in one gap.
#[derive(Clone, Debug, PartialEq)]
pub struct BedAnswer {
    /// The sentence with its gap.
    pub sentence: String,
    /// The word that was expected.
    pub expected: String,
    /// The place of the expected word among all that the model knows, 1 the likeliest; none where it is no single token.
    pub place: Option<usize>,
    /// The probability of the expected word.
    pub probability: f64,
    /// The likeliest words.
    pub answers: String,
}

/// All sentences put to one model.
#[derive(Clone, Debug, PartialEq)]
pub struct BedRun {
    /// When: `2026-03-09 14:05`.
    pub date: String,
    /// What the model was called.
    pub model: String,
    /// An answer for each sentence.
    pub answers: Vec<BedAnswer>,
}

/// Every run of a file, oldest first.
#[derive(Clone, Debug)]
pub struct BedHistory {
    /// The runs.
    pub runs: Vec<BedRun>,
    /// Rows of the file that could not be read; they stay in it.
    pub unread: usize,
}

impl TestBed {
    /// A test bed with these sentences, each with the word that is expected in its gap (`[MASK]`); its runs are kept in `file`,
    /// a `.csv` that need not exist yet.
    ///
    /// # Errors
    /// No sentences, one without exactly one gap or without a word, or a file of another form.
    pub fn new(file: &str, sentences: &[(&str, &str)]) -> Result<Self> {
        let wrong = |what: String, next: String| Err(Error::new(ErrorKind::BadSetting, what).next(next));
        if !file.to_lowercase().ends_with(".csv") {
            return wrong(
                tr!("El banco se guarda en un .csv, no en {file:?}.", "A test bed is kept in a .csv, not in {file:?}."),
                tr!("Usa un nombre como \"mi-banco.csv\".", "Use a name such as \"my-test-bed.csv\"."),
            );
        }
        if sentences.is_empty() {
            return wrong(
                tr!("El banco no tiene frases.", "The test bed has no sentences."),
                tr!(
                    "Da al menos una: (\"Buenos [MASK].\", \"días\").",
                    "Give one at least: (\"Good [MASK].\", \"day\")."
                ),
            );
        }
        for (sentence, expected) in sentences {
            let gaps: usize = GAPS.iter().map(|gap| sentence.matches(gap).count()).sum();
            if gaps != 1 || expected.trim().is_empty() {
                return wrong(
                    tr!(
                        "{sentence:?} tiene {gaps} huecos y se espera {expected:?}.",
                        "{sentence:?} has {gaps} gaps, and {expected:?} is expected."
                    ),
                    tr!(
                        "Cada frase lleva un [MASK] y una palabra esperada.",
                        "Each sentence has one [MASK] and an expected word."
                    ),
                );
            }
        }
        let own = |(sentence, expected): &(&str, &str)| (sentence.to_string(), expected.trim().to_string());
        let bed = Self { file: file.to_string(), sentences: sentences.iter().map(own).collect() };
        bed.history()?; // a file of another form is better known now
        Ok(bed)
    }

    /// Puts every sentence to a model and adds what it answers to the file. `name` is what the run is called there.
    pub fn run(&self, model: &MaskedModel, name: &str) -> Result<BedRun> {
        let mut run = BedRun { date: date_and_time(), model: name.trim().to_string(), answers: Vec::new() };
        let mut progress = Progress::start(&tr!("Banco de pruebas", "Test bed"), self.sentences.len());
        for (i, (sentence, expected)) in self.sentences.iter().enumerate() {
            if stopped() {
                return Err(stopped_error(
                    tr!("Paré en la frase {} del banco.", "Stopped at sentence {} of the test bed.", i + 1),
                    tr!("No se anotó nada: ejecuta la celda otra vez.", "Nothing was noted: run the cell again."),
                ));
            }
            let (fillings, found) = model.fill_and_find(sentence, KEPT, expected)?;
            let answer = |filling: &crate::masked_model::Filling| {
                format!("{} ({:.0} %)", filling.token, 100.0 * filling.probability)
            };
            run.answers.push(BedAnswer {
                sentence: sentence.clone(),
                expected: expected.clone(),
                place: found.map(|found| found.0),
                probability: found.map_or(0.0, |found| f64::from(found.1)),
                answers: fillings.options.iter().map(answer).collect::<Vec<_>>().join(", "),
            });
            progress.update(i + 1, &tr!("frases", "sentences"));
        }
        progress.end(&tr!("frases", "sentences"));
        self.add(&run)?;
        Ok(run)
    }

    /// Adds a run at the end of the file, in one piece.
    fn add(&self, run: &BedRun) -> Result<()> {
        let mut text: String = run.answers.iter().map(|answer| line(&row(run, answer))).collect();
        let mut write = || -> std::io::Result<()> {
            let mut file = std::fs::OpenOptions::new().read(true).append(true).create(true).open(&self.file)?;
            if file.metadata()?.len() == 0 {
                text.insert_str(0, &line(&header()));
            } else {
                // Somebody's editor may have left out the last end of line.
                let mut last = [0u8];
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    text.insert(0, '\n');
                }
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| {
            let file = &self.file;
            Error::new(
                ErrorKind::System,
                tr!("No pude anotar la prueba en {file}.", "The run could not be noted in {file}."),
            )
            .why(error)
            .next(tr!(
                "Cierra el archivo si otro programa lo tiene abierto.",
                "Close the file if another program has it open."
            ))
        })
    }

    /// Every run in the file, those of earlier days too.
    pub fn history(&self) -> Result<BedHistory> {
        let (mut runs, mut unread): (Vec<BedRun>, usize) = (Vec::new(), 0);
        if std::fs::metadata(&self.file).map_or(true, |file| file.len() == 0) {
            return Ok(BedHistory { runs, unread });
        }
        let table = Table::read_with_header(&self.file)?;
        let columns = table.columns();
        if columns.len() != header().len() {
            let (file, columns) = (&self.file, columns.join(", "));
            return Err(Error::new(
                ErrorKind::BadData,
                tr!("{file} no es un banco de pruebas.", "{file} is not a test bed."),
            )
            .why(tr!("sus columnas son {columns}", "its columns are {columns}"))
            .next(tr!(
                "Usa otro nombre de archivo: ese no se toca.",
                "Use another file name: that one is left alone."
            )));
        }
        let values = columns.iter().map(|column| table.strings(column)).collect::<Result<Vec<_>>>()?;
        for i in 0..table.height() {
            let field = |column: usize| values.get(column).and_then(|all| all[i].clone()).unwrap_or_default();
            let (Some((date, model)), Ok(probability)) = (named(&field(0), &field(1)), field(5).parse::<f64>()) else {
                unread += 1;
                continue;
            };
            let answer = BedAnswer {
                sentence: field(2),
                expected: field(3),
                place: field(4).parse::<f64>().ok().map(|place| place as usize),
                probability,
                answers: field(6),
            };
            // A run is a stretch of rows of the same date and name; the same sentence again begins another.
            let again = |run: &&mut BedRun| {
                let same = run.date == date && run.model == model;
                same && run.answers.iter().all(|known| known.sentence != answer.sentence)
            };
            match runs.last_mut().filter(again) {
                Some(run) => run.answers.push(answer),
                None => runs.push(BedRun { date, model, answers: vec![answer] }),
            }
        }
        Ok(BedHistory { runs, unread })
    }

    /// Shows the sentences.
    pub fn evcxr_display(&self) {
        let rows: Vec<_> = self.sentences.iter().map(|(text, word)| vec![text.clone(), word.clone()]).collect();
        let headers = [tr!("frase", "sentence"), tr!("se espera", "expected")];
        Html::table(&headers, &rows, &self.file).evcxr_display();
    }
}

fn named(date: &str, model: &str) -> Option<(String, String)> {
    (!date.is_empty()).then(|| (date.to_string(), model.to_string()))
}

fn header() -> [String; 7] {
    [
        tr!("fecha", "date"),
        tr!("modelo", "model"),
        tr!("frase", "sentence"),
        tr!("se_espera", "expected"),
        tr!("puesto", "place"),
        tr!("probabilidad", "probability"),
        tr!("respuestas", "answers"),
    ]
}

fn row(run: &BedRun, answer: &BedAnswer) -> [String; 7] {
    let place = answer.place.map_or_else(String::new, |place| place.to_string());
    let probability = format!("{:.4}", answer.probability);
    let BedAnswer { sentence, expected, answers, .. } = answer.clone();
    [run.date.clone(), run.model.clone(), sentence, expected, place, probability, answers]
}

/// A line of a CSV, every text between quotation marks.
fn line(fields: &[String; 7]) -> String {
    let quoted = |text: &String| format!("\"{}\"", text.replace('"', "\"\"").replace(['\n', '\r'], " "));
    fields.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

impl BedRun {
    /// The share of sentences whose expected word is among the model's `k` likeliest.
    pub fn hits(&self, k: usize) -> f64 {
        let hits = self.answers.iter().filter(|answer| answer.place.is_some_and(|place| place <= k)).count();
        hits as f64 / self.answers.len().max(1) as f64
    }

    /// The mean probability that the model gave the expected words.
    pub fn mean_probability(&self) -> f64 {
        self.answers.iter().map(|answer| answer.probability).sum::<f64>() / self.answers.len().max(1) as f64
    }

    fn caption(&self) -> String {
        let unknown = self.answers.iter().filter(|answer| answer.place.is_none()).count();
        let (model, count, first, five) = (&self.model, self.answers.len(), 100.0 * self.hits(1), 100.0 * self.hits(5));
        let caption = tr!(
            "{model}: la palabra esperada es la primera en el {first:.0} % de {count} frases, y está entre las cinco primeras en el {five:.0} %.",
            "{model}: the expected word comes first in {first:.0} % of {count} sentences, and is among the first five in {five:.0} %."
        );
        match unknown {
            0 => caption,
            _ => {
                caption
                    + &tr!(
                        " {unknown} palabras esperadas no son un solo token para este modelo: no puede acertarlas.",
                        " {unknown} expected words are no single token of this model: it cannot get them right."
                    )
            }
        }
    }

    fn table(&self) -> Html {
        let headers = [
            tr!("frase", "sentence"),
            tr!("se espera", "expected"),
            tr!("puesto", "place"),
            tr!("probabilidad", "probability"),
            tr!("respuestas", "answers"),
        ];
        let row = |answer: &BedAnswer| {
            let place = answer.place.map_or_else(|| "—".to_string(), |place| place.to_string());
            let probability = format!("{:.1} %", 100.0 * answer.probability);
            vec![answer.sentence.clone(), answer.expected.clone(), place, probability, answer.answers.clone()]
        };
        Html::table(&headers, &self.answers.iter().map(row).collect::<Vec<_>>(), &self.caption())
    }

    /// Shows each sentence with the place of its expected word.
    pub fn evcxr_display(&self) {
        self.table().evcxr_display();
    }
}

impl std::fmt::Display for BedRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.table().plain)
    }
}

impl BedHistory {
    fn summary(&self) -> Html {
        let headers = [
            tr!("fecha", "date"),
            tr!("modelo", "model"),
            tr!("frases", "sentences"),
            tr!("primera", "first"),
            tr!("entre cinco", "among five"),
            tr!("probabilidad media", "mean probability"),
        ];
        let share = |value: f64| format!("{:.0} %", 100.0 * value);
        let row = |run: &BedRun| {
            let count = run.answers.len().to_string();
            let figures = [share(run.hits(1)), share(run.hits(5)), format!("{:.1} %", 100.0 * run.mean_probability())];
            [vec![run.date.clone(), run.model.clone(), count], figures.to_vec()].concat()
        };
        let caption = match self.unread {
            0 => String::new(),
            unread => tr!("{unread} filas no se entienden.", "{unread} rows make no sense."),
        };
        Html::table(&headers, &self.runs.iter().map(row).collect::<Vec<_>>(), &caption)
    }

    /// Places of the expected words, a column for each of the last runs.
    fn places(&self) -> Html {
        let last = &self.runs[self.runs.len().saturating_sub(SIDE_BY_SIDE)..];
        let mut known: Vec<(&str, &str)> = Vec::new();
        for answer in last.iter().flat_map(|run| &run.answers) {
            if !known.contains(&(answer.sentence.as_str(), answer.expected.as_str())) {
                known.push((&answer.sentence, &answer.expected));
            }
        }
        let mut headers = vec![tr!("frase", "sentence"), tr!("se espera", "expected")];
        headers.extend(last.iter().map(|run| run.model.clone()));
        let place = |run: &BedRun, sentence: &str, expected: &str| {
            let found = run.answers.iter().find(|answer| answer.sentence == sentence && answer.expected == expected);
            found.and_then(|answer| answer.place).map_or_else(|| "—".to_string(), |place| place.to_string())
        };
        let row = |(sentence, expected): &(&str, &str)| {
            let mut row = vec![sentence.to_string(), expected.to_string()];
            row.extend(last.iter().map(|run| place(run, sentence, expected)));
            row
        };
        let caption = tr!(
            "Puesto de la palabra esperada (1: la primera), en las últimas pruebas.",
            "Place of the expected word (1: the first), in the last runs."
        );
        Html::table(&headers, &known.iter().map(row).collect::<Vec<_>>(), &caption)
    }

    /// Shows a row for each run, and the places of the expected words in the last ones.
    pub fn evcxr_display(&self) {
        let html = self.summary().html + &self.places().html;
        Html::new(&html, &self.to_string()).evcxr_display();
    }
}

impl std::fmt::Display for BedHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n\n{}", self.summary().plain, self.places().plain)
    }
}
