//! Joules of any stretch of work, with the way they were found, and what they mean in CO2.

mod nvidia;

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::cpu_seconds;
use nvidia::Card;

/// Where Linux shows the energy counters of the processor (RAPL).
const POWERCAP: &str = "/sys/class/powercap";

/// Watts of a laptop's whole processor at work, where nobody said otherwise: the order of size that makers give for
/// such processors (15 to 45 W).
const USUAL_WATTS: f64 = 30.0;

/// How the joules were found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Method {
    /// Counters of the processor, read through Linux powercap: the whole processor's energy, other programs included.
    Powercap,
    /// Processor time times a declared power: an estimate.
    ProcessorTime {
        /// Watts of the whole processor when all its cores work.
        watts: f64,
    },
    /// The counter of the first NVIDIA card, other programs included, and the processor's energy besides.
    Nvidia {
        /// How the processor's joules were found.
        processor: Box<Method>,
    },
    /// One part of the work in one way and another part in another.
    Mixed(Vec<Method>),
}

impl Method {
    /// The ways of two stretches of work together; where they are the same, there is one.
    fn with(&self, other: &Method) -> Method {
        let mut all: Vec<Method> = Vec::new();
        for one in self.parts().iter().chain(other.parts()) {
            if !all.contains(one) {
                all.push(one.clone());
            }
        }
        match all.as_slice() {
            [only] => only.clone(),
            _ => Self::Mixed(all),
        }
    }

    /// The way in a word: measured, estimated, or estimated in part.
    pub fn word(&self) -> String {
        match self.kinds() {
            (_, false) => tr!("medido", "measured"),
            (false, true) => tr!("estimado", "estimated"),
            (true, true) => tr!("estimado en parte", "partly estimated"),
        }
    }

    /// Whether some of it was measured, and whether some was estimated.
    fn kinds(&self) -> (bool, bool) {
        match self {
            Self::Powercap => (true, false),
            Self::ProcessorTime { .. } => (false, true),
            Self::Nvidia { processor } => (true, processor.kinds().1),
            Self::Mixed(parts) => {
                let kinds = parts.iter().map(Self::kinds);
                kinds.fold((false, false), |all, one| (all.0 || one.0, all.1 || one.1))
            }
        }
    }

    fn parts(&self) -> &[Method] {
        match self {
            Self::Mixed(parts) => parts,
            one => std::slice::from_ref(one),
        }
    }
}

/// The energy of a stretch of work.
#[derive(Clone, Debug)]
pub struct Energy {
    /// Joules (watt-seconds).
    pub joules: f64,
    /// Seconds from the start to the end.
    pub seconds: f64,
    /// How the joules were found.
    pub method: Method,
}

/// Measures from [`EnergyMeter::start`] on.
///
/// The counters of the processor are used where this user may read them (`/sys/class/powercap`, often for root only).
/// Elsewhere the processor time of this program is multiplied by a declared power: 30 W for the whole processor, or what
/// the environment variable `AULA_CPU_WATTS` says. With the feature `cuda`, where there is an NVIDIA card with its driver, the
/// energy that its counter tells is added.
///
/// ```
/// use aula::energy::EnergyMeter;
/// let meter = EnergyMeter::start();
/// let sum: u64 = (0..100_000).sum();
/// println!("{sum}: {}", meter.stop());
/// ```
#[derive(Clone, Debug)]
pub struct EnergyMeter {
    started: Instant,
    cpu_seconds: f64,
    /// Each counter with its value at the start.
    counters: Vec<(Counter, u64)>,
    card: Option<Card>,
}

impl EnergyMeter {
    /// Begins to measure.
    pub fn start() -> Self {
        Self { card: Card::start(), ..Self::start_with(Path::new(POWERCAP)) }
    }

    /// Without a card.
    fn start_with(powercap: &Path) -> Self {
        let counters = Counter::all(powercap).into_iter().filter_map(|one| Some((one.clone(), one.read()?))).collect();
        Self { started: Instant::now(), cpu_seconds: cpu_seconds(), counters, card: None }
    }

