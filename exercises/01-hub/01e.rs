//! A file that is only a pointer of Git LFS.

use crate::exercise::{Exercise, Input};
use crate::rng::Rng;

#[allow(unused_variables)] // it is not written yet
pub mod stub {
    pub fn true_size(lines: &[String]) -> f64 {
        // ✏️
        0.0
    }
}

pub mod solution {
    pub fn true_size(lines: &[String]) -> f64 {
        if !lines[0].starts_with("version https://git-lfs") {
            return 0.0;
        }
        for line in lines {
            if line.starts_with("size ") {
                let digits = line.replace("size ", "");
                return digits.parse().unwrap_or(0.0);
            }
        }
        0.0
    }
}

mod wrong {
    fn size(lines: &[String]) -> f64 {
        lines.iter().find_map(|line| line.strip_prefix("size ")?.parse().ok()).unwrap_or(0.0)
    }

    pub fn any_file(lines: &[String]) -> f64 {
        size(lines)
    }

    pub fn named_anywhere(lines: &[String]) -> f64 {
        if lines.iter().any(|line| line.contains("git-lfs")) {
            size(lines)
        } else {
            0.0
        }
    }

    pub fn of_the_pointer(lines: &[String]) -> f64 {
        match lines[0].starts_with("version https://git-lfs") {
            true => lines.iter().map(|line| line.chars().count()).sum::<usize>() as f64,
            false => 0.0,
        }
    }
}

pub const EXERCISE: Exercise = trials!("01e", true_size, [any_file, named_anywhere, of_the_pointer]);

fn draw(rng: &mut Rng) -> Input {
    let size = format!("size {}", 1_000_000 + rng.below(900_000_000));
    let version = "version https://git-lfs.github.com/spec/v1";
    let hash: String = (0..64).map(|_| char::from(b"0123456789abcdef"[rng.below(16)])).collect();
    let lines = match rng.below(4) {
        0 => vec!["# My model".to_string(), "Its size and licence:".to_string(), size],
        1 => vec!["The pointer looks like this:".to_string(), version.to_string(), size],
        _ => vec![version.to_string(), format!("oid sha256:{hash}"), size],
    };
    vec![lines.into()]
}
