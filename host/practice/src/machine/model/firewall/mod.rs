//! nftables: the kernel's rules, what they do to a packet, and how they are listed. `language` reads them.

use std::net::IpAddr;

use ipnet::IpNet;

mod language;
mod tokens;

/// What happens to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Let in.
    Accept,
    /// Thrown away in silence.
    Drop,
    /// Refused with an answer.
    Reject,
}

/// A condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Match {
    Tcp(Vec<(u16, u16)>),
    NotTcp,
    Source(Vec<IpNet>),
    Interface(String),
    Established,
    Never,
}

#[derive(Debug, Clone)]
struct Rule {
    text: String,
    matches: Vec<Match>,
    verdict: Option<Verdict>,
}

#[derive(Debug, Clone)]
struct Chain {
    name: String,
    header: Option<String>,
    input: bool,
    policy: Verdict,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Table {
    family: String,
    name: String,
    sets: Vec<(String, Vec<String>, String)>,
    chains: Vec<Chain>,
}

/// The kernel's rules.
#[derive(Debug, Clone, Default)]
pub struct Ruleset {
    tables: Vec<Table>,
}

impl Ruleset {
    /// What happens to a new TCP connection from `from` to `port` of the machine, over its network interface.
    pub fn input(&self, from: IpAddr, port: u16) -> Verdict {
        let mut accepted = Verdict::Accept;
        for table in &self.tables {
            let concerns = match table.family.as_str() {
                "inet" => true,
                "ip" => from.is_ipv4(),
                "ip6" => from.is_ipv6(),
                _ => false,
            };
            for chain in table.chains.iter().filter(|c| c.input && concerns) {
                let hit = chain.rules.iter().find_map(|rule| {
                    let fits = rule.matches.iter().all(|m| match m {
                        Match::Tcp(ports) => ports.iter().any(|(low, high)| (*low..=*high).contains(&port)),
                        Match::Source(nets) => nets.iter().any(|n| n.contains(&from)),
                        Match::Interface(name) => name == "eth0",
                        Match::NotTcp | Match::Established | Match::Never => false,
                    });
                    rule.verdict.filter(|_| fits)
                });
                let verdict = hit.unwrap_or(chain.policy);
                if verdict != Verdict::Accept {
                    return verdict;
                }
                accepted = verdict;
            }
        }
        accepted
    }

    /// Whether packets of connections that were let in before still pass.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// One table as `nft list table` prints it; none where there is no such table.
    pub fn list_table(&self, family: &str, name: &str) -> Option<String> {
        let tables: Vec<_> = self
            .tables
            .iter()
            .filter(|table| table.family == family && table.name == name)
            .cloned()
            .collect();
        (!tables.is_empty()).then(|| Self { tables }.list())
    }

    /// What `nft list ruleset` prints.
    pub fn list(&self) -> String {
        let mut out = String::new();
        for table in &self.tables {
            out.push_str(&format!("table {} {} {{\n", table.family, table.name));
            for (index, (name, _, body)) in table.sets.iter().enumerate() {
                if index > 0 {
                    out.push('\n');
                }
                out.push_str(&format!("\tset {name} {{\n\t\t{body}\n\t}}\n"));
            }
            for (index, chain) in table.chains.iter().enumerate() {
                if index > 0 || !table.sets.is_empty() {
                    out.push('\n');
                }
                out.push_str(&format!("\tchain {} {{\n", chain.name));
                if let Some(header) = &chain.header {
                    let policy = if chain.policy == Verdict::Drop { "drop" } else { "accept" };
                    out.push_str(&format!("\t\t{header}; policy {policy};\n"));
                }
                for rule in &chain.rules {
                    out.push_str(&format!("\t\t{}\n", rule.text));
                }
                out.push_str("\t}\n");
            }
            out.push_str("}\n");
        }
        out
    }
}
