//! The process is killed at each step of each verdict; the next life ends what it had begun.

use super::cells::Cell;
use super::stops::{Held, MOMENTS, Stop};
use super::{Entry, PATIENCE, Site, first, wait_until};

/// The steps that a cell takes.
fn steps(cell: Cell, archive: bool) -> Vec<Stop> {
    let mut steps = vec![Stop::Admit];
    if cell.is_noted_on_the_first(archive) {
        return vec![Stop::Refresh];
    }
    if matches!(cell.rule, "reload" | "tail") {
        steps.extend([Stop::Rows, Stop::Commit]);
    }
    if archive || cell.rule == "quarantine" {
        steps.extend([Stop::Target, Stop::Left]);
    }
    steps
}

/// Each rule of a situation, stopped at each of its steps.
pub fn each(situation: &'static str, archive: bool) {
    for cell in Cell::all_of(situation) {
        let mut site = Site::new(&cell.keys(archive));
        let mut base = 0;
        for stop in steps(cell, archive) {
            for moment in MOMENTS {
                eprintln!("{cell:?}, archive: {archive}, {stop:?}, {moment:?}, base {base}");
                let name = format!("a{base}.csv");
                site.drop(&name, first(base));
                wait_until(PATIENCE, || {
                    let files = site.files();
                    let state = if archive { "ARCHIVED" } else { "COMMITTED" };
                    files.iter().any(|it| it.name == name && it.state == state)
                });
                let held = Held::at(&mut site, stop);
                let (second, content) = cell.second(&name, base);
                site.drop(&second, content);
                held.kill(&mut site, moment);
                site.start();
                ends(&mut site, cell, archive, &name, base);
                base += 10;
            }
        }
        assert_eq!(
            site.client
                .query("select from ingestd.checkpoints", &[])
                .expect("rows")
                .len(),
            0
        );
    }
}

/// Waits for what must come of both drops, and sees that nothing more does.
fn ends(site: &mut Site, cell: Cell, archive: bool, name: &str, base: i32) {
    let (second, _) = cell.second(name, base);
    let expected = Entry {
        name: second.clone(),
        state: cell.state(archive).to_owned(),
        verdict: Some(cell.verdict()),
    };
    wait_until(PATIENCE, || site.files().contains(&expected));
    let stays = !archive && cell.rule != "quarantine";
    wait_until(PATIENCE, || site.inbox().contains(&second) == stays);
    let mut files = site.files();
    files.retain(|file| file.name == name || file.name == second);
    let count = if cell.is_noted_on_the_first(archive) {
        1
    } else {
        2
    };
    assert_eq!(files.len(), count, "{files:?}");
    let mut ids = site.ids();
    ids.retain(|id| (base..base + 10).contains(id));
    assert_eq!(ids, cell.ids(base));
    // On its way it has a name of its own.
    wait_until(PATIENCE, || {
        !site.inbox().iter().any(|it| it.starts_with('.'))
    });
}
