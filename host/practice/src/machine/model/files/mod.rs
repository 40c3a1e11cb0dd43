//! The file tree of a simulated machine: inodes with content, mode, owner and group, reached by path with permissions checked.
//!
//! Errors are errno values with the words that libc has for them, so that programs print what the real ones print. The tree has a
//! size limit, so that a full disk can be met.

mod change;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::users::Credentials;

/// Number of an inode.
pub type Ino = u64;

/// Why a file operation failed, with libc's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Errno {
    /// ENOENT
    #[error("No such file or directory")]
    NotFound,
    /// EACCES
    #[error("Permission denied")]
    Access,
    /// EPERM
    #[error("Operation not permitted")]
    NotPermitted,
    /// EEXIST
    #[error("File exists")]
    Exists,
    /// ENOTDIR
    #[error("Not a directory")]
    NotDirectory,
    /// EISDIR
    #[error("Is a directory")]
    IsDirectory,
    /// ENOTEMPTY
    #[error("Directory not empty")]
    NotEmpty,
    /// ENOSPC
    #[error("No space left on device")]
    NoSpace,
    /// ELOOP
    #[error("Too many levels of symbolic links")]
    Loop,
    /// EINVAL
    #[error("Invalid argument")]
    Invalid,
    /// EBUSY
    #[error("Device or resource busy")]
    Busy,
    /// EPIPE
    #[error("Broken pipe")]
    Pipe,
    /// EIO
    #[error("Input/output error")]
    Io,
    /// EBADF
    #[error("Bad file descriptor")]
    BadDescriptor,
}

/// What an inode is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A regular file and its content.
    File(Arc<Vec<u8>>),
    /// A directory and its entries.
    Directory(BTreeMap<String, Ino>),
    /// A symbolic link and its target.
    Symlink(String),
    /// A character device.
    Device(Device),
}

/// The character devices that scripts use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// `/dev/null`
    Null,
    /// `/dev/zero`
    Zero,
    /// `/dev/full`
    Full,
    /// `/dev/urandom`
    Random,
}

/// One inode.
#[derive(Debug, Clone)]
pub struct Inode {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, 0o7777 at most.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of names.
    pub links: u32,
    /// A counter that grows with each change of content: what `-nt` compares.
    pub changed: u64,
}

/// What `stat` shows.
#[derive(Debug, Clone)]
pub struct Stat {
    /// The inode.
    pub ino: Ino,
    /// One of `-`, `d`, `l`, `c`.
    pub kind: char,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes.
    pub size: u64,
    /// Number of names.
    pub links: u32,
    /// Change counter.
    pub changed: u64,
}

impl Stat {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == 'd'
    }
    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind == '-'
    }
    /// Whether `who` may do `want` (4 read, 2 write, 1 execute).
    pub fn allows(&self, who: &Credentials, want: u32) -> bool {
        permitted(self.mode, self.uid, self.gid, self.is_dir(), who, want)
    }
}

fn permitted(mode: u32, uid: u32, gid: u32, directory: bool, who: &Credentials, want: u32) -> bool {
    if who.uid == 0 {
        return want & 1 == 0 || directory || mode & 0o111 != 0;
    }
    let bits = if who.uid == uid {
        mode >> 6
    } else if who.gid == gid || who.groups.contains(&gid) {
        mode >> 3
    } else {
        mode
    };
    bits & want == want
}

/// The file tree.
#[derive(Debug, Clone)]
pub struct Files {
    inodes: HashMap<Ino, Inode>,
    next: Ino,
    used: u64,
    limit: u64,
    clock: u64,
}

const ROOT: Ino = 1;

