//! `top`: streams, groups, lag and parked events, live.

mod snapshot;
mod view;

use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use tokio::sync::mpsc;

use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::fleet::Fleet;
use crate::{ui, value};
use snapshot::Snapshot;
use view::View;

/// Watches; `q` quits, the arrow keys scroll the groups.
#[derive(clap::Args)]
pub(crate) struct Top {
    /// How often to look
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = value::duration)]
    every: Duration,
    /// Look once and print; what `--json` does, too
    #[arg(long)]
    once: bool,
}

/// What a person at the terminal wants.
enum Key {
    Quit,
    Up,
    Down,
    Redraw,
}

impl Top {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        if global.json || self.once {
            let snapshot = Snapshot::take(&fleet, None).await?;
            ui::show(global.json, &snapshot, Snapshot::to_text)?;
            return Ok(Verdict::Clean);
        }
        let mut terminal = ratatui::try_init()?;
        let watched = self.watch(&fleet, &mut terminal).await;
        ratatui::try_restore()?;
        watched.map(|()| Verdict::Clean)
    }

    async fn watch(
        &self,
        fleet: &Fleet,
        terminal: &mut ratatui::DefaultTerminal,
    ) -> Result<(), Failure> {
        let mut keys = keys();
        let mut view = View::default();
        let mut ticks = tokio::time::interval(self.every.max(Duration::from_millis(100)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            terminal.draw(|frame| view.draw(frame))?;
            let look = async {
                ticks.tick().await;
                Snapshot::take(fleet, view.snapshot()).await
            };
            // A look that a key interrupts is begun again at once: the tick that it took is not waited for twice.
            tokio::select! {
                taken = look => match taken {
                    Ok(snapshot) => view.show(snapshot),
                    // Servers come back; what was seen last stays on the screen.
                    Err(failure) => view.fail(failure.to_string()),
                },
                key = keys.recv() => match key {
                    Some(Key::Quit) | None => return Ok(()),
                    Some(Key::Up) => view.scroll(false),
                    Some(Key::Down) => view.scroll(true),
                    Some(Key::Redraw) => (),
                },
            }
        }
    }
}

/// What is typed, read by a thread of its own because reading blocks; it ends with the program.
fn keys() -> mpsc::Receiver<Key> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            let Some(key) = meaning(&event) else { continue };
            if sender.blocking_send(key).is_err() {
                return;
            }
        }
    });
    receiver
}

fn meaning(event: &Event) -> Option<Key> {
    if let Event::Resize(..) = event {
        return Some(Key::Redraw);
    }
    let key = event.as_key_press_event()?;
    let is_interrupt =
        key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
    if is_interrupt || [KeyCode::Char('q'), KeyCode::Esc].contains(&key.code) {
        Some(Key::Quit)
    } else if [KeyCode::Up, KeyCode::Char('k')].contains(&key.code) {
        Some(Key::Up)
    } else if [KeyCode::Down, KeyCode::Char('j')].contains(&key.code) {
        Some(Key::Down)
    } else {
        None
    }
}
