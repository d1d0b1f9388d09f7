//! The progress of a run: a bar on a terminal, plain lines elsewhere, nothing when asked to be quiet.

use super::signal::Signals;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use soret::ensemble::Control;
use soret::report::format;
use soret::sampling::{Observer, Progress};
use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Units of the bar in a whole run: so many that the share of one group in one round is many units.
const WHOLE: f64 = 1e12;

/// Plain lines come at most this often.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Watches a run.
pub struct Watch {
    bar: ProgressBar,
    plain: bool,
    started: Instant,
    last_line: Mutex<Instant>,
    /// Whether a round is done; before that a plain line can only tell the share of the work.
    scored: AtomicBool,
    signals: Signals,
    /// Runs that are watched together, and those of them that are done.
    parts: usize,
    parts_done: AtomicUsize,
    part_started: Mutex<Instant>,
}

impl Watch {
    /// A watch that obeys `signals`.
    pub fn new(quiet: bool, signals: Signals) -> Self {
        Self::of_parts(quiet, signals, 1)
    }

    /// The same for several runs, one after the other, shown as one.
    pub fn of_parts(quiet: bool, signals: Signals, parts: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if quiet || !terminal {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(10)
        };
        let bar = ProgressBar::with_draw_target(Some(WHOLE as u64), target);
        let style =
            ProgressStyle::with_template("{bar:30} {percent:>3} %  {elapsed} gone, {eta} left  {msg}");
        // The template is a constant; if it were wrong the default would do.
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        let now = Instant::now();
        Watch {
            bar,
            plain: !quiet && !terminal,
            started: now,
            last_line: Mutex::new(now),
            scored: AtomicBool::new(false),
            signals,
            parts: parts.max(1),
            parts_done: AtomicUsize::new(0),
            part_started: Mutex::new(now),
        }
    }

    /// The next run begins.
    pub fn next_part(&self) {
        self.parts_done.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut started) = self.part_started.lock() {
            *started = Instant::now();
        }
    }

    /// Says a plain line, if nobody has for a while.
    fn say(&self, line: &dyn Fn() -> String) {
        // A poisoned lock means that another thread is going down with its own message.
        if self.plain
            && let Ok(mut last) = self.last_line.lock()
            && last.elapsed() >= LINE_EVERY
        {
            *last = Instant::now();
            // If nobody listens, so be it.
            let _ = writeln!(std::io::stderr().lock(), "{}", line());
        }
    }

    /// Clears the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Watch {
    fn tick(&self, share: f64) {
        self.bar.inc((share / self.parts as f64 * WHOLE) as u64);
        if !self.scored.load(Ordering::Relaxed) {
            let percent = || 100.0 * self.bar.position() as f64 / WHOLE;
            self.say(&|| format!("before the first estimate, {:.0} % of the work done", percent()));
        }
    }

    fn gives_up(&self) -> bool {
        self.signals.received().is_some()
    }

    fn after_round(&self, progress: &Progress) -> Control {
        self.scored.store(true, Ordering::Relaxed);
        let soret = match progress.soret.estimate() {
            Some(e) => format!("soret {}", format::value_with_error(e.value, e.std_error)),
            None => String::new(),
        };
        let elapsed = self.started.elapsed().as_secs_f64();
        let since = self.part_started.lock().map_or(self.started, |started| *started).elapsed().as_secs_f64();
        let what = if progress.stepped { "steps" } else { "legs" };
        let rate = format!("{:.0} M {what}/s", progress.legs as f64 / since.max(1e-9) / 1e6);
        let done = self.parts_done.load(Ordering::Relaxed);
        let share = (done as f64 + progress.share) / self.parts as f64;
        let part =
            if self.parts > 1 { format!("point {}/{}  ", done + 1, self.parts) } else { String::new() };
        self.bar.set_message(format!("{part}{rate}  {soret}"));
        // What is left of a run with a wanted error becomes known on its way.
        self.bar.set_position((share * WHOLE) as u64);
        if progress.rounds_done < progress.rounds {
            let left = elapsed * (1.0 / share.max(1e-9) - 1.0);
            let round = format!("{part}round {}/{}", progress.rounds_done, progress.rounds);
            self.say(&|| format!("{round}  {rate}  {left:.0} s left  {soret}"));
        }
        if self.signals.received().is_some() { Control::Stop } else { Control::Continue }
    }
}
