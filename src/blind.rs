//! A comparison in which the reader does not know whose text is whose before having voted.

use crate::error::{Error, ErrorKind, Result};
use crate::generate::Generation;
use crate::rng::Rng;
use crate::show::{escape, Html};

/// The same prompts by two models, each pair in an order drawn by a seed. Vote, then [`Blind::reveal`].
#[derive(Clone)]
pub struct Blind {
    pairs: Vec<Pair>,
}

#[derive(Clone)]
struct Pair {
    prompt: String,
    before: String,
    after: String,
    /// True where the text of the model before its training is A.
    before_is_a: bool,
}

/// Whose text was whose, and how often each was preferred.
#[derive(Clone, Debug)]
pub struct Revealed {
    /// Votes for the model before its training.
    pub before: usize,
    /// Votes for the adapted one.
    pub after: usize,
    /// Pairs without a preference.
    pub undecided: usize,
    rows: Vec<Vec<String>>,
}

/// Hides which of two lists of generations of the same prompts is which: A and B change places by `seed`.
///
/// # Errors
/// Where the two lists do not have the same prompts, or none.
pub fn blind(before: &[Generation], after: &[Generation], seed: u64) -> Result<Blind> {
    let same = before.len() == after.len() && before.iter().zip(after).all(|(b, a)| b.prompt == a.prompt);
    if !same || before.is_empty() {
        let (one, other) = (before.len(), after.len());
        return Err(Error::new(
            ErrorKind::BadSetting,
            tr!(
                "Las dos listas ({one} y {other} textos) no tienen los mismos comienzos.",
                "The two lists ({one} and {other} texts) do not have the same prompts."
            ),
        )
        .next(tr!("Genera las dos con la misma lista de comienzos.", "Generate both from the same list of prompts.")));
    }
    // Half of the pairs each way, whatever the seed: votes for the same letter always decide nothing.
    let mut order: Vec<bool> = (0..before.len()).map(|i| i % 2 == 0).collect();
    let mut rng = Rng::new(seed);
    if rng.below(2) == 0 {
        order.iter_mut().for_each(|first| *first = !*first);
    }
    rng.shuffle(&mut order);
    let pair = |((b, a), before_is_a): ((&Generation, &Generation), bool)| Pair {
        prompt: b.prompt.clone(),
        before: b.text.trim().to_string(),
        after: a.text.trim().to_string(),
        before_is_a,
    };
    Ok(Blind { pairs: before.iter().zip(after).zip(order).map(pair).collect() })
}

impl Pair {
    fn a_and_b(&self) -> (&str, &str) {
        match self.before_is_a {
            true => (&self.before, &self.after),
            false => (&self.after, &self.before),
        }
    }

    /// A row of what is shown once it is known, and whether the vote was for the adapted model.
    fn revealed(&self, number: usize, vote: char) -> (Vec<String>, Option<bool>) {
        let (before, after) = (tr!("antes", "before"), tr!("después", "after"));
        let (a, b) = if self.before_is_a { (&before, &after) } else { (&after, &before) };
        let for_after = match vote {
            'A' => Some(!self.before_is_a),
            'B' => Some(self.before_is_a),
            _ => None,
        };
        let chosen = match for_after {
            Some(true) => after.clone(),
            Some(false) => before.clone(),
            None => "—".to_string(),
        };
        (vec![number.to_string(), self.prompt.clone(), a.clone(), b.clone(), vote.to_string(), chosen], for_after)
    }
}

impl Blind {
    /// How many pairs there are: as many votes are wanted.
    pub fn count(&self) -> usize {
        self.pairs.len()
    }

    /// Tells whose text was whose. `votes` has a letter for each pair, in order: `A`, `B`, or `-` for neither.
    ///
    /// # Errors
    /// Where there are more or fewer votes than pairs, or other letters.
    pub fn reveal(&self, votes: &str) -> Result<Revealed> {
        let letters: Vec<char> = votes.to_uppercase().chars().filter(|c| !c.is_whitespace()).collect();
        let (count, of) = (letters.len(), self.count());
        if count != of || !letters.iter().all(|letter| "AB-".contains(*letter)) {
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!("No entiendo los votos {votes:?}.", "I do not understand the votes {votes:?}."),
            )
            .why(tr!("son {count} y hay {of} pares", "there are {count} of them, and {of} pairs"))
            .next(tr!(
                "Escribe una letra por par: A, B, o - si te da igual.",
                "Write a letter for each pair: A, B, or - where you like neither better."
            )));
        }
        let told = self.pairs.iter().zip(letters).enumerate().map(|(i, (pair, vote))| pair.revealed(i + 1, vote));
        let (rows, chosen): (Vec<_>, Vec<_>) = told.unzip();
        let votes = |wanted: Option<bool>| chosen.iter().filter(|choice| **choice == wanted).count();
        Ok(Revealed { before: votes(Some(false)), after: votes(Some(true)), undecided: votes(None), rows })
    }

    /// Shows the pairs, without saying whose is which.
    pub fn evcxr_display(&self) {
        let cell = |text: &str| {
            format!(
                "<td style=\"text-align:left;vertical-align:top;white-space:normal;width:40%\">{}</td>",
                escape(text)
            )
        };
        let row = |(i, pair): (usize, &Pair)| {
            let (a, b) = pair.a_and_b();
            format!("<tr><td>{}</td><td><b>{}</b></td>{}{}</tr>", i + 1, escape(&pair.prompt), cell(a), cell(b))
        };
        let rows: String = self.pairs.iter().enumerate().map(row).collect();
        let prompt = tr!("comienzo", "prompt");
        let head = format!("<tr><th></th><th>{prompt}</th><th>A</th><th>B</th></tr>");
        let html = format!("<table><thead>{head}</thead><tbody>{rows}</tbody></table>");
        Html::new(&html, &self.to_string()).evcxr_display();
    }
}

