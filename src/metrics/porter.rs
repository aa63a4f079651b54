//! Porter's stemmer for English (Porter, 1980), with the changes that NLTK made to it: what `rouge-score` uses.

/// Words that the rules get wrong.
const IRREGULAR: [(&str, &str); 14] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
];
const UNCHANGED: [&str; 2] = ["exceed", "succeed"];

type Rule = (&'static str, &'static str);

const STEP_2: [Rule; 21] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
];

const STEP_3: [Rule; 7] =
    [("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];

const STEP_4: [&str; 19] = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti",
    "ous", "ive", "ize",
];

/// The stem of a word in small letters.
pub(super) fn porter(word: &str) -> String {
    if UNCHANGED.contains(&word) {
        return word.to_string();
    }
    if let Some((_, stem)) = IRREGULAR.iter().find(|pair| pair.0 == word) {
        return stem.to_string();
    }
    if word.chars().count() <= 2 {
        return word.to_string();
    }
    let word = plural(word);
    let word = past(&word);
    let word = final_y(&word);
    let word = step_2(&word);
    let word = first_rule(&word, &STEP_3, |stem| measure(stem) > 0);
    let word = step_4(&word);
    final_e_and_l(&word)
}

/// True for each letter that is a consonant; a y after a consonant is a vowel.
fn consonants(word: &str) -> Vec<bool> {
    let mut flags: Vec<bool> = Vec::with_capacity(word.len());
    for c in word.chars() {
        flags.push(match c {
            'a' | 'e' | 'i' | 'o' | 'u' => false,
            'y' => flags.last().is_none_or(|before| !before),
            _ => true,
        });
    }
    flags
}

/// How often a vowel is followed by a consonant: Porter's m.
fn measure(stem: &str) -> usize {
    consonants(stem).windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

fn has_vowel(stem: &str) -> bool {
    consonants(stem).contains(&false)
}

/// Porter's *d: the word ends with a consonant twice.
fn double_consonant(word: &str) -> bool {
    let mut last = word.chars().rev();
    let (one, two) = (last.next(), last.next());
    one.is_some() && one == two && consonants(word).last() == Some(&true)
}

/// Porter's *o: consonant, vowel, consonant other than w, x and y; NLTK adds words of a vowel and a consonant.
fn short_end(word: &str) -> bool {
    match consonants(word).as_slice() {
        [false, true] => true,
        [.., true, false, true] => !word.ends_with(['w', 'x', 'y']),
        _ => false,
    }
}

/// The first rule whose ending the word has decides; it changes the word where the stem is as `allowed`.
fn first_rule(word: &str, rules: &[Rule], allowed: fn(&str) -> bool) -> String {
    for (ending, new) in rules {
        if let Some(stem) = word.strip_suffix(ending) {
            return if allowed(stem) { format!("{stem}{new}") } else { word.to_string() };
        }
    }
    word.to_string()
}

fn plural(word: &str) -> String {
    if word.ends_with("ies") && word.chars().count() == 4 {
        return word[..word.len() - 1].to_string();
    }
    first_rule(word, &[("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", "")], |_| true)
}

fn past(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ied") {
        return format!("{stem}{}", if word.chars().count() == 4 { "ie" } else { "i" });
    }
    if let Some(stem) = word.strip_suffix("eed") {
        return if measure(stem) > 0 { format!("{stem}ee") } else { word.to_string() };
    }
    let stem = ["ed", "ing"].iter().find_map(|ending| word.strip_suffix(ending).filter(|stem| has_vowel(stem)));
    let Some(stem) = stem else { return word.to_string() };
    if ["at", "bl", "iz"].iter().any(|ending| stem.ends_with(ending)) {
        return format!("{stem}e");
    }
    if double_consonant(stem) {
        let mut shorter = stem.to_string();
        if !stem.ends_with(['l', 's', 'z']) {
            shorter.pop();
        }
        return shorter;
    }
    match measure(stem) == 1 && short_end(stem) {
        true => format!("{stem}e"),
        false => stem.to_string(),
    }
}

fn final_y(word: &str) -> String {
    match word.strip_suffix('y') {
        Some(stem) if stem.chars().count() > 1 && consonants(stem).last() == Some(&true) => format!("{stem}i"),
        _ => word.to_string(),
    }
}

fn step_2(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("alli").filter(|stem| measure(stem) > 0) {
        return step_2(&format!("{stem}al"));
    }
    if let (Some(stem), false) = (word.strip_suffix("logi"), STEP_2.iter().any(|rule| word.ends_with(rule.0))) {
        let with_l = format!("{stem}l");
        return if measure(&with_l) > 0 { format!("{stem}log") } else { word.to_string() };
    }
    first_rule(word, &STEP_2, |stem| measure(stem) > 0)
}

fn step_4(word: &str) -> String {
    for ending in STEP_4 {
        if let Some(stem) = word.strip_suffix(ending) {
            let allowed = measure(stem) > 1 && (ending != "ion" || stem.ends_with(['s', 't']));
            return if allowed { stem.to_string() } else { word.to_string() };
        }
    }
    word.to_string()
}

fn final_e_and_l(word: &str) -> String {
    let mut word = word.to_string();
    if let Some(stem) = word.strip_suffix('e') {
        if measure(stem) > 1 || (measure(stem) == 1 && !short_end(stem)) {
            word.pop();
        }
    }
    if word.ends_with("ll") && measure(&word[..word.len() - 1]) > 1 {
        word.pop();
    }
    word
}
