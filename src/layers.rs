//! Data in layers: raw as it came, clean, with features, ready to train on; each a Parquet file, with a manifest that
//! says where it came from, so that nothing is done twice and anything can be done again.

use crate::clean::Recipe;
use crate::error::{Error, ErrorKind, Result};
use crate::look::{headers, shown};
use crate::show::{say, Html};
use crate::split::SplitConfig;
use crate::table::{count, Lineage, Part, Table};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file that says what the others are.
const MANIFEST: &str = "manifest.json";
/// The layers in their order.
const LAYERS: [&str; 4] = ["raw", "clean", "features", "ready"];

/// A folder with the layers of one data set.
///
/// ```no_run
/// use aula::clean::{Recipe, Step};
/// use aula::layers::Layers;
/// use aula::split::SplitConfig;
/// let layers = Layers::open("layers")?;
/// layers.raw("forum.csv")?;
/// layers.clean(&Recipe::new(&[Step::drop_deleted("text"), Step::tidy_spaces("text")]))?;
/// layers.features(&Recipe::new(&[Step::lengths("text")]))?;
/// let ready = layers.ready(&SplitConfig::default(), &Recipe::new(&[Step::winsorize("score", 0.01, 0.99)]))?;
/// # Ok::<(), aula::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Layers {
    folder: PathBuf,
}

/// The last layer: the parts to train, choose and test with, and the recipe with the numbers it found on train.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Rows to train on.
    pub train: Table,
    /// Rows to choose by.
    pub valid: Table,
    /// Rows to test with.
    pub test: Table,
    /// The recipe, fitted on the training part.
    pub recipe: Recipe,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Manifest {
    layers: BTreeMap<String, Entry>,
}

