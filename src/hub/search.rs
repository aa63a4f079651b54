//! Looking for a model: those of the Hub by task, language, size and licence, and those that need no network.

use super::card::Card;
use super::download;
use super::net::encoded;
use super::places::Places;
use super::refusal::no_answer;
use crate::error::{Error, ErrorKind, Result};
use crate::show::say;
use crate::table::similar::similar;
use crate::table::{listed, numbers, texts, Table};
use hf_hub::Repo;
use polars::prelude::{Column, DataFrame};
use serde_json::Value;

/// Models that are asked for, of which some are too large.
const ASKED: usize = 200;
/// Rows of the answer where nobody says otherwise.
const LIMIT: usize = 20;
/// The Hub's names for what is done with text.
const TASKS: [&str; 10] = [
    "text-classification",
    "token-classification",
    "fill-mask",
    "text-generation",
    "question-answering",
    "summarization",
    "translation",
    "sentence-similarity",
    "feature-extraction",
    "zero-shot-classification",
];
/// What the Hub can sort by.
const SORTS: [&str; 5] = ["downloads", "likes", "lastModified", "createdAt", "trendingScore"];

/// A search on the Hub, told step by step; [`Search::run`] asks.
///
/// ```no_run
/// use aula::hub::search;
/// search("fill-mask").language("es").max_mb(500).licence("apache-2.0").run()?
/// # ; Ok::<(), aula::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// The Hub's name for what the model does; empty for any.
    pub task: String,
    /// A word in its name; empty for any.
    pub word: String,
    /// A code such as `es`; empty for any.
    pub language: String,
    /// A licence's short name such as `mit`; empty for any.
    pub licence: String,
    /// Largest size of its weights in megabytes; 0 for any.
    pub max_mb: u64,
    /// `downloads` (the default), `likes`, `lastModified`, `createdAt` or `trendingScore`, the most first.
    pub sort: String,
    /// Most rows; 20 by default.
    pub limit: usize,
}

/// Begins a search for models that do `task`: `"fill-mask"`, `"text-classification"`, ...; `""` for any.
pub fn search(task: &str) -> Search {
    Search {
        task: task.trim().into(),
        word: String::new(),
        language: String::new(),
        licence: String::new(),
        max_mb: 0,
        sort: "downloads".into(),
        limit: LIMIT,
    }
}

impl Search {
    /// Only models with this word in their name.
    pub fn word(&self, word: &str) -> Search {
        Search { word: word.into(), ..self.clone() }
    }

    /// Only models for this language, by its code: `"es"`.
    pub fn language(&self, code: &str) -> Search {
        Search { language: code.into(), ..self.clone() }
    }

    /// Only models with this licence, by its short name: `"apache-2.0"`, `"mit"`.
    pub fn licence(&self, name: &str) -> Search {
        Search { licence: name.into(), ..self.clone() }
    }

    /// Only models whose weights take at most so many megabytes.
    pub fn max_mb(&self, megabytes: u64) -> Search {
        Search { max_mb: megabytes, ..self.clone() }
    }

    /// In this order, the most first: `"downloads"`, `"likes"`, `"lastModified"`, `"createdAt"`, `"trendingScore"`.
    pub fn sort(&self, by: &str) -> Search {
        Search { sort: by.into(), ..self.clone() }
    }

    /// At most so many rows.
    pub fn limit(&self, rows: usize) -> Search {
        Search { limit: rows, ..self.clone() }
    }

    /// Asks the Hub; a row for each model, with its size, licence, languages and whether it is gated.
    ///
    /// # Errors
    /// When the order is none of those above, nothing is found, or the Hub cannot be reached: then the error names the
    /// models that are here.
    pub fn run(&self) -> Result<Table> {
        self.run_in(&Places::from_env())
    }

