//! `ingestd top`: a live picture of all pipelines.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};
use jiff::Timestamp;
use postgres::types::Type;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::context::{ConfigArgs, Connected, connect_to_ledger};
use super::watch_status::on_signals;
use crate::postgres::classify;
use crate::settings::Settings;
use crate::top::Looker;
use crate::top::draw::draw;
use crate::top::picture::Picture;
use crate::top::screen::{Action, Command, Key, Screen, View};

/// How long a key waits at most to be seen.
const KEYS: Duration = Duration::from_millis(100);
/// How long the end waits for a look that is under way.
const END: Duration = Duration::from_millis(500);

/// Watch all pipelines on the terminal: what they do, how fast, what is wrong
///
/// Reads the ledger, so that it works from any host. Select a pipeline and type Enter for its files, and
/// Enter on a file for what holds it up; p pauses a pipeline, r resumes it (both ask), s looks through its
/// directory; ? shows all keys, q ends. It ends with its terminal, with exit code 1.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:\n  ingestd top --interval 1s")]
pub struct TopArgs {
    /// How often it looks
    #[arg(long, value_name = "DURATION", default_value = "1s",
          value_parser = humantime::parse_duration)]
    interval: Duration,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the subcommand.
pub fn run(args: &TopArgs) -> Result<()> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        let message = "top draws on a terminal, and there is none";
        return Err(Error::new(ErrorKind::Configuration, message)
            .with_advice("`ingestd status --watch` writes lines anywhere"));
    }
    let settings = args.config.settings_or_defaults()?;
    // What is wrong from the start is said on a terminal that is as it was.
    let connection = connect_to_ledger(&settings)?;
    let stopped = on_signals()?;
    end_with_terminal()?;
    let eyes = Eyes::open(settings, connection);
    // Restores the terminal before a panic is told, too.
    let mut terminal = ratatui::try_init().map_err(no_terminal)?;
    let shown = show(&mut terminal, &eyes, &stopped, args.interval.max(KEYS));
    ratatui::try_restore().map_err(no_terminal)?;
    eyes.close();
    shown
}

/// Ends the process once its terminal is closed, where SIGHUP does not (it may be ignored, as by `nohup`):
/// what reads the keys would go on reading from nothing, and never come back.
fn end_with_terminal() -> Result<()> {
    let watch = || {
        let stdin = io::stdin();
        loop {
            // A hang-up is told whatever is asked for.
            let mut fds = [PollFd::new(&stdin, PollFlags::empty())];
            let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
            match poll(&mut fds, None) {
                Ok(_) if fds[0].revents().intersects(gone) => break,
                Ok(_) | Err(Errno::INTR) => {}
                // Then SIGHUP has to do.
                Err(_) => return,
            }
        }
        // Nothing is left to be restored; whoever reads this may be elsewhere, or not be there.
        let _ = writeln!(io::stderr(), "ingestd: the terminal is closed");
        std::process::exit(1);
    };
    let thread = std::thread::Builder::new().name("terminal".to_owned());
    thread.spawn(watch).map_err(no_terminal)?;
    Ok(())
}

fn no_terminal(error: io::Error) -> Error {
    let message = format!("the terminal can't be used: {error}");
    Error::new(ErrorKind::Transient, message)
}

/// Draws what is seen, until somebody ends it.
fn show(
    terminal: &mut DefaultTerminal,
    eyes: &Eyes,
    stopped: &Receiver<()>,
    interval: Duration,
) -> Result<()> {
    let mut screen = Screen::default();
    let mut time = String::new();
    let mut next = Instant::now();
    let mut looking = false;
    loop {
        terminal
            .draw(|frame| draw(frame, &screen, &time))
            .map_err(no_terminal)?;
        if !matches!(stopped.try_recv(), Err(TryRecvError::Empty)) {
            return Ok(());
        }
        if !looking && Instant::now() >= next {
            looking = eyes.ask(Wish::Look(screen.view.clone()));
            next = Instant::now() + interval;
        }
        while let Ok(seen) = eyes.seen.try_recv() {
            match seen {
                Seen::Picture(view, outcome) => {
                    looking = false;
                    if view == screen.view {
                        time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                        match *outcome {
                            Ok(picture) => screen.saw(picture),
                            Err(error) => screen.failed(error.to_string()),
                        }
                    } else {
                        next = Instant::now();
                    }
                }
                Seen::Commanded(outcome) => {
                    screen.message = Some(outcome.unwrap_or_else(|error| error.to_string()));
                    next = Instant::now();
                }
            }
        }
        if !event::poll(KEYS).map_err(no_terminal)? {
            continue;
        }
        let Event::Key(key) = event::read().map_err(no_terminal)? else {
            continue;
        };
        match meant(key).and_then(|key| screen.key(key)) {
            None => {}
            Some(Action::Quit) => return Ok(()),
            Some(Action::Look) => next = Instant::now(),
            Some(Action::Command(command, pipeline)) => {
                eyes.ask(Wish::Command(command, pipeline));
            }
        }
    }
}

