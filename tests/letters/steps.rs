//! Every step of a replay fails in every way, whoever carries the replay out: a command, or a service that
//! was asked. Whichever it is, every row is there once after it, and the letters say so at any time.

use std::os::unix::process::ExitStatusExt;

use ingestd_actors::failpoint::{FAULTS, ReplayStep};

use super::{PATIENCE, Shop};
use crate::support::home::Service;
use crate::support::wait_until;

/// Three parts, and one letter that fails again. Without a key a row that is written twice is seen.
const LETTERS: i64 = 250;
const TABLE: &str = "create table items (id bigint, name text, amount integer
    constraint not_negative check (amount >= 0))";

/// Who carries a replay out.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Command,
    Service,
}

/// What a fault comes to, as the page says it.
fn words(step: ReplayStep, by: By, fault: &str) -> &'static str {
    match (by, fault, step) {
        (By::Command, _, ReplayStep::Claimed) => "not passed",
        (By::Service, "stop" | "panic", ReplayStep::Claimed) => "taken up after 30 s",
        (_, "stop", _) => "tried again",
        (By::Command, "panic" | "kill", _) => "next command",
        (By::Service, "panic", _) => "FAILED",
        (By::Service, "kill", _) => "next service",
        _ => "operator",
    }
}

fn table() -> String {
    let mut table =
        "| step | by | panic | stop | hang | kill |\n|---|---|---|---|---|---|\n".to_owned();
    for step in ReplayStep::ALL {
        for (by, name) in [(By::Command, "a command"), (By::Service, "a service")] {
            let ways = FAULTS.map(|fault| words(step, by, fault)).join(" | ");
            table += &format!("| `{}` | {name} | {ways} |\n", step.name());
        }
    }
    table
}

#[test]
fn the_page_has_what_each_step_comes_to() {
    let page = include_str!("../../docs/reliability.md");
    let table = table();
    assert!(page.contains(&table), "it has to have this:\n{table}");
}

struct Scene {
    shop: Shop,
    by: By,
    fault: &'static str,
    left: Vec<ReplayStep>,
}

impl Scene {
    fn new(by: By, fault: &'static str) -> Scene {
        let mut shop = Shop::with_table(TABLE, "");
        let lines = (1..=LETTERS).map(|id| format!("{id},letter,-1\n"));
        shop.load(format!(
            "id,name,amount\n{}0,never,x\n",
            lines.collect::<String>()
        ));
        shop.client()
            .batch_execute("alter table items drop constraint not_negative")
            .expect("altered");
        let left = ReplayStep::ALL.into_iter();
        let left = left.filter(|step| words(*step, by, fault) != "not passed");
        Scene {
            left: left.collect(),
            shop,
            by,
            fault,
        }
    }

    /// All that is left, as it is passed for the second time; what is passed once in a replay, as it is.
    fn failpoints(&self) -> String {
        let of = |step: &ReplayStep| {
            let once = matches!(step, ReplayStep::Claimed | ReplayStep::Close);
            let before = if once { "" } else { "1*off->" };
            format!("{}={before}1*return({})", step.name(), self.fault)
        };
        let all: Vec<String> = self.left.iter().map(of).collect();
        all.join(";")
    }

    fn has_struck(&self, from: usize, step: ReplayStep) -> bool {
        let sign = format!("failpoint {} {}\n", step.name(), self.fault);
        self.shop.home.log()[from..].contains(&sign)
    }

    /// As one statement sees it: a letter is RESOLVED exactly where its row is there, and is counted.
    fn assert_whole(&self) {
        let wrong = "select concat_ws(' ', r.rows, r.ids, l.resolved, p.inserted) from
            (select count(*) as rows, count(distinct id) as ids from items) r,
            (select count(*) filter (where status = 'RESOLVED' and resolution = 'inserted') as resolved
             from ingestd.dead_letters) l,
            (select coalesce(sum(inserted), 0) as inserted from ingestd.replays) p
            where (r.rows, r.rows, r.rows) <> (r.ids, l.resolved, p.inserted)";
        assert_eq!(
            self.shop.lines(wrong),
            [""; 0],
            "rows, ids, RESOLVED, counted"
        );
    }

    fn is_done(&self) -> bool {
        let open =
            "select count(*) from ingestd.dead_letters where status = 'NEW' and record <= 250";
        self.shop.number(open) == 0
    }

    fn assert_done(&self) {
        self.assert_whole();
        assert_eq!(self.shop.number("select count(*) from items"), LETTERS);
        let open = self.shop.lines(
            "select concat_ws(' ', record, reason, column_name) from ingestd.dead_letters
             where status = 'NEW'",
        );
        assert_eq!(open, ["251 invalid_value amount"]);
        self.shop.assert_audited();
    }

