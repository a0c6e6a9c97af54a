//! The private server, with real processes.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ingestd::local_server::{LocalServer, find_binaries, use_if_there, use_or_start};
use ingestd_actors::error::ErrorKind;
use tokio_postgres::{Client, NoTls};

use crate::support::{Scratch, wait_until};

/// Names the part that a test plays when it has started itself as another process.
const PART: &str = "INGESTD_TEST_PART";

#[tokio::test]
async fn keeps_what_was_committed_and_is_reached_by_its_socket_alone() {
    let place = Scratch::new();
    let server = LocalServer::open(place.path()).await.expect("opened");
    let running = server.start().await.expect("started");
    let url = running.url();
    let client = connect(&url).await;
    for (setting, expected) in [
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("log_min_messages", "log"),
    ] {
        assert_eq!(show(&client, setting).await, expected, "{setting}");
    }
    let sql = "select datcollate from pg_database where datname = 'ingestd'";
    let row = client.query_one(sql, &[]).await.expect("the database");
    assert_eq!(row.get::<_, String>(0), "C");
    client
        .batch_execute("create table kept as select 7 as seven")
        .await
        .expect("a table");

    // A client that stays doesn't hold up the end.
    let status = Arc::new(running).stop().await.expect("stopped");
    assert!(status.success(), "{status}");
    let running = server.start().await.expect("started again");
    assert_eq!(running.url(), url);
    assert_eq!(kept(&connect(&url).await).await, 7);
    Arc::new(running).stop().await.expect("stopped");
}

#[tokio::test]
async fn a_second_service_is_told_so() {
    let place = prepared();
    let first = LocalServer::open(place.path()).await.expect("opened");
    let error = LocalServer::open(place.path()).await.expect_err("locked");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let process = format!("service, process {}", std::process::id());
    assert!(error.message().contains(&process), "{error}");
    drop(first);
    LocalServer::open(place.path()).await.expect("free again");
}

#[tokio::test]
async fn a_killed_server_is_noticed_and_started_again() {
    let place = prepared();
    let server = LocalServer::open(place.path()).await.expect("opened");
    let running = server.start().await.expect("started");
    let client = connect(&running.url()).await;
    client
        .batch_execute("create table kept as select 7 as seven")
        .await
        .expect("a table");
    // A backend that is busy when its server is killed must not be in the next one's way.
    let busy = tokio::spawn(async move { client.batch_execute("select pg_sleep(60)").await });
    let watcher = connect(&running.url()).await;
    let sleeping = "select count(*) from pg_stat_activity where query = 'select pg_sleep(60)'";
    while watcher
        .query_one(sleeping, &[])
        .await
        .expect("a count")
        .get::<_, i64>(0)
        == 0
    {}

    kill(running.pid(), libc::SIGKILL);
    assert_eq!(running.wait().await.signal(), Some(libc::SIGKILL));
    let running = server.start().await.expect("started again");
    assert!(busy.await.expect("no panic").is_err());
    assert_eq!(kept(&connect(&running.url()).await).await, 7);
    Arc::new(running).stop().await.expect("stopped");
}