/// What a key means here.
fn meant(key: KeyEvent) -> Option<Key> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Interrupt),
        KeyCode::Char(c) if key.modifiers.intersection(KeyModifiers::CONTROL).is_empty() => {
            Some(Key::Char(c))
        }
        KeyCode::Up => Some(Key::Up),
        KeyCode::Down => Some(Key::Down),
        KeyCode::Enter => Some(Key::Enter),
        KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => Some(Key::Back),
        _ => None,
    }
}

/// What the thread is to do that has the connection.
enum Wish {
    Look(View),
    Command(Command, String),
}

/// What came of it.
enum Seen {
    Picture(View, Box<Result<Picture>>),
    Commanded(Result<String>),
}

/// The thread that has the connection: a server that does not answer holds up no key.
struct Eyes {
    wishes: Sender<Wish>,
    seen: Receiver<Seen>,
    thread: JoinHandle<()>,
}

impl Eyes {
    fn open(settings: Settings, connection: Connected) -> Eyes {
        let (wishes, wished) = channel();
        let (tell, seen) = channel();
        let thread = std::thread::spawn(move || {
            let mut connection = Some(connection);
            let mut looker = Looker::default();
            for wish in wished {
                let told = answer(&settings, &mut connection, &mut looker, wish);
                if tell.send(told).is_err() {
                    return;
                }
            }
        });
        Eyes {
            wishes,
            seen,
            thread,
        }
    }

    /// Whether somebody is there who does it.
    fn ask(&self, wish: Wish) -> bool {
        self.wishes.send(wish).is_ok()
    }

    /// Ends the thread, and with it the connection; not one that waits for a server in vain.
    fn close(self) {
        drop(self.wishes);
        let deadline = Instant::now() + END;
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn answer(
    settings: &Settings,
    connection: &mut Option<Connected>,
    looker: &mut Looker,
    wish: Wish,
) -> Seen {
    let connected = match connection.take() {
        Some(connected) if !connected.client.is_closed() => Ok(connected),
        _ => connect_to_ledger(settings),
    };
    let (told, kept) = match (wish, connected) {
        (Wish::Look(view), Ok(mut connected)) => {
            let looked = looker.look(&mut connected.client, &settings.pipelines, &view);
            (Seen::Picture(view, Box::new(looked)), Some(connected))
        }
        (Wish::Command(command, pipeline), Ok(mut connected)) => {
            let done = carry_out(&mut connected.client, command, &pipeline);
            (Seen::Commanded(done), Some(connected))
        }
        // A server that restarts is nothing to give up for.
        (Wish::Look(view), Err(error)) => (Seen::Picture(view, Box::new(Err(error))), None),
        (Wish::Command(..), Err(error)) => (Seen::Commanded(Err(error)), None),
    };
    *connection = kept;
    told
}

/// Gives a command as anybody does from SQL.
fn carry_out(client: &mut postgres::Client, command: Command, pipeline: &str) -> Result<String> {
    let failed = |error| classify(error, "giving the command");
    let mut transaction = client.transaction().map_err(failed)?;
    // Whoever has the pipeline's row locked is not waited for.
    transaction
        .batch_execute("set local lock_timeout = '5s'")
        .map_err(failed)?;
    let rows = transaction
        .query_typed(
            &format!("select ingestd.{}($1)", command.name()),
            &[(&pipeline, Type::TEXT)],
        )
        .map_err(failed)?;
    transaction.commit().map_err(failed)?;
    let said: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    Ok(said.join("; "))
}
