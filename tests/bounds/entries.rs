//! What stands in an inbox and is no plain file, or has no plain name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat};

use super::*;

#[test]
fn links_pipes_sockets_and_devices_are_passed_over_and_stay() {
    let mut place = Place::prepared("", "recursive = true");
    let outside = place.home.directory("outside");
    fs::write(outside.join("secret.csv"), csv([7])).expect("written");
    let inbox = place.inbox.clone();
    let link = |to: &Path, name: &str| symlink(to, inbox.join(name)).expect("a link");
    link(&outside.join("secret.csv"), "outside.csv");
    link(Path::new("loop.csv"), "loop.csv");
    link(Path::new("nowhere"), "dangling.csv");
    link(&outside, "directory.csv");
    fs::create_dir(inbox.join("below")).expect("a directory");
    link(Path::new(".."), "below/up.csv");
    link(&outside, "below/out");
    let _socket = UnixListener::bind(inbox.join("socket.csv")).expect("a socket");
    let node = |name, kind, device| {
        let mode = Mode::from_raw_mode(0o666);
        mknodat(CWD, inbox.join(name), kind, mode, device)
    };
    node("pipe.csv", FileType::Fifo, 0).expect("a FIFO");
    let mut odd = vec![
        ("outside.csv", "symbolic link"),
        ("loop.csv", "symbolic link"),
        ("dangling.csv", "symbolic link"),
        ("directory.csv", "symbolic link"),
        ("below/up.csv", "symbolic link"),
        ("socket.csv", "no regular file"),
        ("pipe.csv", "no regular file"),
    ];
    // What /dev/zero is: it would never end.
    match node(
        "zero.csv",
        FileType::CharacterDevice,
        rustix::fs::makedev(1, 5),
    ) {
        Ok(()) => odd.push(("zero.csv", "no regular file")),
        Err(error) => eprintln!("SKIPPED: no right to make a device: {error}"),
    }
    place.start();
    place.others_go_on();
    for (name, reason) in &odd {
        place.wait_for_line(&["passed over", &format!("/{name}\""), reason]);
    }
    place.others_go_on();
    let log = place.home.log();
    let said = log.matches("passed over").count();
    assert_eq!(said, odd.len(), "each once: {log}");
    assert_eq!(place.files(), 2);
    for (name, _) in odd {
        assert!(inbox.join(name).symlink_metadata().is_ok(), "{name} stays");
    }
    assert!(outside.join("secret.csv").exists());
    place.assert_bounded("links, pipes, sockets and devices", 0);
}

#[test]
fn a_name_may_have_255_bytes_of_any_kind() {
    let mut place = Place::new("archive_compression = \"zstd\"");
    let plain = format!("{}.csv", "x".repeat(251));
    let mut bytes = vec![0xE9; 251];
    bytes.extend(b".csv");
    let bytes = OsStr::from_bytes(&bytes).to_owned();
    let odd = OsStr::from_bytes(b"a\xFF\"'\n\t\\x41;--.csv").to_owned();
    let mut next = 0;
    let mut put = |place: &Place, name: &OsStr, content: Option<&str>| {
        next += 1;
        let content = content.map_or_else(|| csv([next]), str::to_owned);
        let hidden = place.inbox.join(".hidden");
        fs::write(&hidden, content).expect("written");
        fs::rename(hidden, place.inbox.join(name)).expect("renamed");
    };
    let wait_for = |place: &mut Place, files: i64, state: &str| {
        let count = "select count(*) from ingestd.files where state = $1";
        wait_until(patience(), || {
            let row = place.client.query_one(count, &[&state]).expect("a count");
            row.get::<_, i64>(0) == files
        });
    };
    // Twice each: the second collides in the archive.
    for round in 1..=2 {
        for name in [OsStr::new(&plain), &bytes, &odd] {
            put(&place, name, None);
        }
        wait_for(&mut place, 3 * round, "ARCHIVED");
    }
    for name in [OsStr::new(&plain), &bytes, &odd] {
        put(&place, name, Some("wrong,header\n1,2\n"));
        put(&place, name, Some("wronger,header\n1,2\n"));
    }
    wait_for(&mut place, 3, "QUARANTINED");
    place.others_go_on();
    assert_eq!(place.ids().len(), 7);
    assert_eq!(place.archived().len(), 7);
    // Three files, and a note beside each.
    assert_eq!(place.quarantined().len(), 6);
    assert_eq!(place.left(), [""; 0]);
    // The ledger leads back to each of them.
    let query = "select archive_path from ingestd.files where archive_path is not null";
    for row in place.client.query(query, &[]).expect("paths") {
        let path = ingestd::fs::path_from_text(row.get(0));
        assert!(path.exists(), "{}", path.display());
    }
}

