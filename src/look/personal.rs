//! Data that tell who a person is: e-mail addresses, telephones, identity numbers, cards, accounts.
//!
//! A number counts only where its check digit is right or its form is one of the known ones, so that prices and dates
//! are left alone. What is found is likely, not certain; what is not found may still be there (a name, an address).

use super::scan::replaced;
use super::{headers, percent, shown};
use crate::error::Result;
use crate::show::Html;
use crate::table::{watched_texts, Table};
use std::ops::Range;

mod numbers;

/// A kind of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PersonalKind {
    /// `name@server.org`.
    Email,
    /// A payment card: 13 to 19 digits that pass Luhn's check.
    Card,
    /// A bank account (IBAN) whose two check digits are right.
    Iban,
    /// Spain's DNI or NIE with its right letter.
    Dni,
    /// Argentina's CUIT or CUIL with its right check digit.
    Cuit,
    /// Mexico's CURP with its right check digit.
    Curp,
    /// Chile's RUT with its right check digit.
    Rut,
    /// Brazil's CPF with its right check digits.
    Cpf,
    /// A social security number of the United States: 3, 2 and 4 digits with hyphens.
    Ssn,
    /// A telephone: with a country's prefix, or 9 or more digits in groups.
    Phone,
}

impl PersonalKind {
    /// Its name, in the reader's language.
    pub fn name(self) -> String {
        match self {
            Self::Email => tr!("correo", "e-mail"),
            Self::Card => tr!("tarjeta", "card"),
            Self::Iban => "IBAN".into(),
            Self::Dni => "DNI/NIE".into(),
            Self::Cuit => "CUIT/CUIL".into(),
            Self::Curp => "CURP".into(),
            Self::Rut => "RUT".into(),
            Self::Cpf => "CPF".into(),
            Self::Ssn => "SSN".into(),
            Self::Phone => tr!("teléfono", "phone"),
        }
    }
}

/// Likely personal data in the texts of a column.
#[derive(Clone, Debug)]
pub struct PersonalData {
    /// The column.
    pub column: String,
    /// How many rows there are.
    pub rows: usize,
    /// Each kind that was found: how many times, in how many rows, and one of them with most of it hidden.
    pub found: Vec<(PersonalKind, usize, usize, String)>,
    /// The numbers of the rows where something was found.
    pub where_found: Vec<usize>,
}

/// Where in a text there is what kind of personal data, in order and apart.
pub(crate) fn find_personal(text: &str) -> Vec<(Range<usize>, PersonalKind)> {
    let mut found = emails(text);
    if text.bytes().any(|byte| byte.is_ascii_digit()) {
        found.extend(numbers::find(text));
    }
    found.sort_by_key(|(range, kind)| (range.start, *kind));
    let mut end = 0;
    found.retain(|(range, _)| {
        let apart = range.start >= end;
        end = if apart { range.end } else { end };
        apart
    });
    found
}

/// `text` with `[e-mail]`, `[phone]` and the like in the place of what looks like personal data; `None` where nothing does.
pub fn mask_personal_data(text: &str) -> Option<String> {
    let found = find_personal(text);
    // From the last to the first, so that the places before stay right.
    found.iter().rev().fold(None, |masked: Option<String>, (range, kind)| {
        let whole = masked.as_deref().unwrap_or(text);
        replaced(whole, std::slice::from_ref(range), &format!("[{}]", kind.name()))
    })
}

fn emails(text: &str) -> Vec<(Range<usize>, PersonalKind)> {
    let local = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-');
    let server = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-');
    let around = |(at, _): (usize, &str)| {
        let before = &text[..at];
        let start = before.rfind(|c| !local(c)).map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8));
        let after = &text[at + 1..];
        let server = after[..after.find(|c| !server(c)).unwrap_or(after.len())].trim_end_matches(['.', '-']);
        let (name, ending) = server.rsplit_once('.')?;
        let whole =
            start < at && !name.is_empty() && ending.chars().count() >= 2 && ending.chars().all(char::is_alphabetic);
        whole.then_some((start..at + 1 + server.len(), PersonalKind::Email))
    };
    text.match_indices('@').filter_map(around).collect()
}

/// The first and the last characters of what was found.
fn hidden(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let last = chars.len().saturating_sub(2);
    chars.iter().enumerate().map(|(i, c)| if i < 2 || i >= last || !c.is_alphanumeric() { *c } else { '·' }).collect()
}

impl Table {
    /// Likely personal data in the texts of a column: e-mail addresses, telephones, identity numbers (DNI, NIE, CUIT,
    /// CURP, RUT, CPF, SSN), cards and bank accounts, each with its check digits where it has any.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn personal_data(&self, column: &str) -> Result<PersonalData> {
        let texts = self.string_column(column)?;
        let look = |text: Option<&str>| {
            let text = text.unwrap_or_default();
            find_personal(text).into_iter().map(|(range, kind)| (kind, hidden(&text[range]))).collect::<Vec<_>>()
        };
        let each = watched_texts(&tr!("Mirando los textos", "Looking at the texts"), &texts, look)?;
        let mut found: Vec<(PersonalKind, usize, usize, String)> = Vec::new();
        for row in &each {
            for (i, (kind, example)) in row.iter().enumerate() {
                let first = usize::from(!row[..i].iter().any(|before| before.0 == *kind));
                match found.iter_mut().find(|known| known.0 == *kind) {
                    Some(known) => (known.1, known.2) = (known.1 + 1, known.2 + first),
                    None => found.push((*kind, 1, 1, example.clone())),
                }
            }
        }
        found.sort_by_key(|found| std::cmp::Reverse(found.2));
        let where_found = each.iter().enumerate().filter(|(_, row)| !row.is_empty()).map(|(row, _)| row).collect();
        Ok(PersonalData { column: column.to_string(), rows: texts.len(), found, where_found })
    }
}

impl PersonalData {
    /// In how many rows a kind was found.
    pub fn count(&self, kind: PersonalKind) -> usize {
        self.found.iter().find(|found| found.0 == kind).map_or(0, |found| found.2)
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(&["qué", "veces", "filas", "un ejemplo"], &["what", "times", "rows", "an example"]);
        let line = |(kind, times, rows, example): &(PersonalKind, usize, usize, String)| {
            vec![kind.name(), times.to_string(), rows.to_string(), example.clone()]
        };
        let rows: Vec<Vec<String>> = self.found.iter().map(line).collect();
        let (column, with, all) = (&self.column, self.where_found.len(), self.rows);
        let share = percent(with, all);
        let caption = match with {
            0 => tr!(
                "«{column}»: no se encontraron datos personales conocidos (un nombre o una dirección no se detectan)",
                "\"{column}\": no known personal data found (a name or a street is not detected)"
            ),
            _ => tr!(
                "⚠ «{column}»: parece haber datos personales en {with} de {all} filas ({share}). Antes de entrenar o \
                 compartir: Step::mask_personal(\"{column}\")",
                "⚠ \"{column}\": there seem to be personal data in {with} of {all} rows ({share}). Before training or \
                 sharing: Step::mask_personal(\"{column}\")"
            ),
        };
        Html::table(&headers, &rows, &caption)
    }
}

shown!(PersonalData);
