//! Right, a wrong idea with a name, or wrong: functions are compared with the solution on inputs drawn anew.

use std::cell::Cell;
use std::panic::{catch_unwind, set_hook, take_hook, AssertUnwindSafe};
use std::sync::Once;

use super::datum::Datum;
use super::Given;
use crate::rng::Rng;

/// Inputs that a function is tried on.
const TRIALS: usize = 24;

/// What a function is given: its arguments in their order.
pub type Input = Vec<Datum>;

/// Wrong ideas by name, each as the answer that follows it.
pub type Ideas = Vec<(&'static str, Given)>;

/// How an answer is judged.
pub enum Judge {
    /// A function is compared with the solution's on inputs that this draws.
    Trials(fn(&mut Rng) -> Input),
    /// Anything else.
    Own(fn(&Given, &mut Rng) -> Verdict),
}

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

/// Compares the function in `given` with `right` on inputs drawn by `draw`. One that does as a wrong idea does, on all of
/// them, gets that idea's name.
pub fn by_trial(given: &Given, right: &Given, wrong: &Ideas, rng: &mut Rng, draw: fn(&mut Rng) -> Input) -> Verdict {
    let inputs: Vec<Input> = (0..TRIALS).map(|_| draw(rng)).collect();
    let mut first = None;
    for input in &inputs {
        let (Some(got), Some(Ok(wanted))) = (apply(given, input), apply(right, input)) else {
            return other_kind(given, right);
        };
        if !got.as_ref().is_ok_and(|got| got.same(&wanted)) {
            first.get_or_insert((input, got, wanted));
        }
    }
    let Some((input, got, wanted)) = first else { return Verdict::Right };
    let follows = |idea: &Given| {
        inputs.iter().all(|input| match (apply(idea, input), apply(given, input)) {
            (Some(Ok(theirs)), Some(Ok(got))) => theirs.same(&got),
            _ => false,
        })
    };
    match wrong.iter().find(|(_, idea)| follows(idea)) {
        Some((name, _)) => Verdict::Idea(name),
        None => Verdict::Wrong(told(input, got, &wanted)),
    }
}

/// What a function did with an input, and what it should have done.
fn told(input: &Input, got: Result<Datum, String>, wanted: &Datum) -> String {
    let input = input.iter().map(Datum::shown).collect::<Vec<_>>().join(", ");
    let got = match got {
        Ok(got) => got,
        Err(why) => {
            return tr!("Con {input} tu función entró en pánico: {why}", "With {input} your function panicked: {why}")
        }
    };
    if let Some((place, got, wanted)) = got.first_difference(wanted) {
        return tr!(
            "Con {input} tu función dio {got} en el lugar {place}, y debía dar {wanted}. Los lugares se cuentan desde 0.",
            "With {input} your function gave {got} at place {place}, and it should give {wanted}. Places count from 0."
        );
    }
    let (got, wanted) = (got.shown(), wanted.shown());
    tr!(
        "Con {input} tu función dio {got}, y debía dar {wanted}.",
        "With {input} your function gave {got}, and it should give {wanted}."
    )
}

/// The verdict on an answer of another kind than what was asked.
pub fn other_kind(given: &Given, right: &Given) -> Verdict {
    let (given, wanted) = (given.kind(), right.kind());
    Verdict::Wrong(tr!(
        "Entregaste {given}; aquí se espera {wanted}.",
        "You handed in {given}; what is expected here is {wanted}."
    ))
}

thread_local! {
    /// Whether a panic of this thread is told in the verdict, and so not printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a learner's function; a panic becomes what it says.
fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                before(panic);
            }
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    QUIET.set(false);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
    })
}

/// The function's result, an error where it panicked, nothing where it takes other arguments or is none.
fn apply(given: &Given, input: &Input) -> Option<Result<Datum, String>> {
    let Given::Function(function) = given else { return None };
    match caught(|| (function.call)(input)) {
        Ok(output) => output.map(Ok),
        Err(why) => Some(Err(why)),
    }
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

/// One of `items`, which must not be empty.
pub fn pick<T: Copy>(rng: &mut Rng, items: &[T]) -> T {
    items[rng.below(items.len())]
}