impl std::fmt::Display for Blind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, pair) in self.pairs.iter().enumerate() {
            let (a, b) = pair.a_and_b();
            writeln!(f, "{}. {} …\n  A: {a}\n  B: {b}", i + 1, pair.prompt)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Blind {
    /// What is shown: the secret is kept here too.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl Revealed {
    /// How likely a coin would give the adapted model as many votes as this, or more; 1 where nothing was decided.
    pub fn by_chance(&self) -> f64 {
        let votes = self.before + self.after;
        let (mut ways, mut sum) = (1.0, 0.0);
        for k in 0..=votes {
            if k >= self.after {
                sum += ways;
            }
            ways *= (votes - k) as f64 / (k + 1) as f64;
        }
        sum / 2f64.powi(votes as i32)
    }

    fn line(&self) -> String {
        let Self { before, after, undecided, .. } = self;
        let percent = 100.0 * self.by_chance();
        if before + after == 0 {
            return tr!("Sin votos todavía.", "No votes yet.");
        }
        tr!(
            "Después: {after} votos; antes: {before}; sin preferencia: {undecided}. A cara o cruz, {after} o más saldrían el {percent:.0} % de las veces.",
            "After: {after} votes; before: {before}; no preference: {undecided}. Tossing a coin, {after} or more would come {percent:.0} % of the time."
        )
    }

    fn table(&self) -> Html {
        let headers =
            ["".into(), tr!("comienzo", "prompt"), "A".into(), "B".into(), tr!("voto", "vote"), tr!("es", "it is")];
        Html::table(&headers, &self.rows, &self.line())
    }

    /// Shows whose text was whose, and the score.
    pub fn evcxr_display(&self) {
        self.table().evcxr_display();
    }
}

impl std::fmt::Display for Revealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.table().plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(by: &str, count: usize) -> Vec<Generation> {
        let text = |i: usize| Generation {
            prompt: format!("<p{i}>"),
            text: format!(" {by} {i} "),
            another: false,
            tokens: 2,
            ended: true,
            seconds: 0.0,
        };
        (0..count).map(text).collect()
    }

    fn pairs(count: usize, seed: u64) -> Blind {
        blind(&texts("before", count), &texts("after", count), seed).unwrap()
    }

    #[test]
    fn the_seed_decides_the_order_and_each_model_is_a_half_of_the_time() {
        assert_eq!(pairs(8, 1).to_string(), pairs(8, 1).to_string());
        let orders: std::collections::BTreeSet<String> = (0..20).map(|seed| pairs(8, seed).to_string()).collect();
        assert!(orders.len() > 10, "{}", orders.len());
        for seed in 0..20 {
            assert_eq!(pairs(8, seed).pairs.iter().filter(|pair| pair.before_is_a).count(), 4);
        }
        let first: Vec<bool> = (0..40).map(|seed| pairs(1, seed).pairs[0].before_is_a).collect();
        assert!(first.contains(&true) && first.contains(&false), "one pair alone is a secret too");
    }

    #[test]
    fn who_knows_the_texts_wins_every_vote_and_the_score_says_so() {
        let pairs = pairs(4, 7);
        // Votes for the adapted one, found by its text as a reader would.
        let shown = pairs.to_string();
        let votes: String = shown
            .lines()
            .filter(|line| line.contains(": after"))
            .map(|line| line.trim().chars().next().unwrap())
            .collect();
        let told = pairs.reveal(&votes.to_lowercase()).unwrap();
        assert_eq!((told.before, told.after, told.undecided), (0, 4, 0));
        assert_eq!(told.by_chance(), 1.0 / 16.0);
        let other: String = votes.chars().map(|vote| if vote == 'A' { 'B' } else { 'A' }).collect();
        assert_eq!(pairs.reveal(&other).unwrap().before, 4);
        assert_eq!(pairs.reveal(&other).unwrap().by_chance(), 1.0);
        let half = pairs.reveal(&format!("{} - - -", &votes[..1])).unwrap();
        assert_eq!((half.after, half.undecided, half.by_chance()), (1, 3, 0.5));
        assert_eq!(pairs.reveal("----").unwrap().by_chance(), 1.0);
        let same = pairs.reveal("AAAA").unwrap();
        assert_eq!((same.before, same.after), (2, 2), "the same letter always decides nothing");
    }

    #[test]
    fn nothing_tells_before_the_votes() {
        let all = format!("{:?}{}", pairs(4, 7), pairs(4, 7));
        assert!(!all.contains("before_is_a") && !all.contains("antes:") && !all.contains("before:"), "{all}");
    }

    #[test]
    fn votes_of_another_number_or_letter_and_other_prompts_are_errors() {
        let pairs = pairs(4, 7);
        for votes in ["", "ABB", "ABBAA", "ABBX", "AB BÑ"] {
            assert_eq!(pairs.reveal(votes).unwrap_err().kind(), ErrorKind::BadSetting, "{votes}");
        }
        assert_eq!(blind(&texts("a", 2), &texts("b", 3), 1).unwrap_err().kind(), ErrorKind::BadSetting);
        assert_eq!(blind(&[], &[], 1).unwrap_err().kind(), ErrorKind::BadSetting);
    }
}