    pub(super) fn run_in(&self, places: &Places) -> Result<Table> {
        if !SORTS.contains(&self.sort.as_str()) {
            let (sort, known) = (&self.sort, SORTS.join(", "));
            let what = tr!("No se puede ordenar por «{sort}».", "One cannot sort by \"{sort}\".");
            return Err(
                Error::new(ErrorKind::BadSetting, what).next(tr!("Se puede por: {known}.", "One can by: {known}."))
            );
        }
        let net = download::online(&self.told(), places)?;
        let found = net.json(&self.url(places)).map_err(|trouble| no_answer(trouble, None, places))?;
        let models: Vec<&Value> = found.as_array().into_iter().flatten().collect();
        let mut rows: Vec<Row> = models.iter().filter_map(|model| row(model)).collect();
        let (before, max) = (rows.len(), self.max_mb);
        if max > 0 {
            rows.retain(|row| row.megabytes.is_some_and(|megabytes| megabytes <= max as f64));
            let (left, asked) = (before - rows.len(), before);
            if left > 0 {
                say(&tr!(
                    "De los {asked} primeros, {left} pasan de {max} MB o no dicen cuánto ocupan.",
                    "Of the first {asked}, {left} are above {max} MB or do not say how large they are."
                ));
            }
        }
        rows.truncate(self.limit.max(1));
        if rows.is_empty() {
            return Err(self.nothing());
        }
        table(&rows)
    }

    fn url(&self, places: &Places) -> String {
        let mut url = format!("{}/api/models?sort={}&direction=-1", places.endpoint, self.sort);
        let asked = if self.max_mb > 0 { ASKED } else { self.limit.clamp(1, ASKED) };
        url += &format!("&limit={asked}");
        let licence = if self.licence.is_empty() { String::new() } else { format!("license:{}", self.licence) };
        let wishes =
            [("pipeline_tag", &self.task), ("search", &self.word), ("filter", &self.language), ("filter", &licence)];
        for (name, value) in wishes.iter().filter(|(_, value)| !value.trim().is_empty()) {
            url += &format!("&{name}={}", encoded(value.trim()));
        }
        for field in ["pipeline_tag", "tags", "cardData", "safetensors", "downloads", "likes", "gated"] {
            url += &format!("&expand%5B%5D={field}");
        }
        url
    }

    /// The search in words.
    fn told(&self) -> String {
        let wishes = [&self.task, &self.word, &self.language, &self.licence].map(String::as_str);
        wishes.into_iter().filter(|wish| !wish.is_empty()).collect::<Vec<_>>().join(", ")
    }

    fn nothing(&self) -> Error {
        let told = self.told();
        let error = Error::new(
            ErrorKind::NotFound,
            tr!("El Hub no tiene modelos así: {told}.", "The Hub has no such models: {told}."),
        );
        let tasks = TASKS.map(String::from);
        if self.task.is_empty() || tasks.contains(&self.task) {
            return error.next(tr!("Quita una condición, o sube max_mb.", "Drop a condition, or raise max_mb."));
        }
        let known = listed(&tasks, tasks.len());
        match similar(&self.task, &tasks, 1).first() {
            Some(near) => error.next(tr!("¿Quisiste decir «{near}»?", "Did you mean \"{near}\"?")),
            None => error.next(tr!("Tareas con texto: {known}.", "Tasks with text: {known}.")),
        }
    }
}

/// A model that was found.
struct Row {
    name: String,
    card: Card,
    megabytes: Option<f64>,
    downloads: Option<f64>,
    likes: Option<f64>,
}

