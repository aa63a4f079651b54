//! What each model knows of each domain: what training taught it, and what it cost of the rest.

use super::{perplexity_interval, Trainable};
use crate::dataset::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{BootstrapConfig, Interval};
use crate::show::Html;
use crate::sys::stopped;

/// Perplexities of some models, a row each, on some data, a column each.
#[derive(Clone, Debug)]
pub struct Forgetting {
    /// Names of the models; the first is the one that the others are compared with.
    pub models: Vec<String>,
    /// Names of the data.
    pub data: Vec<String>,
    /// By model, then by data, with the interval that other texts of the same kind would give; none where the reader stopped the
    /// measuring before.
    pub perplexities: Vec<Vec<Option<Interval>>>,
}

/// Measures each of `models` on each of `data`; the first model is the one before training.
///
/// ```no_run
/// # use aula::prelude::*;
/// # fn main() -> Result<()> {
/// # let (base, adapted) = (LanguageModel::load("cuentos")?, LanguageModel::load("my-model")?);
/// # let valid = base.dataset(&["a b".to_string()], 8)?;
/// # let stories = valid.clone();
/// let table = forgetting(&[("base", &base), ("adapted", &adapted)], &[("diary", &valid), ("stories", &stories)])?;
/// assert!(table.change("adapted", "diary")? < 0.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// No models or no data, two of the same name, or data that a model cannot read.
pub fn forgetting(models: &[(&str, &dyn Trainable)], data: &[(&str, &Dataset)]) -> Result<Forgetting> {
    let mut table = Forgetting { models: names(models), data: names(data), perplexities: Vec::new() };
    check(&table.models)?;
    check(&table.data)?;
    for (_, model) in models {
        let mut row = Vec::new();
        for (_, data) in data {
            let measure = || perplexity_interval(*model, data, &BootstrapConfig::default());
            row.push(match stopped() {
                true => None,
                false => measure().map(Some).or_else(|error| if stopped() { Ok(None) } else { Err(error) })?,
            });
        }
        table.perplexities.push(row);
    }
    Ok(table)
}

fn names<T>(named: &[(&str, T)]) -> Vec<String> {
    named.iter().map(|(name, _)| name.to_string()).collect()
}

fn check(names: &[String]) -> Result<()> {
    let twice = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name));
    let what = match (names.is_empty(), twice) {
        (true, _) => {
            tr!("No hay nada que medir: una lista está vacía.", "There is nothing to measure: a list is empty.")
        }
        (_, Some((_, name))) => tr!("Hay dos que se llaman {name:?}.", "Two are called {name:?}."),
        _ => return Ok(()),
    };
    let next = tr!(
        "Da modelos y datos, cada uno con un nombre distinto: (\"base\", &base).",
        "Give models and data, each with a name of its own: (\"base\", &base)."
    );
    Err(Error::new(ErrorKind::BadSetting, what).next(next))
}

impl Forgetting {
    /// The perplexity of a model on some data, by their names; not a number where the reader stopped before.
    pub fn perplexity(&self, model: &str, data: &str) -> Result<f64> {
        Ok(value(&self.perplexities[place(&self.models, model)?][place(&self.data, data)?]))
    }

    /// How much the perplexity changed against the first model's: 0.25 is a quarter more, -0.5 half as much.
    pub fn change(&self, model: &str, data: &str) -> Result<f64> {
        let first = value(&self.perplexities[0][place(&self.data, data)?]);
        Ok(self.perplexity(model, data)? / first - 1.0)
    }

    fn table(&self) -> Html {
        let mut headers = vec![tr!("modelo", "model")];
        for name in &self.data {
            headers.push(tr!("{name}: perplejidad", "{name}: perplexity"));
            headers.push(tr!("cambio", "change"));
        }
        let row = |(model, perplexities): (&String, &Vec<Option<Interval>>)| {
            let mut row = vec![model.clone()];
            for (value, first) in perplexities.iter().zip(&self.perplexities[0]) {
                let change = 100.0 * (self::value(value) / self::value(first) - 1.0);
                let shown = |one: &Interval| format!("{:.1} [{:.1}, {:.1}]", one.value, one.low, one.high);
                row.push(value.as_ref().map_or("—".to_string(), shown));
                let same = Some(model) == self.models.first() || !change.is_finite();
                row.push(if same { "—".to_string() } else { format!("{change:+.0} %") });
            }
            row
        };
        let rows: Vec<_> = self.models.iter().zip(&self.perplexities).map(row).collect();
        let caption = tr!(
            "Perplejidad: menos es mejor; entre corchetes, su intervalo del 95 %. Un cambio con + es olvido; con −, aprendizaje.",
            "Perplexity: lower is better; in brackets, its 95 % interval. A change with + is forgetting; with -, learning."
        );
        Html::table(&headers, &rows, &caption)
    }

    /// Shows the table.
    pub fn evcxr_display(&self) {
        self.table().evcxr_display();
    }
}

fn value(perplexity: &Option<Interval>) -> f64 {
    perplexity.as_ref().map_or(f64::NAN, |interval| interval.value)
}

fn place(names: &[String], name: &str) -> Result<usize> {
    names.iter().position(|known| known == name).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, tr!("La tabla no tiene {name:?}.", "The table has no {name:?}.")).next(tr!(
            "Tiene: {}.",
            "It has: {}.",
            names.join(", ")
        ))
    })
}

impl std::fmt::Display for Forgetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.table().plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_against_the_first_model() {
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let interval = |value: f64| {
            let (low, high) = (value - 2.0, value + 3.0);
            Some(Interval { name: String::new(), value, low, high, level: 0.95, resamples: 1000 })
        };
        let table = Forgetting {
            models: names(&["base", "LoRA"]),
            data: names(&["diary", "stories"]),
            perplexities: vec![[200.0, 8.0].map(interval).to_vec(), vec![interval(50.0), interval(10.0)]],
        };
        assert_eq!(table.change("LoRA", "diary").unwrap(), -0.75);
        assert_eq!(table.change("LoRA", "stories").unwrap(), 0.25);
        assert_eq!(table.change("base", "diary").unwrap(), 0.0);
        let row = table.to_string().lines().last().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(row, "LoRA 50.0 [48.0, 53.0] -75 % 10.0 [8.0, 13.0] +25 %");
        assert!(table.perplexity("LoRA", "recipes").unwrap_err().to_string().contains("diary, stories"));
        assert!(check(&names(&["a", "a"])).is_err() && check(&[]).is_err());
    }
}
