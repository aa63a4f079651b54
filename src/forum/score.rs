//! Scores: a few very high ones, some below zero, and a little of what the text has to do with them.
//!
//! Only whole numbers, and operations that are the same to the last bit on every machine.

use super::compose::Comment;
use super::source::Kind;
use crate::rng::Rng;

/// The score in the middle, which so many rows have that 54 % lie at it or above, and 54 % at it or below.
const MEDIAN: i64 = 4;
/// Share of the rows below the median, and of those above.
const OUTSIDE: f64 = 0.46;
/// What the lower scores begin at, as shares of all rows: 3 from 0.33, 2 from 0.19, 1 from 0.07, 0 from 0.04.
const STEPS: [(f64, i64); 4] = [(0.33, 3), (0.19, 2), (0.07, 1), (0.04, 0)];
/// How wide chance spreads, against the hundreds of what the text brings.
const CHANCE: usize = 160;

/// How well the forum likes a comment: what kind it is, where it stands, what it is about, how long it is, and chance.
pub(super) fn liking(comment: &Comment, is_author: bool, seed: u64, rng: &mut Rng) -> i64 {
    let community = centred(&mut Rng::stream(seed, 1 << 40 | comment.community as u64), 90);
    let mut about = 0;
    for (kind, line) in &comment.from {
        about += kind_of(*kind) + centred(&mut Rng::stream(seed, 1 << 41 | *line as u64), 200);
    }
    let about = about / comment.from.len().max(1) as i64;
    let words = comment.text.split_whitespace().count().min(60) as i64;
    let chance = (0..3).map(|_| centred(rng, CHANCE)).sum::<i64>();
    community + about + 2 * words + 20 * i64::from(is_author) + chance
}

fn kind_of(kind: Kind) -> i64 {
    match kind {
        Kind::Joke => 100,
        Kind::Irony => 60,
        Kind::Remark => 50,
        Kind::Answer => 0,
        Kind::Complaint => -30,
        Kind::Question => -80,
        Kind::Thanks => -110,
    }
}

/// A whole number from `-most` to `most`.
fn centred(rng: &mut Rng, most: usize) -> i64 {
    rng.below(2 * most + 1) as i64 - most as i64
}

/// The scores of comments by their rank: the best liked gets the highest.
pub(super) fn by_rank(liking: &[i64]) -> Vec<i64> {
    let mut order: Vec<usize> = (0..liking.len()).collect();
    order.sort_by_key(|row| (liking[*row], *row));
    let mut scores = vec![0; liking.len()];
    for (rank, row) in order.into_iter().enumerate() {
        scores[row] = score((rank as f64 + 0.5) / liking.len() as f64);
    }
    scores
}

/// The score below which `share` of all rows lie. Above the median it is Pareto's: half as many rows have twice as much.
pub(super) fn score(share: f64) -> i64 {
    if share > 1.0 - OUTSIDE {
        return MEDIAN + 1 + (2.2 * (OUTSIDE / (1.0 - share) - 1.0)).floor() as i64;
    }
    if share >= OUTSIDE {
        return MEDIAN;
    }
    let step = STEPS.iter().find(|(from, _)| share >= *from);
    step.map_or_else(|| -((0.04 / share.max(0.0005)).floor() as i64), |(_, score)| *score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_has_eight_percent_and_the_tail_is_heavy() {
        let scores = by_rank(&(0..1000).collect::<Vec<i64>>());
        let count = |test: fn(i64) -> bool| scores.iter().filter(|score| test(**score)).count();
        assert_eq!((count(|s| s < MEDIAN), count(|s| s == MEDIAN), count(|s| s > MEDIAN)), (460, 80, 460));
        assert!(count(|s| s < 0) == 40 && scores[999] > 1000 && scores[0] < -30);
        assert!(scores.is_sorted());
    }
}