/// An absolute path without `.`, `..` (lexically) and doubled slashes.
pub fn absolute(cwd: &str, path: &str) -> String {
    let joined = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{cwd}/{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The parent directory and the last name of an absolute path.
pub fn split(path: &str) -> (&str, &str) {
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    match path.rfind('/') {
        Some(0) => ("/", &path[1..]),
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (".", path),
    }
}

impl Files {
    /// An empty tree that holds `limit` bytes at most.
    pub fn new(limit: u64) -> Self {
        let root = Inode {
            kind: Kind::Directory(BTreeMap::new()),
            mode: 0o755,
            uid: 0,
            gid: 0,
            links: 2,
            changed: 0,
        };
        Self {
            inodes: HashMap::from([(ROOT, root)]),
            next: 2,
            used: 0,
            limit,
            clock: 1,
        }
    }

    /// Bytes in use and the limit.
    pub fn usage(&self) -> (u64, u64) {
        (self.used, self.limit)
    }

    /// Changes the size limit.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// The inode of `path`; the last symbolic link is followed if `follow`.
    pub fn lookup(&self, who: &Credentials, path: &str, follow: bool) -> Result<Ino, Errno> {
        self.walk(who, path, follow, 0)
    }

    fn walk(&self, who: &Credentials, path: &str, follow: bool, depth: u32) -> Result<Ino, Errno> {
        if depth > 20 {
            return Err(Errno::Loop);
        }
        let mut current = ROOT;
        let mut so_far: Vec<(String, Ino)> = Vec::new();
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
        for (index, part) in parts.iter().enumerate() {
            let node = self.inodes.get(&current).ok_or(Errno::NotFound)?;
            let Kind::Directory(entries) = &node.kind else {
                return Err(Errno::NotDirectory);
            };
            if !permitted(node.mode, node.uid, node.gid, true, who, 1) {
                return Err(Errno::Access);
            }
            if *part == ".." {
                so_far.pop();
                current = so_far.last().map_or(ROOT, |(_, ino)| *ino);
                continue;
            }
            let next = *entries.get(*part).ok_or(Errno::NotFound)?;
            let last = index + 1 == parts.len() && !path.ends_with('/');
            if let Some(Inode {
                kind: Kind::Symlink(target),
                ..
            }) = self.inodes.get(&next)
                && (!last || follow)
            {
                let base: String = so_far.iter().map(|(n, _)| format!("/{n}")).collect();
                let joined = if target.starts_with('/') {
                    target.clone()
                } else {
                    format!("{base}/{target}")
                };
                let rest = parts[index + 1..].join("/");
                let whole = if rest.is_empty() { joined } else { format!("{joined}/{rest}") };
                return self.walk(who, &whole, follow, depth + 1);
            }
            so_far.push(((*part).to_owned(), next));
            current = next;
        }
        if path.len() > 1 && path.ends_with('/') && !matches!(self.inodes[&current].kind, Kind::Directory(_)) {
            return Err(Errno::NotDirectory);
        }
        Ok(current)
    }

    /// The canonical path of what exists, as `readlink -e` gives it.
    pub fn canonical(&self, who: &Credentials, path: &str) -> Result<String, Errno> {
        let mut current = absolute("/", path);
        let mut done = String::new();
        let mut hops = 0;
        loop {
            let rest = current[done.len()..].trim_start_matches('/').to_owned();
            if rest.is_empty() {
                return Ok(if done.is_empty() { "/".into() } else { done });
            }
            let (part, tail) = rest.split_once('/').unwrap_or((&rest, ""));
            let here = format!("{done}/{part}");
            let ino = self.lookup(who, &here, false)?;
            if let Kind::Symlink(target) = &self.inodes[&ino].kind {
                hops += 1;
                if hops > 20 {
                    return Err(Errno::Loop);
                }
                let base = if done.is_empty() { "/" } else { &done };
                current = absolute(&absolute(base, target), tail);
                done = String::new();
            } else {
                done = here;
            }
        }
    }

    /// The inode by number.
    pub fn inode(&self, ino: Ino) -> Option<&Inode> {
        self.inodes.get(&ino)
    }

    /// What `stat` (or, not following, `lstat`) shows.
    pub fn stat(&self, who: &Credentials, path: &str, follow: bool) -> Result<Stat, Errno> {
        let ino = self.lookup(who, path, follow)?;
        let node = &self.inodes[&ino];
        let (kind, size) = match &node.kind {
            Kind::File(content) => ('-', content.len() as u64),
            Kind::Directory(_) => ('d', 4096),
            Kind::Symlink(target) => ('l', target.len() as u64),
            Kind::Device(_) => ('c', 0),
        };
        Ok(Stat {
            ino,
            kind,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            size,
            links: node.links,
            changed: node.changed,
        })
    }

    /// Whether there is something at `path`, as root sees it.
    pub fn exists(&self, path: &str) -> bool {
        self.lookup(&Credentials::root(), path, true).is_ok()
    }

    /// The content of a file.
    pub fn read(&self, who: &Credentials, path: &str) -> Result<Arc<Vec<u8>>, Errno> {
        let ino = self.lookup(who, path, true)?;
        let node = &self.inodes[&ino];
        if !permitted(node.mode, node.uid, node.gid, false, who, 4) {
            return Err(Errno::Access);
        }
        match &node.kind {
            Kind::File(content) => Ok(content.clone()),
            Kind::Directory(_) => Err(Errno::IsDirectory),
            _ => Ok(Arc::new(Vec::new())),
        }
    }

    /// The content as text, as root sees it; empty where there is no such file.
    pub fn text(&self, path: &str) -> String {
        self.read(&Credentials::root(), path)
            .map(|c| String::from_utf8_lossy(&c).into_owned())
            .unwrap_or_default()
    }

    /// The names in a directory, sorted.
    pub fn list(&self, who: &Credentials, path: &str) -> Result<Vec<String>, Errno> {
        let ino = self.lookup(who, path, true)?;
        let node = &self.inodes[&ino];
        let Kind::Directory(entries) = &node.kind else {
            return Err(Errno::NotDirectory);
        };
        if !permitted(node.mode, node.uid, node.gid, true, who, 4) {
            return Err(Errno::Access);
        }
        Ok(entries.keys().cloned().collect())
    }

    /// The target of a symbolic link.
    pub fn readlink(&self, who: &Credentials, path: &str) -> Result<String, Errno> {
        match &self.inodes[&self.lookup(who, path, false)?].kind {
            Kind::Symlink(target) => Ok(target.clone()),
            _ => Err(Errno::Invalid),
        }
    }
}