fn row(model: &Value) -> Option<Row> {
    let listing = super::asked::Listing { commit: String::new(), files: Vec::new(), told: model.clone() };
    let mut card = Card::told(&listing, &[]);
    if card.languages.is_empty() {
        let tags = model["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
        // Languages stand among the tags as their codes alone.
        card.languages = tags.filter(|tag| tag.len() == 2 && tag.is_ascii()).map(String::from).collect();
    }
    let types = model["safetensors"]["parameters"].as_object();
    let bytes = types
        .map(|types| types.iter().map(|(dtype, count)| count.as_f64().unwrap_or(0.0) * bytes_of(dtype)).sum::<f64>());
    Some(Row {
        name: model["id"].as_str()?.to_string(),
        card,
        megabytes: bytes.map(|bytes| (bytes / 1e5).round() / 10.0),
        downloads: model["downloads"].as_f64(),
        likes: model["likes"].as_f64(),
    })
}

/// Bytes of a number of this type.
fn bytes_of(dtype: &str) -> f64 {
    match dtype {
        "F64" | "I64" | "U64" => 8.0,
        "F16" | "BF16" | "I16" | "U16" => 2.0,
        "I8" | "U8" | "BOOL" => 1.0,
        dtype if dtype.starts_with("F8") => 1.0,
        _ => 4.0,
    }
}

fn column<'a>(name: &str, values: &'a [Row], of: impl Fn(&'a Row) -> Option<String>) -> Column {
    let values: Vec<Option<String>> = values.iter().map(of).collect();
    texts(name, values.iter().map(Option::as_deref))
}

fn table(rows: &[Row]) -> Result<Table> {
    let number = |name: &str, of: fn(&Row) -> Option<f64>| numbers(name, &rows.iter().map(of).collect::<Vec<_>>());
    let yes = |row: &Row| Some(if row.card.gated { tr!("sí", "yes") } else { tr!("no", "no") });
    let languages = |row: &Row| Some(row.card.languages.join(", ")).filter(|list| !list.is_empty());
    let columns = vec![
        column(&tr!("modelo", "model"), rows, |row| Some(row.name.clone())),
        column(&tr!("tarea", "task"), rows, |row| row.card.task.clone()),
        number("MB", |row| row.megabytes),
        column(&tr!("licencia", "licence"), rows, |row| row.card.licence.clone()),
        column(&tr!("idiomas", "languages"), rows, languages),
        column(&tr!("pide_permiso", "gated"), rows, yes),
        number(&tr!("descargas", "downloads"), |row| row.downloads),
        number(&tr!("gustan", "likes"), |row| row.likes),
    ];
    Ok(DataFrame::new_infer_height(columns).map_err(crate::table::polars_error)?.into())
}

/// The models that need no network: those that ship with the course and those already downloaded.
///
/// # Errors
/// When there are none.
pub fn available() -> Result<Table> {
    available_in(&Places::from_env())
}

pub(super) fn available_in(places: &Places) -> Result<Table> {
    let course = places.shipped().into_iter().map(|name| {
        let folder = places.shipped_folder(&name).filter(|folder| folder.is_dir());
        (folder.or_else(|| places.packaged_folder(&name)), name, tr!("curso", "course"))
    });
    let cached = places
        .cached()
        .into_iter()
        .map(|name| (places.cached_folder(&Repo::model(name.clone())), name, tr!("descargado", "downloaded")));
    let mut places_of = Vec::new();
    let mut rows = Vec::new();
    for (folder, name, place) in course.chain(cached) {
        let Some(folder) = folder else { continue };
        let card = Card::read(&folder);
        let megabytes = Some((card.disk as f64 / 1e5).round() / 10.0);
        rows.push(Row { name, card, megabytes, downloads: None, likes: None });
        places_of.push(place);
    }
    if rows.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, super::alternatives(places)).next(tr!(
            "Abre el cuaderno desde la carpeta del curso, o pon su ruta en AULA_HOME.",
            "Open the notebook from the course's folder, or put its path in AULA_HOME."
        )));
    }
    let millions = |row: &Row| row.card.parameters.map(|count| (count as f64 / 1e5).round() / 10.0);
    let columns = vec![
        column(&tr!("modelo", "model"), &rows, |row| Some(row.name.clone())),
        texts(&tr!("está", "where"), places_of.iter().map(|place| Some(place.as_str()))),
        column(&tr!("tarea", "task"), &rows, |row| row.card.task.clone()),
        numbers("MB", &rows.iter().map(|row| row.megabytes).collect::<Vec<_>>()),
        numbers(&tr!("millones_de_parámetros", "million_parameters"), &rows.iter().map(millions).collect::<Vec<_>>()),
    ];
    Ok(DataFrame::new_infer_height(columns).map_err(crate::table::polars_error)?.into())
}
