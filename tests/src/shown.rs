//! A run as text, the same on every machine: what a test compares whole.

use bootmachine_fleet::up::{Outcome, ServerResult};
use bootmachine_fleet::verify::Proof;
use bootmachine_fleet::{FleetError, Problem};
use regex::{Captures, Regex};

use crate::operator::Operator;
use crate::world::World;

/// How a run ended: a line for each server, with cause and hint where it failed, then what is left over.
pub fn run(run: &Result<Outcome, Problem>) -> String {
    let outcome = match run {
        Ok(outcome) => outcome,
        Err(problem) => return self::problem("up", problem),
    };
    let mut lines = Vec::new();
    for server in &outcome.servers {
        lines.push(match &server.result {
            ServerResult::Done { .. } => format!("{}: done", server.name),
            ServerResult::Failed { stage, problem } => self::problem(&format!("{}: failed at {stage}", server.name), problem),
        });
    }
    lines.extend(
        outcome
            .orphans
            .iter()
            .map(|orphan| format!("orphan: {} ({}/{})", orphan.name, orphan.provider, orphan.id)),
    );
    lines.push(format!("created: {}", outcome.created));
    lines.join("\n")
}

/// A problem, and below it what to do.
pub fn problem(what: &str, problem: &Problem) -> String {
    let hint = problem.hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
    format!("{what}\n  {}{hint}", problem.message.replace('\n', "\n  "))
}

/// Why there is no fleet.
pub fn refused(error: &FleetError) -> String {
    match error {
        FleetError::Problem(problem) => self::problem("refused", problem),
        FleetError::Config(diagnostics) => diagnostics
            .iter()
            .map(|diagnostic| diagnostic.render(false))
            .collect::<Vec<_>>()
            .join("\n"),
        FleetError::Plugin(error) => format!("refused\n  {error}"),
    }
}

/// Puts names in the place of what differs from run to run: ports, directories, identifiers, addresses, fingerprints. Fingerprints are
/// numbered in the order of their appearance, so that a text still tells one from another.
pub fn steady(world: &World, operator: &Operator, text: &str) -> String {
    let mut text = text
        .replace(&world.playground.cloud.endpoint(), "http://CLOUD")
        .replace(&world.playground.bastion.address.to_string(), "BASTION")
        .replace(&operator.path().display().to_string(), "DIRECTORY");
    for (pattern, name) in [
        ("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
        (r"\b(10\.77|198\.18)\.\d+\.\d+\b", "ADDRESS"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    ] {
        text = Regex::new(pattern).expect("a pattern").replace_all(&text, name).into_owned();
    }
    let mut seen: Vec<String> = Vec::new();
    let fingerprint = Regex::new(r"SHA256:[A-Za-z0-9+/]{43}").expect("a pattern");
    let numbered = fingerprint.replace_all(&text, |found: &Captures<'_>| {
        let at = seen.iter().position(|known| *known == found[0]).unwrap_or_else(|| {
            seen.push(found[0].to_owned());
            seen.len() - 1
        });
        format!("SHA256:#{}", at + 1)
    });
    numbered.into_owned()
}

/// What `verify` found: a line for each server, and one for each check that does not hold.
pub fn proofs(proofs: &[(String, Result<Proof, Problem>)]) -> String {
    let mut lines = Vec::new();
    for (name, proof) in proofs {
        match proof {
            Ok(proof) => {
                lines.push(format!("{name}: {}", if proof.holds() { "secure" } else { "not secure" }));
                lines.extend(
                    proof
                        .failed()
                        .map(|check| format!("  {}: {}, not {}", check.name, check.found, check.expected)),
                );
            }
            Err(problem) => lines.push(self::problem(name, problem)),
        }
    }
    lines.join("\n")
}