/// What the manifest says of a layer.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    /// The file or the layer it was made from.
    source: String,
    /// Of all it was made from: the source's content, the recipe, the settings of the split.
    made_from_sha256: String,
    /// Each file with its rows and its SHA-256.
    files: Vec<(String, usize, String)>,
    columns: Vec<String>,
    recipe: Option<Recipe>,
    lineage: Lineage,
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Layers {
    /// The layers in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &str) -> Result<Layers> {
        std::fs::create_dir_all(folder).map_err(|error| {
            Error::new(
                ErrorKind::System,
                tr!("La carpeta «{folder}» no se pudo crear.", "The folder \"{folder}\" could not be made."),
            )
            .why(error)
        })?;
        Ok(Layers { folder: folder.into() })
    }

    /// The first layer: the file at `path` as it came.
    ///
    /// # Errors
    /// When the file cannot be read as a table (see [`Table::read`]), or the disk refuses.
    pub fn raw(&self, path: &str) -> Result<Table> {
        // A file that is not there gets the reader's message.
        let bytes = std::fs::read(path).unwrap_or_default();
        let key = sha256(&bytes);
        drop(bytes);
        self.layer("raw", path, &key, None, || Table::read(path))
    }

    /// The second layer: the first one cleaned.
    ///
    /// # Errors
    /// When there is no raw layer yet, the recipe needs [`Recipe::fit`], or it fails.
    pub fn clean(&self, recipe: &Recipe) -> Result<Table> {
        self.by_recipe("clean", "raw", recipe)
    }

    /// The third layer: the second one with new columns.
    ///
    /// # Errors
    /// When there is no clean layer yet, the recipe needs [`Recipe::fit`], or it fails.
    pub fn features(&self, recipe: &Recipe) -> Result<Table> {
        self.by_recipe("features", "clean", recipe)
    }

    /// The last layer: the third one parted, and then `recipe` with what it finds on the training part alone applied to
    /// each part.
    ///
    /// # Errors
    /// When there is no features layer yet, or the split or the recipe fails.
    pub fn ready(&self, config: &SplitConfig, recipe: &Recipe) -> Result<Ready> {
        let manifest = self.manifest()?;
        let key = self.key(&manifest, "features", &format!("{config:?}{}", json(recipe)?))?;
        let names = ["ready-train.parquet", "ready-valid.parquet", "ready-test.parquet"];
        let parts = [Part::Train, Part::Valid, Part::Test];
        if let Some(entry) = self.unchanged(&manifest, "ready", &key) {
            let part = |i: usize| {
                let mut table = self.open_file(names[i], entry)?;
                table.lineage_mut().part = Some(parts[i]);
                Ok::<Table, Error>(table)
            };
            let recipe = entry.recipe.clone().unwrap_or_else(|| recipe.clone());
            return Ok(Ready { train: part(0)?, valid: part(1)?, test: part(2)?, recipe });
        }
        let split = self.open_layer(&manifest, "features")?.split(config)?;
        let fitted = if recipe.needs_fit() { recipe.fit(&split.train)? } else { recipe.clone() };
        let made = |table: &Table| match table.height() {
            0 => Ok(table.clone()),
            _ => fitted.apply(table).map(|cleaned| cleaned.table),
        };
        let ready =
            Ready { train: made(&split.train)?, valid: made(&split.valid)?, test: made(&split.test)?, recipe: fitted };
        let tables = [&ready.train, &ready.valid, &ready.test];
        let files: Vec<(&str, &Table)> = names.into_iter().zip(tables).collect();
        self.store(manifest, "ready", "features", key, Some(ready.recipe.clone()), &files)?;
        Ok(ready)
    }

    fn by_recipe(&self, name: &str, source: &str, recipe: &Recipe) -> Result<Table> {
        let manifest = self.manifest()?;
        let key = self.key(&manifest, source, &json(recipe)?)?;
        self.layer(name, source, &key, Some(recipe), || Ok(recipe.apply(&self.open_layer(&manifest, source)?)?.table))
    }

    /// The layer as it is on disk if nothing it is made from has changed, else as `make` makes it.
    fn layer(
        &self,
        name: &str,
        source: &str,
        key: &str,
        recipe: Option<&Recipe>,
        make: impl FnOnce() -> Result<Table>,
    ) -> Result<Table> {
        let manifest = self.manifest()?;
        let file = format!("{name}.parquet");
        if let Some(entry) = self.unchanged(&manifest, name, key) {
            return self.open_file(&file, entry);
        }
        let table = make()?;
        self.store(manifest, name, source, key.to_string(), recipe.cloned(), &[(&file, &table)])?;
        Ok(table)
    }

    fn path(&self, file: &str) -> String {
        self.folder.join(file).to_string_lossy().into_owned()
    }

    fn manifest(&self) -> Result<Manifest> {
        let path = self.path(MANIFEST);
        match std::fs::read_to_string(&path) {
            Err(_) => Ok(Manifest::default()),
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                Error::new(
                    ErrorKind::BadData,
                    tr!("El manifiesto «{path}» está roto.", "The manifest \"{path}\" is broken."),
                )
                .why(error)
                .next(tr!("Bórralo: las capas se hacen otra vez.", "Delete it: the layers are made again."))
            }),
        }
    }

    /// What a layer made from `source` by `how` is known by.
    fn key(&self, manifest: &Manifest, source: &str, how: &str) -> Result<String> {
        let Some(entry) = manifest.layers.get(source) else { return Err(missing(source)) };
        let content: Vec<&str> = entry.files.iter().map(|file| file.2.as_str()).collect();
        Ok(sha256(format!("{}{how}", content.concat()).as_bytes()))
    }

    /// The manifest's entry, where it was made from the same and its files are as they were written; says so.
    fn unchanged<'a>(&self, manifest: &'a Manifest, name: &str, key: &str) -> Option<&'a Entry> {
        let entry = manifest.layers.get(name).filter(|entry| entry.made_from_sha256 == key)?;
        let same = |file: &(String, usize, String)| {
            std::fs::read(self.folder.join(&file.0)).is_ok_and(|bytes| sha256(&bytes) == file.2)
        };
        if !entry.files.iter().all(same) {
            say(&tr!(
                "Capa «{name}»: sus archivos cambiaron o faltan, se hace otra vez.",
                "Layer \"{name}\": its files have changed or are missing, it is made again."
            ));
            return None;
        }
        say(&tr!(
            "Capa «{name}»: nada cambió, no se hace otra vez.",
            "Layer \"{name}\": nothing has changed, it is not made again."
        ));
        Some(entry)
    }

    fn open_file(&self, file: &str, entry: &Entry) -> Result<Table> {
        let mut table = Table::read_parquet(&self.path(file))?;
        *table.lineage_mut() = entry.lineage.clone();
        Ok(table)
    }

    fn open_layer(&self, manifest: &Manifest, name: &str) -> Result<Table> {
        let Some(entry) = manifest.layers.get(name) else { return Err(missing(name)) };
        self.open_file(&format!("{name}.parquet"), entry)
    }

    fn store(
        &self,
        mut manifest: Manifest,
        name: &str,
        source: &str,
        key: String,
        recipe: Option<Recipe>,
        files: &[(&str, &Table)],
    ) -> Result<()> {
        let mut written = Vec::new();
        for (file, table) in files {
            let path = self.path(file);
            table.save(&path)?;
            let bytes = std::fs::read(&path).map_err(|error| refused(&path, &error))?;
            written.push((file.to_string(), table.height(), sha256(&bytes)));
        }
        let (columns, mut lineage) =
            files.first().map(|(_, table)| (table.columns(), table.lineage().clone())).unwrap_or_default();
        lineage.part = None;
        let entry =
            Entry { source: source.to_string(), made_from_sha256: key, files: written, columns, recipe, lineage };
        let rows: usize = entry.files.iter().map(|file| file.1).sum();
        manifest.layers.insert(name.to_string(), entry);
        let path = self.path(MANIFEST);
        let text = serde_json::to_string_pretty(&manifest).unwrap_or_default() + "\n";
        let beside = format!("{path}.tmp");
        let saved = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, &path));
        saved.map_err(|error| refused(&path, &error))?;
        let rows = count(rows);
        say(&tr!("Capa «{name}»: {rows} filas guardadas.", "Layer \"{name}\": {rows} rows saved."));
        Ok(())
    }

    /// As a page shows it, and in plain text: a line for each layer.
    pub fn html(&self) -> Html {
        let headers = headers(
            &["capa", "hecha de", "filas", "columnas", "pasos", "archivos", "SHA-256"],
            &["layer", "made from", "rows", "columns", "steps", "files", "SHA-256"],
        );
        let manifest = self.manifest().unwrap_or_default();
        let line = |name: &&str| {
            let entry = manifest.layers.get(*name)?;
            let rows: usize = entry.files.iter().map(|file| file.1).sum();
            let join = |pick: fn(&(String, usize, String)) -> String| {
                entry.files.iter().map(pick).collect::<Vec<_>>().join(", ")
            };
            Some(vec![
                name.to_string(),
                entry.source.clone(),
                count(rows),
                entry.columns.len().to_string(),
                entry.recipe.as_ref().map_or("—".into(), |recipe| recipe.steps.len().to_string()),
                join(|file| file.0.clone()),
                join(|file| file.2.chars().take(8).collect()),
            ])
        };
        let rows: Vec<Vec<String>> = LAYERS.iter().filter_map(line).collect();
        Html::table(&headers, &rows, &self.folder.to_string_lossy())
    }
}

