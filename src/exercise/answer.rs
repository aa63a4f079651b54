//! What a learner hands in: a value, or a function that is tried on inputs drawn anew.

use crate::history::History;

/// An answer, whatever it is.
#[allow(clippy::type_complexity)] // each variant's type is what it means
pub enum Given {
    /// Yes or no.
    Flag(bool),
    /// One number.
    Number(f64),
    /// Some numbers.
    Numbers(Vec<f64>),
    /// A text.
    Text(String),
    /// Some texts.
    Texts(Vec<String>),
    /// What a training left.
    History(Box<History>),
    /// From numbers to one.
    Measure(Box<dyn Fn(&[f64]) -> f64>),
    /// From numbers and which of them count to one.
    MaskedMeasure(Box<dyn Fn(&[f64], &[bool]) -> f64>),
    /// From numbers to as many numbers.
    Map(Box<dyn Fn(&[f64]) -> Vec<f64>>),
    /// From numbers and a setting to as many numbers.
    MapWith(Box<dyn Fn(&[f64], f64) -> Vec<f64>>),
    /// From numbers, a setting and a count to as many numbers.
    Sample(Box<dyn Fn(&[f64], f64, usize) -> Vec<f64>>),
    /// From token ids to pairs of them.
    Pairs(Box<dyn Fn(&[u32]) -> Vec<(u32, u32)>>),
    /// From two lists of numbers to one number.
    Compare(Box<dyn Fn(&[f64], &[f64]) -> f64>),
}

impl Given {
    /// What kind of answer it is, in words.
    pub fn kind(&self) -> String {
        match self {
            Self::Flag(_) => tr!("un sí o un no", "a yes or a no"),
            Self::Number(_) => tr!("un número", "a number"),
            Self::Numbers(_) => tr!("una lista de números", "a list of numbers"),
            Self::Text(_) => tr!("un texto", "a text"),
            Self::Texts(_) => tr!("una lista de textos", "a list of texts"),
            Self::History(_) => tr!("la historia de un entrenamiento", "the history of a training"),
            Self::Measure(_) => tr!("una función de números a un número", "a function from numbers to a number"),
            Self::MaskedMeasure(_) => tr!(
                "una función de números y cuáles cuentan a un número",
                "a function from numbers and which of them count to a number"
            ),
            Self::Map(_) => tr!("una función de números a números", "a function from numbers to numbers"),
            Self::MapWith(_) => {
                tr!("una función de números y un ajuste a números", "a function from numbers and a setting to numbers")
            }
            Self::Sample(_) => tr!(
                "una función de números, un ajuste y una cantidad a números",
                "a function from numbers, a setting and a count to numbers"
            ),
            Self::Pairs(_) => tr!("una función de ids a pares de ids", "a function from ids to pairs of ids"),
            Self::Compare(_) => {
                tr!(
                    "una función de dos listas de números a un número",
                    "a function from two lists of numbers to a number"
                )
            }
        }
    }
}

/// Anything that can be handed in: `&value` or `&function`. `Kind` only tells the cases apart.
pub trait Answer<Kind> {
    /// The answer as the checks take it.
    fn give(self) -> Given;
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
    bool => |value| Given::Flag(*value);
    f64 => |value| Given::Number(*value);
    f32 => |value| Given::Number(f64::from(*value));
    usize => |value| Given::Number(*value as f64);
    i32 => |value| Given::Number(f64::from(*value));
    u32 => |value| Given::Number(f64::from(*value));
    String => |value| Given::Text(value.clone());
    &str => |value| Given::Text(value.to_string());
    Vec<f64> => |value| Given::Numbers(value.clone());
    Vec<f32> => |value| Given::Numbers(value.iter().map(|v| f64::from(*v)).collect());
    Vec<usize> => |value| Given::Numbers(value.iter().map(|v| *v as f64).collect());
    Vec<String> => |value| Given::Texts(value.clone());
    Vec<&str> => |value| Given::Texts(value.iter().map(ToString::to_string).collect());
    History => |value| Given::History(Box::new(value.clone()));
}

macro_rules! functions {
    ($($given:ident: fn($($argument:ty),+) -> $result:ty;)+) => {
        $(impl<F: Fn($($argument),+) -> $result + 'static> Answer<fn($($argument),+) -> $result> for F {
            fn give(self) -> Given {
                Given::$given(Box::new(self))
            }
        })+
    };
}

functions! {
    Measure: fn(&[f64]) -> f64;
    MaskedMeasure: fn(&[f64], &[bool]) -> f64;
    Map: fn(&[f64]) -> Vec<f64>;
    MapWith: fn(&[f64], f64) -> Vec<f64>;
    Sample: fn(&[f64], f64, usize) -> Vec<f64>;
    Pairs: fn(&[u32]) -> Vec<(u32, u32)>;
    Compare: fn(&[f64], &[f64]) -> f64;
}
