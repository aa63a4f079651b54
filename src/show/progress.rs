//! How far a long job has come: a bar that moves in a notebook or a terminal, a few whole lines anywhere else.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::energy::EnergyMeter;

use super::{duration, escape, in_notebook, print_line, Html, Live};

/// A job shorter than this shows nothing until it ends.
const SILENT: Duration = Duration::from_secs(1);
/// Shortest pause between two states of a bar: five a second.
const PAUSE: Duration = Duration::from_millis(200);
/// Shortest pause between two lines where no bar can move; it grows to a tenth of the time that has passed.
const LINE_PAUSE: Duration = Duration::from_secs(2);
/// Drawing a state may take one part in so many of the time.
const COST: u32 = 150;

/// A terminal has room for one bar that moves.
static ONE_BAR: AtomicBool = AtomicBool::new(false);

/// A job's bar, or the lines in its place: nothing in the first second, then what has changed, with the time left.
///
/// In a notebook of the course's kernel one display changes in place, at most five times a second, and less often when
/// drawing it takes long: it never costs more than one part in 150 of the job.
///
/// ```
/// use aula::show::Progress;
/// let mut progress = Progress::start("Leyendo", 3);
/// for done in 1..=3 {
///     progress.update(done, "");
/// }
/// progress.finish("3 archivos");
/// ```
#[derive(Debug)]
pub struct Progress {
    title: String,
    total: usize,
    done: usize,
    note: String,
    started: Instant,
    silent: Duration,
    /// When the last state was shown, counted from the start.
    shown: Option<Duration>,
    /// The first state with something done: from there on the speed is measured.
    first: Option<(Duration, usize)>,
    /// What showing the last state took.
    cost: Duration,
    over: bool,
    view: View,
    /// Where the energy so far is told beside the time.
    meter: Option<EnergyMeter>,
}

/// Where a job is seen.
#[derive(Debug)]
enum View {
    /// A notebook's display.
    Live(Live),
    /// A terminal; the bar is made when it is first seen. Within another bar's job there is none.
    Terminal(Option<ProgressBar>),
    /// Whole lines.
    Lines,
}

impl Progress {
    /// A job of `total` steps begins now; 0 when nobody knows how many.
    pub fn start(title: &str, total: usize) -> Progress {
        let view = match Live::start() {
            Some(live) => View::Live(live),
            None if !in_notebook() && std::io::stderr().is_terminal() => View::Terminal(None),
            None => View::Lines,
        };
        Self::seen(title, total, view)
    }

    fn seen(title: &str, total: usize, view: View) -> Progress {
        Self {
            title: title.to_string(),
            total,
            done: 0,
            note: String::new(),
            started: Instant::now(),
            silent: SILENT,
            shown: None,
            first: None,
            cost: Duration::ZERO,
            over: false,
            view,
            meter: None,
        }
    }

    /// Where the bar can move it is seen after this time, not after a second.
    pub fn seen_after(mut self, silent: Duration) -> Progress {
        if !matches!(self.view, View::Lines) {
            self.silent = silent;
        }
        self
    }

    /// Tells the energy so far beside the time, for jobs that work the processor hard.
    pub fn with_energy(mut self) -> Progress {
        self.meter = Some(EnergyMeter::start());
        self
    }

    /// True where each state takes the place of the one before.
    pub fn moves(&self) -> bool {
        !matches!(self.view, View::Lines)
    }

    /// `done` steps are behind us; `note` says what matters at this point (a loss, a file's name).
    pub fn update(&mut self, done: usize, note: &str) {
        self.update_with(done, || (note.to_string(), Html::new("", "")));
    }

    /// As [`Self::update`], with something below the bar (a chart, a text). `tell` is only called when its answer is
    /// shown.
    pub fn update_with(&mut self, done: usize, tell: impl FnOnce() -> (String, Html)) {
        self.done = done;
        let elapsed = self.started.elapsed();
        if self.due(elapsed) {
            let (note, below) = tell();
            self.note = note;
            self.show(elapsed, &below, true);
            self.cost = self.started.elapsed() - elapsed;
        }
    }

    /// The job changes its name: a next file, a next text.
    pub fn rename(&mut self, title: &str) {
        self.title = title.to_string();
    }

    /// The job is over: its last state stays, with the time it took.
    pub fn finish(self, note: &str) {
        self.finish_with(note, &Html::new("", ""));
    }

