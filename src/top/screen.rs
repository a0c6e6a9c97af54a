//! PURE: what the screen shows, and what a key does to it.

use super::picture::Picture;

/// A key, as far as it means anything here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A letter or a sign.
    Char(char),
    /// Up.
    Up,
    /// Down.
    Down,
    /// Enter.
    Enter,
    /// Escape, or backspace.
    Back,
    /// Ctrl-C.
    Interrupt,
}

/// What is to be done on account of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look now: something else is shown.
    Look,
    /// Give a command to a pipeline.
    Command(Command, String),
    /// End.
    Quit,
}

/// A command to a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Pause it.
    Pause,
    /// Let it go on.
    Resume,
    /// Look through its directory.
    Rescan,
}

impl Command {
    /// Its name, as the command line and SQL have it.
    pub fn name(self) -> &'static str {
        match self {
            Command::Pause => "pause",
            Command::Resume => "resume",
            Command::Rescan => "rescan",
        }
    }
}

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// The pipelines, and what goes on in them.
    #[default]
    Pipelines,
    /// The files of one pipeline.
    Files(String),
    /// What holds up one file, reached from the list of a pipeline.
    Why(i64, String),
}

/// The state of the screen.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    /// What is shown.
    pub view: View,
    /// What was seen last; `None` before the first look.
    pub picture: Option<Picture>,
    /// Why it could not be looked last time.
    pub trouble: Option<String>,
    /// What a command has come to.
    pub message: Option<String>,
    /// A command that is asked about.
    pub asks: Option<(Command, String)>,
    /// Whether help is shown.
    pub help: bool,
    /// The line that is selected in each kind of list: pipelines, files.
    selected: [usize; 2],
}

impl Screen {
    /// Something new was seen.
    pub fn saw(&mut self, picture: Picture) {
        self.picture = Some(picture);
        self.trouble = None;
        self.select(0);
    }

    /// Nothing was to be seen.
    pub fn failed(&mut self, why: String) {
        self.trouble = Some(why);
    }

    /// The selected line of the list that is shown.
    pub fn selected(&self) -> usize {
        self.selected[self.list()]
    }

    /// The pipeline that a command would be for.
    pub fn pipeline(&self) -> Option<String> {
        match &self.view {
            View::Pipelines => {
                let picture = self.picture.as_ref()?;
                let selected = picture.pipelines.get(self.selected())?;
                Some(selected.name.clone())
            }
            View::Files(pipeline) | View::Why(_, pipeline) => Some(pipeline.clone()),
        }
    }

    fn list(&self) -> usize {
        usize::from(self.view != View::Pipelines)
    }

    fn length(&self) -> usize {
        let picture = self.picture.as_ref();
        picture.map_or(0, |picture| match self.view {
            View::Pipelines => picture.pipelines.len(),
            View::Files(_) | View::Why(..) => picture.files.len(),
        })
    }

    /// Moves the selection, within the list.
    fn select(&mut self, by: isize) {
        let last = self.length().saturating_sub(1);
        let list = self.list();
        // In the view of one file its list is not looked at, and stays where it was.
        if !matches!(self.view, View::Why(..)) {
            self.selected[list] = self.selected[list].saturating_add_signed(by).min(last);
        }
    }

    /// What a key does.
    pub fn key(&mut self, key: Key) -> Option<Action> {
        if key == Key::Interrupt {
            return Some(Action::Quit);
        }
        if let Some((command, pipeline)) = self.asks.take() {
            return match key {
                Key::Char('y' | 'Y') => Some(Action::Command(command, pipeline)),
                _ => {
                    self.message = Some("nothing was changed".to_owned());
                    None
                }
            };
        }
        self.message = None;
        if self.help {
            self.help = false;
            return (key == Key::Char('q')).then_some(Action::Quit);
        }
        match key {
            Key::Char('q') => return Some(Action::Quit),
            Key::Char('?') => self.help = true,
            Key::Up | Key::Char('k') => self.select(-1),
            Key::Down | Key::Char('j') => self.select(1),
            Key::Char('p') => self.ask(Command::Pause),
            Key::Char('r') => self.ask(Command::Resume),
            // It harms nothing.
            Key::Char('s') => {
                let pipeline = self.pipeline()?;
                return Some(Action::Command(Command::Rescan, pipeline));
            }
            Key::Enter => return self.enter(),
            Key::Back | Key::Char('h') => return self.back(),
            _ => {}
        }
        None
    }

    fn ask(&mut self, command: Command) {
        self.asks = self.pipeline().map(|pipeline| (command, pipeline));
    }

