//! Cleaning a table by a recipe: named steps, each counted and shown on five rows, that can be saved and applied again.
//!
//! Nothing is lost. A column that a step changes stays as it was under `NAME_original`, and the rows that a step takes
//! away are in `removed`. Numbers that a step finds in the data (limits, a median) are found on the training part alone;
//! who finds them elsewhere is warned.

mod dates;
mod report;
mod rewrite;
mod run;
mod step;

#[cfg(test)]
mod tests;

pub use report::StepReport;
pub use step::Step;

use crate::error::{Error, ErrorKind, Result};
use crate::look::{headers, shown};
use crate::show::{say, Html};
use crate::table::{Part, Table};
use serde::{Deserialize, Serialize};

/// Steps of cleaning in their order.
///
/// ```
/// use aula::clean::{Recipe, Step};
/// use aula::table::Table;
/// let texts = ["hola  mundo", "hola  mundo", "[deleted]"].map(String::from);
/// let table = Table::from_texts("text", &texts)?;
/// let recipe = Recipe::new(&[Step::drop_deleted("text"), Step::drop_duplicates("text"), Step::tidy_spaces("text")]);
/// let cleaned = recipe.apply(&table)?;
/// assert_eq!(cleaned.table.texts("text")?, ["hola mundo"]);
/// # Ok::<(), aula::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The steps, in the order in which they are applied.
    pub steps: Vec<Step>,
    fitted: Option<Fitted>,
}

/// The table that a recipe's numbers were found in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fitted {
    part: Option<Part>,
    rows: usize,
}

/// A cleaned table, what was taken away, and what each step did.
#[derive(Clone, Debug)]
pub struct Cleaned {
    /// The rows that are left, with new columns at the end.
    pub table: Table,
    /// The rows that were taken away, as they were, with the step that did it in the column `step` (`paso`).
    pub removed: Table,
    /// What each step did.
    pub steps: Vec<StepReport>,
}

impl Recipe {
    /// A recipe of these steps.
    pub fn new(steps: &[Step]) -> Self {
        Self { steps: steps.to_vec(), fitted: None }
    }

    /// Whether a step has a number to find in the data that was not found yet.
    pub fn needs_fit(&self) -> bool {
        self.steps.iter().any(|step| step.fitted() == Some(false))
    }

    /// The same recipe without step number `number`, counted from 1 as a cell shows them.
    ///
    /// # Errors
    /// When there is no such step.
    pub fn without(&self, number: usize) -> Result<Recipe> {
        let all = self.steps.len();
        if !(1..=all).contains(&number) {
            return Err(Error::new(ErrorKind::BadSetting, tr!("No hay paso {number}.", "There is no step {number}."))
                .next(tr!("Los pasos van de 1 a {all}.", "The steps go from 1 to {all}.")));
        }
        let mut recipe = self.clone();
        recipe.steps.remove(number - 1);
        Ok(recipe)
    }

    /// The same recipe with the numbers that its steps need (limits, a median) as found in `train`, which should be the
    /// training part of a split: elsewhere the test rows would help to find them.
    ///
    /// # Errors
    /// When `train` is the validation or test part of a split, or a step fails.
    pub fn fit(&self, train: &Table) -> Result<Recipe> {
        let mut recipe = Recipe::new(&self.steps.iter().map(Step::unfitted).collect::<Vec<_>>());
        let finds: Vec<String> =
            recipe.steps.iter().filter(|step| step.fitted().is_some()).map(Step::in_words).collect();
        if finds.is_empty() {
            say(&tr!(
                "Ningún paso de esta receta calcula nada con los datos: no hace falta fit.",
                "No step of this recipe finds a number in the data: fit is not needed."
            ));
            return Ok(recipe);
        }
        let part = train.lineage().part;
        match part {
            Some(Part::Train) => {}
            Some(part) => {
                return Err(Error::new(
                    ErrorKind::BadSetting,
                    tr!(
                        "Fuga: los números de una receta no se calculan con la parte de {part}.",
                        "Leak: a recipe's numbers are not found on the {part} part."
                    ),
                )
                .next(tr!(
                    "Usa la de entrenamiento: recipe.fit(&split.train)?",
                    "Use the training part: recipe.fit(&split.train)?"
                )))
            }
            None => say(&tr!(
                "⚠ Posible fuga: estos pasos se calculan con una tabla sin dividir, y las filas de prueba que haya en \
                 ella influyen en: {}. Divide primero y usa recipe.fit(&split.train)?",
                "⚠ Possible leak: these steps are found on a table that was not split, and the test rows in it have a \
                 say in: {}. Split first and use recipe.fit(&split.train)?",
                finds.join("; ")
            )),
        }
        run::run(&mut recipe.steps, train, true)?;
        recipe.fitted = Some(Fitted { part, rows: train.height() });
        Ok(recipe)
    }

