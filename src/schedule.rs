//! How the learning rate changes during training.

/// The shape of the learning rate after its warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Schedule {
    /// Half a cosine from the full rate down to zero.
    #[default]
    Cosine,
    /// A straight line down to zero.
    Linear,
    /// The full rate to the end.
    Constant,
}

impl Schedule {
    /// The factor on the learning rate at step `step` (from 0) of `total`, the first `warmup` of which rise from zero.
    ///
    /// The same numbers as transformers' `get_cosine_schedule_with_warmup` and `get_linear_schedule_with_warmup`.
    pub fn factor(self, step: usize, warmup: usize, total: usize) -> f64 {
        if step < warmup {
            return step as f64 / warmup as f64;
        }
        let progress = (step - warmup) as f64 / total.saturating_sub(warmup).max(1) as f64;
        match self {
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos()),
            Schedule::Linear => (1.0 - progress).max(0.0),
            Schedule::Constant => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule::{Constant, Cosine, Linear};

    #[test]
    fn it_rises_in_the_warm_up_and_falls_to_zero() {
        for (schedule, halfway) in [(Cosine, 0.5), (Linear, 0.5), (Constant, 1.0)] {
            assert_eq!(schedule.factor(0, 10, 110), 0.0);
            assert_eq!(schedule.factor(5, 10, 110), 0.5);
            assert_eq!(schedule.factor(10, 10, 110), 1.0);
            assert!((schedule.factor(60, 10, 110) - halfway).abs() < 1e-12);
        }
        assert!(Cosine.factor(110, 10, 110) < 1e-12);
        assert_eq!(Linear.factor(200, 10, 110), 0.0);
    }

    #[test]
    fn no_warm_up_starts_at_the_full_rate() {
        assert_eq!(Cosine.factor(0, 0, 10), 1.0);
    }
}
