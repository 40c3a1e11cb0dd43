//! Breaking the cloud on purpose: rules that name the requests, or the servers, that something is to happen to, how often, and what.
//! Every rule counts what it matched and what it did, so that a test can assert both.

use std::collections::BTreeMap;

use regex::Regex;
use serde::{Deserialize, Serialize};

/// What happens to a request that a rule matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// It is not carried out; this is the answer. Without a body the service's own words for the status.
    Answer {
        /// HTTP status.
        status: u16,
        /// Headers of the answer, such as `Retry-After`.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body, sent as it is.
        #[serde(default)]
        body: Option<String>,
    },
    /// It is carried out, and this is the answer all the same: the server was made, and nobody was told.
    AnswerAfter {
        /// HTTP status.
        status: u16,
        /// Headers of the answer.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body, sent as it is.
        #[serde(default)]
        body: Option<String>,
    },
    /// It waits this long, and then takes its course.
    Delay {
        /// In real time.
        millis: u64,
    },
    /// The connection is closed before it is carried out.
    Drop,
    /// It is carried out, and the connection closed instead of an answer.
    DropAfter,
    /// It is carried out, and the answer's body is no JSON.
    Garbage,
    /// It is carried out, and the connection closed after half of the answer's body.
    Truncate,
    /// The token that it carries is revoked before it is looked at.
    Revoke,
    /// It is not carried out; the answer is what was received, as JSON: method, path, query, headers, body.
    Echo,
}

/// Which requests, how often, and what happens to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// `GET`, `POST`, …; any without.
    #[serde(default)]
    pub method: Option<String>,
    /// A regular expression that is searched for in the path with its query, as it was sent.
    pub path: String,
    /// How many matching requests are let through first.
    #[serde(default)]
    pub after: u64,
    /// To how many matching requests it happens; for ever without.
    #[serde(default)]
    pub times: Option<u64>,
    /// What happens.
    pub effect: Effect,
}

impl Rule {
    /// To every request of this method whose path matches.
    pub fn new(method: &str, path: &str, effect: Effect) -> Self {
        Self {
            method: Some(method.to_owned()),
            path: path.to_owned(),
            after: 0,
            times: None,
            effect,
        }
    }

    /// Lets the first `count` through.
    #[must_use]
    pub fn after(mut self, count: u64) -> Self {
        self.after = count;
        self
    }

    /// Ends after it happened `count` times.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }
}

/// What becomes of a server that a rule matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum ServerEffect {
    /// It stays in `BUILD` for ever.
    StayInBuild,
    /// It goes to `ERROR` instead of `ACTIVE`.
    Error {
        /// `fault.message`, such as `No valid host was found. `.
        message: String,
        /// `fault.code`.
        #[serde(default = "internal_error")]
        code: u16,
    },
    /// It becomes `ACTIVE` without any address.
    NoAddress,
    /// It becomes `ACTIVE`, and nothing ever answers there.
    Silent,
    /// It is made, and then refuses to be deleted: the request is accepted and it goes to `ERROR`.
    Undeletable,
}

fn internal_error() -> u16 {
    500
}

/// Which new servers, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServerRule {
    /// A regular expression that is searched for in the server's name.
    pub name: String,
    /// How many matching servers are spared first.
    #[serde(default)]
    pub after: u64,
    /// How many servers it happens to; all without.
    #[serde(default)]
    pub times: Option<u64>,
    /// What becomes of them.
    pub effect: ServerEffect,
}

/// A rule that is in force, and what it has done.
#[derive(Debug, Clone)]
struct Armed<R> {
    id: u64,
    pattern: Regex,
    rule: R,
    matched: u64,
    done: u64,
}

/// What a rule has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Requests or servers that the rule's pattern matched.
    pub matched: u64,
    /// Those that something happened to.
    pub done: u64,
}

/// All rules in force.
#[derive(Debug, Default)]
pub struct Faults {
    last: u64,
    requests: Vec<Armed<Rule>>,
    servers: Vec<Armed<ServerRule>>,
}

impl Faults {
    /// Puts a rule in force, after those that are; its number is for [`Self::tally`]. A pattern that is no regular expression is an error.
    pub fn add(&mut self, rule: Rule) -> Result<u64, regex::Error> {
        let pattern = Regex::new(&rule.path)?;
        self.last += 1;
        self.requests.push(Armed {
            id: self.last,
            pattern,
            rule,
            matched: 0,
            done: 0,
        });
        Ok(self.last)
    }