    /// Applies the steps to a table, which stays as it was.
    ///
    /// # Errors
    /// When a step needs a number that was not found yet (see [`Recipe::fit`]), a column is not there, or no row is left.
    pub fn apply(&self, table: &Table) -> Result<Cleaned> {
        if let Some(step) = self.steps.iter().find(|step| step.fitted() == Some(false)) {
            let step = step.in_words();
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!("El paso «{step}» necesita un número de los datos.", "The step \"{step}\" needs a number of the data."),
            )
            .why(tr!(
                "Con todas las filas, las de prueba influirían en él: eso es una fuga.",
                "With all rows, the test rows would have a say in it: that is a leak."
            ))
            .next(tr!(
                "Divide primero, y calcula con la parte de entrenamiento: let fitted = recipe.fit(&split.train)?; fitted.apply(&split.train)?",
                "Split first, and find it in the training part: let fitted = recipe.fit(&split.train)?; fitted.apply(&split.train)?"
            )));
        }
        let outside = self.fitted.as_ref().is_some_and(|fitted| fitted.part != Some(Part::Train));
        if let (true, Some(part @ (Part::Valid | Part::Test))) = (outside, table.lineage().part) {
            say(&tr!(
                "⚠ Posible fuga: los números de esta receta no salen de la parte de entrenamiento, y se aplican a la de {part}.",
                "⚠ Possible leak: this recipe's numbers do not come from the training part, and are applied to the {part} part."
            ));
        }
        let mut steps = self.steps.clone();
        let mut cleaned = run::run(&mut steps, table, false)?;
        if outside {
            for step in self.steps.iter().filter(|step| step.fitted().is_some()) {
                let made = if let Step::LabelFromMedian { label, .. } = step { label } else { step.column() };
                cleaned.table.lineage_mut().peeked.insert(made.to_string());
            }
        }
        Ok(cleaned)
    }

    /// Writes the recipe to a file of readable JSON, with the numbers it found.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, path: &str) -> Result<()> {
        let failed = |error: String| {
            Error::new(
                ErrorKind::System,
                tr!("La receta no se pudo guardar en «{path}».", "The recipe could not be saved to \"{path}\"."),
            )
            .why(error)
        };
        let json = serde_json::to_string_pretty(self).map_err(|error| failed(error.to_string()))?;
        std::fs::write(path, json + "\n").map_err(|error| failed(error.to_string()))
    }

    /// Reads a recipe that [`Recipe::save`] wrote.
    ///
    /// # Errors
    /// When the file is not there or is no recipe.
    pub fn load(path: &str) -> Result<Recipe> {
        let failed = |kind: ErrorKind, error: String| {
            Error::new(kind, tr!("«{path}» no se pudo leer como receta.", "\"{path}\" could not be read as a recipe."))
                .why(error)
                .next(tr!("Guárdala con recipe.save(\"receta.json\")?", "Save it with recipe.save(\"recipe.json\")?"))
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(ErrorKind::NotFound, error.to_string()))?;
        let recipe: Recipe =
            serde_json::from_str(&text).map_err(|error| failed(ErrorKind::BadData, error.to_string()))?;
        recipe.steps.iter().try_for_each(Step::check)?;
        Ok(recipe)
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(&["n.º", "paso", "columna"], &["no.", "step", "column"]);
        let line = |(i, step): (usize, &Step)| vec![(i + 1).to_string(), step.in_words(), step.column().to_string()];
        let rows: Vec<Vec<String>> = self.steps.iter().enumerate().map(line).collect();
        let caption = match &self.fitted {
            None => String::new(),
            Some(Fitted { part: Some(part), rows }) => {
                tr!(
                    "Números calculados con la parte de {part}: {rows} filas",
                    "Numbers found on the {part} part: {rows} rows"
                )
            }
            Some(Fitted { part: None, rows }) => {
                tr!(
                    "⚠ Números calculados con una tabla sin dividir: {rows} filas",
                    "⚠ Numbers found on a table that was not split: {rows} rows"
                )
            }
        };
        Html::table(&headers, &rows, &caption)
    }
}

shown!(Recipe);

impl Table {
    /// Column `name` as it was before the first step that changed it; `NAME_original` is gone then.
    ///
    /// # Errors
    /// When it was never changed, or its original was dropped.
    pub fn restore(&self, name: &str) -> Result<Table> {
        let original = run::original(name);
        let mut column = self.column(&original)?.clone();
        column.rename(name.into());
        self.with_column(column)?.drop(&[&original])
    }
}
