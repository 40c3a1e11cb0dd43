//! Reads a directory of the operator's for `upload_tree`.

use std::path::Path;

use super::SshError;

/// What an upload may weigh in all. It is held in memory once, and a configuration that is larger is a mistake.
const TREE_CAP: u64 = 256 << 20;

/// A directory, read.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Where it goes.
    pub(crate) remote: String,
    /// Every directory beneath it, parents first.
    pub(crate) directories: Vec<String>,
    pub(crate) files: Vec<TreeFile>,
}

/// A file of it.
#[derive(Debug)]
pub(crate) struct TreeFile {
    /// Relative, with `/`.
    pub(crate) name: String,
    pub(crate) executable: bool,
    pub(crate) content: Vec<u8>,
}

impl Tree {
    /// Reads `local` in a stable order. Symbolic links are followed where they stay inside, and refused where they lead out of it.
    pub(crate) fn read(local: &Path, remote: &str) -> Result<Self, SshError> {
        let invalid = |path: &Path, why: &dyn std::fmt::Display| SshError::Invalid(format!("{}: {why}", path.display()));
        let root = local.canonicalize().map_err(|error| invalid(local, &error))?;
        if !root.is_dir() {
            return Err(invalid(local, &"not a directory"));
        }
        let mut tree = Self {
            remote: remote.to_owned(),
            directories: Vec::new(),
            files: Vec::new(),
        };
        let mut weight = 0;
        for entry in walkdir::WalkDir::new(&root).min_depth(1).follow_links(true).sort_by_file_name() {
            let entry = entry.map_err(|error| SshError::Invalid(error.to_string()))?;
            let path = entry.path();
            // Below a followed link the path still starts with the root, so the link itself is what is checked.
            if entry.path_is_symlink() {
                let target = path.canonicalize().map_err(|error| invalid(path, &error))?;
                if !target.starts_with(&root) {
                    return Err(invalid(
                        path,
                        &format!("a symbolic link to {}, which is outside of {}", target.display(), root.display()),
                    ));
                }
            }
            let name = path
                .strip_prefix(&root)
                .ok()
                .and_then(Path::to_str)
                .ok_or_else(|| invalid(path, &"the name is not UTF-8"))?
                .to_owned();
            if name.contains('\n') {
                return Err(invalid(path, &"the name contains a line break"));
            }
            let metadata = entry.metadata().map_err(|error| SshError::Invalid(error.to_string()))?;
            if metadata.is_dir() {
                tree.directories.push(name);
            } else if metadata.is_file() {
                use std::os::unix::fs::PermissionsExt as _;
                weight += metadata.len();
                if weight > TREE_CAP {
                    return Err(invalid(local, &format!("holds more than {} MiB", TREE_CAP >> 20)));
                }
                let content = fs_err::read(path).map_err(|error| SshError::Invalid(error.to_string()))?;
                tree.files.push(TreeFile {
                    name,
                    executable: metadata.permissions().mode() & 0o100 != 0,
                    content,
                });
            } else {
                return Err(invalid(path, &"neither a file nor a directory"));
            }
        }
        Ok(tree)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_that_lead_outside_are_refused_and_others_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs_err::write(outside.path().join("secret"), "s").unwrap();
        let tree = tempfile::tempdir().unwrap();
        fs_err::write(tree.path().join("a"), "x").unwrap();
        symlink("a", tree.path().join("b")).unwrap();
        let read = Tree::read(tree.path(), "/srv/x").unwrap();
        assert_eq!(
            read.files
                .iter()
                .map(|file| (file.name.as_str(), file.content.as_slice()))
                .collect::<Vec<_>>(),
            [("a", &b"x"[..]), ("b", b"x")]
        );

        symlink(outside.path().join("secret"), tree.path().join("c")).unwrap();
        let error = Tree::read(tree.path(), "/srv/x").unwrap_err().to_string();
        assert!(error.contains("which is outside of"), "{error}");
        fs_err::remove_file(tree.path().join("c")).unwrap();
        symlink(outside.path(), tree.path().join("d")).unwrap();
        assert!(Tree::read(tree.path(), "/srv/x").is_err());
    }

    #[test]
    fn a_link_that_goes_round_in_circles_is_an_error() {
        let tree = tempfile::tempdir().unwrap();
        symlink(".", tree.path().join("loop")).unwrap();
        assert!(Tree::read(tree.path(), "/srv/x").is_err());
        assert!(Tree::read(&tree.path().join("missing"), "/srv/x").is_err());
    }
}