    fn enter(&mut self) -> Option<Action> {
        self.view = match &self.view {
            View::Pipelines => {
                let pipeline = self.pipeline()?;
                self.selected[1] = 0;
                View::Files(pipeline)
            }
            View::Files(pipeline) => {
                let files = &self.picture.as_ref()?.files;
                let file = files.get(self.selected())?.file;
                View::Why(file, pipeline.clone())
            }
            View::Why(..) => return None,
        };
        // What was seen before is of another view.
        if let Some(picture) = &mut self.picture {
            picture.why.clear();
            if !matches!(self.view, View::Why(..)) {
                picture.files.clear();
            }
        }
        Some(Action::Look)
    }

    fn back(&mut self) -> Option<Action> {
        self.view = match &self.view {
            View::Pipelines => return None,
            View::Files(_) => View::Pipelines,
            View::Why(_, pipeline) => View::Files(pipeline.clone()),
        };
        Some(Action::Look)
    }
}

#[cfg(test)]
mod tests {
    use super::super::picture::{File, Pipeline};
    use super::*;

    fn screen() -> Screen {
        let mut screen = Screen::default();
        let pipeline = |name: &str| Pipeline {
            name: name.into(),
            ..Pipeline::default()
        };
        let file = |file| File {
            file,
            ..File::default()
        };
        screen.saw(Picture {
            pipelines: ["a", "b", "c"].map(pipeline).to_vec(),
            files: [3, 2, 1].map(file).to_vec(),
            ..Picture::default()
        });
        screen
    }

    #[test]
    fn the_selection_stays_within_the_list() {
        let mut screen = screen();
        for (key, selected) in [
            (Key::Up, 0),
            (Key::Down, 1),
            (Key::Char('j'), 2),
            (Key::Down, 2),
            (Key::Char('k'), 1),
        ] {
            assert_eq!((screen.key(key), screen.selected()), (None, selected));
        }
        screen.saw(Picture::default());
        assert_eq!(screen.selected(), 0, "there are fewer");
        for key in [Key::Enter, Key::Char('p'), Key::Char('s'), Key::Down] {
            assert_eq!(screen.key(key), None, "nothing is selected");
        }
        assert_eq!(screen.asks, None);
    }

    #[test]
    fn a_command_is_given_once_it_is_confirmed() {
        let mut screen = screen();
        screen.key(Key::Down);
        for (key, command) in [('p', Command::Pause), ('r', Command::Resume)] {
            assert_eq!(screen.key(Key::Char(key)), None);
            assert_eq!(screen.asks, Some((command, "b".into())));
            assert_eq!(screen.key(Key::Char('q')), None, "it is an answer");
            assert_eq!(screen.message.as_deref(), Some("nothing was changed"));
            screen.key(Key::Char(key));
            let given = Action::Command(command, "b".into());
            assert_eq!(screen.key(Key::Char('y')), Some(given));
            assert_eq!(screen.asks, None);
        }
        let given = Action::Command(Command::Rescan, "b".into());
        assert_eq!(screen.key(Key::Char('s')), Some(given));
    }

    #[test]
    fn it_goes_down_to_a_file_and_back() {
        let mut screen = screen();
        assert_eq!(screen.key(Key::Back), None);
        assert_eq!(screen.key(Key::Enter), Some(Action::Look));
        assert_eq!(screen.view, View::Files("a".into()));
        let files = screen.picture.clone().map(|picture| picture.files);
        assert_eq!(files, Some(Vec::new()), "they were another pipeline's");
        screen.saw(self::screen().picture.expect("one"));
        screen.key(Key::Down);
        assert_eq!(screen.key(Key::Enter), Some(Action::Look));
        assert_eq!(screen.view, View::Why(2, "a".into()));
        assert_eq!(screen.pipeline().as_deref(), Some("a"));
        assert_eq!(screen.key(Key::Back), Some(Action::Look));
        assert_eq!(
            (&screen.view, screen.selected()),
            (&View::Files("a".into()), 1)
        );
        assert_eq!(screen.key(Key::Char('h')), Some(Action::Look));
        assert_eq!(screen.view, View::Pipelines);
    }

    #[test]
    fn it_ends_by_q_and_by_ctrl_c_whatever_is_asked() {
        assert_eq!(screen().key(Key::Char('q')), Some(Action::Quit));
        let mut screen = screen();
        screen.key(Key::Char('p'));
        assert_eq!(screen.key(Key::Interrupt), Some(Action::Quit));
        let mut screen = self::screen();
        screen.key(Key::Char('?'));
        assert!(screen.help);
        assert_eq!(screen.key(Key::Down), None);
        assert!(
            !screen.help && screen.selected() == 0,
            "any key ends the help"
        );
    }

    #[test]
    fn a_look_that_fails_leaves_what_was_seen() {
        let mut screen = screen();
        screen.failed("the server is away".into());
        assert!(screen.picture.is_some() && screen.trouble.is_some());
        screen.saw(Picture::default());
        assert_eq!(screen.trouble, None);
    }
}
