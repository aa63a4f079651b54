//! Stories with a summary of one line each: what lesson 4 fine-tunes on.

use std::collections::HashSet;

use super::{Story, StoryTeller};
use crate::error::{Error, ErrorKind, Result};

/// How many stories each part has: to train, to validate, to test, and of plots that training does not see.
pub const PARTS: [usize; 4] = [600, 60, 100, 60];
/// The family of stories that the file that ships comes from.
pub const SEED: u64 = 4;
/// Stories that are looked at before giving up.
const MOST: u64 = 200_000;

/// Draws stories that have a summary, part by part as in `sizes`. No summary stands twice in the last three parts, nor in
/// training and in another part.
///
/// # Errors
/// When the teller has not enough different summaries.
pub fn summarized(teller: &StoryTeller, seed: u64, sizes: &[usize; 4]) -> Result<[Vec<Story>; 4]> {
    let mut parts: [Vec<Story>; 4] = Default::default();
    let mut seen = HashSet::new();
    for story in (0..MOST).map(|index| teller.story(seed, index)).filter(|story| !story.summary.is_empty()) {
        let open = |part: &usize| parts[*part].len() < sizes[*part];
        // What is tested on comes first, so that training can leave it out.
        let part = match story.kept_apart {
            true => Some(3).filter(open),
            false => [2, 1, 0].into_iter().find(open),
        };
        let Some(part) = part else { continue };
        let new = match part {
            0 => !seen.contains(&story.summary),
            _ => seen.insert(story.summary.clone()),
        };
        if new {
            parts[part].push(story);
        }
        if (0..4).all(|part| parts[part].len() == sizes[part]) {
            return Ok(parts);
        }
    }
    Err(Error::new(
        ErrorKind::BadData,
        tr!("No hay bastantes resúmenes distintos en la gramática.", "The grammar has not enough different summaries."),
    )
    .next(tr!("Pide menos cuentos.", "Ask for fewer stories.")))
}

/// The parts as a CSV file; `names` are its columns (story, summary, plot, part), `parts` what the four are called.
pub fn csv(parts: &[Vec<Story>; 4], names: &[&str; 4], called: &[&str; 4]) -> String {
    let mut text = format!("{}\n", names.join(","));
    for (stories, part) in parts.iter().zip(called) {
        for story in stories {
            let row = [&story.text, &story.summary, &story.plot, *part];
            text += &row.map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).join(",");
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAMMAR: &str = "
[table kid]
Ana | f
Leo | m
Eva | f
[plot one]
hero = kid
place = casa / mar
---
{hero} (corre|salta) en {place}.
[plot two]
hero = kid
---
{hero} (duerme|sueña).
";

    #[test]
    fn no_summary_of_the_test_is_in_training_and_plots_kept_apart_stay_apart() -> Result<()> {
        let teller =
            StoryTeller::new(GRAMMAR, "es")?.with_summaries("one = {hero}, {place}.\n! two = {hero} se fue.")?;
        let [train, valid, test, other] = summarized(&teller, 1, &[9, 1, 2, 3])?;
        assert_eq!((train.len(), valid.len(), test.len(), other.len()), (9, 1, 2, 3));
        for story in valid.iter().chain(&test) {
            assert_eq!(story.plot, "one");
            assert!(train.iter().all(|one| one.summary != story.summary && one.plot == "one"));
        }
        assert!(other.iter().all(|story| story.plot == "two"));
        let names: HashSet<&str> = other.iter().map(|story| story.summary.as_str()).collect();
        assert_eq!(names.len(), 3);
        Ok(())
    }

    #[test]
    fn too_many_different_summaries_are_refused() -> Result<()> {
        let teller = StoryTeller::new(GRAMMAR, "es")?.with_summaries("two = {hero}.")?;
        assert!(summarized(&teller, 1, &[1, 1, 9, 0]).is_err());
        Ok(())
    }

    #[test]
    fn a_quote_in_a_story_is_doubled() {
        let story = Story { text: "\"Hi\", she said".into(), plot: "p".into(), summary: "s".into(), kept_apart: false };
        let parts = [vec![story], Vec::new(), Vec::new(), Vec::new()];
        let text = csv(&parts, &["a", "b", "c", "d"], &["x", "", "", ""]);
        assert_eq!(text, "a,b,c,d\n\"\"\"Hi\"\", she said\",\"s\",\"p\",\"x\"\n");
    }
}
