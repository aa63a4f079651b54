//! Which sentences of a text matter: those that many others resemble (TextRank, Mihalcea and Tarau 2004), or that are
//! nearest to the middle of all (Radev et al. 2004), without saying one thing twice (MMR, Carbonell and Goldstein 1998).

/// How often TextRank goes round at most, and the change at which it ends.
const ROUNDS: usize = 200;
const CHANGE: f64 = 1e-9;
/// How often the walker of TextRank goes on to a neighbour.
const DAMPING: f64 = 0.85;

/// A score for each sentence from how alike any two are: the share of time that a walker spends at it who goes from sentence to sentence,
/// more often to like ones.
pub(super) fn text_rank(alike: &[Vec<f64>]) -> Vec<f64> {
    let n = alike.len();
    let out: Vec<f64> = (0..n).map(|i| (0..n).filter(|j| *j != i).map(|j| alike[i][j].max(0.0)).sum()).collect();
    let mut rank = vec![1.0 / n as f64; n];
    for _ in 0..ROUNDS {
        // Who resembles no one goes anywhere.
        let lost: f64 = (0..n).filter(|i| out[*i] == 0.0).map(|i| rank[i]).sum();
        let next: Vec<f64> = (0..n)
            .map(|j| {
                let from = (0..n).filter(|i| *i != j && out[*i] > 0.0);
                let come: f64 = from.map(|i| rank[i] * alike[i][j].max(0.0) / out[i]).sum();
                (1.0 - DAMPING) / n as f64 + DAMPING * (come + lost / n as f64)
            })
            .collect();
        let change: f64 = next.iter().zip(&rank).map(|(a, b)| (a - b).abs()).sum();
        rank = next;
        if change < CHANGE {
            break;
        }
    }
    rank
}

/// A score for each sentence: the cosine of its vector with the mean of all. From the likenesses alone, as
/// x·(sum of all) = sum of the likenesses.
pub(super) fn centroid(alike: &[Vec<f64>]) -> Vec<f64> {
    let sums: Vec<f64> = alike.iter().map(|row| row.iter().sum()).collect();
    let length = sums.iter().sum::<f64>().max(1e-12).sqrt();
    sums.iter().map(|sum| sum / length).collect()
}

/// The places of up to `count` sentences, chosen one after the other: each has the best balance of its score and of
/// being unlike those before it. `fits` says whether there is still room for a sentence.
pub(super) fn choose(
    scores: &[f64],
    alike: &[Vec<f64>],
    count: usize,
    diversity: f64,
    fits: &mut dyn FnMut(usize) -> bool,
) -> Vec<usize> {
    let most = scores.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let mut left: Vec<usize> = (0..scores.len()).collect();
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < count && !left.is_empty() {
        let value = |i: usize| {
            let twin = chosen.iter().map(|other| alike[i][*other]).fold(0.0, f64::max);
            (1.0 - diversity) * scores[i] / most - diversity * twin
        };
        // Of equal ones the first.
        let best = (0..left.len()).max_by(|a, b| value(left[*a]).total_cmp(&value(left[*b])).then(b.cmp(a)));
        let Some(best) = best else { break };
        let sentence = left.remove(best);
        if fits(sentence) {
            chosen.push(sentence);
        }
    }
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_sentence_of_three_wins_and_its_twin_is_left_out() {
        // Sentence 0 and 1 are alike, 1 and 2 too, 0 and 2 are not.
        let alike = vec![vec![1.0, 0.5, 0.0], vec![0.5, 1.0, 0.5], vec![0.0, 0.5, 1.0]];
        let rank = text_rank(&alike);
        // Stationary by hand: r1 = 0.05 + 0.85 (r0 + r2), r0 = r2 = 0.05 + 0.85 r1 / 2.
        let middle = (0.05 + 0.85 * 0.1) / (1.0 - 0.85 * 0.85);
        assert!((rank[1] - middle).abs() < 1e-8 && (rank.iter().sum::<f64>() - 1.0).abs() < 1e-8, "{rank:?}");
        assert!((centroid(&alike)[1] - 2.0 / 5f64.sqrt()).abs() < 1e-12);
        let twins = vec![vec![1.0, 1.0, 0.2], vec![1.0, 1.0, 0.2], vec![0.2, 0.2, 1.0]];
        let scores = [1.0, 1.0, 0.6];
        assert_eq!(choose(&scores, &twins, 2, 0.0, &mut |_| true), [0, 1]);
        assert_eq!(choose(&scores, &twins, 2, 0.5, &mut |_| true), [0, 2]);
        assert_eq!(choose(&scores, &twins, 2, 0.0, &mut |i| i != 0), [1, 2]);
    }
}
