//! The energy counter of an NVIDIA card, read where the library was built with the feature `cuda` and the driver is there.

/// Reads millijoules since the driver was loaded; none where there is no such counter.
type Read = fn() -> Option<u64>;

/// The counter of the first card, with its value at the start.
#[derive(Clone, Debug)]
pub(super) struct Card {
    before: u64,
    read: Read,
}

impl Card {
    /// None where there is no card, no driver, or the counter is missing (before Volta, 2017).
    pub(super) fn start() -> Option<Self> {
        Self::reading(first_card)
    }

    pub(super) fn reading(read: Read) -> Option<Self> {
        Some(Self { before: read()?, read })
    }

    /// Joules from the start to now; none when the counter is gone, or began anew with the driver.
    pub(super) fn joules(&self) -> Option<f64> {
        Some((self.read)()?.checked_sub(self.before)? as f64 * 1e-3)
    }
}

#[cfg(not(feature = "cuda"))]
fn first_card() -> Option<u64> {
    None
}

#[cfg(feature = "cuda")]
fn first_card() -> Option<u64> {
    use nvml_wrapper::Nvml;
    use std::ffi::OsStr;
    use std::sync::OnceLock;

    static NVML: OnceLock<Option<Nvml>> = OnceLock::new();
    // Drivers alone bring the name with the number; the one without it comes with NVIDIA's tools for developers.
    let open = || Nvml::builder().lib_path(OsStr::new("libnvidia-ml.so.1")).init().or_else(|_| Nvml::init()).ok();
    NVML.get_or_init(open).as_ref()?.device_by_index(0).ok()?.total_energy_consumption().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn millijoules_since_the_start_are_counted_and_a_counter_that_began_anew_is_not() {
        static COUNTER: AtomicU64 = AtomicU64::new(5_000_000);
        let card = Card::reading(|| Some(COUNTER.load(Ordering::Relaxed))).unwrap();
        assert_eq!(card.joules(), Some(0.0));
        COUNTER.store(5_012_500, Ordering::Relaxed);
        assert_eq!(card.joules(), Some(12.5));
        COUNTER.store(40, Ordering::Relaxed);
        assert_eq!(card.joules(), None);
        assert!(Card::reading(|| None).is_none());
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn without_the_feature_there_is_no_card() {
        assert!(Card::start().is_none());
    }
}
