//! Files and trees on a real OpenSSH server: what `wit/ssh.wit` promises.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod ssh_support;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use bootmachine_broker::ErrorKind;
use bootmachine_broker::ssh::{File, OUTPUT_CAP, SshError};
use ssh_support::{Sshd, can_run, scratch};

fn file(path: &std::path::Path, content: &[u8], mode: u32) -> File {
    File {
        path: path.to_str().unwrap().into(),
        content: content.into(),
        mode,
        owner: "root".into(),
        group: "root".into(),
    }
}

#[tokio::test]
async fn a_file_is_written_once_and_with_its_mode_and_owner() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let (dir, sub) = scratch();
    let path = sub.join("deep er/it's");
    let seen = || {
        let metadata = fs_err::symlink_metadata(&path).unwrap();
        (
            fs_err::read(&path).unwrap(),
            metadata.permissions().mode(),
            metadata.uid(),
            metadata.gid(),
        )
    };
    let first = file(&path, b"a\0b\n\n", 0o640);
    assert!(session.write_file(first.clone()).await.unwrap());
    assert_eq!(seen(), (b"a\0b\n\n".to_vec(), 0o100_640, 0, 0));
    assert_eq!(fs_err::metadata(&sub).unwrap().permissions().mode(), 0o40_755);
    let inode = fs_err::metadata(&path).unwrap().ino();
    assert!(!session.write_file(first.clone()).await.unwrap());
    assert_eq!(fs_err::metadata(&path).unwrap().ino(), inode, "the same file was left alone");

    assert!(
        session
            .write_file(File {
                content: b"other".to_vec(),
                ..first.clone()
            })
            .await
            .unwrap()
    );
    assert!(
        session
            .write_file(File {
                mode: 0o4755,
                ..first.clone()
            })
            .await
            .unwrap()
    );
    assert_eq!(seen().1, 0o104_755);
    assert!(
        session
            .write_file(File {
                owner: "nobody".into(),
                group: "12345".into(),
                ..first.clone()
            })
            .await
            .unwrap()
    );
    assert_eq!((seen().2, seen().3), (65534, 12345));
    assert!(
        !session
            .write_file(File {
                owner: "65534".into(),
                group: "12345".into(),
                ..first.clone()
            })
            .await
            .unwrap()
    );
    assert!(
        session
            .write_file(File {
                content: vec![],
                ..first.clone()
            })
            .await
            .unwrap()
    );
    assert_eq!(seen().0, b"");

    let error = session
        .write_file(File {
            owner: "bootmachine-nobody".into(),
            ..first.clone()
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(
        error.to_string().contains("bootmachine-nobody") && error.to_string().contains("could not be written"),
        "{error}"
    );

    // A link is replaced, never written through.
    let link = dir.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(session.write_file(file(&link, b"", 0o640)).await.unwrap());
    assert!(fs_err::symlink_metadata(&link).unwrap().is_file());
    let names: Vec<_> = fs_err::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["it's"], "nothing is left beside the file");

    let large: Vec<u8> = (0..9_000_000_u32).map(|i| (i % 251) as u8).collect();
    assert!(session.write_file(file(&path, &large, 0o600)).await.unwrap());
    assert!(fs_err::read(&path).unwrap() == large);
}

#[tokio::test]
async fn files_are_read_and_what_is_not_there_is_none() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let (dir, path) = scratch();
    let name = path.to_str().unwrap();
    assert_eq!(session.read_file(name).await.unwrap(), None);
    fs_err::write(&path, b"x\0\ny").unwrap();
    assert_eq!(session.read_file(name).await.unwrap().unwrap(), b"x\0\ny");
    fs_err::write(&path, vec![7; OUTPUT_CAP]).unwrap();
    assert_eq!(session.read_file(name).await.unwrap().unwrap().len(), OUTPUT_CAP);
    fs_err::write(&path, vec![7; OUTPUT_CAP + 1]).unwrap();
    let error = session.read_file(name).await.unwrap_err().to_string();
    assert!(error.contains("is larger than 4 MiB"), "{error}");
    let error = session.read_file(dir.path().to_str().unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("is a directory"), "{error}");
    assert!(matches!(session.read_file("/etc/../etc/passwd").await, Err(SshError::Invalid(_))));
}

#[tokio::test]
async fn a_tree_becomes_a_copy_deletions_included() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let local = tempfile::tempdir().unwrap();
    let put = |name: &str, content: &str, mode: u32| {
        let path = local.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, content).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    put("top.sls", "base:\n", 0o600);
    put("states/.hidden file", "h", 0o666);
    put("states/run it's.sh", "#!/bin/sh\n", 0o700);
    fs_err::create_dir(local.path().join("empty")).unwrap();
    let (dir, remote) = scratch();
    let name = remote.to_str().unwrap();

    assert!(session.upload_tree(local.path(), name).await.unwrap());
    let mode = |name: &str| fs_err::metadata(remote.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(fs_err::read_to_string(remote.join("top.sls")).unwrap(), "base:\n");
    assert_eq!(
        [
            mode("top.sls"),
            mode("states/.hidden file"),
            mode("states/run it's.sh"),
            mode("empty"),
            mode("")
        ],
        [0o644, 0o644, 0o755, 0o755, 0o755]
    );
    assert!(!session.upload_tree(local.path(), name).await.unwrap());

    // Whatever differs there is put right.
    for spoil in [
        "printf x >> top.sls",
        "chmod 600 top.sls",
        "chown nobody states",
        "touch states/extra",
        "mkdir .extra",
        "ln -s top.sls link",
        "rm -r empty",
        "rm top.sls && ln -s /etc/passwd top.sls",
    ] {
        let mut shell = std::process::Command::new("sh");
        assert!(shell.arg("-c").arg(spoil).current_dir(&remote).status().unwrap().success());
        assert!(session.upload_tree(local.path(), name).await.unwrap(), "{spoil}");
        assert!(!session.upload_tree(local.path(), name).await.unwrap(), "{spoil}");
    }

    fs_err::remove_file(local.path().join("top.sls")).unwrap();
    assert!(session.upload_tree(local.path(), name).await.unwrap());
    assert!(!remote.join("top.sls").exists());
    let left: Vec<_> = fs_err::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["sub"], "nothing is left beside the tree");

    fs_err::write(dir.path().join("file"), "").unwrap();
    let error = session
        .upload_tree(local.path(), dir.path().join("file").to_str().unwrap())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("is not a directory"), "{error}");
}
