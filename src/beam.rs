//! Beam search: several ways to go on side by side, of which the likeliest whole is taken.

use crate::error::Result;
use crate::generate::GenerateConfig;
use crate::sys::stopped;

/// What a search goes by.
pub(crate) struct Search<'a> {
    /// `num_beams`, `length_penalty` and what changes scores.
    pub(crate) config: &'a GenerateConfig,
    /// What stands before the new tokens: the prompt, or a decoder's start.
    pub(crate) start: &'a [u32],
    /// The tokens that end a text.
    pub(crate) ends: &'a [u32],
    /// At most so many new tokens.
    pub(crate) limit: usize,
}

/// A text that is written, the end token included.
#[derive(Clone, Debug)]
pub(crate) struct Beam {
    /// The new tokens.
    pub(crate) tokens: Vec<u32>,
    /// The sum of its tokens' log-probabilities; for a finished one, divided by its length to the power of
    /// `length_penalty`.
    score: f64,
}

/// One more token on a beam.
#[derive(Clone, Copy)]
struct Candidate {
    beam: usize,
    token: u32,
    score: f64,
}

/// Gives the logits after one more token on each beam: which of the last beams each goes on with, and its token.
pub(crate) type Next<'a> = dyn FnMut(&[u32], &[u32]) -> Result<Vec<Vec<f32>>> + 'a;

impl Search<'_> {
    /// The likeliest text. `first` are the logits after `start`; `tell` hears the likeliest tokens so far.
    ///
    /// It decides as transformers 5 does (`GenerationMixin._beam_search`, `early_stopping` false): of the likeliest
    /// continuations those that end are set aside, the others go on; it is over when the best of those could not beat the
    /// worst that was set aside, at the length that it has. Stopped by the reader, it gives the likeliest so far.
    pub(crate) fn run(&self, first: Vec<f32>, next: &mut Next, tell: &mut dyn FnMut(&[u32])) -> Result<Beam> {
        let count = self.config.num_beams;
        let mut logits = vec![first];
        let mut beams = vec![Beam { tokens: Vec::new(), score: 0.0 }];
        let mut done: Vec<Beam> = Vec::new();
        for made in 1..=self.limit {
            let (last, penalty) = (made == self.limit, (made as f64).powf(self.config.length_penalty));
            let candidates = self.candidates(&beams, &mut logits);
            let ends = |candidate: &Candidate| self.ends.contains(&candidate.token);
            let grown = |candidate: &Candidate, score: f64| {
                let tokens = [&beams[candidate.beam].tokens[..], &[candidate.token]].concat();
                Beam { tokens, score }
            };
            let finished = candidates.iter().take(count).filter(|candidate| last || ends(candidate));
            done.extend(finished.map(|candidate| grown(candidate, candidate.score / penalty)));
            done.sort_by(|a, b| b.score.total_cmp(&a.score));
            done.truncate(count);
            let open: Vec<Candidate> = candidates.iter().filter(|c| !ends(c)).take(count).copied().collect();
            beams = open.iter().map(|candidate| grown(candidate, candidate.score)).collect();
            let Some(best) = beams.first() else { break };
            tell(&best.tokens);
            let beaten = done.len() == count && done.last().is_some_and(|worst| best.score / penalty <= worst.score);
            if last || beaten || stopped() {
                break;
            }
            let parents: Vec<u32> = open.iter().map(|candidate| candidate.beam as u32).collect();
            let tokens: Vec<u32> = open.iter().map(|candidate| candidate.token).collect();
            logits = next(&parents, &tokens)?;
        }
        // Stopped before any text was finished: what there is.
        Ok(done.into_iter().chain(beams).next().unwrap_or(Beam { tokens: Vec::new(), score: 0.0 }))
    }

    /// The likeliest continuations of all beams, likeliest first: enough that `num_beams` of them do not end.
    fn candidates(&self, beams: &[Beam], logits: &mut [Vec<f32>]) -> Vec<Candidate> {
        let keep = (1 + self.ends.len()).max(2) * self.config.num_beams;
        let mut best: Vec<Candidate> = Vec::with_capacity(keep + 1);
        for (beam, logits) in logits.iter_mut().enumerate() {
            log_softmax(logits);
            self.config.adjust(logits, &[self.start, &beams[beam].tokens].concat());
            for (token, share) in logits.iter().enumerate() {
                let score = beams[beam].score + f64::from(*share);
                if best.len() == keep && best.last().is_some_and(|worst| score <= worst.score) {
                    continue;
                }
                let place = best.partition_point(|other| other.score >= score);
                best.insert(place, Candidate { beam, token: token as u32, score });
                best.truncate(keep);
            }
        }
        best
    }
}

/// Logits to log-probabilities, in place.
fn log_softmax(logits: &mut [f32]) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - largest).exp()).sum();
    let level = f64::from(largest) + sum.ln();
    logits.iter_mut().for_each(|x| *x = (f64::from(*x) - level) as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A language of four tokens, 3 ends: after 0 come 1 (0.6) or 2 (0.4); after 1 anything is as likely, after 2 the end
    /// nearly sure. The likeliest first step is not on the likeliest way.
    fn logits(token: u32) -> Vec<f32> {
        let shares: [f32; 4] = match token {
            0 => [1e-9, 0.6, 0.4, 1e-9],
            2 => [0.01, 0.01, 0.01, 0.97],
            _ => [0.25, 0.25, 0.25, 0.25],
        };
        shares.map(f32::ln).to_vec()
    }

    fn run(config: &GenerateConfig, limit: usize) -> Beam {
        let search = Search { config, start: &[0], ends: &[3], limit };
        let mut next = |_: &[u32], tokens: &[u32]| Ok(tokens.iter().map(|token| logits(*token)).collect());
        search.run(logits(0), &mut next, &mut |_| ()).unwrap()
    }

    #[test]
    fn two_beams_find_the_likelier_whole_that_one_step_at_a_time_misses() {
        let config = GenerateConfig { num_beams: 2, length_penalty: 0.0, ..Default::default() };
        let found = run(&config, 8);
        assert_eq!(found.tokens, [2, 3]);
        assert_eq!(run(&config, 1).tokens, [1], "a text of one token is the likeliest token");
    }

    #[test]
    fn a_token_that_was_said_is_not_said_again() {
        let config = GenerateConfig { num_beams: 2, no_repeat_ngram_size: 1, ..Default::default() };
        let found = run(&GenerateConfig { length_penalty: 5.0, ..config }, 6);
        let mut different = found.tokens.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), found.tokens.len(), "{:?}", found.tokens);
    }
}
