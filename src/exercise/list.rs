//! The exercises and quizzes there are, in the order of the course.

use super::Exercise;

#[path = "../../exercises/03-adapt/03a.rs"]
mod e03a;
#[path = "../../exercises/03-adapt/03b.rs"]
mod e03b;
#[path = "../../exercises/03-adapt/03c.rs"]
mod e03c;
#[path = "../../exercises/03-adapt/03d.rs"]
pub(super) mod e03d;
#[path = "../../exercises/03-adapt/03e.rs"]
mod e03e;
#[path = "../../exercises/03-adapt/03f.rs"]
mod e03f;
#[path = "../../exercises/03-adapt/03g.rs"]
mod e03g;
#[path = "../../exercises/03-adapt/03h.rs"]
mod e03h;
#[path = "../../exercises/03-adapt/03i.rs"]
pub(super) mod e03i;

/// Every exercise, in the order of the course.
pub static ALL: &[Exercise] = &[
    e03a::EXERCISE,
    e03b::EXERCISE,
    e03c::EXERCISE,
    e03d::EXERCISE,
    e03e::EXERCISE,
    e03f::EXERCISE,
    e03g::EXERCISE,
    e03h::EXERCISE,
    e03i::EXERCISE,
];

/// The quiz of each lesson.
pub static QUIZZES: &[(&str, &str)] = &[("03", include_str!("../../exercises/03-adapt/quiz.md"))];