    /// Puts a rule about servers in force.
    pub fn add_server(&mut self, rule: ServerRule) -> Result<u64, regex::Error> {
        let pattern = Regex::new(&rule.name)?;
        self.last += 1;
        self.servers.push(Armed {
            id: self.last,
            pattern,
            rule,
            matched: 0,
            done: 0,
        });
        Ok(self.last)
    }

    /// What the rule has done so far; none if it was taken away.
    pub fn tally(&self, id: u64) -> Option<Tally> {
        let of_request = self.requests.iter().find(|a| a.id == id).map(|a| Tally {
            matched: a.matched,
            done: a.done,
        });
        of_request.or_else(|| {
            self.servers.iter().find(|a| a.id == id).map(|a| Tally {
                matched: a.matched,
                done: a.done,
            })
        })
    }

    /// Takes a rule out of force. Whether there was one.
    pub fn remove(&mut self, id: u64) -> bool {
        let before = self.requests.len() + self.servers.len();
        self.requests.retain(|a| a.id != id);
        self.servers.retain(|a| a.id != id);
        before != self.requests.len() + self.servers.len()
    }

    /// Takes all rules out of force.
    pub fn clear(&mut self) {
        self.requests.clear();
        self.servers.clear();
    }

    /// The rules about requests, with their numbers and tallies.
    pub fn rules(&self) -> Vec<(u64, Rule, Tally)> {
        self.requests
            .iter()
            .map(|a| {
                (
                    a.id,
                    a.rule.clone(),
                    Tally {
                        matched: a.matched,
                        done: a.done,
                    },
                )
            })
            .collect()
    }

    /// The rules about servers, with their numbers and tallies.
    pub fn server_rules(&self) -> Vec<(u64, ServerRule, Tally)> {
        self.servers
            .iter()
            .map(|a| {
                (
                    a.id,
                    a.rule.clone(),
                    Tally {
                        matched: a.matched,
                        done: a.done,
                    },
                )
            })
            .collect()
    }

    /// What happens to this request. Delays add up; of everything else the first rule wins, and later rules do not see the request.
    pub fn of_request(&mut self, method: &str, path_and_query: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for armed in &mut self.requests {
            let rule = &armed.rule;
            if rule.method.as_deref().is_some_and(|m| !m.eq_ignore_ascii_case(method)) || !armed.pattern.is_match(path_and_query) {
                continue;
            }
            armed.matched += 1;
            if armed.matched <= rule.after || rule.times.is_some_and(|times| armed.done >= times) {
                continue;
            }
            armed.done += 1;
            let passes_on = matches!(rule.effect, Effect::Delay { .. } | Effect::Revoke);
            effects.push(rule.effect.clone());
            if !passes_on {
                break;
            }
        }
        effects
    }

    /// What becomes of this new server.
    pub fn of_server(&mut self, name: &str) -> Option<ServerEffect> {
        for armed in &mut self.servers {
            if !armed.pattern.is_match(name) {
                continue;
            }
            armed.matched += 1;
            if armed.matched <= armed.rule.after || armed.rule.times.is_some_and(|times| armed.done >= times) {
                continue;
            }
            armed.done += 1;
            return Some(armed.rule.effect.clone());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_skips_and_ends_exactly() {
        let mut faults = Faults::default();
        let id = faults.add(Rule::new("POST", "/servers$", Effect::Drop).after(1).times(2)).unwrap();
        let hit = |faults: &mut Faults| !faults.of_request("POST", "/compute/v2.1/servers").is_empty();
        assert_eq!(
            [hit(&mut faults), hit(&mut faults), hit(&mut faults), hit(&mut faults)],
            [false, true, true, false]
        );
        assert!(faults.of_request("GET", "/compute/v2.1/servers").is_empty(), "another method");
        assert_eq!(faults.tally(id), Some(Tally { matched: 4, done: 2 }));
        assert!(faults.remove(id) && faults.tally(id).is_none());
    }

    #[test]
    fn the_first_rule_wins_and_delays_add_up() {
        let mut faults = Faults::default();
        faults.add(Rule::new("GET", "x", Effect::Delay { millis: 1 })).unwrap();
        faults.add(Rule::new("GET", "x", Effect::Drop)).unwrap();
        let unseen = faults.add(Rule::new("GET", "x", Effect::Garbage)).unwrap();
        assert_eq!(faults.of_request("GET", "/x"), [Effect::Delay { millis: 1 }, Effect::Drop]);
        assert_eq!(faults.tally(unseen), Some(Tally { matched: 0, done: 0 }));
    }
}
