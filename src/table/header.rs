//! Whether the first row of a CSV is its columns' names, or a row like the others.

/// What the reader says of the first row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Nothing: look at it.
    Guess,
    /// It is the columns' names.
    Names,
    /// It is a row of data.
    Data,
}

/// Letters that no name of a column has.
const LONG: usize = 60;
/// Words that no name of a column has.
const WORDS: usize = 8;

/// True when the first of some rows looks like data: it has a number above numbers, a whole sentence, or a value that
/// comes again below it.
///
/// Years above numbers (`país, 2023, 2024`) and a header that is repeated whole (files put one after another) are names.
pub(super) fn looks_like_data(rows: &[Vec<String>]) -> bool {
    let Some((first, others)) = rows.split_first() else { return false };
    if first.iter().any(|field| is_long(field)) {
        return true;
    }
    let below = |i: usize| others.iter().filter_map(move |row| row.get(i)).map(|field| field.trim());
    let again = first.iter().enumerate().any(|(i, field)| {
        let field = field.trim();
        !field.is_empty() && below(i).any(|other| other == field)
    });
    let number = first.iter().enumerate().any(|(i, field)| {
        is_number(field) && !is_year(field) && below(i).all(|other| other.is_empty() || is_number(other))
    });
    (again && !others.contains(first)) || (number && !others.is_empty())
}

fn is_long(field: &str) -> bool {
    field.chars().count() > LONG || field.split_whitespace().count() > WORDS
}

fn is_number(field: &str) -> bool {
    field.trim().replace(',', ".").parse::<f64>().is_ok_and(f64::is_finite)
}

fn is_year(field: &str) -> bool {
    field.trim().parse::<u32>().is_ok_and(|number| (1900..=2100).contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<String>> {
        text.lines().map(|line| line.split(';').map(str::to_string).collect()).collect()
    }

    #[test]
    fn names_are_names() {
        for text in [
            "texto;etiqueta\nEstá muy bien;pos\nNo me gustó;neg",
            "id;texto\n1;hola\n2;chau",
            "país;2023;2024\nAR;3.5;2.1\nUY;1.0;4.0",
            "a;b\n1;2\na;b\n3;4", // two files, one after the other
            "texto\nHola\nChau",
            "",
        ] {
            assert!(!looks_like_data(&rows(text)), "{text}");
        }
    }

    #[test]
    fn data_are_data() {
        for text in [
            "Está muy bien;pos\nNo me gustó;neg\nBien;pos",
            "1;hola\n2;chau",
            "3,5;hola\n2;chau",
            "Hoy fuimos a la plaza y comimos un helado de limón;x\nOtra cosa;y",
        ] {
            assert!(looks_like_data(&rows(text)), "{text}");
        }
    }
}