    /// As [`Self::finish`], with something below it in a notebook. False where that was not shown.
    pub fn finish_with(mut self, note: &str, below: &Html) -> bool {
        self.note = note.to_string();
        self.last(below, true)
    }

    /// The job is over, and nothing is said if nothing was said before.
    pub fn end(mut self, note: &str) {
        self.note = note.to_string();
        self.last(&Html::new("", ""), false);
    }

    /// Says a line while the bar moves.
    pub fn say(&self, line: &str) {
        match &self.view {
            View::Terminal(Some(bar)) => bar.suspend(|| print_line(line)),
            _ => print_line(line),
        }
    }

    /// True when a state is to be shown at this time.
    fn due(&mut self, elapsed: Duration) -> bool {
        if self.first.is_none() && self.done > 0 {
            self.first = Some((elapsed, self.done));
        }
        let pause = match self.view {
            View::Lines => LINE_PAUSE.max(elapsed / 10),
            _ => PAUSE.max(self.cost * COST),
        };
        let due = elapsed >= self.shown.map_or(self.silent, |shown| shown + pause);
        if due {
            self.shown = Some(elapsed);
        }
        due
    }

    fn show(&mut self, elapsed: Duration, below: &Html, running: bool) {
        let content = match &self.view {
            View::Live(_) => self.html(elapsed, below, running),
            // The time first: a narrow terminal cuts the end.
            View::Terminal(_) => Html::new("", &format!("{}  {}", self.time(elapsed, running), self.note)),
            View::Lines => Html::new("", &self.line(elapsed, running)),
        };
        match &mut self.view {
            View::Live(live) => {
                if live.show(&content) {
                    return;
                }
                // The relay went away; the job goes on.
                print_line(&content.plain);
                self.view = View::Lines;
            }
            View::Terminal(bar) => {
                if bar.is_none() && ONE_BAR.swap(true, Ordering::Relaxed) {
                    return;
                }
                let bar = bar.get_or_insert_with(|| new_bar(self.total));
                bar.set_position(self.done as u64);
                let tail = below.plain.replace('\n', " ");
                bar.set_message(format!("{}  {tail}", content.plain));
                bar.set_prefix(self.title.clone());
                bar.tick();
            }
            View::Lines => print_line(&content.plain),
        }
    }

    /// The last state; `always` also of a job that was never seen. True when `below` was shown.
    fn last(&mut self, below: &Html, always: bool) -> bool {
        self.over = true;
        let elapsed = self.started.elapsed();
        if let View::Terminal(Some(bar)) = &self.view {
            bar.finish_and_clear();
            ONE_BAR.store(false, Ordering::Relaxed);
        }
        if always || self.shown.is_some() {
            if !matches!(self.view, View::Live(_)) {
                self.view = View::Lines;
            }
            self.show(elapsed, below, false);
        }
        matches!(self.view, View::Live(_))
    }

    fn html(&self, elapsed: Duration, below: &Html, running: bool) -> Html {
        let (title, parts) = (escape(&self.title), escape(&self.parts(elapsed, running)));
        let (total, done) = (self.total, self.done);
        let bar = match total {
            0 => String::new(),
            _ => format!(
                "<progress max=\"{total}\" value=\"{done}\" style=\"width:14em;vertical-align:middle\"></progress> {done}/{total} "
            ),
        };
        let html = format!(
            "<div class=\"aula-progress\"><b>{title}</b> {bar}<span style=\"font-variant-numeric:tabular-nums\">{parts}</span></div>{}",
            below.html
        );
        let plain = [self.line(elapsed, running).as_str(), &below.plain].join("\n");
        Html { html, plain: plain.trim_end().to_string() }
    }

    fn line(&self, elapsed: Duration, running: bool) -> String {
        let mut line = self.title.clone();
        if self.total > 0 {
            let percent = 100.0 * self.done as f64 / self.total as f64;
            line += &format!("  {percent:.0} %  {}/{}", self.done, self.total);
        }
        format!("{line}  {}", self.parts(elapsed, running))
    }

    /// The note and the time.
    fn parts(&self, elapsed: Duration, running: bool) -> String {
        let time = self.time(elapsed, running);
        match self.note.is_empty() {
            true => format!("· {time}"),
            false => format!("{}  · {time}", self.note),
        }
    }

    /// The time that passed and the time that is left.
    fn time(&self, elapsed: Duration, running: bool) -> String {
        let mut time = duration(elapsed.as_secs_f64());
        if let Some(meter) = &self.meter {
            time = format!("{} · {time}", meter.so_far().brief());
        }
        match self.left(elapsed).filter(|_| running).map(duration) {
            Some(left) => time + &tr!(", faltan {left}", ", {left} left"),
            None => time,
        }
    }

