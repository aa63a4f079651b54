//! What a learner hands in: a value, or a function that is tried on inputs drawn anew.

use super::datum::{Datum, Take};
use crate::history::History;
use crate::table::Table;

/// An answer, whatever it is.
pub enum Given {
    /// A number, a text, a list.
    Value(Datum),
    /// What a training left.
    History(Box<History>),
    /// Rows and columns.
    Table(Box<Table>),
    /// A function to be tried.
    Function(Function),
}

/// A function with its signature.
pub struct Function {
    /// As Rust writes it.
    pub signature: &'static str,
    /// The result; nothing where the arguments are others than the signature says.
    #[allow(clippy::type_complexity)] // it is what it says
    pub call: Box<dyn Fn(&[Datum]) -> Option<Datum>>,
}

impl Given {
    /// What kind of answer it is, in words.
    pub fn kind(&self) -> String {
        match self {
            Self::Value(datum) => datum.kind(),
            Self::History(_) => tr!("la historia de un entrenamiento", "the history of a training"),
            Self::Table(_) => tr!("una tabla", "a table"),
            Self::Function(function) => tr!("una función `{}`", "a function `{}`", function.signature),
        }
    }

    /// The number that was handed in, whole or not.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Value(Datum::Number(value)) => Some(*value),
            Self::Value(Datum::Count(value)) => Some(*value as f64),
            _ => None,
        }
    }
}

/// Anything that can be handed in: `&value` or `function`. `Kind` only tells the cases apart.
#[diagnostic::on_unimplemented(
    message = "esta respuesta no es de las que se revisan / this is no answer that can be checked",
    label = "cambia los argumentos o el resultado / its arguments or result are others",
    note = "deja la primera línea de la función como en el ejercicio / keep the function's first line as in the exercise",
    note = "un valor se entrega con & / a value is handed in with &: check(\"02h\", &table)?"
)]
pub trait Answer<Kind> {
    /// The answer as the checks take it.
    fn give(self) -> Given;
}

/// The answer as the checks take it.
pub fn given<Kind>(answer: impl Answer<Kind>) -> Given {
    answer.give()
}

/// Marks answers that are values.
pub struct Value;

macro_rules! values {
    ($($type:ty => |$value:ident| $given:expr;)+) => {
        $(impl Answer<Value> for &$type {
            fn give(self) -> Given {
                let $value = self;
                $given
            }
        })+
    };
}

values! {
    bool => |value| Given::Value(Datum::Flag(*value));
    f64 => |value| Given::Value(Datum::Number(*value));
    f32 => |value| Given::Value(Datum::Number(f64::from(*value)));
    usize => |value| Given::Value(Datum::Count(*value));
    i32 => |value| Given::Value(Datum::Number(f64::from(*value)));
    u32 => |value| Given::Value(Datum::Number(f64::from(*value)));
    String => |value| Given::Value(Datum::Text(value.clone()));
    &str => |value| Given::Value(Datum::Text(value.to_string()));
    Vec<f64> => |value| Given::Value(Datum::Numbers(value.clone()));
    Vec<usize> => |value| Given::Value(Datum::Counts(value.clone()));
    Vec<String> => |value| Given::Value(Datum::Texts(value.clone()));
    History => |value| Given::History(Box::new(value.clone()));
    Table => |value| Given::Table(Box::new(value.clone()));
}

macro_rules! functions {
    ($(fn($($name:ident: $argument:ty),+) -> $result:ty;)+) => {
        $(impl<F: Fn($($argument),+) -> $result + 'static> Answer<fn($($argument),+) -> $result> for F {
            fn give(self) -> Given {
                let call = move |data: &[Datum]| {
                    let mut data = data.iter();
                    $(let $name = Take::take(data.next()?)?;)+
                    data.next().is_none().then(|| Datum::from(self($($name),+)))
                };
                let signature = stringify!(fn($($argument),+) -> $result);
                Given::Function(Function { signature, call: Box::new(call) })
            }
        })+
    };
}

// A line for each signature that exercises ask for.
functions! {
    fn(a: &[f64]) -> f64;
    fn(a: &[f64]) -> Vec<f64>;
    fn(a: &[f64], b: bool) -> Vec<f64>;
    fn(a: &[f64], b: usize) -> usize;
    fn(a: &[f64], b: f64, c: f64) -> f64;
    fn(a: &[f64], b: &[bool]) -> f64;
    fn(a: &[f64], b: &[bool], c: &[f64]) -> f64;
    fn(a: &[f64], b: f64) -> f64;
    fn(a: &[f64], b: f64) -> Vec<f64>;
    fn(a: &[f64], b: f64, c: usize) -> Vec<f64>;
    fn(a: &[f64], b: &[f64]) -> f64;
    fn(a: &[f64], b: &[String]) -> String;
    fn(a: &[bool]) -> Vec<usize>;
    fn(a: &[bool], b: &[bool]) -> Vec<usize>;
    fn(a: &[usize], b: f64) -> usize;
    fn(a: &[usize]) -> Vec<Vec<u32>>;
    fn(a: &[u32]) -> Vec<(u32, u32)>;
    fn(a: &[u32], b: &[String]) -> String;
    fn(a: &[Vec<u32>]) -> usize;
    fn(a: &str) -> String;
    fn(a: &str) -> Vec<String>;
    fn(a: &[String]) -> f64;
    fn(a: &[String]) -> String;
    fn(a: &[String]) -> Vec<String>;
    fn(a: &[String], b: &[String]) -> f64;
    fn(a: &[String], b: &[String]) -> usize;
    fn(a: &[String], b: &[String]) -> Vec<String>;
}
