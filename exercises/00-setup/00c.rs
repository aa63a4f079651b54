//! Which line of an error says what to do.

use crate::exercise::{pick, Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn remedy(lines: &[String]) -> String {
        // ✏️
        String::new()
    }
}

pub mod solution {
    pub fn remedy(lines: &[String]) -> String {
        for line in lines {
            if line.starts_with("→") {
                return line.to_string();
            }
        }
        String::new()
    }
}

mod wrong {
    pub fn what_failed(lines: &[String]) -> String {
        lines[0].clone()
    }

    pub fn last_line(lines: &[String]) -> String {
        lines[lines.len() - 1].clone()
    }

    pub fn arrow_anywhere(lines: &[String]) -> String {
        lines.iter().find(|line| line.contains('→')).cloned().unwrap_or_default()
    }
}

pub const EXERCISE: Exercise = trials!("00c", remedy, [what_failed, last_line, arrow_anywhere]);

const WHAT: &[&str] = &["✗ No encontré «datos.csv».", "✗ There is no column \"texto\".", "✗ epochs = 0: 1 to 1000."];
const CAUSE: &[&str] = &["Causa: no existe el archivo.", "Cause: a → b, 12 bytes", "Causa: es → en no es una columna"];
const NEXT: &[&str] = &["→ Los que hay: diario.csv, cuentos.txt.", "→ Columns: id, text.", "→ Try epochs: 3."];

fn draw(rng: &mut Rng) -> Input {
    let mut lines = vec![pick(rng, WHAT)];
    if rng.below(3) > 0 {
        lines.push(pick(rng, CAUSE));
    }
    if rng.below(4) > 0 {
        lines.push(pick(rng, NEXT));
    }
    let lines: Vec<String> = lines.into_iter().map(String::from).collect();
    vec![lines.into()]
}
