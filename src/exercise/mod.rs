//! Exercises that check themselves and name the wrong idea behind an answer.
//!
//! In a notebook: `exercise("03b")` shows the task, `check("03b", &answer)?` judges what the learner made of it, `hint("03b")`
//! helps in three steps, `solution("03b")` opens after a right answer or three tries, `progress()` shows how far one is.
//! Each exercise is two files in `exercises/`: its text in both languages, and its solution, wrong ideas and trials.

/// The exercise of a file whose modules `stub`, `solution` and `wrong` hold functions, tried on what its `draw` gives:
/// `trials!("03b", perplexity, [only_the_mean, exp_of_sum])`.
macro_rules! trials {
    ($id:literal, $function:ident, [$($idea:ident),+ $(,)?]) => {
        $crate::exercise::Exercise {
            id: $id,
            text: include_str!(concat!($id, ".md")),
            code: include_str!(concat!($id, ".rs")),
            judge: $crate::exercise::Judge::Trials(draw),
            stub: || $crate::exercise::given(stub::$function),
            right: || $crate::exercise::given(solution::$function),
            wrong: || vec![$((stringify!($idea), $crate::exercise::given(wrong::$idea))),+],
        }
    };
}

mod answer;
mod datum;
mod judge;
mod list;
mod page;
mod quiz;
mod state;
mod terminal;
#[cfg(test)]
mod tests;

use crate::error::{Error, ErrorKind, Result};
use crate::rng::Rng;
use crate::show::{display, display_html, escape};

pub use answer::{given, Answer, Function, Given, Value};
pub use datum::{Datum, Take};
pub use judge::{by_trial, other_kind, pick, some_numbers, uniform, Ideas, Input, Judge, Verdict};
pub use list::ALL;
pub use page::Page;
pub use quiz::{quiz, Question};
pub use state::{Record, State};
pub use terminal::terminal;

/// Answers after which the solution opens.
const TRIES: usize = 3;

/// One exercise.
pub struct Exercise {
    /// The lesson's two digits and a letter.
    pub id: &'static str,
    /// The text of its Markdown file.
    pub text: &'static str,
    /// The text of its Rust file.
    pub code: &'static str,
    /// How an answer is judged.
    pub judge: Judge,
    /// What the stub gives as it stands.
    pub stub: fn() -> Given,
    /// What the solution gives.
    pub right: fn() -> Given,
    /// Typical wrong answers.
    pub wrong: fn() -> Ideas,
}

impl Exercise {
    /// Its text in the reader's language.
    pub fn page(&self) -> Page {
        Page::parse(self.text, if crate::lang::spanish() { "es" } else { "en" })
    }

    /// What is thought of an answer; chance draws the inputs.
    pub fn judged(&self, given: &Given, rng: &mut Rng) -> Verdict {
        match self.judge {
            Judge::Trials(draw) => by_trial(given, &(self.right)(), &(self.wrong)(), rng, draw),
            Judge::Own(judge) => judge(given, rng),
        }
    }

    /// The code to begin from, as a learner types it.
    pub fn stub_code(&self) -> String {
        page::module(self.code, "stub")
    }

    /// The code of the solution.
    pub fn solution_code(&self) -> String {
        page::module(self.code, "solution")
    }
}

fn find(id: &str) -> Result<&'static Exercise> {
    let wanted = id.trim().to_lowercase();
    ALL.iter().find(|exercise| exercise.id == wanted).ok_or_else(|| {
        let known = ALL.iter().map(|exercise| exercise.id).collect::<Vec<_>>().join(", ");
        Error::new(ErrorKind::NotFound, tr!("No hay ningún ejercicio {id:?}.", "There is no exercise {id:?}."))
            .next(tr!("Los que hay: {known}.", "Those there are: {known}."))
    })
}

/// Shows the task of an exercise and the code to begin from; of one that is done also what to do with data of one's own.
pub fn exercise(id: &str) -> Result<()> {
    let exercise = find(id)?;
    open(exercise);
    if State::read(&state::file()).of(exercise.id).passed {
        on_own_data(&exercise.page());
    }
    Ok(())
}