    /// The energy so far; the measuring goes on.
    pub fn so_far(&self) -> Energy {
        let energy = self.of_processor();
        match self.card.as_ref().and_then(Card::joules) {
            Some(joules) => {
                let method = Method::Nvidia { processor: Box::new(energy.method) };
                Energy { joules: energy.joules + joules, method, ..energy }
            }
            None => energy,
        }
    }

    fn of_processor(&self) -> Energy {
        let seconds = self.started.elapsed().as_secs_f64();
        let counted: Option<f64> =
            self.counters.iter().map(|(counter, before)| Some(counter.joules_since(*before, counter.read()?))).sum();
        match counted.filter(|_| !self.counters.is_empty()) {
            Some(joules) => Energy { joules, seconds, method: Method::Powercap },
            None => {
                let watts = declared_watts();
                let joules = (cpu_seconds() - self.cpu_seconds) * watts / cores();
                Energy { joules, seconds, method: Method::ProcessorTime { watts } }
            }
        }
    }

    /// The energy from the start to now.
    pub fn stop(&self) -> Energy {
        self.so_far()
    }
}

/// One energy counter of the processor: microjoules that run up to a limit and begin again at 0.
#[derive(Clone, Debug)]
struct Counter {
    file: PathBuf,
    limit: u64,
}

impl Counter {
    /// The counters of whole packages; those of their parts (`intel-rapl:0:0`) are contained in them.
    fn all(powercap: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(powercap).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut whole: Vec<String> =
            names.filter(|name| name.starts_with("intel-rapl:") && name.matches(':').count() == 1).collect();
        whole.sort();
        let counter = |name: String| {
            let folder = powercap.join(name);
            Some(Self { file: folder.join("energy_uj"), limit: number(&folder.join("max_energy_range_uj"))? })
        };
        whole.into_iter().filter_map(counter).collect()
    }

    fn read(&self) -> Option<u64> {
        number(&self.file)
    }

    fn joules_since(&self, before: u64, now: u64) -> f64 {
        let micro = if now >= before { now - before } else { now + self.limit.saturating_sub(before) };
        micro as f64 * 1e-6
    }
}

fn number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn declared_watts() -> f64 {
    let told = std::env::var("AULA_CPU_WATTS").ok().and_then(|text| text.trim().replace(',', ".").parse::<f64>().ok());
    told.filter(|watts| *watts > 0.0 && watts.is_finite()).unwrap_or(USUAL_WATTS)
}

fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

/// Grams of CO2 for a kilowatt-hour of a country's electricity, over its whole life cycle, in 2021.
///
/// Source: "Carbon intensity of electricity generation", Our World in Data, from Ember's data, as CodeCarbon publishes it
/// (`global_energy_mix.json`). A country's mix changes from year to year: for a figure that counts, ask yours and give it
/// to [`Energy::co2_grams_at`].
pub const CO2_GRAMS_PER_KWH_2021: [(&str, f64); 27] = [
    ("AR", 357.8),
    ("AU", 531.2),
    ("BO", 312.6),
    ("BR", 158.6),
    ("CA", 128.5),
    ("CH", 47.1),
    ("CO", 181.1),
    ("CR", 33.0),
    ("CU", 602.0),
    ("DE", 365.5),
    ("DO", 550.9),
    ("EC", 155.8),
    ("ES", 193.9),
    ("FR", 67.4),
    ("GB", 268.3),
    ("GT", 320.6),
    ("HN", 375.1),
    ("MX", 399.9),
    ("NI", 354.2),
    ("PA", 192.1),
    ("PE", 230.7),
    ("PT", 219.1),
    ("PY", 25.5),
    ("SV", 186.0),
    ("US", 379.3),
    ("UY", 147.3),
    ("VE", 212.5),
];

impl Energy {
    /// Watt-hours: joules divided by 3,600.
    pub fn watt_hours(&self) -> f64 {
        self.joules / 3600.0
    }

    /// Grams of CO2 where a kilowatt-hour makes `grams_per_kwh`.
    pub fn co2_grams_at(&self, grams_per_kwh: f64) -> f64 {
        self.joules / 3.6e6 * grams_per_kwh
    }

