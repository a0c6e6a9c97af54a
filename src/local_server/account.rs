//! Users of the operating system: who we are, and whom the server runs as.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use ingestd_actors::error::Result;

use super::{io_error, refuse};

/// A user of the operating system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

/// The name of a user of this machine, where it has one.
pub fn user_name(uid: u32) -> Option<String> {
    let account = Account::by_uid(uid).ok().flatten();
    account.map(|account| account.name)
}

impl Account {
    /// The user that this process runs as.
    pub fn current() -> Result<Account> {
        let uid = rustix::process::geteuid().as_raw();
        Account::by_uid(uid)?.ok_or_else(|| {
            refuse(format!("user id {uid} has no name on this machine"))
                .with_advice("PostgreSQL knows users by name: add an entry to /etc/passwd")
        })
    }

    /// The user that the server runs as: PostgreSQL refuses to run as root.
    ///
    /// `owner` is the owner of a cluster that exists already.
    pub fn for_server(current: &Account, owner: Option<u32>) -> Result<Account> {
        match owner {
            Some(uid) if uid == current.uid => Ok(current.clone()),
            Some(0) => Err(refuse(
                "the private server's data belong to root, and PostgreSQL doesn't run as root",
            )
            .with_advice("give them to an ordinary user with chown -R")),
            Some(uid) if current.is_root() => Account::by_uid(uid)?.ok_or_else(|| {
                refuse(format!(
                    "the private server's data belong to user id {uid}, which has no name here"
                ))
                .with_advice("give them to an existing user with chown -R")
            }),
            Some(uid) => Err(refuse(format!(
                "the private server's data belong to user id {uid}, and this is {}",
                current.name
            ))
            .with_advice(
                "run ingestd as their owner or as root, or choose another data directory",
            )),
            None if !current.is_root() => Ok(current.clone()),
            None => {
                for name in ["postgres", "nobody"] {
                    if let Some(account) = Account::by_name(name)? {
                        return Ok(account);
                    }
                }
                Err(refuse(
                    "PostgreSQL doesn't run as root, and there is no user postgres or nobody",
                )
                .with_advice("add one with: useradd --system postgres"))
            }
        }
    }

    /// Whether this is root.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    fn by_uid(uid: u32) -> Result<Option<Account>> {
        look_up(|entry, buffer, found| {
            // SAFETY: the pointers and the length describe live memory of the caller.
            unsafe { libc::getpwuid_r(uid, entry, buffer.as_mut_ptr(), buffer.len(), found) }
        })
    }

    fn by_name(name: &str) -> Result<Option<Account>> {
        let name = CString::new(name).map_err(|_| refuse("a user's name holds a NUL byte"))?;
        look_up(|entry, buffer, found| {
            // SAFETY: as above; the name ends with a NUL byte and outlives the call.
            unsafe {
                libc::getpwnam_r(
                    name.as_ptr(),
                    entry,
                    buffer.as_mut_ptr(),
                    buffer.len(),
                    found,
                )
            }
        })
    }
}

/// Calls one of the `getpw…_r` functions with a buffer that is large enough.
fn look_up(
    call: impl Fn(*mut libc::passwd, &mut [libc::c_char], *mut *mut libc::passwd) -> libc::c_int,
) -> Result<Option<Account>> {
    let mut buffer: Vec<libc::c_char> = vec![0; 1024];
    loop {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = ptr::null_mut();
        match call(entry.as_mut_ptr(), &mut buffer, &mut found) {
            libc::ERANGE if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 2, 0),
            _ if !found.is_null() => {
                // SAFETY: a non-null answer says that the entry was filled in, and its name
                // points into the buffer, which is still alive.
                let (entry, name) = unsafe {
                    let entry = entry.assume_init();
                    (entry, CStr::from_ptr(entry.pw_name))
                };
                return Ok(Some(Account {
                    name: name.to_string_lossy().into_owned(),
                    uid: entry.pw_uid,
                    gid: entry.pw_gid,
                }));
            }
            // "Not found" comes as 0, and from some libraries as one of these.
            0 | libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => return Ok(None),
            code => {
                let error = io::Error::from_raw_os_error(code);
                return Err(io_error("looking up a user of this machine", error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, uid: u32) -> Account {
        Account {
            name: name.into(),
            uid,
            gid: uid,
        }
    }

    #[test]
    fn finds_users_by_name_and_number() {
        let root = Account::by_name("root").expect("a look-up").expect("root");
        assert_eq!((root.uid, root.name.as_str()), (0, "root"));
        assert_eq!(Account::by_uid(0).expect("a look-up"), Some(root));
        assert_eq!(
            Account::by_name("no-such-user-here").expect("a look-up"),
            None
        );
    }

    #[test]
    fn the_server_never_runs_as_root() {
        let root = Account::by_uid(0).expect("a look-up").expect("root");
        let chosen = Account::for_server(&root, None).expect("an unprivileged user");
        assert!(!chosen.is_root());
    }

    #[test]
    fn the_owner_of_a_cluster_runs_its_server() {
        let me = account("me", 1000);
        assert_eq!(Account::for_server(&me, None).expect("me"), me);
        assert_eq!(Account::for_server(&me, Some(1000)).expect("me"), me);
        let error = Account::for_server(&me, Some(0)).expect_err("root's");
        assert!(error.to_string().contains("root"));
        assert!(Account::for_server(&me, Some(4242)).is_err());
    }
}