fn open(exercise: &Exercise) {
    let (page, stub) = (exercise.page(), exercise.stub_code());
    let title = tr!("Ejercicio {}: {}", "Exercise {}: {}", exercise.id, page.title);
    let code = if stub.is_empty() { String::new() } else { format!("\n\n```rust\n{stub}\n```") };
    let text = format!("{}{code}", page.task);
    let html = format!("<h4>✏️ {}</h4>{}", escape(&title), page::html(&text));
    display(&html, &format!("{title}\n\n{text}"));
}

/// Judges an answer: `check("03b", perplexity)?`. A wrong one is no error of the cell: it says what is behind it.
pub fn check<Kind>(id: &str, answer: impl Answer<Kind>) -> Result<()> {
    judge(find(id)?, &answer.give()).map(|_| ())
}

/// Whether an answer is right; nothing is said nor noted.
pub fn passes<Kind>(id: &str, answer: impl Answer<Kind>) -> Result<bool> {
    Ok(find(id)?.judged(&answer.give(), &mut Rng::new(seed())) == Verdict::Right)
}

/// As [`check`], for a program: 0 where the answer is right.
pub fn exit_code<Kind>(id: &str, answer: impl Answer<Kind>) -> i32 {
    match find(id).and_then(|exercise| judge(exercise, &answer.give())) {
        Ok(right) => i32::from(!right),
        Err(error) => {
            eprintln!("{error}");
            2
        }
    }
}

/// How a learner calls for something, in a cell or in a terminal.
fn call(what: &str, id: &str) -> String {
    match crate::show::in_notebook() {
        true => format!("{what}(\"{id}\")?"),
        false => format!("cargo aula exercise {what} {id}"),
    }
}

/// Says what is thought of an answer and notes it; gives whether it is right.
fn judge(exercise: &Exercise, given: &Given) -> Result<bool> {
    let seed = seed();
    let (id, page) = (exercise.id, exercise.page());
    let (hint, solution) = (call("hint", id), call("solution", id));
    let verdict = exercise.judged(given, &mut Rng::new(seed));
    let right = verdict == Verdict::Right;
    if matches!(verdict, Verdict::Wrong(_)) && verdict == exercise.judged(&(exercise.stub)(), &mut Rng::new(seed)) {
        // On the same inputs it does what the stub does: nobody has tried anything yet.
        if let Verdict::Wrong(text) = verdict {
            println!("✗ {id}: {text}");
        }
        println!(
            "{}",
            tr!(
                "  Hace lo mismo que al principio. Escribe tu respuesta donde está el lápiz ✏️. ¿Una pista? {hint}",
                "  It does what it did at first. Write your answer where the pencil ✏️ is. A hint? {hint}"
            )
        );
        return Ok(false);
    }
    let file = state::file();
    let mut state = State::read(&file);
    let record = state.exercises.entry(id.to_string()).or_default();
    record.tries += usize::from(!record.passed);
    record.passed |= right;
    let left = TRIES.saturating_sub(record.tries);
    let told = match verdict {
        Verdict::Right => tr!("✓ {id}: ¡bien! {}", "✓ {id}: well done! {}", page.title),
        Verdict::Idea(name) => format!("✗ {id}: {}", page.idea(name).unwrap_or(name)),
        Verdict::Wrong(text) => format!("✗ {id}: {text}"),
    };
    let next = match (right, record.passed, left) {
        (true, ..) => tr!("Compara con la explicación: {solution}", "Compare with the explanation: {solution}"),
        (false, false, 0) => {
            tr!("Ya puedes abrir la solución: {solution}", "You may open the solution now: {solution}")
        }
        (false, ..) => tr!("¿Una pista? {hint}", "A hint? {hint}"),
    };
    println!("{told}\n  {next}");
    state.write(&file);
    if right {
        on_own_data(&page);
    }
    Ok(right)
}

