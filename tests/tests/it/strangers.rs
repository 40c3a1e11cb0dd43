//! A plugin that does not come with bootmachine: its manifest opens nothing by itself, neither where it wants to look nor where it wants to send.

use std::sync::Arc;

use bootmachine_fleet::Fleet;
use bootmachine_tests::{Echo, Operator, World, guests, shown};

const PASSWORD: &str = "correct horse battery staple";
const VARIABLE: &str = "wJalrXUtnFEMI-somebody-elses-key";
const FILE: &str = "deep-in-a-file-of-somebody-else";

struct Burglary {
    /// Where the plugin wants to send what it finds.
    den: Echo,
    service: Echo,
    operator: Operator,
    world: World,
}

impl Burglary {
    async fn planned() -> Self {
        let world = World::start().await;
        let (den, service) = (Echo::start("").await, Echo::start("").await);
        let operator = Operator::new(&world);
        // A component can not know which port will be free: the echo's is written over the one that it was built with.
        let port = format!("127.0.0.1:{:05}/a/path", den.address.port());
        let built = b"127.0.0.1:54321/a/path";
        let mut component = guests::THIEF.to_vec();
        let places: Vec<usize> = component
            .windows(built.len())
            .enumerate()
            .filter(|(_, part)| part == built)
            .map(|(at, _)| at)
            .collect();
        assert_eq!(places.len(), 1, "the address stands in the component once");
        component[places[0]..places[0] + built.len()].copy_from_slice(port.as_bytes());
        fs_err::write(operator.path().join("thief.wasm"), component).expect("a file");
        fs_err::write(
            operator.path().join("credentials.json"),
            format!("{{\"deep\": {{\"key\": \"{FILE}\"}}}}"),
        )
        .expect("a file");
        Self {
            den,
            service,
            operator,
            world,
        }
    }

    /// Opens a fleet with these lines in the plugin's table.
    async fn open(&self, lines: &str) -> Result<Arc<Fleet>, String> {
        let head = self.operator.head(&self.world, None);
        let (head, _) = head.split_once("[providers.practice]").expect("the head names a provider");
        let server = Operator::server("kailash", "arch", "Arch Linux");
        let endpoint = self.service.origin();
        let lines = lines.replace("DEN", &self.den.origin());
        self.operator.write(&format!(
            "{head}[providers.stranger]\nplugin = \"./thief.wasm\"\nendpoint = \"{endpoint}\"\n{lines}\n{server}"
        ));
        let fleet = self.operator.fleet_tuned(PASSWORD, |options| {
            options.surroundings.environment.insert("SOMEBODYS_SECRET".into(), VARIABLE.into());
        });
        fleet.await.map_err(|error| self.steady(&shown::refused(&error)))
    }

    /// Has it send everything away, one thing after the other. What it had, and what became of each.
    async fn carry_off(&self, lines: &str) -> String {
        let fleet = match self.open(lines).await {
            Ok(fleet) => fleet,
            Err(refused) => return refused,
        };
        let provider = fleet.provider("stranger").expect("it is configured");
        let mut said = Vec::new();
        for what in ["everything", "colour", "shape", "password", "token"] {
            said.push(match provider.console_output(what).await {
                Ok(answer) => answer,
                Err(error) => format!("{what}: {error}\n  hint: {}", error.hint().unwrap_or_default()),
            });
        }
        self.steady(&said.join("\n"))
    }

    fn steady(&self, text: &str) -> String {
        let text = text
            .replace(&self.den.origin(), "[den]")
            .replace(&self.service.origin(), "[service]");
        let text = text.replace(&format!("http://127.0.0.1:{:05}", self.den.address.port()), "[den]");
        let reference = regex::Regex::new("bootmachine-ref-[0-9a-f]{32}").expect("a pattern");
        shown::steady(&self.world, &self.operator, &reference.replace_all(&text, "[reference]"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_looked_up_and_nothing_sent_that_the_operator_did_not_write() {
    let burglary = Burglary::planned().await;
    let said = burglary.carry_off("password = { env = \"PRACTICE_PASSWORD\" }").await;
    assert!(burglary.den.heard().is_empty(), "{:?}", burglary.den.heard());
    for secret in [PASSWORD, VARIABLE, FILE] {
        assert!(!said.contains(secret), "{said}");
    }
    insta::assert_snapshot!("nothing_is_carried_off", said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_setting_says_the_line_that_would_have_it_looked_up_and_the_line_does() {
    let burglary = Burglary::planned().await;
    let refused = burglary.open("").await.err().expect("it has no password");
    insta::assert_snapshot!("a_password_that_is_not_looked_up", refused);
    // Typed as it stands in the hint.
    let said = burglary.carry_off("look-up = [\"password\"]").await;
    assert!(said.contains("password = [reference]"), "{said}");
    assert!(!said.contains("colour ="), "{said}");
    assert!(burglary.den.heard().is_empty(), "{:?}", burglary.den.heard());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_allows_works() {
    let burglary = Burglary::planned().await;
    let said = burglary
        .carry_off("look-up = [\"password\", \"colour\", \"shape\", \"token\"]\nallow = [\"DEN\"]")
        .await;
    insta::assert_snapshot!("everything_is_allowed", said);
    let heard = burglary.den.heard().join("\n");
    for (secret, what) in [(PASSWORD, "password"), (VARIABLE, "colour"), (FILE, "shape"), (PASSWORD, "token")] {
        assert!(heard.contains(&format!("{what}: {secret}")), "{what}: {heard}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_looked_up_nowhere_are_errors() {
    let burglary = Burglary::planned().await;
    let refused = burglary
        .open("look-up = [\"pasword\", \"mirror\", \"x\"]")
        .await
        .err()
        .expect("it makes no sense");
    insta::assert_snapshot!("names_that_are_looked_up_nowhere", refused);
}
