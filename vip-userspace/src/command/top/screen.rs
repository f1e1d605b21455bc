//! The terminal: taken, and given back however it ends.

use std::io::{self, BufWriter, Stdout, Write as _, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{execute, queue};
use ratatui::{Frame, Terminal};

/// Bytes that a frame is gathered in, so that it goes out in one piece.
const PIECE: usize = 64 * 1024;

/// Whether the terminal is ours at the moment.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Takes the terminal; a panic gives it back before it is told.
    pub(super) fn open() -> io::Result<Self> {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                before(panic);
            }));
        });
        take()?;
        let out = BufWriter::with_capacity(PIECE, stdout());
        let terminal = Terminal::new(CrosstermBackend::new(out));
        terminal
            .map(|terminal| Self { terminal })
            .inspect_err(|_| restore())
    }

    /// Draws a frame: only what is another than before goes out, and terminals that
    /// know how show it at once.
    pub(super) fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(render)?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        self.terminal.backend_mut().flush()
    }

    /// Draws all of it at the next frame: somebody else has written on the terminal.
    pub(super) fn anew(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    /// Takes the terminal again after [`restore`].
    pub(super) fn again(&mut self) -> io::Result<()> {
        take()?;
        self.anew()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::Relaxed);
    execute!(stdout(), EnterAlternateScreen, Hide).inspect_err(|_| restore())
}

/// Gives the terminal back, if it is taken.
pub(super) fn restore() {
    if !TAKEN.swap(false, Ordering::Relaxed) {
        return;
    }
    // The modes first: what is written may wait for a terminal that was stopped.
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), EndSynchronizedUpdate, LeaveAlternateScreen, Show);
}

/// Gives back what can be given back without writing.
pub(super) fn restore_modes() {
    let _ = disable_raw_mode();
}