    /// Grams of CO2 with the electricity of a country (`"AR"`, `"ES"`, ...) in 2021: see [`CO2_GRAMS_PER_KWH_2021`].
    pub fn co2_grams(&self, country: &str) -> Result<f64> {
        let wanted = country.trim().to_uppercase();
        match CO2_GRAMS_PER_KWH_2021.iter().find(|(code, _)| *code == wanted) {
            Some((_, grams)) => Ok(self.co2_grams_at(*grams)),
            None => {
                let known = CO2_GRAMS_PER_KWH_2021.map(|(code, _)| code).join(", ");
                Err(Error::new(
                    ErrorKind::NotFound,
                    tr!("No tengo el dato del país {country:?}.", "There is no figure for the country {country:?}."),
                )
                .next(tr!(
                    "Usa uno de estos: {known}; o busca los gramos por kWh del tuyo y llama a co2_grams_at.",
                    "Use one of these: {known}; or look up the grams per kWh of yours and call co2_grams_at."
                )))
            }
        }
    }

    /// Joules for each point (hundredth) of a score, such as F1, that the work gained; none where it gained nothing.
    pub fn joules_per_point(&self, before: f64, after: f64) -> Option<f64> {
        let points = 100.0 * (after - before);
        (points > 0.0).then(|| self.joules / points)
    }

    /// The energies of two stretches of work, one after the other; how the joules of both were found stays told.
    pub fn plus(&self, other: &Energy) -> Energy {
        let (joules, seconds) = (self.joules + other.joules, self.seconds + other.seconds);
        Energy { joules, seconds, method: self.method.with(&other.method) }
    }

    /// The joules, and in a word how they were found: `2524 J (estimated)`.
    pub fn brief(&self) -> String {
        format!("{} ({})", in_joules(self.joules), self.method.word())
    }

    /// Shows the energy and how it was found.
    pub fn evcxr_display(&self) {
        println!("{self}");
    }
}

/// Joules in a few characters: `850 J`, `12.3 kJ`.
pub fn in_joules(joules: f64) -> String {
    match joules {
        few if few < 10.0 => format!("{few:.1} J"),
        some if some < 10_000.0 => format!("{some:.0} J"),
        many => format!("{:.1} kJ", many / 1000.0),
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match self {
            Self::Powercap => tr!(
                "medido: contadores del procesador entero (powercap)",
                "measured: counters of the whole processor (powercap)"
            ),
            Self::ProcessorTime { watts } => tr!(
                "estimado: tiempo de procesador × {watts} W declarados para el procesador entero (AULA_CPU_WATTS)",
                "estimated: processor time × {watts} W declared for the whole processor (AULA_CPU_WATTS)"
            ),
            Self::Nvidia { processor } => tr!(
                "tarjeta NVIDIA 0, medida: contador de la tarjeta entera (NVML); y procesador, {processor}",
                "NVIDIA card 0, measured: counter of the whole card (NVML); and processor, {processor}"
            ),
            Self::Mixed(parts) => {
                let parts = parts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                tr!("por partes: {parts}", "in parts: {parts}")
            }
        };
        f.write_str(&text)
    }
}

