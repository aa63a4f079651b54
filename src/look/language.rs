//! Which language a text is most likely in.
//!
//! Short comments have too few letters for statistics of letters, so the small words come first (`que`, `the`, `und`);
//! where none is known, whatlang's trigrams decide (Cavnar and Trenkle, "N-Gram-Based Text Categorization", 1994).

use super::{headers, percent, shown};
use crate::error::Result;
use crate::show::{cut, Html};
use crate::table::{watched_texts, Table};
use std::collections::HashMap;
use std::sync::LazyLock;
use whatlang::{Detector, Lang};

/// The languages that are told apart.
pub(crate) const CODES: [&str; 6] = ["es", "en", "pt", "fr", "de", "it"];
const LANGS: [Lang; 6] = [Lang::Spa, Lang::Eng, Lang::Por, Lang::Fra, Lang::Deu, Lang::Ita];
/// Small words of each, in the order of `CODES`; a word of several languages says little.
const WORDS: [&str; 6] = [
    "el la los las de del que y en un una es no se con por para lo me te mi tu su le como pero más muy ya si sí está \
     este esta eso esto fue hay son ser yo nos al o porque cuando qué también todo nada algo alguien aquí así bien mal \
     hola gracias jaja jajaja ni sin sobre hasta desde puede tiene hace gente cómo dónde quién ese esa mejor peor",
    "the a an of to and in is it you that he was for on are with as i his they be at this have from or had by not but \
     what all were we when your can said there each which do how their if will up about out many then them so some her \
     would like him has more my me no just don't it's i'm that's thanks lol why who where think know people really very",
    "o a os as de do da que e em um uma é não se com por para no na nos nas ao mas mais muito já você eu ele ela isso \
     isto este essa foi são tem está como quando também tudo nada alguém obrigado obrigada aqui bem sem sobre até desde \
     pode faz gente onde quem esse melhor meu minha seu sua pra tá kkkk vocês nós pelo pela dos das",
    "le la les de des du que et en un une est ne pas se avec par pour je tu il elle nous vous ils elles mais plus très \
     ce cette ces qui dans sur au aux son sa ses mon ma mes c'est j'ai d'un d'une l'on on été être avoir fait quand \
     comme tout rien quelqu'un merci ici bien sans jusque depuis peut gens où ça oui non vraiment suis quoi votre notre",
    "der die das und ist in zu den mit nicht von ein eine einen einem einer es auf für sich dem im ich du er sie wir ihr \
     aber auch als an nach wie bei noch nur so wenn war hat haben habe sind kann mehr sehr schon man doch mal keine kein \
     dein mein sein danke hier gut ohne über bis seit leute wo wer ja nein wirklich was warum dass diese dieser dieses",
    "il lo la i gli le di del della che e in un una è non si con per da ma più molto già io tu lui lei noi voi loro mi ti \
     ci questo questa quello sono era ha ho hanno come quando anche tutto niente qualcuno grazie qui bene senza su fino \
     può fa gente dove chi al alla nel nella sul dei delle perché così cosa ciao sì mio tuo suo",
];
/// Share of the evidence below which no language is named.
const DOUBT: f64 = 0.4;

/// The language that a text is most likely in.
#[derive(Clone, Debug, PartialEq)]
pub struct Language {
    /// `es`, `en`, `pt`, `fr`, `de`, `it`, or `?` where there is too little to go by.
    pub code: String,
    /// How sure, from 0 to 1.
    pub confidence: f64,
}

/// The languages of a column's texts.
#[derive(Clone, Debug)]
pub struct Languages {
    /// The column.
    pub column: String,
    /// Each language with how many texts and one of them, the most frequent first.
    pub languages: Vec<(String, usize, String)>,
    /// The language of each row; `?` where there is no text or too little.
    pub rows: Vec<Language>,
}

/// The language that `text` is most likely in, of es, en, pt, fr, de, it.
pub fn guess_language(text: &str) -> Language {
    let (at, confidence) = guess(text);
    Language { code: at.map_or("?", |at| CODES[at]).to_string(), confidence }
}

