//! Texts that are almost the same, without comparing each with each.
//!
//! A text is the set of its stretches of five characters. MinHash (Broder, "On the resemblance and containment of
//! documents", 1997) keeps 64 numbers of that set; the share of them that two texts have in common estimates the share
//! of stretches they have in common (Jaccard). Texts equal in some band of these numbers are compared for real.

use crate::error::Result;
use crate::show::Progress;
use crate::sys::{stopped, stopped_error};
use rayon::prelude::*;

/// Characters of a stretch.
const STRETCH: usize = 5;
/// Numbers kept of each text.
const HASHES: usize = 64;
/// Texts between two looks at the clock.
const AT_ONCE: usize = 1 << 14;
/// Texts of a bucket that a further one is compared with: a bucket of thousands holds a form letter.
const AT_MOST: usize = 8;

/// What is compared of a text: its letters and digits in lower case, one blank between words.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_alphanumeric() {
            true => plain.extend(c.to_lowercase()),
            false if !plain.is_empty() && !plain.ends_with(' ') => plain.push(' '),
            false => {}
        }
    }
    plain.truncate(plain.trim_end().len());
    plain
}

/// Mixes the bits of a number (the finalizer of SplitMix64).
pub(super) fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The stretches of a text as sorted numbers, each once.
pub(crate) fn stretches(plain: &str) -> Vec<u32> {
    let chars: Vec<u64> = plain.chars().map(u64::from).collect();
    let hash = |part: &[u64]| mixed(part.iter().fold(7, |hash, c| mixed(hash) ^ c)) as u32;
    let mut all: Vec<u32> = match chars.len() <= STRETCH {
        true => vec![hash(&chars)],
        false => chars.windows(STRETCH).map(hash).collect(),
    };
    all.sort_unstable();
    all.dedup();
    all
}

/// The share of stretches that two texts have in common, from 0 to 1.
pub(crate) fn similarity(a: &str, b: &str) -> f64 {
    let (a, b) = (stretches(a), stretches(b));
    let (mut i, mut j, mut common) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                common += 1;
                i += 1;
                j += 1;
            }
        }
    }
    common as f64 / (a.len() + b.len() - common).max(1) as f64
}

fn signature(plain: &str) -> [u32; HASHES] {
    let mut least = [u32::MAX; HASHES];
    for stretch in stretches(plain) {
        for (i, least) in least.iter_mut().enumerate() {
            // An odd factor of its own for each: a family of hashes that the compiler turns into vector code.
            let factor = (i as u32).wrapping_mul(0x9e37_79b1) | 1;
            let hash = (stretch ^ factor).wrapping_mul(factor.rotate_left(13) | 1);
            *least = (*least).min(hash ^ (hash >> 15));
        }
    }
    least
}

/// Whether enough numbers of two signatures are equal that their texts may be alike: the estimate is off by 0.06 at most
/// two times in three, so a pair that is rightly alike falls short of this once in thousands.
fn may_be_alike(signatures: &[[u32; HASHES]], (a, b): (usize, usize), least: f64) -> bool {
    let equal = signatures[a].iter().zip(&signatures[b]).filter(|(a, b)| a == b).count();
    equal as f64 / HASHES as f64 >= least - 0.2
}

/// The pairs of places in `texts` (already plain) that are at least `similarity` alike, with how alike they are.
///
/// A text is compared with the first few of its bucket only; that is enough to gather groups.
///
/// # Errors
/// When the reader stops it.
pub(super) fn alike(texts: &[String], least: f64) -> Result<Vec<(usize, usize, f64)>> {
    let mut progress = Progress::start(&tr!("Buscando textos parecidos", "Looking for texts alike"), texts.len());
    let mut signatures: Vec<[u32; HASHES]> = Vec::with_capacity(texts.len());
    for some in texts.chunks(AT_ONCE) {
        if stopped() {
            return Err(stopped_error(
                tr!("La búsqueda de duplicados se paró.", "The search for duplicates was stopped."),
                tr!("Ejecuta la celda otra vez para hacerla entera.", "Run the cell again to do it all."),
            ));
        }
        signatures.par_extend(some.par_iter().map(|text| signature(text)));
        progress.update(signatures.len(), &tr!("textos", "texts"));
    }
    // Few numbers a band find pairs that are less alike, and more that are not.
    let band = if least >= 0.7 { 4 } else { 2 };
    let mut candidates: Vec<(usize, usize)> = (0..HASHES / band)
        .into_par_iter()
        .flat_map_iter(|b| {
            let key = |row: usize| {
                signatures[row][b * band..(b + 1) * band].iter().fold(b as u64, |key, x| mixed(key) ^ u64::from(*x))
            };
            let mut keyed: Vec<(u64, usize)> = (0..texts.len()).map(|row| (key(row), row)).collect();
            keyed.sort_unstable();
            let buckets: Vec<(usize, usize)> = keyed
                .chunk_by(|a, b| a.0 == b.0)
                .filter(|bucket| bucket.len() > 1)
                .flat_map(|bucket| {
                    let pairs = |j: usize| (0..j.min(AT_MOST)).map(move |i| (bucket[i].1, bucket[j].1));
                    let likely = |pair: &(usize, usize)| may_be_alike(&signatures, *pair, least);
                    (1..bucket.len()).flat_map(pairs).filter(likely).collect::<Vec<_>>()
                })
                .collect();
            buckets
        })
        .collect();
    candidates.sort_unstable();
    candidates.dedup();
    let compared = candidates.into_par_iter().map(|(a, b)| (a, b, similarity(&texts[a], &texts[b])));
    let found = compared.filter(|(_, _, alike)| *alike >= least).collect();
    progress.end(&tr!("textos", "texts"));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_is_the_share_of_common_stretches() {
        // abcdef has abcde, bcdef; abcdefg has those and cdefg: 2 of 3.
        assert!((similarity("abcdef", "abcdefg") - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!((similarity("hola", "hola"), similarity("hola", "chau")), (1.0, 0.0));
        assert_eq!(plain("¡Hola,   MUNDO!\n"), "hola mundo");
    }

    #[test]
    fn nearly_all_pairs_above_the_threshold_are_found_and_none_below() {
        let mut rng = crate::rng::Rng::new(3);
        let word = |rng: &mut crate::rng::Rng| format!("palabra{} ", rng.below(5_000));
        let mut texts: Vec<String> = Vec::new();
        for _ in 0..300 {
            let words: Vec<String> = (0..20).map(|_| word(&mut rng)).collect();
            let mut other = words.clone();
            other[rng.below(20)] = "otra ".into();
            texts.push(plain(&words.concat()));
            texts.push(plain(&other.concat()));
        }
        let truth: Vec<(usize, usize)> = (0..texts.len())
            .flat_map(|a| (a + 1..texts.len()).map(move |b| (a, b)))
            .filter(|(a, b)| similarity(&texts[*a], &texts[*b]) >= 0.75)
            .collect();
        let found: Vec<(usize, usize)> = alike(&texts, 0.75).unwrap().into_iter().map(|(a, b, _)| (a, b)).collect();
        assert!(truth.len() >= 250 && found.iter().all(|pair| truth.contains(pair)));
        assert!(found.len() * 100 >= truth.len() * 99, "{} of {}", found.len(), truth.len());
    }
}
