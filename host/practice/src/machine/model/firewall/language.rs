//! The part of nftables' language that host firewalls use. A file that uses anything else is refused with a message that says so, rather than
//! taken for something that it is not.

use std::net::IpAddr;

use ipnet::IpNet;

use super::tokens::{Tokens, describe};
use super::{Chain, Match, Rule, Ruleset, Table, Verdict};

/// What was read, or nft's words for what is wrong with it.
pub(super) type Parsed<T> = Result<T, String>;

impl Ruleset {
    /// Applies the text of a file to a copy, so that a mistake changes nothing.
    pub fn apply(&self, text: &str) -> Parsed<Self> {
        let mut result = self.clone();
        let mut tokens = Tokens::new(text);
        let mut defines: Vec<(String, Vec<String>)> = Vec::new();
        loop {
            tokens.skip_breaks();
            match tokens.next().as_deref() {
                None => return Ok(result),
                Some("flush") => {
                    let rest = tokens.statement();
                    match rest.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                        ["ruleset"] => result.tables.clear(),
                        ["table", family, name] => {
                            let table = result.table_mut(family, name).ok_or("No such file or directory")?;
                            table.chains.iter_mut().for_each(|c| c.rules.clear());
                        }
                        _ => return Err(format!("syntax error, unexpected {}", describe(rest.first().map(String::as_str)))),
                    }
                }
                Some(word @ ("delete" | "destroy")) => {
                    let rest = tokens.statement();
                    let (family, name) = match rest.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                        ["table", family, name] => (family.to_owned(), name.to_owned()),
                        ["table", name] => ("ip".to_owned(), name.to_owned()),
                        _ => return Err(format!("syntax error, unexpected {}", describe(rest.first().map(String::as_str)))),
                    };
                    let before = result.tables.len();
                    result.tables.retain(|t| t.family != family || t.name != name);
                    if word == "delete" && before == result.tables.len() {
                        return Err("No such file or directory".into());
                    }
                }
                Some("define") => {
                    let name = tokens.next().unwrap_or_default();
                    tokens.expect("=")?;
                    defines.push((
                        name,
                        tokens
                            .statement()
                            .into_iter()
                            .filter(|t| !matches!(t.as_str(), "{" | "}" | ","))
                            .collect(),
                    ));
                }
                Some("add") => {}
                Some("table") => result.table(&mut tokens, &defines)?,
                Some(other) => return Err(format!("syntax error, unexpected {other}")),
            }
        }
    }

    fn table_mut(&mut self, family: &str, name: &str) -> Option<&mut Table> {
        self.tables.iter_mut().find(|t| t.family == family && t.name == name)
    }

    fn table(&mut self, tokens: &mut Tokens, defines: &[(String, Vec<String>)]) -> Parsed<()> {
        let mut family = tokens.next().unwrap_or_default();
        let name = if matches!(family.as_str(), "inet" | "ip" | "ip6" | "arp" | "bridge" | "netdev") {
            tokens.next().unwrap_or_default()
        } else {
            std::mem::replace(&mut family, "ip".into())
        };
        if self.table_mut(&family, &name).is_none() {
            self.tables.push(Table {
                family: family.clone(),
                name: name.clone(),
                sets: Vec::new(),
                chains: Vec::new(),
            });
        }
        let Some(table) = self.table_mut(&family, &name) else {
            return Ok(());
        };
        if tokens.peek() != Some("{") {
            return Ok(());
        }
        tokens.expect("{")?;
        loop {
            tokens.skip_breaks();
            match tokens.next().as_deref() {
                Some("}") => return Ok(()),
                Some("set") => {
                    let set = tokens.next().unwrap_or_default();
                    tokens.expect("{")?;
                    let (mut elements, mut lines) = (Vec::new(), Vec::new());
                    loop {
                        tokens.skip_breaks();
                        if tokens.peek() == Some("}") {
                            tokens.next();
                            break;
                        }
                        let statement = tokens.statement();
                        match statement.first().map(String::as_str) {
                            Some("elements") => elements = values(&statement[2..], defines, &[])?,
                            Some("type" | "flags" | "comment" | "auto-merge" | "typeof") => {}
                            other => return Err(format!("syntax error, unexpected {}", describe(other))),
                        }
                        lines.push(render(&statement));
                    }
                    table.sets.retain(|s| s.0 != set);
                    table.sets.push((set, elements, lines.join("\n\t\t")));
                }
                Some("chain") => {
                    let chain = tokens.next().unwrap_or_default();
                    tokens.expect("{")?;
                    chain_body(table, chain, tokens, defines)?;
                }
                other => return Err(format!("syntax error, unexpected {}", describe(other))),
            }
        }
    }
}

