//! The exercises and quizzes there are, in the order of the course.

use super::Exercise;

#[path = "../../exercises/00-setup/00a.rs"]
mod e00a;
#[path = "../../exercises/00-setup/00b.rs"]
mod e00b;
#[path = "../../exercises/00-setup/00c.rs"]
mod e00c;
#[path = "../../exercises/01-hub/01a.rs"]
mod e01a;
#[path = "../../exercises/01-hub/01b.rs"]
mod e01b;
#[path = "../../exercises/01-hub/01c.rs"]
mod e01c;
#[path = "../../exercises/01-hub/01d.rs"]
mod e01d;
#[path = "../../exercises/01-hub/01e.rs"]
mod e01e;
#[path = "../../exercises/01-hub/01f.rs"]
mod e01f;
#[path = "../../exercises/01-hub/01g.rs"]
mod e01g;
#[path = "../../exercises/02-data/02a.rs"]
mod e02a;
#[path = "../../exercises/02-data/02b.rs"]
mod e02b;
#[path = "../../exercises/02-data/02c.rs"]
mod e02c;
#[path = "../../exercises/02-data/02d.rs"]
mod e02d;
#[path = "../../exercises/02-data/02e.rs"]
mod e02e;
#[path = "../../exercises/02-data/02f.rs"]
mod e02f;
#[path = "../../exercises/02-data/02g.rs"]
mod e02g;
#[path = "../../exercises/02-data/02h.rs"]
pub(super) mod e02h;
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
#[path = "../../exercises/04-summarize/04a.rs"]
mod e04a;
#[path = "../../exercises/04-summarize/04b.rs"]
mod e04b;
#[path = "../../exercises/04-summarize/04c.rs"]
mod e04c;
#[path = "../../exercises/04-summarize/04d.rs"]
mod e04d;
#[path = "../../exercises/04-summarize/04e.rs"]
mod e04e;
#[path = "../../exercises/04-summarize/04f.rs"]
mod e04f;
#[path = "../../exercises/05-classify/05a.rs"]
mod e05a;
#[path = "../../exercises/05-classify/05b.rs"]
mod e05b;
#[path = "../../exercises/05-classify/05c.rs"]
mod e05c;
#[path = "../../exercises/05-classify/05d.rs"]
mod e05d;
#[path = "../../exercises/05-classify/05e.rs"]
mod e05e;
#[path = "../../exercises/05-classify/05f.rs"]
mod e05f;
#[path = "../../exercises/05-classify/05g.rs"]
mod e05g;
#[path = "../../exercises/05-classify/05h.rs"]
pub(super) mod e05h;

/// Every exercise, in the order of the course.
pub static ALL: &[Exercise] = &[
    e00a::EXERCISE,
    e00b::EXERCISE,
    e00c::EXERCISE,
    e01a::EXERCISE,
    e01b::EXERCISE,
    e01c::EXERCISE,
    e01d::EXERCISE,
    e01e::EXERCISE,
    e01f::EXERCISE,
    e01g::EXERCISE,
    e02a::EXERCISE,
    e02b::EXERCISE,
    e02c::EXERCISE,
    e02d::EXERCISE,
    e02e::EXERCISE,
    e02f::EXERCISE,
    e02g::EXERCISE,
    e02h::EXERCISE,
    e03a::EXERCISE,
    e03b::EXERCISE,
    e03c::EXERCISE,
    e03d::EXERCISE,
    e03e::EXERCISE,
    e03f::EXERCISE,
    e03g::EXERCISE,
    e03h::EXERCISE,
    e03i::EXERCISE,
    e04a::EXERCISE,
    e04b::EXERCISE,
    e04c::EXERCISE,
    e04d::EXERCISE,
    e04e::EXERCISE,
    e04f::EXERCISE,
    e05a::EXERCISE,
    e05b::EXERCISE,
    e05c::EXERCISE,
    e05d::EXERCISE,
    e05e::EXERCISE,
    e05f::EXERCISE,
    e05g::EXERCISE,
    e05h::EXERCISE,
];

/// The quiz of each lesson.
pub static QUIZZES: &[(&str, &str)] = &[
    ("00", include_str!("../../exercises/00-setup/quiz.md")),
    ("01", include_str!("../../exercises/01-hub/quiz.md")),
    ("02", include_str!("../../exercises/02-data/quiz.md")),
    ("03", include_str!("../../exercises/03-adapt/quiz.md")),
    ("04", include_str!("../../exercises/04-summarize/quiz.md")),
    ("05", include_str!("../../exercises/05-classify/quiz.md")),
];
