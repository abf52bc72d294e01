//! The spinner on stderr, and the view of a run or of transfers below it. Both get out of the way of
//! lines.

use std::{
    io,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, TermLike};

use crate::base::sync::lock;

/// Largest number of times that they are drawn in a second.
const DRAWN_HZ: u8 = 20;

static BARS: Mutex<Bars> = Mutex::new(Bars::new());

/// All that is drawn, by one: two would erase each other.
struct Bars {
    /// `None` until there is something to draw.
    all: Option<MultiProgress>,
    /// One for all builds that are under way.
    spinner: Option<ProgressBar>,
    view: Option<ProgressBar>,
}

/// Runs `print` with spinner and view out of its way.
pub(crate) fn suspend<T>(print: impl FnOnce() -> T) -> T {
    let all = bars().drawn();
    match all {
        Some(all) => all.suspend(print),
        None => print(),
    }
}

/// Shows a spinner that moves at this interval, in place of the one before.
pub(crate) fn show(spinner: ProgressBar, interval: Duration) {
    bars().show(spinner, interval);
}

/// Shows a view, or a bar, that is drawn at this interval, in place of the one before.
pub(crate) fn show_view(view: ProgressBar, interval: Duration) {
    bars().show_view(view, interval);
}

/// Takes the spinner away.
pub(crate) fn clear() {
    bars().clear();
}

/// Takes the view away.
pub(crate) fn clear_view() {
    bars().clear_view();
}

/// Takes all away.
pub(crate) fn clear_all() {
    clear();
    clear_view();
}

/// Changes the text beside the spinner.
pub(crate) fn set_message(message: String) {
    if let Some(spinner) = &bars().spinner {
        spinner.set_message(message);
    }
}

fn bars() -> MutexGuard<'static, Bars> {
    lock(&BARS)
}

impl Bars {
    const fn new() -> Self {
        Self {
            all: None,
            spinner: None,
            view: None,
        }
    }

    /// Returns what draws, if something is drawn now.
    fn drawn(&self) -> Option<MultiProgress> {
        let drawn = self.spinner.is_some() || self.view.is_some();
        self.all.clone().filter(|_| drawn)
    }

    fn show(&mut self, spinner: ProgressBar, interval: Duration) {
        self.clear();
        let spinner = self.all().insert(0, spinner);
        spinner.tick();
        spinner.enable_steady_tick(interval);
        self.spinner = Some(spinner);
    }

    fn show_view(&mut self, view: ProgressBar, interval: Duration) {
        self.clear_view();
        let view = self.all().add(view);
        view.tick();
        view.enable_steady_tick(interval);
        self.view = Some(view);
    }

    fn clear(&mut self) {
        let spinner = self.spinner.take();
        self.remove(spinner);
    }

    fn clear_view(&mut self) {
        let view = self.view.take();
        self.remove(view);
    }

    fn remove(&self, bar: Option<ProgressBar>) {
        if let (Some(all), Some(bar)) = (&self.all, bar) {
            bar.finish_and_clear();
            all.remove(&bar);
        }
    }

    fn all(&mut self) -> &MultiProgress {
        self.all
            .get_or_insert_with(|| on(Stderr(Term::buffered_stderr())))
    }
}

fn on(terminal: impl TermLike + 'static) -> MultiProgress {
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal), DRAWN_HZ);
    MultiProgress::with_draw_target(target)
}

/// A terminal that may be gone: bars that cannot be drawn are no error, and indicatif would panic.
#[derive(Debug)]
struct Stderr(Term);

impl TermLike for Stderr {
    fn width(&self) -> u16 {
        self.0.size().1
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n).or(Ok(()))
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n).or(Ok(()))
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n).or(Ok(()))
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n).or(Ok(()))
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.0.write_line(line).or(Ok(()))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text).or(Ok(()))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line().or(Ok(()))
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush().or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use indicatif::ProgressStyle;

    use super::*;

    /// A terminal that keeps what was written since it was last asked.
    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<String>>);

    impl Kept {
        fn take(&self) -> String {
            std::mem::take(&mut *lock(&self.0))
        }
    }

    impl TermLike for Kept {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, line: &str) -> io::Result<()> {
            self.write_str(line)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            lock(&self.0).push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn bar(text: &'static str) -> ProgressBar {
        let style = ProgressStyle::with_template("{msg}").unwrap();
        ProgressBar::new_spinner()
            .with_style(style)
            .with_message(text)
    }

    /// Returns what is drawn after a line was printed.
    fn drawn(bars: &Bars, terminal: &Kept) -> String {
        bars.drawn().unwrap().suspend(|| terminal.take());
        terminal.take()
    }

    #[test]
    fn a_spinner_stands_above_the_view_and_leaves_it_there() {
        let terminal = Kept::default();
        let mut bars = Bars {
            all: Some(on(terminal.clone())),
            ..Bars::new()
        };
        let never = Duration::from_secs(3600);
        bars.show_view(bar("the view"), never);
        bars.show(bar("a build"), never);
        let both = drawn(&bars, &terminal);
        let place = |text: &str| both.find(text).unwrap_or_else(|| panic!("{both:?}"));
        assert!(place("a build") < place("the view"), "{both:?}");

        bars.show(bar("another"), never);
        bars.clear();
        let view = drawn(&bars, &terminal);
        assert!(
            view.contains("the view") && !view.contains("another"),
            "{view:?}"
        );
        bars.clear_view();
        assert!(bars.drawn().is_none());
    }
}