impl std::fmt::Display for Energy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (joules, hours, seconds) = (in_joules(self.joules), self.watt_hours(), self.seconds);
        write!(f, "{joules} ({hours:.3} Wh), {seconds:.1} s; {}", self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &Path, name: &str, microjoules: u64) {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("energy_uj"), format!("{microjoules}\n")).unwrap();
        std::fs::write(folder.join("max_energy_range_uj"), "1000000000\n").unwrap();
    }

    #[test]
    fn counters_of_packages_are_added_and_run_over_their_limit() {
        let folder = tempfile::tempdir().unwrap();
        package(folder.path(), "intel-rapl:0", 5_000_000);
        package(folder.path(), "intel-rapl:1", 999_000_000);
        package(folder.path(), "intel-rapl:0:0", 1); // a part of the first: counted in it
        let meter = EnergyMeter::start_with(folder.path());
        package(folder.path(), "intel-rapl:0", 7_000_000); // 2 J
        package(folder.path(), "intel-rapl:1", 500_000); // 1 J to the limit, and half a joule
        let energy = meter.stop();
        assert!((energy.joules - 3.5).abs() < 1e-9, "{energy}");
        assert_eq!(energy.method, Method::Powercap);
    }

    #[test]
    fn without_counters_processor_time_counts_and_the_text_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let meter = EnergyMeter::start_with(folder.path());
        let begin = Instant::now();
        while begin.elapsed().as_millis() < 60 {
            std::hint::black_box(0);
        }
        let energy = meter.stop();
        assert!(energy.joules > 0.0 && energy.seconds >= 0.06, "{energy}");
        assert!(energy.to_string().contains(" W "), "{energy}");
        assert!(matches!(energy.method, Method::ProcessorTime { watts } if watts > 0.0));
    }

    #[test]
    fn the_joules_of_a_card_are_added_and_both_ways_are_told() {
        let folder = tempfile::tempdir().unwrap();
        package(folder.path(), "intel-rapl:0", 5_000_000);
        // Half a second's worth of a card that draws 100 W, from one reading to the next.
        static READINGS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1_000);
        let card = Card::reading(|| Some(READINGS.fetch_add(50_000, std::sync::atomic::Ordering::Relaxed)));
        let meter = EnergyMeter { card, ..EnergyMeter::start_with(folder.path()) };
        package(folder.path(), "intel-rapl:0", 7_000_000); // 2 J
        let energy = meter.stop();
        assert!((energy.joules - 52.0).abs() < 1e-9, "{energy}");
        let text = energy.to_string();
        assert!(text.contains("NVML") && text.contains("powercap"), "{text}");
    }

    #[test]
    fn a_kilowatt_hour_makes_the_grams_of_the_country() {
        let energy = Energy { joules: 3.6e6, seconds: 1.0, method: Method::Powercap };
        assert_eq!(energy.watt_hours(), 1000.0);
        assert_eq!(energy.co2_grams("ar").unwrap(), 357.8);
        assert_eq!(energy.co2_grams_at(100.0), 100.0);
        assert!(energy.co2_grams("XX").unwrap_err().to_string().contains("UY"));
        assert_eq!(energy.joules_per_point(0.50, 0.60), Some(energy.joules / (100.0 * (0.60 - 0.50))));
        assert_eq!(energy.joules_per_point(0.6, 0.6), None);
    }

    #[test]
    fn a_sum_of_energies_found_in_two_ways_says_both() {
        let energy = |joules, method| Energy { joules, seconds: 1.0, method };
        let measured = energy(3.0, Method::Powercap);
        let estimated = energy(4.0, Method::ProcessorTime { watts: 30.0 });
        let both = measured.plus(&estimated);
        assert_eq!((both.joules, both.seconds), (7.0, 2.0));
        let text = both.to_string();
        assert!(text.contains("powercap") && text.contains("30 W"), "{text}");
        // Once more of either says nothing new; another power does.
        assert_eq!(both.plus(&measured).method, both.method);
        assert_eq!(measured.plus(&measured).method, Method::Powercap);
        let other = both.plus(&energy(1.0, Method::ProcessorTime { watts: 45.0 })).to_string();
        assert!(other.contains("30 W") && other.contains("45 W"), "{other}");
    }

    #[test]
    fn a_word_says_whether_joules_are_measured_or_estimated() {
        let brief = |method| Energy { joules: 2524.0, seconds: 1.0, method }.brief();
        let estimate = Method::ProcessorTime { watts: 30.0 };
        let card = |processor| Method::Nvidia { processor: Box::new(processor) };
        let (measured, estimated, partly) = (
            tr!("2524 J (medido)", "2524 J (measured)"),
            tr!("2524 J (estimado)", "2524 J (estimated)"),
            tr!("2524 J (estimado en parte)", "2524 J (partly estimated)"),
        );
        assert_eq!(brief(Method::Powercap), measured);
        assert_eq!(brief(card(Method::Powercap)), measured);
        assert_eq!(brief(estimate.clone()), estimated);
        assert_eq!(brief(Method::Mixed(vec![estimate.clone(), Method::ProcessorTime { watts: 45.0 }])), estimated);
        assert_eq!(brief(card(estimate.clone())), partly);
        assert_eq!(brief(Method::Mixed(vec![Method::Powercap, estimate])), partly);
    }
}
