//! A program that is told.

use std::fs;

use super::*;
use crate::support::{Scratch, database};

fn alerts_to(script: &str, timeout: &str) -> String {
    format!(
        "[alert_sinks.page]\ntype = \"command\"\ntimeout = \"{timeout}\"\n\
         command = [\"sh\", \"-c\", '''{script}''', \"sh\", \"an argument; with $signs\"]\n{BAD}"
    )
}

#[test]
fn a_program_reads_json_without_a_shell_between_and_without_the_services_secrets() {
    let (database, place) = (database(), Scratch::new());
    let said = place.path().join("said");
    let script = format!(
        "cat > {0}.part; env > {0}.env; grep SigBlk /proc/self/status > {0}.signals; echo \"$1\" > {0}.argument; mv {0}.part {0}",
        said.display()
    );
    let mut client = database.client();
    let home = home(&database.url, &mut client, &alerts_to(&script, "10s"));
    drop_bad(&home);
    let secret = ("INGESTD__ALERT_SINKS__PAGE__TIMEOUT", "9s");
    let service = home.start_with(&["run"], &[secret, ("PGPASSWORD", "s3cret")]);
    wait_until(PATIENCE, || said.exists());
    let read = |ending: &str| {
        let path = place.path().join(format!("said{ending}"));
        fs::read_to_string(path).expect("written")
    };
    let told: Value = serde_json::from_str(&read("")).expect("JSON");
    assert_eq!(
        (&told["status"], &told["alert"]),
        (&"firing".into(), &"bad".into())
    );
    assert_eq!(read(".argument"), "an argument; with $signs\n");
    let variables = read(".env");
    assert!(variables.contains("PATH="), "{variables}");
    assert!(
        !variables.contains("INGESTD__") && !variables.contains("s3cret"),
        "{variables}"
    );
    let blocked = read(".signals");
    assert!(
        blocked.trim_end().ends_with("\t0000000000000000"),
        "{blocked}"
    );
    service.stop();
}

#[test]
fn a_program_that_hangs_is_killed_with_all_that_it_has_started() {
    let (database, place) = (database(), Scratch::new());
    let started = place.path().join("started");
    let script = format!(
        "sleep 1000 & echo $$ $! > {0}.part; mv {0}.part {0}; wait",
        started.display()
    );
    let mut client = database.client();
    let home = home(&database.url, &mut client, &alerts_to(&script, "300ms"));
    drop_bad(&home);
    let service = home.run();
    wait_until(PATIENCE, || started.exists());
    let processes = fs::read_to_string(&started).expect("their numbers");
    let runs = |process: &str| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // A zombie has ended.
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    wait_until(PATIENCE, || !processes.split_whitespace().any(runs));
    wait_until(PATIENCE, || {
        home.log()
            .contains("it did not end within 300ms, and was killed")
    });
    wait_until_told(&home, "bad", &["firing"]);
    drop_rows(&home, "good.csv", 10);
    wait_for_items(&mut client, 10);
    service.stop();
}