/// Once, a path that was too long for an index of the ledger ended the service, again and again.
#[test]
fn a_path_that_is_too_long_is_passed_over_and_says_so() {
    let mut place = Place::new("recursive = true");
    // Names that don't compress, as the server's indexes would.
    let mut path = place.inbox.clone();
    let mut deepest = openat(CWD, &path, OFlags::DIRECTORY, Mode::empty()).expect("a directory");
    let mut long = Vec::new();
    let mut into = |directory: &rustix::fd::OwnedFd, path: &Path, id: i32| {
        let flags = OFlags::CREATE | OFlags::WRONLY;
        let mode = Mode::from_raw_mode(0o644);
        let file = openat(directory, ".new", flags, mode).expect("a file");
        std::io::Write::write_all(&mut File::from(file), csv([id]).as_bytes()).expect("written");
        rustix::fs::renameat(directory, ".new", directory, "a.csv").expect("renamed");
        long.push(path.as_os_str().len());
    };
    for level in 0..30 {
        let part = |part: u8| blake3::hash(&[level, part]).to_hex().to_string();
        let name = [part(0), part(1), part(2)].concat();
        let name = &name[..180];
        mkdirat(&deepest, name, Mode::from_raw_mode(0o755)).expect("a directory");
        deepest = openat(&deepest, name, OFlags::DIRECTORY, Mode::empty()).expect("made");
        path.push(name);
        into(&deepest, &path, i32::from(level) + 1);
    }
    let (short, deep): (Vec<usize>, Vec<usize>) = long.iter().partition(|it| **it <= 2_000);
    assert!(*deep.last().expect("some") > 4096);
    place.others_go_on();
    place.wait_for_line(&["passed over", "too long for the ledger", "move the file up"]);
    // Also those whose path is longer than the system takes.
    let passed_over = |log: &str| log.matches("too long for the ledger").count();
    wait_until(patience(), || passed_over(&place.home.log()) == deep.len());
    let loaded = |place: &mut Place| place.ids().into_iter().filter(|id| *id > 0).count();
    wait_until(patience(), || loaded(&mut place) >= short.len());
    place.others_go_on();
    let states = "select distinct state from ingestd.files";
    let states = place.client.query(states, &[]).expect("states");
    assert_eq!(states.len(), 1);
    assert_eq!(states[0].get::<_, String>(0), "ARCHIVED");
}

#[test]
fn a_thousand_directories_below_each_other_are_looked_through() {
    let mut place = Place::new("recursive = true");
    let mut path = place.inbox.clone();
    for _ in 0..900 {
        path.push("d");
    }
    fs::create_dir_all(&path).expect("directories");
    drop_file(&path, "deep.csv", csv([1]));
    assert_eq!(place.end_of("deep.csv").counts(), ("ARCHIVED", 1, 1, 0));
    let below = path.strip_prefix(&place.inbox).expect("below");
    let archived = place.home.directory("archive/things").join(below);
    assert_eq!(names_in(&archived), ["deep.csv"]);
    place.others_go_on();
}

#[test]
fn a_file_that_may_not_be_read_is_quarantined_and_the_others_go_on() {
    let mut place = Place::prepared("", "");
    if rustix::process::geteuid().is_root() {
        // Permissions don't bind root: the service is somebody else.
        for path in [&place.home.data(), &place.inbox, &place.inbox.join("..")] {
            crate::support::give_to_server(path);
        }
        place.service = Some(place.home.run_as_server_user());
        place.since = Instant::now();
    } else {
        place.start();
    }
    let secret = place.inbox.join(".secret");
    fs::write(&secret, csv([1])).expect("written");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).expect("ours");
    fs::rename(&secret, place.inbox.join("secret.csv")).expect("renamed");
    let account = place.end_of("secret.csv");
    assert_eq!(account.counts(), ("QUARANTINED", 0, 0, 0));
    assert!(
        account.reason.contains("Permission denied"),
        "{}",
        account.reason
    );
    place.drop_file("a.csv", csv([2]));
    assert_eq!(place.end_of("a.csv").counts(), ("ARCHIVED", 1, 1, 0));
}
