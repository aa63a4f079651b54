//! The card of `lector`: what it fills in, and how near like sentences are.

use std::fmt::Write;
use std::path::Path;

use super::lector::HIDDEN;
use super::report::sha256;
use super::run::Run;
use super::texts::Texts;
use super::PretrainConfig;
use crate::embedder::Embedder;
use crate::error::Result;
use crate::masked_model::MaskedModel;
use crate::save::write_file;
use crate::sys;

/// Gaps to fill, with words that would do.
const GAPS: [(&str, &[&str]); 40] = [
    ("El perro duerme en la [MASK].", &["cucha", "alfombra", "casa", "cama"]),
    ("El gato come [MASK].", &["pescado", "carne"]),
    ("La vaca da [MASK].", &["leche"]),
    ("La gallina pone [MASK].", &["huevos"]),
    ("El pájaro vuela de [MASK] en rama.", &["rama"]),
    ("La panadera hace [MASK].", &["pan"]),
    ("El bombero apaga el [MASK].", &["fuego"]),
    ("La maestra enseña a [MASK].", &["leer", "escribir"]),
    ("El cielo es de color [MASK].", &["azul"]),
    ("La nieve es [MASK].", &["blanca", "fría"]),
    ("Lo contrario de grande es [MASK].", &["pequeño"]),
    ("En invierno hace [MASK].", &["frío"]),
    ("Mi abuela toma una taza de [MASK].", &["té", "café", "leche", "chocolate"]),
    ("Hoy llueve, y mi madre abre el [MASK].", &["paraguas"]),
    ("El niño está [MASK] porque es su cumpleaños.", &["contento"]),
    ("La niña está [MASK] porque perdió su juguete.", &["triste"]),
    ("La llave sirve para abrir la [MASK].", &["puerta"]),
    ("Después del tres viene el [MASK].", &["cuatro"]),
    ("Por la noche sale la [MASK].", &["luna"]),
    ("Mi padre viaja en [MASK].", &["tren", "avión", "barco", "auto", "ómnibus", "bicicleta"]),
    ("The dog sleeps in the [MASK].", &["kennel", "yard", "house"]),
    ("The cat chases the [MASK].", &["mouse"]),
    ("The cow gives [MASK].", &["milk"]),
    ("The hen lays [MASK].", &["eggs"]),
    ("The bee makes [MASK].", &["honey"]),
    ("The baker bakes [MASK].", &["bread"]),
    ("The firefighter puts out the [MASK].", &["fire"]),
    ("The teacher explains the [MASK].", &["lesson"]),
    ("The sky is [MASK].", &["blue"]),
    ("The snow is [MASK].", &["white", "cold"]),
    ("The opposite of big is [MASK].", &["small"]),
    ("In summer it is [MASK].", &["hot"]),
    ("She drinks a cup of [MASK].", &["tea", "coffee", "milk", "chocolate"]),
    ("It is raining, and my mother opens the [MASK].", &["umbrella"]),
    ("The boy is [MASK] because he has a birthday.", &["happy"]),
    ("The girl is [MASK] because she lost a toy.", &["sad"]),
    ("We see with our [MASK].", &["eyes"]),
    ("After three comes [MASK].", &["four"]),
    ("At night the stars [MASK].", &["shine"]),
    ("My father travels by [MASK].", &["train", "plane", "boat", "car", "bus", "bicycle"]),
];

/// A sentence, one like it, and one of something else.
const TRIPLETS: [[&str; 3]; 20] = [
    ["El perro duerme en el patio.", "El gato duerme en el sofá.", "El avión vuela por el cielo."],
    ["La maestra corrige la tarea.", "La maestra enseña a leer.", "La sopa está caliente."],
    ["Mi madre prepara la cena.", "Mi abuela cocina el almuerzo.", "El tren pasa por la estación."],
    ["Hoy llueve mucho.", "Está lloviendo y hace frío.", "La panadera hace pan."],
    [
        "La comida llegó fría y el mozo fue grosero.",
        "Esperamos una hora y la carne estaba dura.",
        "La novela se lee en dos noches.",
    ],
    ["El teléfono se calienta y se apaga.", "La batería del teléfono no dura nada.", "El bombero apaga el fuego."],
    ["La película me hizo llorar.", "Los actores de la película están enormes.", "El pez nada en el agua."],
    ["El niño juega a la pelota en el parque.", "La niña corre en el parque.", "El médico receta un remedio."],
    ["La vaca come pasto.", "El caballo come hierba.", "Mi tía viaja en barco."],
    ["El libro está en la mesa.", "El lápiz está en la mesa.", "El león ruge en la selva."],
    ["The dog sleeps in the yard.", "The cat sleeps on the sofa.", "The plane flies in the sky."],
    ["The teacher marks the homework.", "The teacher explains the lesson.", "The soup is hot."],
    ["My mother makes dinner.", "My grandmother makes lunch.", "The train stops at the station."],
    ["It is raining today.", "It rains and it is cold.", "The baker bakes bread."],
    [
        "The food came cold and they were rude.",
        "We waited an hour and the meat was tough.",
        "I read the novel in two nights.",
    ],
    [
        "The phone gets hot and restarts.",
        "The battery of the phone is dead by noon.",
        "The firefighter puts out the fire.",
    ],
    ["The film made me cry.", "The cast of the film is superb.", "The fish swims in the water."],
    ["The boy plays with a ball in the park.", "The girl runs in the park.", "The doctor writes a prescription."],
    ["The cow eats grass.", "The horse eats hay.", "My aunt travels by boat."],
    ["The book is on the table.", "The pencil is on the table.", "The lion roars in the jungle."],
];

