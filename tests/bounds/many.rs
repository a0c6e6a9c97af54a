//! Many files at once, and many pipelines.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

#[test]
fn files_without_number_at_once_are_all_loaded() {
    let mut place = Place::prepared("", "");
    let files = sized(1_500, 100_000) as i32;
    for id in 1..=files {
        let path = place.inbox.join(format!("{id:07}.csv"));
        fs::write(path, csv([id])).expect("written");
    }
    place.start();
    let count = "select count(*) from ingestd.files where state = 'ARCHIVED'";
    wait_until(patience(), || {
        let row = place.client.query_one(count, &[]);
        row.is_ok_and(|row| row.get::<_, i64>(0) == i64::from(files))
    });
    assert!(place.ids().into_iter().eq(1..=files));
    assert_eq!(place.left(), [""; 0]);
    // A name, what a scan knows of its file, and that twice: what stands there, what was told.
    let of_files = files as u64 * 1024;
    place.assert_bounded(&format!("{files} files at once"), of_files);
}

#[test]
fn fifty_pipelines_start_within_seconds_with_bounded_connections() {
    let mut place = Place::prepared("", "");
    let pipelines = 49;
    let more: String = (0..pipelines)
        .map(|n| pipeline(&format!("p{n}"), ""))
        .collect();
    place
        .home
        .configure(&format!("{}{more}", place.home.config()));
    for n in 0..pipelines {
        let inbox = place.home.directory(&format!("inbox/p{n}"));
        drop_file(&inbox, &format!("p{n}.csv"), csv([1]));
    }
    let (mut watching, over) = (place.database.client(), AtomicBool::new(false));
    let name = place.database.name.clone();
    let most = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let count = "select count(*) from pg_stat_activity
                         where datname = $1 and pid <> pg_backend_pid()";
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                let row = watching.query_one(count, &[&name]).expect("a count");
                most = most.max(row.get::<_, i64>(0));
                thread::sleep(Duration::from_millis(5));
            }
            most
        });
        // Also where this fails.
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let ending = Over(&over);
        let since = Instant::now();
        place.start();
        for n in 0..pipelines {
            let account = place.end_of(&format!("p{n}.csv"));
            assert_eq!(account.counts(), ("ARCHIVED", 1, 1, 0));
        }
        let spent = since.elapsed();
        eprintln!("bounds: 50 pipelines: all files loaded after {spent:.1?}");
        assert!(spent < Duration::from_secs(30), "{spent:?}");
        drop(ending);
        watch.join().expect("a number")
    });
    eprintln!("bounds: 50 pipelines: {most} connections at most");
    // For each, two writers and the lease; the pool; and the one that listens.
    assert!(most <= 50 * 3 + 32 + 1, "{most} connections");
    place.others_go_on();
}
