//! x
use bootmachine_sdk::*;
/// x
#[derive(Debug)]
pub struct Arch;
impl Plugin for Arch {
    fn describe() -> Manifest {
        Manifest::distro("arch", "0.1.0", "x")
    }
}
impl Distro for Arch {
    fn identify(os_release: &str, architecture: &str) -> Option<system::Release> {
        text::OsRelease::parse(os_release).release("arch", architecture, system::PackageFormat::Pacman)
    }
    fn bootstrap(on: &ssh::Session, _: &system::Release, _: &Preparation) -> Result<system::Outcome> {
        on.run_ok(ssh::Command::new("true"), "x")?;
        Ok(system::Outcome::UNCHANGED)
    }
    fn install_packages(_: &ssh::Session, _: &system::Release, _: &[String]) -> Result<system::Outcome> {
        panic!()
    }
    fn remove_packages(_: &ssh::Session, _: &system::Release, _: &[String]) -> Result<system::Outcome> {
        panic!()
    }
    fn add_repository(_: &ssh::Session, _: &system::Release, _: &system::Repository) -> Result<system::Outcome> {
        panic!()
    }
    fn service(_: &ssh::Session, _: &system::Release, _: &str, _: system::ServiceAction) -> Result<()> {
        panic!()
    }
}
export_distro!(Arch);
