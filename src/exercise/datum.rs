//! What a function of an exercise takes and gives.

/// One argument or one result.
macro_rules! data {
    ($($(#[$doc:meta])+ $kind:ident($owned:ty) as $taken:ty: |$value:ident| $take:expr, $es:literal, $en:literal;)+) => {
        /// One argument or one result of a function, or an answer that is a value.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Datum {
            $($(#[$doc])+ $kind($owned),)+
        }

        impl Datum {
            /// What kind of value it is, in words.
            pub fn kind(&self) -> String {
                match self {
                    $(Self::$kind(_) => tr!($es, $en),)+
                }
            }
        }

        $(
            impl From<$owned> for Datum {
                fn from(value: $owned) -> Self {
                    Self::$kind(value)
                }
            }

            impl<'a> Take<'a> for $taken {
                fn take(datum: &'a Datum) -> Option<Self> {
                    match datum {
                        Datum::$kind($value) => Some($take),
                        _ => None,
                    }
                }
            }
        )+
    };
}

/// What a function may have as an argument.
pub trait Take<'a>: Sized {
    /// The argument, where the datum is of its kind.
    fn take(datum: &'a Datum) -> Option<Self>;
}

data! {
    /// Yes or no.
    Flag(bool) as bool: |value| *value, "un sí o un no", "a yes or a no";
    /// A number.
    Number(f64) as f64: |value| *value, "un número", "a number";
    /// How many.
    Count(usize) as usize: |value| *value, "una cantidad", "a count";
    /// A text.
    Text(String) as &'a str: |value| value.as_str(), "un texto", "a text";
    /// Some yes and no.
    Flags(Vec<bool>) as &'a [bool]: |value| value.as_slice(), "una lista de síes y noes", "a list of yes and no";
    /// Some numbers.
    Numbers(Vec<f64>) as &'a [f64]: |value| value.as_slice(), "una lista de números", "a list of numbers";
    /// Some counts.
    Counts(Vec<usize>) as &'a [usize]: |value| value.as_slice(), "una lista de cantidades", "a list of counts";
    /// Token ids.
    Ids(Vec<u32>) as &'a [u32]: |value| value.as_slice(), "una lista de ids", "a list of ids";
    /// Some texts.
    Texts(Vec<String>) as &'a [String]: |value| value.as_slice(), "una lista de textos", "a list of texts";
    /// Pairs of token ids.
    Pairs(Vec<(u32, u32)>) as &'a [(u32, u32)]: |value| value.as_slice(), "pares de ids", "pairs of ids";
    /// Rows of ids or of zeros and ones.
    Rows(Vec<Vec<u32>>) as &'a [Vec<u32>]: |value| value.as_slice(), "una lista de filas", "a list of rows";
}

/// Longer lists are shown in part.
const SHOWN: usize = 12;

impl Datum {
    /// Equal but for rounding.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => close(*a, *b),
            (Self::Numbers(a), Self::Numbers(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(*a, *b)),
            (one, other) => one == other,
        }
    }

    /// As a learner would type it; of a long list the beginning.
    pub fn shown(&self) -> String {
        match self.items() {
            Some(items) if items.len() > SHOWN => {
                let all = items.len();
                tr!("[{}, … ({all} en total)]", "[{}, … ({all} in all)]", items[..SHOWN].join(", "))
            }
            Some(items) => format!("[{}]", items.join(", ")),
            None => self.alone(),
        }
    }

    /// Where two long lists of the same length differ first, and what stands there; nothing for others.
    pub fn first_difference(&self, other: &Self) -> Option<(usize, String, String)> {
        let (ours, theirs) = (self.items()?, other.items()?);
        if ours.len() != theirs.len() || ours.len() <= SHOWN {
            return None;
        }
        let place = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs)?;
        Some((place, ours[place].clone(), theirs[place].clone()))
    }

    /// The items of a list.
    fn items(&self) -> Option<Vec<String>> {
        Some(match self {
            Self::Flags(x) => x.iter().map(bool::to_string).collect(),
            Self::Numbers(x) => x.iter().map(|x| number(*x)).collect(),
            Self::Counts(x) => x.iter().map(usize::to_string).collect(),
            Self::Ids(x) => x.iter().map(u32::to_string).collect(),
            Self::Texts(x) => x.iter().map(|x| format!("{x:?}")).collect(),
            Self::Pairs(x) => x.iter().map(|x| format!("{x:?}")).collect(),
            Self::Rows(x) => x.iter().map(|x| format!("{x:?}")).collect(),
            _ => return None,
        })
    }

    fn alone(&self) -> String {
        match self {
            Self::Number(x) => number(*x),
            Self::Text(x) => format!("{x:?}"),
            Self::Flag(x) => x.to_string(),
            Self::Count(x) => x.to_string(),
            _ => String::new(),
        }
    }
}

/// At most four decimals, and none that say nothing.
fn number(x: f64) -> String {
    let text = format!("{x:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_string()
    } else {
        text.to_string()
    }
}

/// Equal within a millionth, or both no number.
fn close(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= 1e-6 * (1.0 + a.abs().max(b.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_but_for_rounding_and_texts_only_when_equal() {
        assert!(Datum::Number(0.1 + 0.2).same(&Datum::Number(0.3)));
        assert!(Datum::Number(f64::NAN).same(&Datum::Number(f64::NAN)));
        assert!(!Datum::Number(3.0).same(&Datum::Count(3)));
        assert!(!Datum::Numbers(vec![1.0]).same(&Datum::Numbers(vec![1.0, 2.0])));
        assert!(!Datum::from("a".to_string()).same(&Datum::from("b".to_string())));
    }

    #[test]
    fn a_value_is_shown_as_it_is_typed_and_a_long_list_by_its_beginning() {
        assert_eq!(Datum::Numbers(vec![1.0, 0.25, -0.000_01]).shown(), "[1, 0.25, 0]");
        assert_eq!(Datum::Texts(vec!["a\n".to_string()]).shown(), "[\"a\\n\"]");
        let (one, mut other) = ((0..20).collect::<Vec<usize>>(), (0..20).collect::<Vec<usize>>());
        other[15] = 7;
        let (one, other) = (Datum::Counts(one), Datum::Counts(other));
        assert!(one.shown().contains("11, … (20"), "{}", one.shown());
        assert_eq!(one.first_difference(&other), Some((15, "15".to_string(), "7".to_string())));
        assert_eq!(Datum::Count(1).first_difference(&Datum::Count(2)), None);
    }
}