    /// Seconds that are left at the speed so far.
    fn left(&self, elapsed: Duration) -> Option<f64> {
        let (since, done) = self.first?;
        let made = self.done.checked_sub(done).filter(|made| *made > 0)?;
        let left = self.total.checked_sub(self.done).filter(|left| *left > 0)?;
        Some((elapsed - since).as_secs_f64() / made as f64 * left as f64)
    }
}

impl Drop for Progress {
    /// A job that failed leaves no bar that seems to move.
    fn drop(&mut self) {
        if !self.over {
            self.last(&Html::new("", ""), false);
        }
    }
}

fn new_bar(total: usize) -> ProgressBar {
    let template = match total {
        0 => "{spinner} {prefix}  {wide_msg}",
        _ => "{prefix} [{bar:16}] {pos}/{len}  {wide_msg}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total as u64).with_style(style.progress_chars("█▌ "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(title: &str, total: usize) -> Progress {
        let mut progress = Progress::seen(title, total, View::Lines);
        progress.over = true; // nothing is to be printed at its end
        progress
    }

    fn at(progress: &mut Progress, ms: u64, done: usize) -> Option<String> {
        let elapsed = Duration::from_millis(ms);
        progress.done = done;
        progress.due(elapsed).then(|| progress.line(elapsed, true))
    }

    #[test]
    fn a_short_job_is_silent_and_a_long_one_speaks_every_two_seconds() {
        let mut progress = lines("Epoch", 30);
        progress.note = "loss 2.1".into();
        assert_eq!(at(&mut progress, 900, 1), None);
        assert!(at(&mut progress, 1_100, 2).is_some());
        assert_eq!(at(&mut progress, 3_000, 5), None);
        let line = at(&mut progress, 8_000, 12).unwrap();
        assert!(line.starts_with("Epoch  40 %  12/30  loss 2.1  · 8 s, "), "{line}");
        assert!(line.contains("12 s") && !line.contains('\r'));
        assert_eq!(progress.line(Duration::from_secs(80), false), "Epoch  40 %  12/30  loss 2.1  · 1 min 20 s");
    }

    #[test]
    fn an_hour_takes_few_lines() {
        let mut progress = lines("Epoch", 36_000);
        let shown = (1..=36_000).filter(|i| at(&mut progress, *i as u64 * 100, *i).is_some()).count();
        assert!((20..=80).contains(&shown), "{shown} lines");
    }

    #[test]
    fn a_bar_moves_at_most_five_times_a_second_and_less_when_drawing_is_slow() {
        let shown = |cost| {
            let mut progress = lines("Epoch", 10_000);
            progress.view = View::Terminal(None);
            progress.cost = Duration::from_millis(cost);
            (1..=10_000).filter(|i| at(&mut progress, *i as u64, *i).is_some()).count()
        };
        assert!((40..=50).contains(&shown(0)), "{}", shown(0));
        assert!(shown(10) <= 7, "{}", shown(10));
    }

    #[test]
    fn a_job_of_unknown_or_no_steps_has_no_percentage() {
        let mut progress = lines("Empty", 0);
        progress.note = "ok".into();
        assert_eq!(progress.line(Duration::from_secs(7_500), true), "Empty  ok  · 2 h 5 min");
        assert_eq!(duration(f64::NAN), "0 s");
    }

    #[test]
    fn the_energy_so_far_says_how_it_was_found() {
        let progress = lines("Epoch", 4).with_energy();
        let line = progress.line(Duration::from_secs(3), false);
        let word = progress.meter.as_ref().unwrap().so_far().method.word();
        assert!(line.contains(&format!("J ({word}) · 3 s")), "{line}");
    }

    #[test]
    fn a_notebook_gets_a_bar_and_what_is_below_it() {
        let mut progress = lines("<Leer>", 4);
        (progress.done, progress.note) = (1, "a & b".into());
        let content = progress.html(Duration::from_secs(3), &Html::new("<img>", "words"), false);
        assert!(content.html.contains("<progress max=\"4\" value=\"1\"") && content.html.ends_with("<img>"));
        assert!(content.html.contains("&lt;Leer&gt;") && content.html.contains("a &amp; b"));
        assert_eq!(content.plain, "<Leer>  25 %  1/4  a & b  · 3 s\nwords");
    }
}
