//! Takes more than its share: `console-output` takes the name of an attack in the place of a server's identifier.

use bootmachine_sdk::http::{Request, send_all};
use bootmachine_sdk::{
    Address, AddressScope, DeclaredServer, Error, Image, Label, Manifest, Plugin, Provider, Result, Server, ServerSpec, ServerState,
    Settings, Size, log,
};

struct Hog {
    calls: u32,
    nameless: bool,
    homeless: bool,
}

/// Clears a terminal, sets its title, turns the direction of writing around, and looks like two lines.
const NASTY: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}evil\r\nsecond\u{0}line";

impl Plugin for Hog {
    fn describe() -> Manifest {
        Manifest::provider("hog", "0.1.0", "Takes more than its share").origin("http://cloud.test", "where it sends too much")
    }
}

/// The stack of the sandbox, and not of linear memory, is what this fills.
#[inline(never)]
#[allow(unconditional_recursion, reason = "this is the attack")]
fn recurse(depth: u64) -> u64 {
    std::hint::black_box(recurse(std::hint::black_box(depth) + 1)) + 1
}

/// Fills the stack that the compiler keeps in linear memory.
#[inline(never)]
#[allow(unconditional_recursion, reason = "this is the attack")]
fn recurse_with_arrays(depth: u8) -> u64 {
    let frame = std::hint::black_box([depth; 4096]);
    recurse_with_arrays(frame[17].wrapping_add(1)) + u64::from(std::hint::black_box(frame)[99])
}

/// Not inlined, so that it stands in the message about its end.
#[inline(never)]
fn attack(name: &str) -> Result<String> {
    match name {
        "loop" => loop {
            std::hint::black_box(name);
        },
        "memory" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(std::hint::black_box(vec![1; 4 << 20]));
            }
        }
        "recursion" => Ok(recurse(0).to_string()),
        "arrays" => Ok(recurse_with_arrays(0).to_string()),
        "log" => {
            for line in 0..100_000 {
                log::info!("line {line} {}", "x".repeat(100));
            }
            Ok("logged".to_owned())
        }
        "long-line" => {
            log::info!("{}", "y".repeat(1 << 20));
            Ok("logged".to_owned())
        }
        "giant-return" => Ok("z".repeat(8 << 20)),
        "giant-request" => Request::post("http://cloud.test/")
            .body("text/plain", vec![b'z'; 8 << 20])
            .send()
            .map(|response| response.text()),
        "many-requests" => Ok(send_all(vec![Request::get("http://cloud.test/"); 200_000]).len().to_string()),
        "panic" => panic!("the cloud answered with an apple"),
        "index" => Ok(format!("{}", [1, 2, 3][std::hint::black_box(7)])),
        "never" => Request::get("http://cloud.test/never").send().map(|response| response.text()),
        "escapes" => {
            log::step(NASTY);
            log::warn!("{NASTY}");
            Err(Error::failed(NASTY).hint(NASTY))
        }
        _ => Err(Error::not_found(format!("there is no attack `{name}`"))),
    }
}

fn server(id: &str, name: &str, ip: &str) -> Server {
    Server {
        id: id.to_owned(),
        name: name.to_owned(),
        state: ServerState::Pending,
        detail: NASTY.to_owned(),
        addresses: vec![Address {
            ip: ip.to_owned(),
            scope: AddressScope::Public,
            ssh_port: Some(0),
        }],
        image: Some(NASTY.to_owned()),
        size: Some(NASTY.to_owned()),
        labels: vec![Label::new(NASTY, NASTY)],
        host_keys: vec![NASTY.to_owned()],
        adopted: false,
    }
}

impl Provider for Hog {
    fn connect(_: Settings, _: &[DeclaredServer]) -> Result<Self> {
        log::info!("connected");
        Ok(Self {
            calls: 0,
            nameless: false,
            homeless: false,
        })
    }

    fn console_output(&mut self, id: &str) -> Result<String> {
        self.calls += 1;
        attack(id)
    }

    fn list_servers(&mut self, _: &[Label]) -> Result<Vec<Server>> {
        self.calls += 1;
        let id = if self.nameless { NASTY } else { "1" };
        let ip = if self.homeless { "198.18.0.3/24\u{202e}" } else { "198.18.0.3" };
        Ok(vec![server(id, &format!("call {} of this instance{NASTY}", self.calls), ip)])
    }

    fn check_servers(&mut self, _: &[ServerSpec]) -> Result<Vec<Result<()>>> {
        Ok(vec![Ok(()); 7])
    }

    /// Breaks down after the first.
    fn create_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<Server>>> {
        let mut made = Vec::new();
        for spec in specs {
            assert!(made.is_empty(), "out of bricks after {}", spec.name);
            Request::post(format!("http://cloud.test/{}", spec.name)).send()?;
            made.push(Ok(server(&spec.name, &spec.name, "198.18.0.3")));
        }
        Ok(made)
    }

    /// Gives servers identifiers that nobody can type, or addresses that are none.
    fn set_labels(&mut self, id: &str, _: &[Label]) -> Result<()> {
        self.nameless = id == "nameless";
        self.homeless = id == "homeless";
        Ok(())
    }

    fn destroy_servers(&mut self, _: &[String]) -> Result<Vec<Result<()>>> {
        Ok(Vec::new())
    }

    fn reboot_servers(&mut self, ids: &[String]) -> Result<Vec<Result<()>>> {
        Ok(ids.iter().map(|_| Err(Error::failed(NASTY))).collect())
    }

    fn list_images(&mut self, _: Option<&str>) -> Result<Vec<Image>> {
        Ok(vec![Image {
            id: NASTY.to_owned(),
            name: NASTY.to_owned(),
            created: Some(NASTY.to_owned()),
            architecture: Some(NASTY.to_owned()),
            details: Some(NASTY.to_owned()),
        }])
    }

    fn list_sizes(&mut self) -> Result<Vec<Size>> {
        Ok(vec![Size {
            id: NASTY.to_owned(),
            name: NASTY.to_owned(),
            cpus: u32::MAX,
            memory_mib: u64::MAX,
            disk_gib: u64::MAX,
            details: Some(NASTY.to_owned()),
        }])
    }
}

bootmachine_sdk::export_provider!(Hog);
