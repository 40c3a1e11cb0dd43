//! Uses the standard library as any program does, built for wasm32-wasip2: arguments, environment, files, clock, output. It says what it
//! finds, which is nothing.

use std::io::Read as _;

use bootmachine_sdk::{DeclaredServer, Error, Image, Label, Manifest, Plugin, Provider, Result, Server, ServerSpec, Settings, Size};

struct Plain;

impl Plugin for Plain {
    fn describe() -> Manifest {
        println!("describing");
        Manifest::provider("plain", "0.1.0", "Looks around")
    }
}

impl Provider for Plain {
    fn connect(_: Settings, _: &[DeclaredServer]) -> Result<Self> {
        println!("this goes nowhere");
        Ok(Self)
    }

    fn console_output(&mut self, id: &str) -> Result<String> {
        if id == "trap" {
            eprintln!("the last words of this plugin");
            std::process::abort();
        }
        let variables: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
        let arguments: Vec<String> = std::env::args().collect();
        let mut input = String::new();
        let read = std::io::stdin().read_to_string(&mut input);
        let file = |path: &str| std::fs::read_to_string(path).err().map(|error| error.to_string());
        let written = std::fs::write("/tmp/plain", "x").err().map(|error| error.to_string());
        let clock = std::time::SystemTime::now() > std::time::UNIX_EPOCH;
        Ok(format!(
            "environment {variables:?}\narguments {arguments:?}\ninput {read:?} {input:?}\n/etc/passwd {:?}\n. {:?}\nwriting {written:?}\nclock {clock}",
            file("/etc/passwd"),
            std::fs::read_dir(".").err().map(|error| error.to_string()),
        ))
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

bootmachine_sdk::export_provider!(Plain);
