//! The file system: what arrives, what a file is made of, and how it leaves the inbox.

pub mod archive;
mod beneath;
mod companion;
mod content_hash;
mod fingerprint;
mod identity;
mod inbox;
mod list_inbox;
mod path_text;
mod presence;
mod ready;
mod scan;
mod watch;

pub use beneath::{Missing, Place, beneath, directory_beneath};
pub use companion::{Companion, companion_of, companion_path, read_small};
pub use content_hash::{BLOCK, ContentHasher, hash_file, hash_prefix};
pub use fingerprint::{EDGE, Fingerprint, SMALL, edge_hashes, fingerprint};
pub use identity::{candidate_at, candidate_of, file_error, open_itself, open_regular};
pub use inbox::{FsInbox, count_files, excluded, matcher};
pub use list_inbox::ListInbox;
pub use path_text::{path_from_text, path_text, shell_word};
pub use presence::{Presence, inbox_root, whole_path};
pub use ready::is_ready_name;
pub use scan::LONGEST_PATH;