#[test]
fn ends_with_its_parent_and_starts_again_at_once() {
    if let Some(place) = part() {
        return hold_a_server(&place);
    }
    let place = prepared();
    let mut parent = myself("local_server::ends_with_its_parent_and_starts_again_at_once");
    let mut parent = parent
        .env(PART, place.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program");
    let pid: i32 = said(&mut parent).parse().expect("a process");
    assert!(is_alive(pid));
    parent.kill().expect("killed");
    parent.wait().expect("reaped");

    // Whether the old server is still about to end or not, its place is taken.
    runtime().block_on(async {
        let server = LocalServer::open(place.path()).await.expect("opened");
        let running = server.start().await.expect("started");
        assert!(!is_alive(pid));
        connect(&running.url()).await;
        Arc::new(running).stop().await.expect("stopped");
    });
}

#[test]
fn needs_nobody_to_end_with_its_parent() {
    if let Some(place) = part() {
        return hold_a_server(&place);
    }
    let place = prepared();
    let mut parent = myself("local_server::needs_nobody_to_end_with_its_parent");
    let mut parent = parent
        .env(PART, place.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program");
    let pid: i32 = said(&mut parent).parse().expect("a process");
    parent.kill().expect("killed");
    parent.wait().expect("reaped");
    wait_until(Duration::from_secs(30), || !is_alive(pid));
}

#[tokio::test]
async fn a_server_that_outlived_its_parent_is_replaced() {
    let place = prepared();
    let server = LocalServer::open(place.path()).await.expect("opened");
    let running = server.start().await.expect("started");
    Arc::new(running).stop().await.expect("stopped");
    let cluster = place.path().join("cluster");
    let socket = place.path().join("socket");
    let mut orphan = Command::new(find_binaries().expect("installed").postgres());
    as_owner_of(&cluster, &mut orphan)
        .arg("-D")
        .arg(cluster.canonicalize().expect("a path"))
        .arg(format!(
            "-cconfig_file={}/conf/postgresql.conf",
            place.path().display()
        ))
        .args(["-c", "listen_addresses="])
        .arg(format!("-cunix_socket_directories={}", socket.display()))
        .current_dir(place.path())
        .stderr(Stdio::null());
    let mut orphan = orphan.spawn().expect("a server");
    let ready = || {
        fs::read_to_string(cluster.join("postmaster.pid"))
            .is_ok_and(|text| text.lines().nth(7).map(str::trim) == Some("ready"))
    };
    wait_until(Duration::from_secs(30), ready);

    let running = server.start().await.expect("started");
    assert!(orphan.try_wait().expect("ours").is_some());
    connect(&running.url()).await;
    Arc::new(running).stop().await.expect("stopped");
}

#[tokio::test]
async fn a_number_that_now_belongs_to_another_process_is_no_obstacle() {
    let place = prepared();
    let server = LocalServer::open(place.path()).await.expect("opened");
    let cluster = place.path().join("cluster");
    let mut stranger = Command::new("sleep");
    as_owner_of(&cluster, &mut stranger)
        .arg("600")
        .current_dir("/");
    let mut stranger = stranger.spawn().expect("a process");
    let file = format!("{}\n{}\n1\n5432\n", stranger.id(), cluster.display());
    fs::write(cluster.join("postmaster.pid"), file).expect("written");
    let running = server.start().await.expect("started");
    assert_eq!(stranger.try_wait().expect("ours"), None);
    stranger.kill().expect("killed");
    stranger.wait().expect("reaped");
    Arc::new(running).stop().await.expect("stopped");
}

#[tokio::test]
async fn what_a_killed_initdb_left_is_made_anew() {
    let place = Scratch::new();
    let half = place.path().join("cluster.new");
    fs::create_dir(&half).expect("a directory");
    fs::write(half.join("PG_VERSION"), "15\n").expect("a file");
    let server = LocalServer::open(place.path()).await.expect("opened");
    assert!(!half.exists());
    let running = server.start().await.expect("started");
    Arc::new(running).stop().await.expect("stopped");
}

#[tokio::test]
async fn a_long_path_or_a_strange_one_is_no_obstacle() {
    let place = Scratch::new();
    for name in ["x".repeat(120), "a, 'b' and \"c\" \\ d".to_owned()] {
        let cluster = prepared();
        fs::create_dir(place.path().join(&name)).expect("a directory");
        let moved = fs::rename(
            cluster.path().join("cluster"),
            place.path().join(&name).join("cluster"),
        );
        moved.expect("moved");
        let server = LocalServer::open(&place.path().join(&name)).await;
        let server = server.unwrap_or_else(|error| panic!("{name}: {error}"));
        let running = server.start().await;
        let running = running.unwrap_or_else(|error| panic!("{name}: {error}"));
        let client = connect(&running.url()).await;
        let socket = PathBuf::from(show(&client, "unix_socket_directories").await);
        Arc::new(running).stop().await.expect("stopped");
        assert!(!socket.starts_with(place.path()), "{}", socket.display());
        fs::remove_dir_all(socket).expect("removed");
    }
}

#[test]
fn commands_share_the_server_of_a_service_or_start_one_for_the_moment() {
    let place = prepared();
    let borrowed = use_or_start(place.path()).expect("started");
    assert!(borrowed.is_own());
    let mut client = postgres::Client::connect(borrowed.url(), postgres::NoTls).expect("a client");
    client.batch_execute("select 1").expect("an answer");
    let url = borrowed.url().to_owned();
    drop(borrowed);
    assert!(postgres::Client::connect(&url, postgres::NoTls).is_err());

    runtime().block_on(async {
        let server = LocalServer::open(place.path()).await.expect("opened");
        let running = server.start().await.expect("started");
        let borrowed = use_or_start(place.path()).expect("used");
        assert!(!borrowed.is_own());
        assert_eq!(borrowed.url(), running.url());
        drop(borrowed);
        connect(&running.url()).await;
        waits_for_its_database(place.path(), &running.url()).await;
        Arc::new(running).stop().await.expect("stopped");
    });
}

/// `ingestd status` said nothing for two minutes.
#[test]
fn a_server_that_is_stopped_is_told_of_within_seconds() {
    let place = prepared();
    runtime().block_on(async {
        let server = LocalServer::open(place.path()).await.expect("opened");
        let running = server.start().await.expect("started");
        kill(running.pid(), libc::SIGSTOP);
        let (path, begun) = (place.path().to_owned(), Instant::now());
        let asked = tokio::task::spawn_blocking(move || use_if_there(&path).map(|_| ()));
        let error = asked.await.expect("no panic").expect_err("it is silent");
        assert!(begun.elapsed() < Duration::from_secs(20), "{error}");
        kill(running.pid(), libc::SIGCONT);
        let pid = format!("(process {})", running.pid());
        assert!(error.message().contains(&pid), "{error}");
        assert!(error.message().contains("does not answer"), "{error}");
        Arc::new(running).stop().await.expect("stopped");
    });
}

/// A command that was typed while a service made the server for the first time said that there was no
/// database, and that somebody should create it.
async fn waits_for_its_database(place: &Path, url: &str) {
    let other = url.replace("/ingestd?", "/postgres?");
    assert_ne!(other, url);
    let client = connect(&other).await;
    client
        .batch_execute("drop database ingestd")
        .await
        .expect("dropped");
    let log = place.join("server.log");
    let place = place.to_owned();
    let command = tokio::task::spawn_blocking(move || use_or_start(&place).map(|it| it.is_own()));
    // It has asked, and goes on asking.
    let refused = || {
        fs::read_to_string(&log)
            .expect("a log")
            .matches("does not exist")
            .count()
    };
    while refused() < 2 {
        tokio::task::yield_now().await;
    }
    client
        .batch_execute("create database ingestd")
        .await
        .expect("created");
    assert!(!command.await.expect("no panic").expect("it waits"));
}

#[test]
fn an_ordinary_user_has_one_too_and_nobody_else_gets_in() {
    if let Some(place) = part() {
        return be_an_ordinary_user(&place);
    }
    let place = Scratch::new();
    if !rustix::process::geteuid().is_root() {
        return be_an_ordinary_user(place.path());
    }
    fs::set_permissions(place.path(), Permissions::from_mode(0o777)).expect("ours");
    let mut other = myself("local_server::an_ordinary_user_has_one_too_and_nobody_else_gets_in");
    other.env(PART, place.path()).uid(65534).gid(65534);
    let output = other.current_dir("/").output().expect("this program");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let cluster = place.path().join("theirs/cluster");
    assert_eq!(fs::metadata(cluster).expect("made").uid(), 65534);

    // The other way round: root's server is closed to that user.
    let ours = place.path().join("ours");
    runtime().block_on(async {
        let server = LocalServer::open(&ours).await.expect("opened");
        let running = server.start().await.expect("started");
        let psql = |uid| {
            Command::new(ingestd::local_server::find_psql().expect("installed"))
                .args(["-XAtc", "select current_user", &running.url()])
                .env_clear()
                .uid(uid)
                .current_dir("/")
                .output()
                .expect("psql")
        };
        assert_eq!(psql(0).stdout, b"ingestd\n");
        assert_eq!(
            psql(fs::metadata(ours.join("cluster")).expect("made").uid()).stdout,
            b"ingestd\n"
        );
        let socket = ours.join("socket");
        // Not by the directory's mode alone.
        fs::set_permissions(&socket, Permissions::from_mode(0o755)).expect("ours");
        let file = socket.join(".s.PGSQL.5432");
        fs::set_permissions(&file, Permissions::from_mode(0o777)).expect("ours");
        let refused = String::from_utf8_lossy(&psql(65534).stderr).into_owned();
        assert!(refused.contains("Peer authentication failed"), "{refused}");
        Arc::new(running).stop().await.expect("stopped");
    });
}

#[tokio::test]
async fn a_place_that_the_servers_user_cannot_reach_is_named() {
    // An ordinary user can always reach what it can lock.
    if !rustix::process::geteuid().is_root() {
        let error = LocalServer::open(Path::new("/proc/no")).await;
        assert_eq!(error.expect_err("refused").kind(), ErrorKind::Configuration);
        return;
    }
    let closed = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(closed.path(), Permissions::from_mode(0o700)).expect("ours");
    let error = LocalServer::open(&closed.path().join("data")).await;
    let error = error.expect_err("out of reach");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let named = format!("{} is closed to it", closed.path().display());
    assert!(error.message().contains(&named), "{error}");
}

/// The parent that gets killed: it says its server's process and waits for its end.
fn hold_a_server(place: &Path) {
    runtime().block_on(async {
        let server = LocalServer::open(place).await.expect("opened");
        let running = server.start().await.expect("started");
        // A client, since a server with clients must end as well.
        let _client = connect(&running.url()).await;
        println!("\npart: {}", running.pid());
        running.wait().await;
    });
    panic!("the server has ended before its parent");
}

fn be_an_ordinary_user(place: &Path) {
    let theirs = place.join("theirs");
    runtime().block_on(async {
        let server = LocalServer::open(&theirs).await.expect("opened");
        let running = server.start().await.expect("started");
        connect(&running.url()).await;
        Arc::new(running).stop().await.expect("stopped");
    });
    let mode = |path: &Path| fs::metadata(path).expect("made").mode() & 0o777;
    assert_eq!(mode(&theirs), 0o700);
    assert_eq!(mode(&theirs.join("cluster")), 0o700);
}

/// The data directory, where this process is one that a test has started.
fn part() -> Option<PathBuf> {
    std::env::var_os(PART).map(PathBuf::from)
}

/// This program, to play a part in a test. The link works for users who can't reach its path.
fn myself(test: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", test, "--nocapture"]);
    command.stdin(Stdio::null());
    command
}

/// What a part says first, among what the test's frame prints.
fn said(part: &mut Child) -> String {
    let output = part.stdout.take().expect("piped");
    BufReader::new(output)
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("part: ").map(str::to_owned))
        .expect("it says something")
}

/// A data directory with a cluster that was made before: initdb waits for the disk for long.
fn prepared() -> Scratch {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let place = Scratch::new();
        drop(use_or_start(place.path()).expect("started"));
        let packed = tar("-c", place.path()).arg("cluster").output();
        packed.expect("tar").stdout
    });
    let place = Scratch::new();
    let mut unpacking = tar("-xp", place.path())
        .stdin(Stdio::piped())
        .spawn()
        .expect("tar");
    let mut input = unpacking.stdin.take().expect("piped");
    input.write_all(template).expect("unpacked");
    drop(input);
    assert!(unpacking.wait().expect("tar").success());
    place
}

fn tar(what: &str, place: &Path) -> Command {
    let mut command = Command::new("tar");
    command.args([what, "-C"]).arg(place);
    command
}

fn as_owner_of<'a>(path: &Path, command: &'a mut Command) -> &'a mut Command {
    let owner = fs::metadata(path).expect("it exists");
    if rustix::process::geteuid().is_root() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .expect("connected");
    tokio::spawn(connection);
    client
}

async fn show(client: &Client, setting: &str) -> String {
    let row = client.query_one(&format!("show {setting}"), &[]).await;
    row.expect("a setting").get(0)
}

async fn kept(client: &Client) -> i32 {
    let row = client.query_one("select seven from kept", &[]).await;
    row.expect("the table").get(0)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

fn kill(pid: i32, signal: i32) {
    // SAFETY: a system call without pointers.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

fn is_alive(pid: i32) -> bool {
    // One that has ended may wait for whoever inherited it to notice.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit(") ").next().map(|rest| !rest.starts_with('Z')))
        .unwrap_or(false)
}