/// Shows what to do of an exercise with data of one's own.
fn on_own_data(page: &Page) {
    let title = tr!("Con tus datos", "On your own data");
    display(&format!("<b>🏠 {}</b>{}", escape(&title), page::html(&page.own)), &format!("🏠 {title}: {}", page.own));
}

/// New inputs each time; `AULA_SEED` fixes them.
fn seed() -> u64 {
    let fixed = std::env::var("AULA_SEED").ok().and_then(|text| text.parse().ok());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    fixed.unwrap_or_else(|| now.map_or(1, |now| now.as_nanos() as u64))
}

/// Shows the next of three hints; after the third, the third again.
pub fn hint(id: &str) -> Result<()> {
    let exercise = find(id)?;
    let (page, file) = (exercise.page(), state::file());
    let mut state = State::read(&file);
    let record = state.exercises.entry(exercise.id.to_string()).or_default();
    let all = page.hints.len();
    record.hints = (record.hints + 1).min(all);
    let number = record.hints;
    let text = page.hints.get(number.saturating_sub(1)).cloned().unwrap_or_default();
    state.write(&file);
    let title = tr!("Pista {number} de {all}", "Hint {number} of {all}");
    display(&format!("<b>💡 {}</b>{}", escape(&title), page::html(&text)), &format!("{title}: {text}"));
    Ok(())
}

/// Shows the solution with its explanation, after a right answer or three tries.
pub fn solution(id: &str) -> Result<()> {
    let exercise = find(id)?;
    let record = State::read(&state::file()).of(exercise.id);
    let left = TRIES.saturating_sub(record.tries);
    if !record.passed && left > 0 {
        println!(
            "{}",
            tr!(
                "La solución se abre cuando aciertes o después de {left} intentos más. ¿Una pista? {}",
                "The solution opens after a right answer or {left} more tries. A hint? {}",
                call("hint", exercise.id)
            )
        );
        return Ok(());
    }
    let (code, why) = (exercise.solution_code(), exercise.page().solution);
    let text = if code.is_empty() { why } else { format!("```rust\n{code}\n```\n\n{why}") };
    display(&page::html(&text), &text);
    Ok(())
}

/// Shows a bar and a table: what is done, what was tried, what is left.
pub fn progress() {
    let state = State::read(&state::file());
    let done = ALL.iter().filter(|exercise| state.of(exercise.id).passed).count();
    let all = ALL.len();
    let mut rows = String::new();
    for exercise in ALL {
        let record = state.of(exercise.id);
        let mark = record.mark();
        let title = escape(&exercise.page().title);
        rows += &format!(
            "<tr><td>{mark}</td><td>{}</td><td style=\"text-align:left\">{title}</td><td>{}</td><td>{}</td></tr>",
            exercise.id, record.tries, record.hints
        );
    }
    let heads = [tr!("ejercicio", "exercise"), tr!("intentos", "tries"), tr!("pistas", "hints")];
    display_html(&format!(
        "<div><progress max=\"{all}\" value=\"{done}\" style=\"width:20em\"></progress> {done}/{all}</div><table><thead><tr>\
         <th></th><th></th><th style=\"text-align:left\">{}</th><th>{}</th><th>{}</th></tr></thead><tbody>{rows}</tbody></table>",
        heads[0], heads[1], heads[2]
    ));
    if !crate::show::in_notebook() {
        println!("{done}/{all}");
    }
}

/// Forgets what is known of one exercise, or of all with `reset("all")`.
pub fn reset(id: &str) -> Result<()> {
    let file = state::file();
    let mut state = State::read(&file);
    match id {
        "all" | "todo" => state.exercises.clear(),
        id => {
            state.exercises.remove(find(id)?.id);
        }
    }
    state.write(&file);
    println!("{}", tr!("Listo: {id} empieza de nuevo.", "Done: {id} begins anew."));
    Ok(())
}