    /// As it was before any replay.
    fn again(&self) {
        self.assert_done();
        self.shop
            .client()
            .batch_execute(
                "truncate items; delete from ingestd.replays;
                 update ingestd.dead_letters set status = 'NEW', resolved_at = null,
                     resolved_by = null, resolution = null",
            )
            .expect("set back");
    }

    /// One life after the other, until all have struck; and one in which nothing does.
    fn run(mut self) {
        while !self.left.is_empty() {
            if self.is_done() {
                self.again();
            }
            let from = self.shop.home.log().len();
            let life = match self.by {
                By::Command => self.command(),
                By::Service => self.service(),
            };
            self.wait_for_end(from, life);
            self.assert_whole();
            let struck: Vec<ReplayStep> = self.left.to_vec();
            self.left = struck
                .into_iter()
                .filter(|step| !self.has_struck(from, *step))
                .collect();
        }
        if self.by == By::Service {
            self.hurry();
            let service = self.service_with("");
            wait_until(PATIENCE, || {
                self.hurry();
                self.open_replays() == 0
            });
            service.stop();
        }
        let report = self.shop.replay(&["--all"]);
        assert_eq!(report["failed"], 1, "{report}");
        self.assert_done();
    }

    fn command(&self) -> Service {
        let failpoints = [("FAILPOINTS", self.failpoints())];
        let failpoints = failpoints.each_ref().map(|(name, it)| (*name, it.as_str()));
        let words = ["dead-letters", "replay", "--all"];
        self.shop.home.start_with(&words, &failpoints)
    }

    fn open_replays(&self) -> i64 {
        self.shop
            .number("select count(*) from ingestd.replays where state in ('WAITING', 'RUNNING')")
    }

    fn service(&self) -> Service {
        if self.open_replays() == 0 {
            self.shop
                .number("select ingestd.replay_dead_letters('items')");
        }
        self.hurry();
        self.service_with(&self.failpoints())
    }

    fn service_with(&self, failpoints: &str) -> Service {
        let failpoints = [("FAILPOINTS", failpoints)];
        self.shop.home.start_with(&["run"], &failpoints)
    }

    /// The 30 seconds are over in which a runner that is not seen may live.
    fn hurry(&self) {
        let sql = "set lock_timeout = '100ms'; update ingestd.replays
                   set seen_at = clock_timestamp() - interval '1 min' where seen_at is not null
                     and state in ('WAITING', 'RUNNING')";
        // Whoever has the row locked is seen.
        let _ = self.shop.client().batch_execute(sql);
    }

    fn wait_for_end(&self, from: usize, mut life: Service) {
        let ends = matches!(self.fault, "kill" | "hang");
        wait_until(PATIENCE, || {
            self.assert_whole();
            let struck = self.left.iter().any(|step| self.has_struck(from, *step));
            let over = match self.by {
                By::Command => life.ended().is_some(),
                By::Service => self.open_replays() == 0 || life.ended().is_some(),
            };
            if self.by == By::Service && !ends {
                self.hurry();
            }
            over || ends && struck && self.fault == "hang"
        });
        let status = life.ended();
        match (self.by, self.fault) {
            (By::Command, "stop") => assert_eq!(status.and_then(|it| it.code()), Some(1)),
            (By::Command, "panic") => {
                let code = status.and_then(|it| it.code());
                assert!(matches!(code, Some(101 | 1)), "{code:?}");
            }
            (_, "kill") if status.is_some() => {
                let code = status.and_then(|it| it.code());
                let signal = status.and_then(|it| it.signal());
                assert!(signal == Some(9) || code == Some(1), "{status:?}");
            }
            (By::Service, "panic" | "stop") => assert_eq!(status, None, "it lives on"),
            _ => {}
        }
        // The service goes on, or hangs: somebody ends it.
        drop(life);
    }
}

#[test]
fn a_command_that_fails_in_any_way_at_any_step_loses_nothing_and_doubles_nothing() {
    std::thread::scope(|scope| {
        for fault in FAULTS {
            scope.spawn(move || Scene::new(By::Command, fault).run());
        }
    });
}

#[test]
fn a_service_that_fails_in_any_way_at_any_step_loses_nothing_and_doubles_nothing() {
    std::thread::scope(|scope| {
        for fault in FAULTS {
            scope.spawn(move || Scene::new(By::Service, fault).run());
        }
    });
}