shown!(Layers);

impl Ready {
    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(&["parte", "filas", "columnas"], &["part", "rows", "columns"]);
        let parts = [(Part::Train, &self.train), (Part::Valid, &self.valid), (Part::Test, &self.test)];
        let rows = parts.map(|(part, table)| vec![part.to_string(), count(table.height()), table.columns().join(", ")]);
        Html::table(&headers, &rows, "")
    }
}

shown!(Ready);

fn json(recipe: &Recipe) -> Result<String> {
    serde_json::to_string(recipe).map_err(|error| {
        Error::new(ErrorKind::BadSetting, tr!("La receta no se pudo escribir.", "The recipe could not be written."))
            .why(error)
    })
}

fn missing(name: &str) -> Error {
    let call = match name {
        "raw" => "layers.raw(\"...\")?",
        "clean" => "layers.clean(&recipe)?",
        _ => "layers.features(&recipe)?",
    };
    Error::new(ErrorKind::NotFound, tr!("Falta la capa «{name}».", "The layer \"{name}\" is missing."))
        .next(tr!("Hazla antes: {call}", "Make it first: {call}"))
}

fn refused(path: &str, error: &std::io::Error) -> Error {
    let name = Path::new(path).display();
    Error::new(ErrorKind::System, tr!("El disco no dejó usar «{name}».", "The disk refused \"{name}\".")).why(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clean::Step;

    fn modified(folder: &Path, file: &str) -> std::time::SystemTime {
        std::fs::metadata(folder.join(file)).unwrap().modified().unwrap()
    }

    #[test]
    fn layers_are_made_once_and_again_only_when_something_changed() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("foro.csv").to_string_lossy().into_owned();
        let rows: String = (0..100).map(|i| format!("comentario número {i}  bueno,{i}\n")).collect();
        std::fs::write(&source, format!("texto,puntaje\n{rows}[deleted],5\n")).unwrap();
        let home = folder.path().join("capas");
        let layers = Layers::open(&home.to_string_lossy()).unwrap();
        let cleaning = Recipe::new(&[Step::drop_deleted("texto"), Step::tidy_spaces("texto")]);
        let features = Recipe::new(&[Step::lengths("texto")]);
        let last = Recipe::new(&[Step::winsorize("puntaje", 0.0, 0.9), Step::label_from_median("puntaje", "clase")]);
        assert_eq!(layers.clean(&cleaning).unwrap_err().kind(), ErrorKind::NotFound);
        let all = || {
            layers.raw(&source).unwrap();
            layers.clean(&cleaning).unwrap();
            layers.features(&features).unwrap();
            layers.ready(&SplitConfig::default(), &last).unwrap()
        };
        let first = all();
        assert_eq!((first.train.height(), first.valid.height(), first.test.height()), (75, 15, 10));
        let before = ["raw.parquet", "clean.parquet", "ready-train.parquet"].map(|file| modified(&home, file));
        let again = all();
        assert_eq!(before, ["raw.parquet", "clean.parquet", "ready-train.parquet"].map(|file| modified(&home, file)));
        assert_eq!(again.train.to_string(), first.train.to_string());
        assert_eq!(again.recipe, first.recipe);
        let leaks = again.train.feature_leaks("clase", &["puntaje", "texto_chars"]).unwrap();
        assert!(
            leaks.features[0].leaks && !leaks.features[1].leaks,
            "a layer remembers what was made from what: {leaks}"
        );
        assert_eq!(layers.to_string().lines().count(), 6);
        // Another recipe makes its layer and those after it again, and leaves the one before.
        let shorter =
            layers.clean(&Recipe::new(&[Step::drop_deleted("texto"), Step::drop_short("texto", 27)])).unwrap();
        assert_eq!((shorter.height(), modified(&home, "raw.parquet")), (90, before[0]));
        assert_eq!(layers.features(&features).unwrap().height(), 90);
        // A file that was changed by hand is made again.
        std::fs::write(home.join("raw.parquet"), b"x").unwrap();
        assert_eq!(layers.raw(&source).unwrap().height(), 101);
    }
}