fn render(tokens: &[String]) -> String {
    tokens.join(" ").replace(" ,", ",")
}

fn chain_body(table: &mut Table, name: String, tokens: &mut Tokens, defines: &[(String, Vec<String>)]) -> Parsed<()> {
    let mut chain = table.chains.iter().position(|c| c.name == name).map_or_else(
        || Chain {
            name: name.clone(),
            header: None,
            input: false,
            policy: Verdict::Accept,
            rules: Vec::new(),
        },
        |at| table.chains.remove(at),
    );
    loop {
        tokens.skip_breaks();
        if tokens.peek() == Some("}") {
            tokens.next();
            break;
        }
        if tokens.peek().is_none() {
            return Err("syntax error, unexpected end of file".into());
        }
        let statement = tokens.statement();
        match statement.first().map(String::as_str) {
            Some("type") => {
                let priority = statement
                    .iter()
                    .skip_while(|t| *t != "priority")
                    .skip(1)
                    .cloned()
                    .collect::<Vec<_>>();
                let priority = if priority.len() == 1 && priority[0] == "0" {
                    "filter".to_owned()
                } else {
                    priority.join(" ")
                };
                let hook = statement.iter().skip_while(|t| *t != "hook").nth(1).cloned().unwrap_or_default();
                let kind = statement.get(1).cloned().unwrap_or_default();
                chain.input = hook == "input" && kind == "filter";
                chain.header = Some(format!("type {kind} hook {hook} priority {priority}"));
            }
            Some("policy") => {
                chain.policy = match statement.get(1).map(String::as_str) {
                    Some("drop") => Verdict::Drop,
                    Some("accept") => Verdict::Accept,
                    other => return Err(format!("syntax error, unexpected {}", describe(other))),
                };
            }
            Some(_) => {
                let rule = rule(&statement, &table.sets, defines)?;
                chain.rules.push(rule);
            }
            None => return Err(format!("syntax error, unexpected {}", describe(tokens.peek()))),
        }
    }
    table.chains.push(chain);
    Ok(())
}

/// The values of an expression: one, a set in braces, a named set, a definition.
fn values(tokens: &[String], defines: &[(String, Vec<String>)], sets: &[(String, Vec<String>, String)]) -> Parsed<Vec<String>> {
    let mut out = Vec::new();
    for token in tokens.iter().filter(|t| !matches!(t.as_str(), "{" | "}" | ",")) {
        if let Some(name) = token.strip_prefix('$') {
            let (_, found) = defines
                .iter()
                .find(|(n, _)| n == name)
                .ok_or_else(|| format!("unknown identifier '{name}'"))?;
            out.extend(found.clone());
        } else if let Some(name) = token.strip_prefix('@') {
            let (_, found, _) = sets.iter().find(|(n, ..)| n == name).ok_or("No such file or directory")?;
            out.extend(found.clone());
        } else {
            out.push(token.clone());
        }
    }
    Ok(out)
}

fn port(text: &str) -> Parsed<u16> {
    let known = [("ssh", 22), ("http", 80), ("https", 443), ("domain", 53)];
    known
        .iter()
        .find(|(n, _)| *n == text)
        .map(|(_, p)| *p)
        .or_else(|| text.parse().ok())
        .ok_or_else(|| format!("Could not resolve service: {text}"))
}

