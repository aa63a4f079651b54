//! Names that look alike: what the reader most likely meant when a file, a column or a model is not there.

/// The `candidates` most like `name`, best first, at most `limit`; those that share nothing with it are left out.
///
/// Capitals and accents do not count, and a name that contains the other is always close.
pub(crate) fn similar(name: &str, candidates: &[String], limit: usize) -> Vec<String> {
    let wanted = plain(name);
    let mut scored: Vec<(usize, &String)> = Vec::new();
    for candidate in candidates {
        let other = plain(candidate);
        let longest = wanted.chars().count().max(other.chars().count());
        let contains = wanted.len() >= 3 && (other.contains(&wanted) || (other.len() >= 3 && wanted.contains(&other)));
        let distance = if stem(&wanted) == stem(&other) { 1 } else { edits(&wanted, &other) };
        // More than two letters in five changed is another word.
        if contains || distance * 5 <= longest * 2 {
            scored.push((distance, candidate));
        }
    }
    scored.sort();
    scored.into_iter().take(limit).map(|(_, candidate)| candidate.clone()).collect()
}

fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

fn plain(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).map(unaccented).collect()
}

fn unaccented(c: char) -> char {
    match c {
        'á' | 'à' | 'â' | 'ä' | 'ã' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'ö' | 'õ' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        'ñ' => 'n',
        'ç' => 'c',
        ' ' | '-' => '_',
        c => c,
    }
}

/// Letters to insert, delete or change to make one name the other (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// `a, b, c`, and how many more there are beyond `limit`.
pub(crate) fn listed(names: &[String], limit: usize) -> String {
    let shown = names.iter().take(limit).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(limit) {
        0 => shown,
        more => tr!("{shown} (y {more} más)", "{shown} (and {more} more)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_finds_its_name_and_another_word_does_not() {
        let names: Vec<String> = ["texto", "etiqueta", "Año"].map(String::from).to_vec();
        assert_eq!(similar("textos", &names, 3), ["texto"]);
        assert_eq!(similar("ano", &names, 3), ["Año"]);
        assert_eq!(similar("precio", &names, 3), Vec::<String>::new());
        let files: Vec<String> = ["recetas.jsonl", "poemas.txt"].map(String::from).to_vec();
        assert_eq!(similar("recetas.csv", &files, 3), ["recetas.jsonl"]);
        assert_eq!(edits("casa", "caso"), 1);
    }
}
