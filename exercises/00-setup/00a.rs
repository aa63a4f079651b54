//! The doctor, run and read.

use crate::exercise::{given, other_kind, Exercise, Given, Ideas, Judge, Verdict};
use crate::rng::Rng;

pub mod stub {}

pub const EXERCISE: Exercise = Exercise {
    id: "00a",
    text: include_str!("00a.md"),
    code: include_str!("00a.rs"),
    judge: Judge::Own(judge),
    stub: || given(&0usize),
    right: || given(&processors()),
    wrong: || -> Ideas { vec![("gigabytes", given(&15.6)), ("half", given(&(processors() as f64 / 2.0)))] },
};

/// What the doctor's line says: the processors that a program may use.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn judge(answer: &Given, _rng: &mut Rng) -> Verdict {
    let Some(number) = answer.number() else { return other_kind(answer, &(EXERCISE.right)()) };
    let here = processors() as f64;
    if number == here {
        Verdict::Right
    } else if number * 2.0 == here {
        Verdict::Idea("half")
    } else if number.fract() != 0.0 {
        Verdict::Idea("gigabytes")
    } else {
        Verdict::Wrong(tr!(
            "El doctor no dice {number} en esta máquina. Busca la línea «procesadores».",
            "The doctor does not say {number} on this machine. Look for the line \"processors\"."
        ))
    }
}