fn rule(tokens: &[String], sets: &[(String, Vec<String>, String)], defines: &[(String, Vec<String>)]) -> Parsed<Rule> {
    let mut matches = Vec::new();
    let mut verdict = None;
    let mut at = 0;
    // The operand after `at`: a set in braces, or one token.
    let operand = |at: &mut usize| -> Parsed<Vec<String>> {
        if matches!(tokens.get(*at).map(String::as_str), Some("==")) {
            *at += 1;
        }
        let start = *at;
        if tokens.get(start).map(String::as_str) == Some("{") {
            while tokens.get(*at).is_some_and(|t| t != "}") {
                *at += 1;
            }
        } else {
            while tokens.get(*at + 1).map(String::as_str) == Some(",") {
                *at += 2;
            }
        }
        *at += 1;
        values(tokens.get(start..*at).unwrap_or_default(), defines, sets)
    };
    while at < tokens.len() {
        let (one, two) = (tokens[at].as_str(), tokens.get(at + 1).map_or("", String::as_str));
        match (one, two) {
            ("accept", _) => verdict = Some(Verdict::Accept),
            ("drop", _) => verdict = Some(Verdict::Drop),
            ("reject", _) => {
                verdict = Some(Verdict::Reject);
                at = tokens.len();
            }
            ("counter", _) => {}
            ("log", _) | ("limit", _) => {
                // What they take up to the verdict does not decide anything here.
                while at + 1 < tokens.len() && !matches!(tokens[at + 1].as_str(), "accept" | "drop" | "reject" | "counter") {
                    at += 1;
                }
            }
            ("comment", _) => at += 1,
            ("iif" | "iifname", _) => {
                at += 1;
                let name = operand(&mut at)?;
                matches.push(Match::Interface(name.join("").trim_matches('"').to_owned()));
                continue;
            }
            ("ct", "state") => {
                at += 2;
                let states = operand(&mut at)?;
                if !states.iter().any(|s| s == "new") {
                    matches.push(if states.iter().any(|s| s == "established") {
                        Match::Established
                    } else {
                        Match::Never
                    });
                }
                continue;
            }
            ("tcp", "dport") | ("th", "dport") => {
                at += 2;
                let mut ranges = Vec::new();
                for value in operand(&mut at)? {
                    let (low, high) = value.split_once('-').unwrap_or((&value, &value));
                    ranges.push((port(low)?, port(high)?));
                }
                matches.push(Match::Tcp(ranges));
                continue;
            }
            ("udp", "dport" | "sport") | ("icmp" | "icmpv6", "type") => {
                at += 2;
                operand(&mut at)?;
                matches.push(Match::NotTcp);
                continue;
            }
            ("ip" | "ip6", "saddr") => {
                at += 2;
                let mut nets = Vec::new();
                for value in operand(&mut at)? {
                    let net = value
                        .parse::<IpNet>()
                        .ok()
                        .or_else(|| value.parse::<IpAddr>().ok().map(IpNet::from));
                    let net = net.ok_or_else(|| format!("Could not resolve hostname: {value}"))?;
                    if matches!(net, IpNet::V4(_)) != (one == "ip") {
                        return Err(format!(
                            "Could not resolve hostname: Address family for hostname not supported: {value}"
                        ));
                    }
                    nets.push(net);
                }
                matches.push(Match::Source(nets));
                continue;
            }
            ("meta", "l4proto") | ("ip", "protocol") | ("ip6", "nexthdr") => {
                at += 2;
                let protocols = operand(&mut at)?;
                if !protocols.iter().any(|p| p == "tcp" || p == "6") {
                    matches.push(Match::NotTcp);
                }
                continue;
            }
            ("fib", _) => {
                matches.push(Match::Never);
                while at + 1 < tokens.len() && !matches!(tokens[at + 1].as_str(), "accept" | "drop" | "reject") {
                    at += 1;
                }
            }
            (other, _) => return Err(format!("syntax error, unexpected {other}")),
        }
        at += 1;
    }
    Ok(Rule {
        text: render(tokens),
        matches,
        verdict,
    })
}
