//! Puts the rows in order, dates them and writes them.

use super::plant::Row;
use super::{Faults, Forum};
use crate::rng::Rng;
use std::collections::BTreeMap;

/// Days from the first comment to the last: 2023 to 2025.
const DAYS: usize = 365 + 366 + 365;

/// The file and its list of faults.
pub(super) fn write(rows: Vec<Row>, communities: &[String], language: &str, seed: u64) -> Forum {
    let spanish = language == "es";
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|row| (rows[*row].order, *row));
    let mut ids = vec![0; rows.len()];
    order.iter().enumerate().for_each(|(at, row)| ids[*row] = at + 1);

    let mut rng = Rng::stream(seed, 2);
    let mut days: Vec<usize> = rows.iter().map(|_| rng.below(DAYS)).collect();
    days.sort_unstable();

    let header = match spanish {
        true => "id,comentario,puntaje,autor_es_op,comunidad,fecha\n",
        false => "id,comment,score,is_author,community,date\n",
    };
    let mut csv = String::from(header);
    let mut faults: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut copied_from = BTreeMap::new();
    for (row, day) in order.into_iter().zip(days) {
        let (id, row) = (ids[row], &rows[row]);
        let score = row.score.map_or(String::new(), |score| score.to_string());
        let community = &communities[row.community % communities.len()];
        let date = date(day, row.other_date, spanish);
        csv.push_str(&format!("{id},{},{score},{},{community},{date}\n", field(&row.text), row.is_author));
        row.faults.iter().for_each(|fault| faults.entry(fault.to_string()).or_default().push(id));
        if let Some(original) = row.copy_of {
            copied_from.insert(id, ids[original]);
        }
    }
    Forum { csv, faults: Faults { rows: rows.len(), seed, faults, copied_from } }
}

/// A day as `2024-03-17`, or as people of the language write it: 17/03/2024, 03/17/2024.
fn date(mut day: usize, as_people_do: bool, spanish: bool) -> String {
    let mut year = 2023;
    while day >= days_of(year) {
        day -= days_of(year);
        year += 1;
    }
    let february = days_of(year) - 337;
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    let day = day + 1;
    match (as_people_do, spanish) {
        (false, _) => format!("{year}-{month:02}-{day:02}"),
        (true, true) => format!("{day:02}/{month:02}/{year}"),
        (true, false) => format!("{month:02}/{day:02}/{year}"),
    }
}

/// Good for the years of the file.
fn days_of(year: usize) -> usize {
    365 + usize::from(year.is_multiple_of(4))
}

/// A field of CSV (RFC 4180).
fn field(text: &str) -> String {
    match text.contains(['"', ',', '\n', '\r', '\t']) || text.trim() != text {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates_over_leap_years() {
        assert_eq!(date(0, false, true), "2023-01-01");
        assert_eq!(date(365 + 31 + 28, true, true), "29/02/2024");
        assert_eq!(date(365 + 31 + 29, true, false), "03/01/2024");
        assert_eq!(date(DAYS - 1, false, true), "2025-12-31");
    }

    #[test]
    fn a_field_with_a_comma_or_a_quote_is_quoted() {
        assert_eq!(field("a, \"b\""), "\"a, \"\"b\"\"\"");
        assert_eq!((field("a b").as_str(), field(" a").as_str()), ("a b", "\" a\""));
    }
}
