//! What changes the tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Credentials, Device, Errno, Files, Ino, Inode, Kind, absolute, permitted, split};

impl Files {
    pub(super) fn parent_for_change(&self, who: &Credentials, path: &str) -> Result<(Ino, String), Errno> {
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

    pub(super) fn add(&mut self, who: &Credentials, path: &str, kind: Kind, mode: u32) -> Result<Ino, Errno> {
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

    pub(super) fn set_content(&mut self, ino: Ino, content: Vec<u8>) -> Result<(), Errno> {
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

    pub(super) fn sticky_forbids(&self, who: &Credentials, parent: Ino, ino: Ino) -> bool {
        let dir = &self.inodes[&parent];
        who.uid != 0 && dir.mode & 0o1000 != 0 && dir.uid != who.uid && self.inodes.get(&ino).is_some_and(|n| n.uid != who.uid)
    }

    pub(super) fn forget(&mut self, ino: Ino) {
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

    /// Counts a touch as a change.
    pub fn touch(&mut self, ino: Ino) {
        self.clock += 1;
        if let Some(node) = self.inodes.get_mut(&ino) {
            node.changed = self.clock;
        }
    }
}
