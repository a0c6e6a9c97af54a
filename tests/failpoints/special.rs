//! What takes more than one service, or none.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ingestd_actors::failpoint::{ReplayStep, Step};

use super::lives::{Cell, strike, wait};
use super::place::{PIPELINES, Place};
use super::signs::Signs;
use super::table::Recovery;
use crate::http::client::Api;
use crate::support::home::{Home, drop_file};
use crate::support::{PATIENCE, database, wait_until};

/// Its pipelines began again and again then, until the process gave up: it still thought that it held the
/// lease, and every transaction said that it did not.
#[test]
fn one_whose_renewal_hangs_is_taken_over_and_waits_for_its_turn() {
    let mut place = Place::new("lease = \"1s\"");
    let holder = "select lease_instance::text from ingestd.pipelines where name = 'items'";
    let first = place.start("lease.renew=return(hang)");
    wait(&mut place, "it holds the pipeline", |place| {
        !place.text(holder).is_empty()
    });
    let before = place.text(holder);
    wait(&mut place, "its renewals hang", |place| {
        let signs = Signs::of(&place.home.log());
        signs.struck.len() == PIPELINES
    });
    let second = place.start("");
    wait(&mut place, "the other one takes it over", |place| {
        let now = place.text(holder);
        !now.is_empty() && now != before
    });
    place.drop_wave();
    wait(&mut place, "all is loaded", Place::is_at_rest);
    wait(&mut place, "the first one waits", |place| {
        place
            .home
            .log()
            .contains("pipeline items is loaded by process")
    });
    let seen = Signs::of(&place.home.log()).seen;
    assert_eq!(seen, BTreeSet::from([Recovery::Pipeline]));
    second.stop();
    // It goes on where the other one has ended.
    place.drop_wave();
    wait(&mut place, "the first one loads again", Place::is_at_rest);
    first.stop();
    place.assert_exactly_once();
}

/// It stood in the quarantine, and the ledger said until the next start that it was still on its way.
#[test]
fn a_panic_beside_a_file_that_has_moved_is_no_reason_to_let_go_of_it() {
    let cell = Cell {
        step: Step::ArchiveExplained,
        fault: "panic",
    };
    strike(&[cell], "");
}

/// They stay where they are. The ledger had them right, and neither log nor metrics ever told of them: they had
/// been dealt with before, as it seemed.
#[test]
fn what_an_admission_without_an_answer_has_settled_is_told_of_once() {
    let database = database();
    let pipeline = "[pipelines.one]\ndirectory = \"inbox\"\ntable = \"one\"\nsettle = \"10ms\"\n\
                    scan_interval = \"50ms\"\narchive = false\nquarantine = false\n";
    let home = Home::new(Some(&database.url), "", pipeline);
    let inbox = home.directory("inbox");
    let mut client = database.client();
    let table = "create table one (id bigint)";
    client.batch_execute(table).expect(table);
    // In the order in which they were found.
    let mut wait_for = |states: &[&str]| {
        let query = "select state from ingestd.files order by file_id";
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rows = client.query(query, &[]).unwrap_or_default();
            let now: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            if now == states {
                return;
            }
            assert!(Instant::now() < deadline, "{now:?}, not {states:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let service = home.run();
    drop_file(&inbox, "a.csv", "id\n1\n");
    wait_for(&["COMMITTED"]);
    service.stop();

    drop_file(&inbox, "bad.csv", "other\n1\n");
    drop_file(&inbox, "same.csv", "id\n1\n");
    let stop = [("FAILPOINTS", "admit.committed=1*return(stop)")];
    let service = home.start_with(&["run"], &stop);
    let told = |what: &str| home.log().matches(what).count();
    for what in ["file quarantined", "file skipped"] {
        wait_until(PATIENCE, || told(what) > 0);
    }
    assert_eq!(told("\nfailpoint admit.committed stop\n"), 1);
    // Nor is it told again by the looks that come.
    drop_file(&inbox, "b.csv", "id\n2\n");
    wait_for(&["COMMITTED", "QUARANTINED", "SKIPPED", "COMMITTED"]);
    service.stop();
    assert_eq!((told("file quarantined"), told("file skipped")), (1, 1));
}

/// The list that the cells are made of has every step that can be written down in the program.
#[test]
fn no_step_is_missing_in_the_list() {
    let steps = include_str!("../../actors/src/failpoint/steps.rs");
    let steps = variants(steps, "pub enum Step {");
    // A replay's have a list of their own.
    assert_eq!(steps - 1, Step::ALL.len());
    let replays = include_str!("../../actors/src/failpoint/replay_steps.rs");
    assert_eq!(
        variants(replays, "pub enum ReplayStep {"),
        ReplayStep::ALL.len()
    );
    let names = Step::ALL.into_iter().map(Step::name);
    let names: BTreeSet<&str> = names.chain(ReplayStep::ALL.map(ReplayStep::name)).collect();
    let count = Step::ALL.len() + ReplayStep::ALL.len();
    assert_eq!(names.len(), count, "two steps have one name");
}

/// How many there are between this line and the end of what begins there.
fn variants(source: &str, begins: &str) -> usize {
    let (_, steps) = source.split_once(begins).expect("the steps");
    let (steps, _) = steps.split_once("\n}").expect("their end");
    let lines = steps.lines().map(str::trim);
    lines.filter(|line| line.ends_with(',')).count()
}

#[test]
fn a_step_that_there_is_not_is_no_failpoint() {
    let place = Place::new("");
    for wrong in ["batch.comit=return(kill)", "batch.commit=return(explode)"] {
        let status = place.start(wrong).wait(Duration::from_secs(10));
        assert_eq!(status.code(), Some(101), "{wrong}");
    }
}

/// It was gone until the next start, and nothing said so.
#[test]
fn what_has_panicked_beside_the_tree_is_counted_and_answers_again() {
    let mut place = Place::new("");
    let service = place.start("http.serve=1*return(panic);alerts.round=1*return(panic)");
    let mut address = String::new();
    wait(&mut place, "it listens", |place| {
        let log = place.home.log();
        let url = log.rsplit_once("\"url\":\"http://");
        address = url.map_or(String::new(), |(_, url)| {
            url.split('"').next().unwrap_or_default().to_owned()
        });
        !address.is_empty()
    });
    let api = Api {
        address,
        certificate: None,
    };
    assert_eq!(api.get("/health/live").status, 200);
    wait(&mut place, "both are counted", |_| {
        let text = api.get("/metrics").body;
        let counted = |part: &str| {
            let counter = "ingestd_restarts_total{child=";
            text.contains(&format!("{counter}\"{part}\",pipeline=\"\"}} 1\n"))
        };
        counted("http listener") && counted("alerts")
    });
    let tree = api.get("/api/v1/tree").json();
    let mut children = tree["children"].as_array().expect("children").iter();
    let alerts = children.find(|child| child["child"] == "alerts");
    assert_eq!(alerts.expect("in the tree")["restarts"], 1, "{tree}");
    let log = place.home.log();
    assert!(
        log.contains("the failpoint alerts.round panics here"),
        "{log}"
    );
    service.stop();
}
