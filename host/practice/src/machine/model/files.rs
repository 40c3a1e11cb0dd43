//! The file tree of a simulated machine: inodes with content, mode, owner and group, reached by path with permissions checked.
//!
//! Errors are errno values with the words that libc has for them, so that programs print what the real ones print. The tree has a
//! size limit, so that a full disk can be met.

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

    fn parent_for_change(&self, who: &Credentials, path: &str) -> Result<(Ino, String), Errno> {
        let (parent, name) = split(path);
        if name.is_empty() {
            return Err(Errno::Exists);
        }
        let ino = self.lookup(who, parent, true)?;
        let node = &self.inodes[&ino];
        if !matches!(node.kind, Kind::Directory(_)) {
            return Err(Errno::NotDirectory);
        }
        if !permitted(node.mode, node.uid, node.gid, true, who, 3) {
            return Err(Errno::Access);
        }
        Ok((ino, name.to_owned()))
    }

    fn add(&mut self, who: &Credentials, path: &str, kind: Kind, mode: u32) -> Result<Ino, Errno> {
        let (parent, name) = self.parent_for_change(who, path)?;
        let directory = matches!(kind, Kind::Directory(_));
        let node = self.inodes.get(&parent).ok_or(Errno::NotFound)?;
        if matches!(&node.kind, Kind::Directory(entries) if entries.contains_key(&name)) {
            return Err(Errno::Exists);
        }
        if self.used + 64 > self.limit {
            return Err(Errno::NoSpace);
        }
        // A set-group-id directory hands its group on.
        let gid = if node.mode & 0o2000 != 0 { node.gid } else { who.gid };
        let ino = self.next;
        self.next += 1;
        self.clock += 1;
        self.used += 64;
        self.inodes.insert(
            ino,
            Inode {
                kind,
                mode,
                uid: who.uid,
                gid,
                links: if directory { 2 } else { 1 },
                changed: self.clock,
            },
        );
        if let Some(Inode {
            kind: Kind::Directory(entries),
            ..
        }) = self.inodes.get_mut(&parent)
        {
            entries.insert(name, ino);
        }
        Ok(ino)
    }

    /// Makes a directory.
    pub fn mkdir(&mut self, who: &Credentials, path: &str, mode: u32) -> Result<Ino, Errno> {
        self.add(who, path, Kind::Directory(BTreeMap::new()), mode)
    }

    /// Makes a symbolic link.
    pub fn symlink(&mut self, who: &Credentials, target: &str, path: &str) -> Result<Ino, Errno> {
        self.add(who, path, Kind::Symlink(target.to_owned()), 0o777)
    }

    /// Makes a device node.
    pub fn device(&mut self, path: &str, device: Device) -> Result<Ino, Errno> {
        self.add(&Credentials::root(), path, Kind::Device(device), 0o666)
    }

    /// Makes another name for a file.
    pub fn link(&mut self, who: &Credentials, existing: &str, path: &str) -> Result<(), Errno> {
        let ino = self.lookup(who, existing, false)?;
        if matches!(self.inodes[&ino].kind, Kind::Directory(_)) {
            return Err(Errno::NotPermitted);
        }
        let (parent, name) = self.parent_for_change(who, path)?;
        let Some(Inode {
            kind: Kind::Directory(entries),
            ..
        }) = self.inodes.get_mut(&parent)
        else {
            return Err(Errno::NotDirectory);
        };
        if entries.contains_key(&name) {
            return Err(Errno::Exists);
        }
        entries.insert(name, ino);
        if let Some(node) = self.inodes.get_mut(&ino) {
            node.links += 1;
        }
        Ok(())
    }

    /// Opens for writing: creates with `mode` where missing, empties if `truncate`.
    pub fn open_write(&mut self, who: &Credentials, path: &str, mode: u32, truncate: bool, exclusive: bool) -> Result<Ino, Errno> {
        match self.lookup(who, path, true) {
            Ok(_) if exclusive => Err(Errno::Exists),
            Ok(ino) => {
                let node = &self.inodes[&ino];
                if matches!(node.kind, Kind::Directory(_)) {
                    return Err(Errno::IsDirectory);
                }
                if !permitted(node.mode, node.uid, node.gid, false, who, 2) {
                    return Err(Errno::Access);
                }
                if truncate && matches!(node.kind, Kind::File(_)) {
                    self.set_content(ino, Vec::new())?;
                }
                Ok(ino)
            }
            Err(Errno::NotFound) => {
                // A dangling link is created through.
                if let Ok(ino) = self.lookup(who, path, false)
                    && let Kind::Symlink(target) = &self.inodes[&ino].kind
                {
                    let target = absolute(split(path).0, target);
                    return self.open_write(who, &target, mode, truncate, exclusive);
                }
                self.add(who, path, Kind::File(Arc::default()), mode)
            }
            Err(other) => Err(other),
        }
    }

    fn set_content(&mut self, ino: Ino, content: Vec<u8>) -> Result<(), Errno> {
        let Some(node) = self.inodes.get_mut(&ino) else {
            return Ok(());
        };
        let Kind::File(old) = &mut node.kind else {
            return Err(Errno::Invalid);
        };
        let used = self.used - old.len() as u64 + content.len() as u64;
        if content.len() > old.len() && used > self.limit {
            return Err(Errno::NoSpace);
        }
        self.used = used;
        *old = Arc::new(content);
        self.clock += 1;
        node.changed = self.clock;
        Ok(())
    }

    /// Writes at `position` (the end if none) of an open file; returns the position after it. A file that was removed swallows it.
    pub fn write_at(&mut self, ino: Ino, position: Option<u64>, data: &[u8]) -> Result<u64, Errno> {
        let Some(node) = self.inodes.get_mut(&ino) else {
            return Ok(position.unwrap_or(0) + data.len() as u64);
        };
        match &mut node.kind {
            Kind::File(content) => {
                let start = position.map_or(content.len(), |p| p as usize);
                let end = start + data.len();
                let growth = end.saturating_sub(content.len()) as u64;
                if growth > 0 && self.used + growth > self.limit {
                    return Err(Errno::NoSpace);
                }
                self.used += growth;
                let content = Arc::make_mut(content);
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[start..end].copy_from_slice(data);
                self.clock += 1;
                node.changed = self.clock;
                Ok(end as u64)
            }
            Kind::Device(Device::Full) => Err(Errno::NoSpace),
            Kind::Device(_) => Ok(0),
            _ => Err(Errno::IsDirectory),
        }
    }

    /// Writes a whole file, creating it with `mode`.
    pub fn write(&mut self, who: &Credentials, path: &str, content: impl Into<Vec<u8>>, mode: u32) -> Result<(), Errno> {
        let ino = self.open_write(who, path, mode, false, false)?;
        match &self.inodes[&ino].kind {
            Kind::File(_) => self.set_content(ino, content.into()),
            Kind::Device(Device::Full) => Err(Errno::NoSpace),
            _ => Ok(()),
        }
    }

    /// Puts a file there as an image or a package does: parents are made, owner is root, mode is set.
    pub fn put(&mut self, path: &str, content: impl Into<Vec<u8>>, mode: u32) -> Result<(), Errno> {
        let root = Credentials::root();
        self.mkdir_all(split(path).0, 0o755)?;
        let ino = self.open_write(&root, path, mode, false, false)?;
        self.set_content(ino, content.into())?;
        if let Some(node) = self.inodes.get_mut(&ino) {
            node.mode = mode;
        }
        Ok(())
    }

    /// Makes a directory and its parents as root; what exists is left as it is.
    pub fn mkdir_all(&mut self, path: &str, mode: u32) -> Result<(), Errno> {
        let root = Credentials::root();
        let mut so_far = String::new();
        for part in path.split('/').filter(|p| !p.is_empty()) {
            so_far.push('/');
            so_far.push_str(part);
            match self.stat(&root, &so_far, true) {
                Ok(stat) if stat.is_dir() => {}
                Ok(_) => return Err(Errno::NotDirectory),
                Err(_) => {
                    self.mkdir(&root, &so_far, mode)?;
                }
            }
        }
        Ok(())
    }

    fn sticky_forbids(&self, who: &Credentials, parent: Ino, ino: Ino) -> bool {
        let dir = &self.inodes[&parent];
        who.uid != 0 && dir.mode & 0o1000 != 0 && dir.uid != who.uid && self.inodes.get(&ino).is_some_and(|n| n.uid != who.uid)
    }

    fn forget(&mut self, ino: Ino) {
        let Some(node) = self.inodes.get_mut(&ino) else { return };
        node.links = node.links.saturating_sub(1);
        if node.links == 0 || matches!(node.kind, Kind::Directory(_)) {
            let size = if let Kind::File(content) = &node.kind {
                content.len() as u64
            } else {
                0
            };
            self.used = self.used.saturating_sub(size + 64);
            self.inodes.remove(&ino);
        }
    }

    /// Removes a name of what is not a directory.
    pub fn unlink(&mut self, who: &Credentials, path: &str) -> Result<(), Errno> {
        let ino = self.lookup(who, path, false)?;
        let (parent, name) = self.parent_for_change(who, path)?;
        if matches!(self.inodes[&ino].kind, Kind::Directory(_)) {
            return Err(Errno::IsDirectory);
        }
        if self.sticky_forbids(who, parent, ino) {
            return Err(Errno::NotPermitted);
        }
        if let Some(Inode {
            kind: Kind::Directory(entries),
            ..
        }) = self.inodes.get_mut(&parent)
        {
            entries.remove(&name);
        }
        self.forget(ino);
        Ok(())
    }

    /// Removes an empty directory.
    pub fn rmdir(&mut self, who: &Credentials, path: &str) -> Result<(), Errno> {
        let ino = self.lookup(who, path, false)?;
        let (parent, name) = self
            .parent_for_change(who, path)
            .map_err(|e| if e == Errno::Exists { Errno::Busy } else { e })?;
        match &self.inodes[&ino].kind {
            Kind::Directory(entries) if !entries.is_empty() => return Err(Errno::NotEmpty),
            Kind::Directory(_) => {}
            _ => return Err(Errno::NotDirectory),
        }
        if self.sticky_forbids(who, parent, ino) {
            return Err(Errno::NotPermitted);
        }
        if let Some(Inode {
            kind: Kind::Directory(entries),
            ..
        }) = self.inodes.get_mut(&parent)
        {
            entries.remove(&name);
        }
        self.forget(ino);
        Ok(())
    }

    /// Removes a path and all that is below it.
    pub fn remove_all(&mut self, who: &Credentials, path: &str) -> Result<(), Errno> {
        let stat = self.stat(who, path, false)?;
        if stat.is_dir() {
            for name in self.list(who, path)? {
                self.remove_all(who, &format!("{}/{name}", path.trim_end_matches('/')))?;
            }
            self.rmdir(who, path)
        } else {
            self.unlink(who, path)
        }
    }

    /// Renames, replacing what may be replaced.
    pub fn rename(&mut self, who: &Credentials, from: &str, to: &str) -> Result<(), Errno> {
        let ino = self.lookup(who, from, false)?;
        let (old_parent, old_name) = self.parent_for_change(who, from)?;
        let (new_parent, new_name) = self.parent_for_change(who, to)?;
        if self.sticky_forbids(who, old_parent, ino) {
            return Err(Errno::NotPermitted);
        }
        let directory = matches!(self.inodes[&ino].kind, Kind::Directory(_));
        if directory && absolute("/", to).starts_with(&format!("{}/", absolute("/", from))) {
            return Err(Errno::Invalid);
        }
        if let Ok(there) = self.lookup(who, to, false) {
            if there == ino {
                return Ok(());
            }
            match (&self.inodes[&there].kind, directory) {
                (Kind::Directory(_), false) => return Err(Errno::IsDirectory),
                (Kind::Directory(entries), true) if !entries.is_empty() => return Err(Errno::NotEmpty),
                (Kind::Directory(_), true) => {}
                (_, true) => return Err(Errno::NotDirectory),
                (_, false) => {}
            }
            if self.sticky_forbids(who, new_parent, there) {
                return Err(Errno::NotPermitted);
            }
            self.forget(there);
        }
        if let Some(Inode {
            kind: Kind::Directory(entries),
            ..
        }) = self.inodes.get_mut(&old_parent)
        {
            entries.remove(&old_name);
        }
        if let Some(Inode {
            kind: Kind::Directory(entries),
            ..
        }) = self.inodes.get_mut(&new_parent)
        {
            entries.insert(new_name, ino);
        }
        Ok(())
    }

    /// Changes permission bits.
    pub fn chmod(&mut self, who: &Credentials, path: &str, mode: u32) -> Result<(), Errno> {
        let ino = self.lookup(who, path, true)?;
        let node = self.inodes.get_mut(&ino).ok_or(Errno::NotFound)?;
        if who.uid != 0 && who.uid != node.uid {
            return Err(Errno::NotPermitted);
        }
        node.mode = mode & 0o7777;
        Ok(())
    }

    /// Changes owner and group; only root gives files away.
    pub fn chown(&mut self, who: &Credentials, path: &str, uid: Option<u32>, gid: Option<u32>, follow: bool) -> Result<(), Errno> {
        let ino = self.lookup(who, path, follow)?;
        let node = self.inodes.get_mut(&ino).ok_or(Errno::NotFound)?;
        let own_group = who.uid == node.uid && gid.is_none_or(|g| g == who.gid || who.groups.contains(&g));
        if who.uid != 0 && (uid.is_some_and(|u| u != node.uid) || !own_group) {
            return Err(Errno::NotPermitted);
        }
        node.uid = uid.unwrap_or(node.uid);
        node.gid = gid.unwrap_or(node.gid);
        Ok(())
    }

    /// The target of a symbolic link.
    pub fn readlink(&self, who: &Credentials, path: &str) -> Result<String, Errno> {
        match &self.inodes[&self.lookup(who, path, false)?].kind {
            Kind::Symlink(target) => Ok(target.clone()),
            _ => Err(Errno::Invalid),
        }
    }

    /// Counts a touch as a change.
    pub fn touch(&mut self, ino: Ino) {
        self.clock += 1;
        if let Some(node) = self.inodes.get_mut(&ino) {
            node.changed = self.clock;
        }
    }
}
