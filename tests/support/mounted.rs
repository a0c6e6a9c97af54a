//! Small file systems, to be filled.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory, for as long as it is held.
pub struct Mounted(PathBuf);

impl Mounted {
    /// Mounts it; `None`, and it is said aloud, where that takes a right that the tests lack.
    pub fn new(path: &Path, options: &str) -> Option<Mounted> {
        fs::create_dir_all(path).expect("a directory");
        let mounted = mount(&["-t", "tmpfs", "-o", options, "tmpfs"], path);
        if !mounted {
            // Past what catches the words of tests that pass.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED, with all that it holds: a test that has to mount a small file system, which takes root"
            );
        }
        mounted.then(|| Mounted(path.to_owned()))
    }

    /// Changes its options.
    pub fn remount(&self, options: &str) {
        assert!(mount(&["-o", &format!("remount,{options}")], &self.0));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What it holds is lost either way.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    let output = Command::new("mount").args(arguments).arg(path).output();
    output.is_ok_and(|output| output.status.success())
}
