//! Brings Salt onto a machine.
//!
//! A minion obeys whoever it takes for its master, as root. So none is started here that would ask the network who that is: a machine
//! with a master gets its master's address and key at enrolment, and its service is started then.

use std::time::Duration;

use bootmachine_sdk::machine::Machine;
use bootmachine_sdk::ssh::{Command, File, Step};
use bootmachine_sdk::system::{PackageFormat, Repository, ServiceAction};
use bootmachine_sdk::{Cluster, Result, ResultExt, log};

use crate::configuration;
use crate::options::{Options, Source};

/// Fetches the tarball, compares its sum and unpacks it beside its place. `$1` is its address, `$2` its SHA-256 or empty.
const ONEDIR: &str = include_str!("onedir.sh");

/// See [`bootmachine_sdk::CmTool::install`].
pub fn install(on: &Machine, cluster: &Cluster) -> Result<()> {
    let options = Options::of(cluster)?;
    let is_master = cluster.master.as_deref() == Some(&on.name());
    let session = on.session();

    let mut files: Vec<Step> = vec![configuration::minion_file(on, cluster, &options).into()];
    if is_master {
        files.push(configuration::master_file(on, &options).into());
    }
    log::step("configuring salt");
    let outcomes = session.run_all_ok(files, "writing salt's configuration")?;
    let master_changed = outcomes.get(1).is_some_and(|outcome| outcome.wrote());

    let services: &[&str] = if is_master {
        &["salt-master", "salt-minion"]
    } else {
        &["salt-minion"]
    };
    log::step(format!("installing {}", services.join(" and ")));
    match options.source(&on.release())? {
        Source::Repository => {
            add_repository(on, &options)?;
            install_packages(on, services, &options)?;
        }
        Source::Distribution if on.release().package_format == PackageFormat::Pacman => {
            on.install_packages(["salt"])?;
        }
        Source::Distribution => install_packages(on, services, &options)?,
        Source::Onedir => install_onedir(on, services, &options)?,
    }

    if is_master {
        log::step("starting salt-master");
        on.service("salt-master", ServiceAction::EnableAndStart)?;
        if master_changed {
            on.service("salt-master", ServiceAction::Restart)?;
        }
    }
    // Each machine applies its own copy of the configuration; there is nobody for a service to listen to.
    if cluster.master.is_none() {
        on.service("salt-minion", ServiceAction::DisableAndStop)?;
    }
    if is_master || cluster.master.is_none() {
        log::step("uploading the configuration");
        configuration::upload(on, cluster)?;
    }
    Ok(())
}

fn add_repository(on: &Machine, options: &Options) -> Result<()> {
    let release = on.release();
    let deb = release.package_format == PackageFormat::Deb;
    let words = |text: &str| if deb { vec![text.to_owned()] } else { Vec::new() };
    on.add_repository(&Repository {
        name: "salt".to_owned(),
        url: options.repository_url(release.package_format),
        suites: words("stable"),
        components: words("main"),
        key: Some(options.key()),
        // rpm has `salt` where deb has `salt-common`.
        pinned: ["salt", "salt-common", "salt-master", "salt-minion"].map(str::to_owned).to_vec(),
    })
    .context("adding Salt's package repository")?;
    if deb && let Some(version) = &options.version {
        // Behind the pin to the repository by name, and above it by priority.
        let pin = format!("# Managed by bootmachine.\nPackage: salt-*\nPin: version {version}*\nPin-Priority: 1002\n");
        on.session().write_file(File::new("/etc/apt/preferences.d/salt-version", pin))?;
    }
    Ok(())
}

fn install_packages(on: &Machine, names: &[&str], options: &Options) -> Result<()> {
    let session = on.session();
    let format = on.release().package_format;
    let names: Vec<String> = match (&options.version, format) {
        (Some(version), PackageFormat::Rpm) => names.iter().map(|name| format!("{name}-{version}")).collect(),
        _ => names.iter().map(|name| (*name).to_owned()).collect(),
    };
    if format != PackageFormat::Deb {
        on.install_packages(names)?;
        return Ok(());
    }
    // Debian's packages start their services. A unit that is masked is not started.
    let enrolled = session.run(Command::new("systemctl").args(["is-enabled", "--quiet", "salt-minion.service"]))?;
    if enrolled.is_success() {
        on.install_packages(names)?;
        return Ok(());
    }
    session.run_ok(
        Command::new("systemctl").args(["mask", "salt-minion.service"]),
        "holding salt-minion back",
    )?;
    let installed = on.install_packages(names);
    session.run_ok(
        Command::new("systemctl").args(["unmask", "salt-minion.service"]),
        "releasing salt-minion",
    )?;
    installed.map(|_| ())
}

fn install_onedir(on: &Machine, services: &[&str], options: &Options) -> Result<()> {
    let release = on.release();
    // What the script below needs and a small image may lack.
    let xz = if release.package_format == PackageFormat::Deb {
        "xz-utils"
    } else {
        "xz"
    };
    on.install_packages(["curl", "tar", xz])?;
    let url = options.onedir_url(&release);
    log::info!("taking Salt from {url}");
    let script = Command::script(ONEDIR)
        .arg(url.clone())
        .arg(options.onedir_sha256.clone().unwrap_or_default())
        .timeout(Duration::from_mins(20));
    on.session().run_ok(script, format!("installing Salt from {url}"))?;
    let mut steps: Vec<Step> = services.iter().map(|service| unit(service).into()).collect();
    steps.push(Command::new("systemctl").arg("daemon-reload").into());
    on.session().run_all_ok(steps, "writing salt's units")?;
    Ok(())
}

/// The unit of a service that no package brings.
fn unit(service: &str) -> File {
    let name = if service == "salt-master" { "Master" } else { "Minion" };
    let content = format!(
        "# Managed by bootmachine.\n[Unit]\nDescription=The Salt {name}\nAfter=network.target\n\n[Service]\nType=notify\nNotifyAccess=all\n\
         LimitNOFILE=100000\nKillMode=process\nExecStart=/usr/bin/{service}\n\n[Install]\nWantedBy=multi-user.target\n"
    );
    File::new(&format!("/etc/systemd/system/{service}.service"), content)
}
