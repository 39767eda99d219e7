//! The screen of `top`.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, TableState};

use super::snapshot::{GroupRow, Snapshot, StreamRow};

/// Lag from which a group is coloured, in events.
const LAG: i64 = 1_000;

/// What is on the screen.
#[derive(Default)]
pub(super) struct View {
    snapshot: Option<Snapshot>,
    failure: Option<String>,
    groups: TableState,
}

impl View {
    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    pub(super) fn show(&mut self, snapshot: Snapshot) {
        self.snapshot = Some(snapshot);
        self.failure = None;
    }

    pub(super) fn fail(&mut self, failure: String) {
        self.failure = Some(failure);
    }

    pub(super) fn scroll(&mut self, down: bool) {
        if down {
            self.groups.select_next();
        } else {
            self.groups.select_previous();
        }
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let Some(snapshot) = &self.snapshot else {
            let text = self.failure.as_deref().unwrap_or("looking …");
            frame.render_widget(Paragraph::new(text), frame.area());
            return;
        };
        let rows = |count: usize| u16::try_from(count).unwrap_or(u16::MAX).saturating_add(3);
        let [title, streams, groups, parked, footer] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Max(rows(snapshot.streams.len())),
            Constraint::Min(5),
            Constraint::Max(rows(snapshot.parked.len()).min(10)),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        frame.render_widget(headline(snapshot), title);
        frame.render_widget(stream_table(&snapshot.streams), streams);
        frame.render_stateful_widget(group_table(&snapshot.groups), groups, &mut self.groups);
        frame.render_widget(parked_table(snapshot), parked);
        let footer_line = match &self.failure {
            Some(failure) => Line::from(failure.as_str()).style(Style::new().fg(Color::Red)),
            None => Line::from("q quits   ↑ ↓ scroll the groups").style(dim()),
        };
        frame.render_widget(footer_line, footer);
    }
}

fn headline(snapshot: &Snapshot) -> Line<'static> {
    let lag: i64 = snapshot.groups.iter().map(|row| row.lag.lag).sum();
    let rate: f64 = snapshot.streams.iter().map(|row| row.rate).sum();
    Line::from(format!(
        "plctl  {} UTC   {rate:.1} events/s   lag {lag}   parked {}",
        snapshot.at.format("%H:%M:%S"),
        snapshot.groups.iter().map(|row| row.lag.parked).sum::<i64>()
    ))
    .style(Style::new().add_modifier(Modifier::BOLD))
}

fn stream_table(streams: &[StreamRow]) -> Table<'static> {
    let row = |row: &StreamRow| {
        let behind = row.head.saturating_sub(row.last);
        let state = if row.is_paused { "paused" } else { "" };
        let cells = [
            row.key.clone(),
            row.last.to_string(),
            behind.to_string(),
            row.outbox.to_string(),
            row.entries.to_string(),
            format!("{} KiB", row.bytes / 1_024),
            format!("{:.1}", row.rate),
            state.to_owned(),
        ];
        let style = if row.is_paused || behind != 0 { warn() } else { Style::new() };
        Row::new(cells.map(Cell::from)).style(style)
    };
    let widths = [
        Constraint::Min(24),
        Constraint::Length(10),
        Constraint::Length(11),
        Constraint::Length(8),
        Constraint::Length(10),
        Constraint::Length(11),
        Constraint::Length(9),
        Constraint::Length(7),
    ];
    let header =
        ["stream", "last", "unpublished", "outbox", "entries", "memory", "events/s", "relay"];
    Table::new(streams.iter().map(row), widths)
        .header(Row::new(header).style(dim()))
        .block(Block::bordered().title("streams"))
}

