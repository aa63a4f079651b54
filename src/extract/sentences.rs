//! A text as its sentences, in Spanish and English: abbreviations, initials and numbers end none.

/// After these a sentence goes on, whatever follows.
const TITLES: [&str; 64] = [
    "sr", "sra", "sres", "sras", "srta", "dr", "dra", "dres", "prof", "profa", "ing", "lic", "arq", "gral", "cap",
    "cnel", "sto", "sta", "ud", "uds", "vd", "vds", "fr", "dn", "dña", "pág", "págs", "pag", "núm", "num", "nº", "n.º",
    "art", "arts", "vol", "fig", "figs", "aprox", "tel", "av", "avda", "pza", "ctra", "ej", "vs", "mr", "mrs", "ms",
    "messrs", "rev", "hon", "gen", "col", "sgt", "lt", "capt", "st", "mt", "no", "nos", "pp", "ed", "eds", "cf",
];
/// What may stand behind the sign that ends a sentence.
const CLOSING: &str = "\"'”’»)]";

/// The sentences of a text, in their order. A blank line always parts; a line break does where a new line looks like one.
///
/// ```
/// use aula::extract::split_sentences;
/// let parts = split_sentences("El Dr. Ruiz pagó 1.200,50 €. ¿Y tú? ¡Nada!");
/// assert_eq!(parts, ["El Dr. Ruiz pagó 1.200,50 €.", "¿Y tú?", "¡Nada!"]);
/// ```
pub fn split_sentences(text: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let signs: Vec<(usize, char)> = text.char_indices().collect();
    let mut i = 0;
    while i < signs.len() {
        let (at, c) = signs[i];
        if c == '\n' && breaks_line(&text[start..at], &text[at..]) {
            push(&mut sentences, &text[start..at]);
            start = at;
        } else if ".!?…".contains(c) {
            // More signs and what closes belong to it: «¿Sí?!», (sic.)
            let mut end = i + 1;
            while end < signs.len() && (".!?…".contains(signs[end].1) || CLOSING.contains(signs[end].1)) {
                end += 1;
            }
            let behind = signs.get(end).map_or(text.len(), |sign| sign.0);
            if ends_here(&text[start..at], c, end - i, &text[behind..]) {
                push(&mut sentences, &text[start..behind]);
                start = behind;
            }
            i = end;
            continue;
        }
        i += 1;
    }
    push(&mut sentences, &text[start..]);
    sentences
}

/// The same text with each sentence on a line of its own, as `rouge_lsum` wants it.
pub fn sentence_lines(text: &str) -> String {
    split_sentences(text).join("\n")
}

fn push(sentences: &mut Vec<String>, text: &str) {
    let sentence = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Signs alone are no sentence: they belong to the one before.
    match (sentence.chars().any(char::is_alphanumeric), sentences.last_mut()) {
        (true, _) => sentences.push(sentence),
        (false, Some(last)) if !sentence.is_empty() => {
            last.push(' ');
            last.push_str(&sentence);
        }
        _ => {}
    }
}

/// True where the line break before `rest` parts sentences.
fn breaks_line(before: &str, rest: &str) -> bool {
    let next = rest.trim_start();
    let blank = rest[..rest.len() - next.len()].matches('\n').count() > 1;
    let ended = before.trim_end().ends_with(|c: char| ".!?…:;".contains(c) || CLOSING.contains(c));
    blank || ended || !next.starts_with(|c: char| c.is_lowercase() || c == ',')
}

/// True where the sign that follows `before` ends a sentence; `signs` counts it and those that belong to it.
fn ends_here(before: &str, sign: char, signs: usize, rest: &str) -> bool {
    if rest.trim().is_empty() {
        return true;
    }
    if !rest.starts_with(char::is_whitespace) {
        return false;
    }
    let next = rest.trim_start().trim_start_matches(['"', '\'', '“', '‘', '«', '(', '[', '—', '–', '-', ' ']);
    let starts = next.starts_with(|c: char| !c.is_lowercase() && (c.is_alphanumeric() || "¿¡".contains(c)));
    if !starts {
        return false;
    }
    sign != '.' || signs > 1 || !goes_on(before, next)
}

/// True where the full stop behind `before` is that of an abbreviation, an initial or a number in a list.
fn goes_on(before: &str, next: &str) -> bool {
    let word = before.rsplit(|c: char| c.is_whitespace() || "(«\"“'".contains(c)).next().unwrap_or_default();
    let folded = word.to_lowercase();
    // "No." ends a sentence; "No. 5" does not.
    if ["no", "nos", "art", "fig", "cap", "ed", "gen", "col", "st", "mt"].contains(&folded.as_str()) {
        let capital = word.starts_with(char::is_uppercase);
        let number = next.starts_with(|c: char| c.is_ascii_digit());
        let title = ["gen", "col", "st", "mt"].contains(&folded.as_str());
        return number || (title && capital);
    }
    let first_in_line = before.trim_end_matches(word).trim().is_empty();
    let mut signs = word.chars();
    // J. R. R. with capitals; p. 5 and 44 a. C. with small letters; in "9.30 h. Nadie" it ends.
    let single = match (signs.next(), signs.next()) {
        (Some(letter), None) if letter.is_uppercase() => letter != 'I',
        (Some(letter), None) if letter.is_alphabetic() => {
            next.starts_with(|c: char| c.is_ascii_digit()) || next.chars().nth(1) == Some('.')
        }
        _ => false,
    };
    TITLES.contains(&folded.as_str())
        || single
        || ["ee", "p.ej", "e.g", "i.e"].contains(&folded.as_str())
        || (first_in_line && !word.is_empty() && word.chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_initials_and_numbers_end_no_sentence() {
        for (text, count) in [
            ("La Sra. Gómez y el Dr. Paz vinieron. Se fueron a las 9.30 h. Nadie lo supo.", 3),
            ("J. R. R. Tolkien wrote it. So did C. S. Lewis.", 2),
            ("Mr. Smith paid $3.50 to St. Mary's. He left.", 2),
            ("Vive en EE. UU. Trabaja mucho.", 2),
            ("See No. 5 and Fig. 2. No. It is not there.", 3),
            ("Costó 1.200,50 € en 2019. 12 personas pagaron.", 2),
            ("«¿Vienes?», dijo. —No —contestó él. ¡Qué pena!", 3),
            ("He said \"Stop.\" Then he ran... and ran. Why?! Nobody knows…", 4),
            ("1. Pelar las papas.\n2. Freírlas.", 2),
        ] {
            assert_eq!(split_sentences(text).len(), count, "{:?}", split_sentences(text));
        }
    }

    #[test]
    fn lines_part_where_they_begin_anew_and_not_where_a_text_was_wrapped() {
        assert_eq!(split_sentences("A long line that\nwas wrapped. End."), ["A long line that was wrapped.", "End."]);
        assert_eq!(split_sentences("Un título\n\nun texto"), ["Un título", "un texto"]);
        assert_eq!(split_sentences("—¿Cómo fue?\n—Bien"), ["—¿Cómo fue?", "—Bien"]);
        assert_eq!(split_sentences("  "), Vec::<String>::new());
        assert_eq!(split_sentences("x"), ["x"]);
        assert_eq!(sentence_lines("One. Two."), "One.\nTwo.");
    }
}
