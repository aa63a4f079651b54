//! Right, a wrong idea with a name, or wrong: functions are compared with the solution on inputs drawn anew.

use std::panic::{catch_unwind, AssertUnwindSafe};

use super::Given;
use crate::rng::Rng;

/// Inputs that a function is tried on.
const TRIALS: usize = 24;

/// What is thought of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is right.
    Right,
    /// It follows a wrong idea that has a name.
    Idea(&'static str),
    /// It is wrong; the text shows where.
    Wrong(String),
}

/// What a function is given.
#[derive(Clone, Debug)]
pub enum Input {
    /// Numbers.
    Numbers(Vec<f64>),
    /// Numbers, and which of them count.
    Masked(Vec<f64>, Vec<bool>),
    /// Numbers and a setting.
    With(Vec<f64>, f64),
    /// Numbers, a setting and a count.
    Sample(Vec<f64>, f64, usize),
    /// Token ids.
    Ids(Vec<u32>),
    /// Two lists of numbers.
    Two(Vec<f64>, Vec<f64>),
}

/// What a function gave.
#[derive(Clone, Debug, PartialEq)]
enum Output {
    Numbers(Vec<f64>),
    Pairs(Vec<(u32, u32)>),
}

/// Wrong ideas by name, each as the function that follows it.
pub type Ideas = Vec<(&'static str, Given)>;

/// Compares the function in `given` with `right` on inputs drawn by `draw`. One that does as a wrong idea does, on all of
/// them, gets that idea's name.
pub fn by_trial(given: &Given, right: &Given, wrong: &Ideas, rng: &mut Rng, draw: fn(&mut Rng) -> Input) -> Verdict {
    let inputs: Vec<Input> = (0..TRIALS).map(|_| draw(rng)).collect();
    let mut first = None;
    for input in &inputs {
        let wanted = apply(right, input);
        let Some(got) = apply(given, input) else { return other_kind(given, right) };
        match got {
            Ok(got) if wanted.as_ref().is_some_and(|wanted| wanted.as_ref().is_ok_and(|w| same(&got, w))) => {}
            got => {
                first.get_or_insert((input, got, wanted));
            }
        }
    }
    let Some((input, got, wanted)) = first else { return Verdict::Right };
    let follows = |idea: &Given| {
        inputs.iter().all(|input| match (apply(idea, input), apply(given, input)) {
            (Some(Ok(theirs)), Some(Ok(got))) => same(&theirs, &got),
            _ => false,
        })
    };
    if let Some((name, _)) = wrong.iter().find(|(_, idea)| follows(idea)) {
        return Verdict::Idea(name);
    }
    let (input, wanted) = (shown_input(input), wanted.and_then(Result::ok).map_or(String::new(), |w| shown(&w)));
    Verdict::Wrong(match got {
        Ok(got) => {
            let got = shown(&got);
            tr!(
                "Con {input} tu función dio {got}, y debía dar {wanted}.",
                "With {input} your function gave {got}, and it should give {wanted}."
            )
        }
        Err(()) => tr!("Con {input} tu función entró en pánico.", "With {input} your function panicked."),
    })
}

/// The verdict on an answer of another kind than what was asked.
pub fn other_kind(given: &Given, right: &Given) -> Verdict {
    let (given, wanted) = (given.kind(), right.kind());
    Verdict::Wrong(tr!(
        "Entregaste {given}; aquí se espera {wanted}.",
        "You handed in {given}; what is expected here is {wanted}."
    ))
}

/// The function's result, an error where it panicked, nothing where it is of another kind.
fn apply(given: &Given, input: &Input) -> Option<Result<Output, ()>> {
    let call = || -> Option<Output> {
        Some(match (given, input) {
            (Given::Measure(f), Input::Numbers(x)) => Output::Numbers(vec![f(x)]),
            (Given::Map(f), Input::Numbers(x)) => Output::Numbers(f(x)),
            (Given::MaskedMeasure(f), Input::Masked(x, mask)) => Output::Numbers(vec![f(x, mask)]),
            (Given::MapWith(f), Input::With(x, setting)) => Output::Numbers(f(x, *setting)),
            (Given::Sample(f), Input::Sample(x, setting, count)) => Output::Numbers(f(x, *setting, *count)),
            (Given::Pairs(f), Input::Ids(ids)) => Output::Pairs(f(ids)),
            (Given::Compare(f), Input::Two(a, b)) => Output::Numbers(vec![f(a, b)]),
            _ => return None,
        })
    };
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(output) => output.map(Ok),
        Err(_) => Some(Err(())),
    }
}

/// Equal but for rounding.
fn same(one: &Output, other: &Output) -> bool {
    match (one, other) {
        (Output::Numbers(a), Output::Numbers(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(*a, *b)),
        (one, other) => one == other,
    }
}

/// Equal within a millionth, or both no number.
pub fn close(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= 1e-6 * (1.0 + a.abs().max(b.abs()))
}

fn shown(output: &Output) -> String {
    match output {
        Output::Numbers(x) if x.len() == 1 => format!("{:.4}", x[0]),
        Output::Numbers(x) => numbers(x),
        Output::Pairs(pairs) => format!("{pairs:?}"),
    }
}

fn shown_input(input: &Input) -> String {
    match input {
        Input::Numbers(x) => numbers(x),
        Input::Masked(x, mask) => format!("{}, {mask:?}", numbers(x)),
        Input::With(x, setting) => format!("{}, {setting:.2}", numbers(x)),
        Input::Sample(x, setting, count) => format!("{}, {setting:.2}, {count}", numbers(x)),
        Input::Ids(ids) => format!("{ids:?}"),
        Input::Two(a, b) => format!("{}, {}", numbers(a), numbers(b)),
    }
}

fn numbers(x: &[f64]) -> String {
    format!("[{}]", x.iter().map(|x| format!("{x:.3}")).collect::<Vec<_>>().join(", "))
}

/// Between `low` and `high`.
pub fn uniform(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * f64::from(rng.uniform())
}

/// From `least` to `most` numbers between `low` and `high`.
pub fn some_numbers(rng: &mut Rng, (least, most): (usize, usize), (low, high): (f64, f64)) -> Vec<f64> {
    let count = least + rng.below(most - least + 1);
    (0..count).map(|_| uniform(rng, low, high)).collect()
}