fn group_table(groups: &[GroupRow]) -> Table<'static> {
    let row = |GroupRow { lag, rate }: &GroupRow| {
        let cells = [
            lag.group.clone(),
            format!("{}/{}", lag.service, lag.partition),
            lag.watermark.to_string(),
            lag.lag.to_string(),
            lag.seconds.map_or_else(String::new, |seconds| format!("{seconds} s")),
            lag.pending.to_string(),
            lag.parked.to_string(),
            format!("{rate:.1}"),
            crate::lag::state(lag).to_owned(),
        ];
        let style = if lag.parked > 0 || (!lag.is_owned && !lag.is_paused) {
            Style::new().fg(Color::Red)
        } else if lag.lag > LAG || lag.is_paused {
            warn()
        } else {
            Style::new()
        };
        Row::new(cells.map(Cell::from)).style(style)
    };
    let widths = [
        Constraint::Min(24),
        Constraint::Length(14),
        Constraint::Length(10),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Length(9),
        Constraint::Length(9),
    ];
    let header =
        ["group", "reads", "watermark", "lag", "behind", "pending", "parked", "events/s", "state"];
    Table::new(groups.iter().map(row), widths)
        .header(Row::new(header).style(dim()))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .block(Block::bordered().title("groups"))
}

fn parked_table(snapshot: &Snapshot) -> Table<'static> {
    let rows = snapshot.parked.iter().map(|parked| {
        let cells = [
            parked.consumer_group.clone(),
            format!("{}/{} {}", parked.service, parked.partition, parked.sequence),
            parked.reason.clone(),
            parked.error.clone(),
        ];
        Row::new(cells.map(Cell::from))
    });
    let widths = [
        Constraint::Length(24),
        Constraint::Length(20),
        Constraint::Length(16),
        Constraint::Min(20),
    ];
    Table::new(rows, widths)
        .header(Row::new(["group", "event", "reason", "error"]).style(dim()))
        .block(Block::bordered().title("parked"))
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn warn() -> Style {
    Style::new().fg(Color::Yellow)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use event_runtime::operator::lag::Lag;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use shared_schemas::Service;

    use super::*;

    fn snapshot() -> Snapshot {
        let lag = |group: &str, lag| Lag {
            group: group.to_owned(),
            consumer: Service::Engagement,
            service: "post".to_owned(),
            partition: 0,
            watermark: 5,
            head: 5 + lag,
            lag,
            seconds: (lag > 0).then_some(7),
            pending: 0,
            parked: 0,
            is_owned: true,
            is_paused: false,
        };
        Snapshot {
            at: DateTime::from_timestamp(0, 0).unwrap(),
            streams: vec![StreamRow {
                key: "ev:{post.p0}:e1".to_owned(),
                service: Service::Post,
                last: 47,
                head: 47,
                entries: 47,
                bytes: 10_240,
                outbox: 0,
                is_paused: true,
                rate: 2.5,
            }],
            groups: vec![
                GroupRow { lag: lag("engagement.profile", 42), rate: 0.0 },
                GroupRow { lag: lag("engagement.notify", 0), rate: 0.0 },
            ],
            parked: Vec::new(),
        }
    }

    fn screen(view: &mut View) -> String {
        let mut terminal = Terminal::new(TestBackend::new(110, 24)).unwrap();
        terminal.draw(|frame| view.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_screen_shows_streams_groups_and_their_lag() {
        let mut view = View::default();
        assert!(screen(&mut view).contains("looking"));

        view.show(snapshot());
        let screen = screen(&mut view);

        for text in ["ev:{post.p0}:e1", "engagement.profile", "42", "7 s", "paused", "lag 42"] {
            assert!(screen.contains(text), "{text} in\n{screen}");
        }
    }

    #[test]
    fn a_failed_look_leaves_the_last_one_on_the_screen() {
        let mut view = View::default();
        view.show(snapshot());

        view.fail("unavailable: redis".to_owned());

        let screen = screen(&mut view);
        assert!(
            screen.contains("unavailable: redis") && screen.contains("ev:{post.p0}:e1"),
            "{screen}"
        );
    }
}
