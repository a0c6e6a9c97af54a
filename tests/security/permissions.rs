//! What other users of the machine can reach.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::{PATIENCE, run};
use crate::support::home::Home;
use crate::support::{ingestd, wait_until};

/// Another user, neither root nor the server's.
const NOBODY: u32 = 65534;

fn mode(path: &std::path::Path) -> u32 {
    fs::symlink_metadata(path).expect("there").mode() & 0o7777
}

fn psql_command(home: &Home, query: &str) -> Command {
    let mut command = ingestd();
    command.arg("psql").arg("--data-dir").arg(home.data());
    command.args(["--", "-XAtc", query]);
    command
}

#[test]
fn nobody_else_on_the_machine_gets_at_the_private_server() {
    let pipeline = "[pipelines.p]\ndirectory = \"in\"\ntable = \"t\"\n";
    let home = Home::new(None, "", pipeline);
    let service = home.run();
    let socket = home.data().join("socket");
    wait_until(PATIENCE, || home.log().contains("\"ready\""));
    assert_eq!(mode(&home.data().join("cluster")), 0o700);
    assert_eq!(mode(&socket), 0o700);
    assert_eq!(mode(&socket.join(".s.PGSQL.5432")), 0o700);
    let said = run(&mut psql_command(&home, "show listen_addresses"));
    assert_eq!(
        (said.out.as_str(), said.code),
        ("\n", Some(0)),
        "{}",
        said.err
    );
    let hba =
        "select string_agg(concat_ws(' ', type, database, user_name, address, auth_method), ';')
               from pg_hba_file_rules";
    let said = run(&mut psql_command(&home, hba));
    assert_eq!(said.out, "local {all} {ingestd} peer\n", "{}", said.err);

    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can try it as another user");
        return service.stop();
    }
    let as_nobody = |command: &mut Command| run(command.uid(NOBODY).gid(NOBODY).current_dir("/"));
    let psql = ingestd::local_server::find_psql().expect("installed");
    let url = format!(
        "postgresql:///ingestd?host={}&user=ingestd",
        socket.display()
    );
    let said = as_nobody(
        Command::new(psql)
            .args(["-XAtc", "select 1", &url])
            .env_clear(),
    );
    assert_eq!(said.code, Some(2), "{}", said.out);
    assert!(said.err.contains("Permission denied"), "{}", said.err);
    for place in [home.data().join("cluster"), socket] {
        let said = as_nobody(Command::new("ls").arg(&place));
        assert!(said.err.contains("Permission denied"), "{}", said.err);
    }
    let said = as_nobody(&mut home.command(&["status"]));
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    assert!(said.err.contains("ermission denied"), "{}", said.err);
    service.stop();
}

/// The private server's own log holds no row that it has refused, and no password.
#[test]
fn the_private_servers_log_has_no_values() {
    let pipeline = "[pipelines.p]\ndirectory = \"in\"\ntable = \"t\"\ncreate = true\nkey = [\"id\"]
        columns = [{ name = \"id\", type = \"integer\" }, { name = \"name\", type = \"varchar(3)\" }]\n";
    let home = Home::new(None, "", pipeline);
    let path = home.directory("in").join("a.csv");
    fs::write(&path, "id,name\n1,s3cr3t\n2,ok\n").expect("written");
    let said = run(&mut home.command(&["load", path.to_str().expect("text"), "--pipeline", "p"]));
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("1 refused"), "{}", said.out);
    let mut seen = 0;
    for entry in fs::read_dir(home.data()).expect("the data directory") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let text = String::from_utf8_lossy(&fs::read(&path).expect("read")).into_owned();
            assert!(!text.contains("s3cr3t"), "{}: {text}", path.display());
            seen += usize::from(text.contains("ready to accept connections"));
        }
    }
    assert!(
        seen > 0,
        "the server's log is somewhere below {}",
        home.data().display()
    );
}