/// Writes the card and the samples.
pub(super) fn finish(config: &PretrainConfig, texts: &Texts, model: &MaskedModel, run: &Run) -> Result<()> {
    let (page, filled) = gaps(model)?;
    write_file(&config.out.join("samples.md"), page.as_bytes())?;
    let (near, triplets) = (nearer(&config.out)?, TRIPLETS.len());
    let (_, parameters) = model.count_parameters();
    let perplexity = model.evaluate(&model.dataset(&texts.held_out(1000), config.max_tokens)?)?.perplexity();
    let weights = config.out.join("model.safetensors");
    let megabytes = std::fs::metadata(&weights).map(|data| data.len()).unwrap_or(0) as f64 / 1e6;
    let mut card = String::new();
    let _ = write!(
        card,
        "# lector\n\n\
         A small encoder of {parameters} parameters for Spanish and English: it fills gaps and turns sentences into vectors, \
         so that these lessons run with no network. Made from nothing by this project, on text that this project made, \
         with `aula pretrain lector`; licensed with it (MIT OR Apache-2.0). `lector-sentiment` beside it is this \
         encoder with a head that tells praise from blame.\n\n\
         | | |\n| --- | --- |\n\
         | architecture | BERT: hidden_size {}, {} layers, {} tokens of vocabulary, {} positions |\n\
         | file | model.safetensors, {megabytes:.1} MB |\n\
         | tokenizer | WordPiece, capitals and accents kept, learned from the same texts |\n\
         | training | {} steps of {} texts: {:.1} M tokens, of which {:.0} % are to be guessed, where BERT's \
         paper hides 15 %: a small model on little text learns faster with more (Wettig et al., arXiv 2202.08005) |\n\
         | time | {:.0} minutes on {} threads |\n\
         | processor | {} |\n\
         | seed | {} |\n\
         | perplexity on hidden tokens of 1,000 texts of the grammars that it never saw | {perplexity:.2} |\n\
         | gaps filled with a word that fits, of {} written for this (`samples.md`) | {filled} |\n\
         | nearer to the sentence that is alike than to the other one, of {triplets} triplets written for this | {near} |\n\
         | SHA-256 of model.safetensors | `{}` |\n\n",
        config.hidden_size,
        config.layers,
        model.tokenizer().vocab_size(),
        config.max_tokens,
        config.steps,
        config.batch_size,
        run.tokens as f64 / 1e6,
        100.0 * HIDDEN,
        run.seconds / 60.0,
        sys::threads(),
        sys::processor(),
        config.seed,
        GAPS.len(),
        sha256(&weights)?,
    );
    let _ = write!(
        card,
        "It read everyday sentences (`data/sentences`), reviews (`data/reviews`) and stories (`data/stories`) from grammars, \
         and the hand-written film plots and reviews of this project, without the rows that lessons \
         test on. {}\n\n\
         What it is not: it knows the small world of its grammars, not the language. A word that they lack is cut into \
         pieces and means little to it; for real texts take a model of the Hub, or all-MiniLM-L6-v2 (English), which set-up installs.\n",
        run.repeating(),
    );
    write_file(&config.out.join("README.md"), card.as_bytes())?;
    println!("{card}");
    Ok(())
}

/// The page of gaps with the three likeliest words, and how many of the likeliest fit.
fn gaps(model: &MaskedModel) -> Result<(String, usize)> {
    let mut page = String::from(
        "# Forty gaps, unedited\n\nThe three likeliest words for each. ✓ marks a first word that fits.\n\n",
    );
    let mut filled = 0;
    for (text, words) in GAPS {
        let options = model.fill(text, 3)?.options;
        let fits = options.first().is_some_and(|first| words.contains(&first.token.as_str()));
        filled += usize::from(fits);
        let list: Vec<String> =
            options.iter().map(|o| format!("{} ({:.0} %)", o.token, 100.0 * o.probability)).collect();
        let _ = writeln!(page, "- {text} {}{}", list.join(", "), if fits { " ✓" } else { "" });
    }
    Ok((page, filled))
}

/// Triplets whose first two sentences are nearer to each other than the first and the third.
fn nearer(out: &Path) -> Result<usize> {
    let embedder = Embedder::load(&out.to_string_lossy())?;
    let mut near = 0;
    for [one, like, other] in TRIPLETS {
        let vectors = embedder.embed(&[one, like, other].map(str::to_string))?;
        near += usize::from(vectors.similarity(0, 1)? > vectors.similarity(0, 2)?);
    }
    Ok(near)
}
