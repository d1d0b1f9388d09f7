//! Where words go: results to standard output, everything else to standard error.

use super::Failure;
use super::arguments::Color;
use soret::error::Error;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

/// Standard output and standard error, and whether they take colour.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Colour on standard output.
    pub color: bool,
    error_color: bool,
}

impl Terminal {
    /// Colour as asked for, NO_COLOR and pipes obeyed.
    pub fn new(color: Color) -> Self {
        let wanted = |is_terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
                is_terminal && !refused && !dumb
            }
        };
        Terminal {
            color: wanted(io::stdout().is_terminal()),
            error_color: wanted(io::stderr().is_terminal()),
        }
    }

    /// Width of the page in columns: that of the terminal, COLUMNS where there is none, or 100.
    pub fn width(&self) -> usize {
        let terminal = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        let asked = || std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
        terminal.filter(|&w| w > 0).or_else(asked).unwrap_or(100).clamp(60, 120)
    }

    /// Prints a result. A closed pipe is not an error of ours.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let done = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        done.map_err(|e| match e.kind() {
            io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Engine(Error::Io { path: "standard output".into(), source: e }),
        })
    }

    /// Says something beside the result; if nobody listens, so be it.
    pub fn say(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Reports a failure and gives its exit code.
    pub fn report(&self, failure: &Failure) -> ExitCode {
        let (label, hint) = if self.error_color {
            ("\x1b[1;31merror\x1b[0m", "\x1b[1;36mhint\x1b[0m")
        } else {
            ("error", "hint")
        };
        match failure {
            Failure::ClosedPipe => ExitCode::SUCCESS,
            Failure::Engine(Error::Input(mistakes)) => {
                self.say(mistakes.render(self.error_color).trim_end());
                ExitCode::from(3)
            }
            Failure::Points(errors) => self.report_points(errors),
            Failure::Engine(error) => self.report_error(error),
            Failure::Report(error) => {
                self.say(&format!("{label}: {error}"));
                if let Some(text) = error.hint() {
                    self.say(&format!("{hint}: {text}"));
                }
                ExitCode::FAILURE
            }
        }
    }

    /// What is wrong with the points of a sweep. The same mistake at the same place of the file is told once: it
    /// is that of the first point.
    fn report_points(&self, errors: &[Error]) -> ExitCode {
        const MOST: usize = 20;
        let mut told: Vec<(String, Vec<(usize, String)>)> = Vec::new();
        let (mut repeated, mut omitted) = (0, 0);
        for error in errors {
            let Error::Input(mistakes) = error else {
                return self.report_error(error);
            };
            let titles = mistakes.list.iter().map(|d| (d.span.start, d.title.clone())).collect();
            let key = (mistakes.file.clone(), titles);
            // A mistake inside a scanned value has a text of its own each time.
            if told.contains(&key) && !mistakes.file.starts_with("--scan") {
                repeated += 1;
            } else if told.len() == MOST {
                omitted += 1;
            } else {
                self.say(mistakes.render(self.error_color).trim_end());
                told.push(key);
            }
        }
        if repeated > 0 {
            self.say(&format!("the same at {repeated} more points"));
        }
        if omitted > 0 {
            self.say(&format!("and mistakes at {omitted} more points"));
        }
        ExitCode::from(3)
    }

    fn report_error(&self, error: &Error) -> ExitCode {
        let label = if self.error_color { "\x1b[1;31merror\x1b[0m" } else { "error" };
        self.say(&format!("{label}: {error}"));
        ExitCode::from(error.exit_code())
    }
}
