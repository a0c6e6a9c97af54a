//! Every situation with every rule, for files that leave the inbox and for files that stay.

use super::{Entry, Site, first, longer, other};

/// The page that promises what is held here.
const PAGE: &str = include_str!("../../docs/configuration.md");

/// One cell of the page's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub situation: &'static str,
    pub rule: &'static str,
}

const SITUATIONS: [&str; 4] = ["same", "appended", "changed", "renamed"];
const RULES: [&str; 4] = ["skip", "tail", "reload", "quarantine"];

impl Cell {
    /// The cells of one situation that the settings take.
    pub fn all_of(situation: &'static str) -> Vec<Cell> {
        let rules = RULES.into_iter();
        let cells = rules.map(|rule| Cell { situation, rule });
        cells.filter(|cell| cell.is_allowed()).collect()
    }

    fn is_allowed(self) -> bool {
        self.rule != "tail" || self.situation == "appended"
    }

    /// The keys of its pipeline.
    pub fn keys(self, archive: bool) -> String {
        let archive = if archive { "" } else { "archive = false\n" };
        let Cell { situation, rule } = self;
        format!("{archive}redropped = {{ {situation} = \"{rule}\" }}")
    }

    /// The name and the content of the second drop, after a first one that is called `name`.
    pub fn second(self, name: &str, base: i32) -> (String, String) {
        match self.situation {
            "same" => (name.to_owned(), first(base)),
            "appended" => (name.to_owned(), longer(base)),
            "changed" => (name.to_owned(), other(base)),
            _ => (format!("also-{name}"), first(base)),
        }
    }

    /// The ids that are there after both drops, in order.
    pub fn ids(self, base: i32) -> Vec<i32> {
        let added: &[i32] = match (self.rule, self.situation) {
            ("tail", _) => &[3],
            ("reload", "appended") => &[1, 2, 3],
            ("reload", "changed") => &[7, 2],
            ("reload", _) => &[1, 2],
            _ => &[],
        };
        let mut ids: Vec<i32> = [1, 2].iter().chain(added).map(|id| base + id).collect();
        ids.sort_unstable();
        ids
    }

    pub fn verdict(self) -> String {
        format!("{}: {}", self.situation, self.rule)
    }

    /// Whether the second drop gets no row of its own: its verdict goes to the first one's.
    pub fn is_noted_on_the_first(self, archive: bool) -> bool {
        !archive && self.situation == "same" && self.rule == "skip"
    }

    /// The state that the second drop comes to.
    pub fn state(self, archive: bool) -> &'static str {
        match self.rule {
            "skip" if self.is_noted_on_the_first(archive) => "COMMITTED",
            "skip" => "SKIPPED",
            "quarantine" => "QUARANTINED",
            _ if archive => "ARCHIVED",
            _ => "COMMITTED",
        }
    }
}

#[test]
fn the_page_has_the_table_that_is_tried_here() {
    for situation in SITUATIONS {
        let begin = format!("| *{situation}* | ");
        let row = PAGE.lines().find(|line| line.starts_with(&begin));
        let row = row.unwrap_or_else(|| panic!("no row of the table for {situation}"));
        let row: Vec<&str> = row.split('|').map(str::trim).collect();
        for (rule, said) in RULES.into_iter().zip(&row[2..]) {
            let cell = Cell { situation, rule };
            let expected = match rule {
                _ if !cell.is_allowed() => "refused",
                "skip" => "SKIPPED",
                "tail" => "what was added is loaded",
                "reload" => "loaded whole",
                _ => "QUARANTINED",
            };
            assert!(said.starts_with(expected), "{cell:?}: {said}");
        }
    }
}

/// Each rule of a situation.
pub fn each(situation: &'static str, archive: bool) {
    for cell in Cell::all_of(situation) {
        holds(cell, archive);
    }
}

/// Drops the two files, looks at everything that is promised, and looks again in the next life.
fn holds(cell: Cell, archive: bool) {
    eprintln!("{cell:?}, archive: {archive}");
    let loaded = if archive { "ARCHIVED" } else { "COMMITTED" };
    let mut site = Site::new(&cell.keys(archive));
    site.drop("a.csv", first(0));
    site.wait_for_last(1, loaded);
    if archive {
        site.wait_for_inbox(&[]);
    }
    let (name, content) = cell.second("a.csv", 0);
    site.drop(&name, content);
    let on_first = cell.is_noted_on_the_first(archive);
    let files = if on_first { 1 } else { 2 };
    super::wait_until(super::PATIENCE, || {
        let last = site.files();
        let verdict = Some(cell.verdict());
        last.len() == files
            && last
                .last()
                .is_some_and(|it| it.verdict == verdict && it.state == cell.state(archive))
    });
    // Neither the next looks nor the next life decide anew.
    site.let_it_look(90);
    site.restart();
    site.let_it_look(91);

    let expected = [cell.ids(0), vec![90, 91]].concat();
    assert_eq!(site.ids(), expected);
    let mut files = site.files();
    files.retain(|file| !file.name.starts_with("zzz"));
    let second = Entry {
        name: name.clone(),
        state: cell.state(archive).to_owned(),
        verdict: Some(cell.verdict()),
    };
    assert_eq!(files.last(), Some(&second));
    if !on_first {
        assert_eq!(files.len(), 2, "{files:?}");
        assert_eq!(files[0].verdict, None);
    }
    let expected: &[&str] = match (archive, cell.rule, cell.situation) {
        (true, ..) => &[],
        (false, "quarantine", "renamed") => &["a.csv"],
        (false, "quarantine", _) => &[],
        (false, _, "renamed") => &["a.csv", "also-a.csv"],
        (false, ..) => &["a.csv"],
    };
    site.wait_for_inbox_without_looks(expected);
    if cell.rule == "quarantine" {
        let reason = format!("{name}.reason");
        assert_eq!(site.quarantined(), [name.clone(), reason]);
    }
    if archive && cell.rule != "quarantine" {
        let of_these = |it: &&String| !it.starts_with("zzz");
        assert_eq!(site.archived().iter().filter(of_these).count(), 2);
    }
    says_why(&mut site, cell, &name);
}

/// The ledger, the log and the command line say what was decided, and why.
fn says_why(site: &mut Site, cell: Cell, name: &str) {
    let query = "select reason from ingestd.files where verdict = $1";
    let row = site.client.query_one(query, &[&cell.verdict()]);
    let reason: String = row.expect("one file").get(0);
    let said = match cell.situation {
        "same" => "dropped or touched again",
        "appended" => "and is 8 bytes longer",
        "changed" => "other content than",
        _ => "the same content as",
    };
    assert!(reason.contains(said), "{reason}");
    assert!(reason.contains("file 1 ("), "{reason}");
    assert!(reason.contains("a.csv), loaded 20"), "{reason}");
    assert!(site.home.log().contains(&reason), "the log lacks: {reason}");

    let output = site.home.ask(&["files"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.contains(&cell.verdict()));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains(name) && line.contains(said), "{line}");
    let output = site.home.ask(&["files", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut files = json.as_array().expect("a list").iter();
    let file = files
        .find(|file| file["verdict"] == cell.verdict())
        .expect("listed");
    assert_eq!(file["reason"], reason);
}

impl Site {
    fn wait_for_inbox_without_looks(&self, names: &[&str]) {
        super::wait_until(super::PATIENCE, || {
            let mut left = self.inbox();
            left.retain(|name| !name.starts_with("zzz"));
            left == names
        });
    }
}
