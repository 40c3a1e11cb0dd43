//! Would open connections of its own: it imports WASI's sockets, as the standard library of most languages does once a program connects.

use bootmachine_sdk::{DeclaredServer, Error, Image, Label, Manifest, Plugin, Provider, Result, Server, ServerSpec, Settings, Size};

#[allow(unsafe_code, missing_docs, clippy::pedantic, reason = "generated")]
mod wasi {
    wit_bindgen::generate!({
        inline: r"
            package tests:sockets;
            world sockets { import wasi:sockets/instance-network@0.2.3; }

            package wasi:sockets@0.2.3 {
                interface network {
                    resource network;
                }
                interface instance-network {
                    use network.{network};
                    instance-network: func() -> network;
                }
            }
        ",
        world: "tests:sockets/sockets",
        generate_all,
    });
}

struct Sockets;

impl Plugin for Sockets {
    fn describe() -> Manifest {
        Manifest::provider("sockets", "0.1.0", "Opens connections of its own")
    }
}

impl Provider for Sockets {
    fn connect(_: Settings, _: &[DeclaredServer]) -> Result<Self> {
        drop(wasi::wasi::sockets::instance_network::instance_network());
        Ok(Self)
    }

    fn list_servers(&mut self, _: &[Label]) -> Result<Vec<Server>> {
        Ok(Vec::new())
    }

    fn check_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<()>>> {
        Ok(specs.iter().map(|_| Ok(())).collect())
    }

    fn create_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<Server>>> {
        Ok(specs.iter().map(|_| Err(Error::unsupported("it makes nothing"))).collect())
    }

    fn destroy_servers(&mut self, ids: &[String]) -> Result<Vec<Result<()>>> {
        Ok(ids.iter().map(|_| Ok(())).collect())
    }

    fn reboot_servers(&mut self, ids: &[String]) -> Result<Vec<Result<()>>> {
        Ok(ids.iter().map(|_| Ok(())).collect())
    }

    fn set_labels(&mut self, _: &str, _: &[Label]) -> Result<()> {
        Ok(())
    }

    fn list_images(&mut self, _: Option<&str>) -> Result<Vec<Image>> {
        Ok(Vec::new())
    }

    fn list_sizes(&mut self) -> Result<Vec<Size>> {
        Ok(Vec::new())
    }
}

bootmachine_sdk::export_provider!(Sockets);