/// The place of the likeliest language in `CODES`, if one stands out.
pub(crate) fn guess(text: &str) -> (Option<usize>, f64) {
    static SMALL: LazyLock<HashMap<&'static str, u8>> = LazyLock::new(small_words);
    let lower = text.to_lowercase();
    let mut votes = [0.0f64; 6];
    let mut words = 0;
    for word in lower.split(|c: char| !c.is_alphabetic() && c != '\'').filter(|word| !word.is_empty()) {
        words += 1;
        let Some(bits) = SMALL.get(word) else { continue };
        let weight = 1.0 / f64::from(bits.count_ones().pow(2));
        votes.iter_mut().enumerate().filter(|(i, _)| bits >> i & 1 == 1).for_each(|(_, vote)| *vote += weight);
    }
    for c in lower.chars() {
        match c {
            'ñ' | '¿' | '¡' => votes[0] += 1.0,
            'ã' | 'õ' => votes[2] += 1.0,
            'ß' | 'ä' => votes[4] += 0.7,
            'œ' | 'ê' => votes[3] += 0.4,
            _ => {}
        }
    }
    if let Some((lang, confidence)) = trigrams(text) {
        // With many letters the statistics are worth several words.
        votes[lang] += confidence * (1.0 + words as f64 / 8.0).min(4.0);
    }
    let all: f64 = votes.iter().sum();
    let best = (0..6).max_by(|a, b| votes[*a].total_cmp(&votes[*b])).unwrap_or(0);
    if all < 0.25 {
        return (None, 0.0);
    }
    // One word alone is weak evidence, however clear it is.
    let confidence = votes[best] / all * (all / (all + 0.5));
    (Some(best).filter(|_| confidence >= DOUBT), confidence)
}

fn trigrams(text: &str) -> Option<(usize, f64)> {
    static DETECTOR: LazyLock<Detector> = LazyLock::new(|| Detector::with_allowlist(LANGS.to_vec()));
    let found = DETECTOR.detect(text)?;
    let at = LANGS.iter().position(|lang| *lang == found.lang())?;
    Some((at, found.confidence()))
}

/// Each small word with a bit for each language that has it.
fn small_words() -> HashMap<&'static str, u8> {
    let mut all = HashMap::new();
    for (i, words) in WORDS.iter().enumerate() {
        words.split_whitespace().for_each(|word| *all.entry(word).or_insert(0) |= 1 << i);
    }
    all
}

impl Table {
    /// The language that each text of a column is most likely in, of es, en, pt, fr, de, it.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn languages(&self, column: &str) -> Result<Languages> {
        let texts = self.string_column(column)?;
        let title = tr!("Idioma de cada texto", "Language of each text");
        let rows = watched_texts(&title, &texts, |text| guess_language(text.unwrap_or_default()))?;
        let mut languages: Vec<(String, usize, String)> = Vec::new();
        for (language, text) in rows.iter().zip(texts.iter()) {
            match languages.iter_mut().find(|known| known.0 == language.code) {
                Some(known) => known.1 += 1,
                None => languages.push((language.code.clone(), 1, cut(text.unwrap_or_default(), 200))),
            }
        }
        languages.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Ok(Languages { column: column.to_string(), languages, rows })
    }
}

impl Languages {
    /// How many texts are in a language (`es`, `en`, `pt`, `fr`, `de`, `it` or `?`).
    pub fn count(&self, code: &str) -> usize {
        self.languages.iter().find(|language| language.0 == code).map_or(0, |language| language.1)
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(
            &["idioma", "textos", "parte", "seguridad media", "un ejemplo"],
            &["language", "texts", "share", "mean confidence", "an example"],
        );
        let line = |(code, texts, example): &(String, usize, String)| {
            let sure: f64 = self.rows.iter().filter(|row| row.code == *code).map(|row| row.confidence).sum();
            let mean = format!("{:.2}", sure / *texts as f64);
            vec![code.clone(), texts.to_string(), percent(*texts, self.rows.len()), mean, example.clone()]
        };
        let rows: Vec<Vec<String>> = self.languages.iter().map(line).collect();
        let column = &self.column;
        let caption = tr!(
            "Idioma probable de «{column}»; «?»: muy poco texto para saberlo",
            "Likely language of \"{column}\"; \"?\": too little text to know"
        );
        Html::table(&headers, &rows, &caption)
    }
}

shown!(Languages);
