use std::time::UNIX_EPOCH;

use super::super::super::look::{Look, Me, Pipeline};
use super::super::super::tally::Tally;
use super::*;
use crate::settings::{AlertSettings, Condition};

const SECOND: Duration = Duration::from_secs(1);

fn plan() -> Plan {
    let rule = AlertRule {
        name: "bad".to_owned(),
        condition: Condition::FileQuarantined,
        hold: Duration::ZERO,
        repeat: None,
        pipelines: vec!["items".to_owned()],
        sinks: Vec::new(),
        built_in: false,
    };
    Plan {
        alerts: AlertSettings {
            interval: SECOND,
            quiet_start: Duration::ZERO,
            rules: vec![rule],
            sinks: Vec::new(),
        },
        pipelines: vec!["items".to_owned()],
        directories: Vec::new(),
        place: "/data".to_owned(),
    }
}

/// A service, and its look at `items`, which is its own or another service's.
struct World {
    me: Me,
    look: Look,
    tally: Tally,
}

impl World {
    fn new(quarantined: i64, is_mine: bool) -> World {
        World {
            me: Me {
                host: "here".to_owned(),
                process: 1,
                place: "/data".to_owned(),
                origin: "here:/data".to_owned(),
            },
            look: Look {
                pipelines: vec![Pipeline {
                    name: "items".to_owned(),
                    is_mine,
                    is_running: true,
                    oldest: None,
                    wanted_ago: None,
                    held_up: None,
                    quarantined: (quarantined, None),
                }],
                files: Vec::new(),
                at: String::new(),
            },
            tally: Tally::new(SECOND),
        }
    }

    fn sight(&self) -> Sight<'_> {
        Sight {
            me: &self.me,
            look: Some(&self.look),
            tally: &self.tally,
            unreached: (0.0, ""),
            disks: None,
        }
    }
}

fn moment(seconds: u32) -> Moment {
    Moment {
        now: SECOND * seconds,
        clock: UNIX_EPOCH + SECOND * seconds,
        new_id: || "new".to_owned(),
    }
}

/// What comes of a look at so many files in quarantine.
fn look(board: &mut Board, quarantined: i64, seconds: u32) -> Option<Act> {
    let (plan, world) = (plan(), World::new(quarantined, true));
    let rule = &plan.alerts.rules[0];
    let read = world.sight().read(rule).pop().expect("a pipeline");
    let act = board.apply(rule, read, &moment(seconds));
    if let Some(Act::Fire(key, alert)) = &act {
        board.fires(key.clone(), Some(alert.clone()), SECOND * seconds);
    }
    act
}

fn fired(act: Option<Act>) -> Alert {
    match act {
        Some(Act::Fire(_, alert)) => alert,
        other => panic!("it fires: {other:?}"),
    }
}

fn kept(alert: &Alert) -> Kept {
    Kept {
        alert: alert.clone(),
        is_told: true,
        told_ago: 0.0,
        is_of_here: false,
        is_of_another: false,
    }
}

fn compare(board: &mut Board, is_mine: bool, kept: &[Kept], pending: &Pending<'_>) -> Vec<Act> {
    board.compare(
        &plan(),
        &World::new(0, is_mine).sight(),
        kept,
        pending,
        SECOND,
    )
}

fn nothing_pending(on_their_way: &HashMap<String, usize>) -> Pending<'_> {
    Pending {
        unwritten: &[],
        on_their_way,
        told: &[],
    }
}

#[test]
fn what_another_service_has_ended_fires_anew_and_what_is_not_written_down_yet_goes_on() {
    let mut board = Board::default();
    let alert = fired(look(&mut board, 1, 1));
    let none = HashMap::new();
    let pending = Pending {
        unwritten: &[alert],
        ..nothing_pending(&none)
    };
    assert_eq!(compare(&mut board, true, &[], &pending), []);
    assert_eq!(look(&mut board, 1, 2), None, "it goes on");
    let pending = nothing_pending(&none);
    assert_eq!(compare(&mut board, true, &[], &pending), []);
    fired(look(&mut board, 1, 3));
}

#[test]
fn what_nobody_has_told_of_is_told_once_and_by_whom_it_concerns() {
    let alert = fired(look(&mut Board::default(), 1, 1));
    let untold = Kept {
        is_told: false,
        ..kept(&alert)
    };
    let untold = std::slice::from_ref(&untold);
    let tell = [Act::Tell(Status::Firing, alert.clone())];
    let none = HashMap::new();
    let nothing = nothing_pending(&none);
    let mut board = Board::default();
    assert_eq!(compare(&mut board, true, untold, &nothing), tell);
    assert_eq!(look(&mut board, 1, 2), None, "it fires already");
    let arrived = Pending {
        told: std::slice::from_ref(&alert.id),
        ..nothing_pending(&none)
    };
    assert_eq!(compare(&mut board, true, untold, &arrived), []);
    let on_their_way = HashMap::from([(alert.id, 1)]);
    let pending = nothing_pending(&on_their_way);
    assert_eq!(compare(&mut board, true, untold, &pending), []);
    let mut board = Board::default();
    assert_eq!(compare(&mut board, false, untold, &nothing), []);
    assert!(board.is_empty(), "it is another service's");
}

#[test]
fn an_end_says_when_and_what_is_watched_no_more_ends_too() {
    let mut board = Board::default();
    let alert = fired(look(&mut board, 1, 1));
    match look(&mut board, 0, 9) {
        Some(Act::Resolve(ended)) => {
            assert_eq!(
                (ended.id, ended.since, ended.resolved_at),
                (
                    alert.id,
                    "1970-01-01T00:00:01.000Z".to_owned(),
                    Some("1970-01-01T00:00:09.000Z".to_owned())
                )
            );
        }
        other => panic!("it ends: {other:?}"),
    }
    fired(look(&mut board, 1, 10));
    let mut plan = plan();
    plan.alerts.rules.clear();
    let world = World::new(1, true);
    let acts = board.drop_unwatched(&plan, &world.sight(), UNIX_EPOCH);
    let [Act::Resolve(ended)] = &acts[..] else {
        panic!("it ends: {acts:?}");
    };
    assert!(ended.text.contains("watched no more"), "{}", ended.text);
    assert!(board.is_empty());
}

/// It went on naming the first one.
#[test]
fn as_many_files_in_quarantine_may_be_other_ones() {
    let (plan, mut board) = (plan(), Board::default());
    let rule = &plan.alerts.rules[0];
    let mut look = |newest: &str, seconds| {
        let mut world = World::new(1, true);
        world.look.pipelines[0].quarantined.1 = Some(newest.to_owned());
        let read = world.sight().read(rule).pop().expect("a pipeline");
        let act = board.apply(rule, read, &moment(seconds));
        if let Some(Act::Fire(key, alert)) = &act {
            board.fires(key.clone(), Some(alert.clone()), SECOND * seconds);
        }
        act
    };
    fired(look("/in/a.csv: no field id", 0));
    assert_eq!(look("/in/a.csv: no field id", 31), None);
    match look("/in/b.csv: not UTF-8", 62) {
        Some(Act::Note { alert, is_news }) => {
            assert!(
                alert.text.ends_with("/in/b.csv: not UTF-8"),
                "{}",
                alert.text
            );
            assert!(!is_news);
        }
        other => panic!("it is noted: {other:?}"),
    }
}
