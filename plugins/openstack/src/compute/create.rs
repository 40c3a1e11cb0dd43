//! Making servers: one batch for all that could be drawn.

use crate::api::{Reply, Session, unanswered};
use crate::compute::blueprint::{self, Blueprint, Purpose};
use bootmachine_sdk::{Error, ErrorKind, Server, ServerSpec, ServerState};
use serde::Deserialize;

#[derive(Deserialize)]
struct Created {
    id: String,
}

/// Whether these could be made.
pub fn check(session: &mut Session, specs: &[ServerSpec]) -> Result<Vec<Result<(), Error>>, Error> {
    Ok(blueprint::draw(session, specs, Purpose::Check)?
        .into_iter()
        .map(|drawn| drawn.map(|_| ()))
        .collect())
}

/// Makes them.
pub fn create(session: &mut Session, specs: &[ServerSpec]) -> Result<Vec<Result<Server, Error>>, Error> {
    let drawn = blueprint::draw(session, specs, Purpose::Create)?;
    let calls = drawn.iter().flatten().map(blueprint::call).collect();
    let mut replies = session.call_all(calls).into_iter();
    let answers = specs.iter().zip(drawn).map(|(spec, drawn)| {
        let drawn = drawn?;
        let reply = replies.next().unwrap_or_else(|| Err(unanswered()))?;
        accepted(spec, drawn, reply)
    });
    Ok(answers.collect())
}

fn accepted(spec: &ServerSpec, drawn: Blueprint, reply: Reply) -> Result<Server, Error> {
    let reply = reply.success()?;
    // Something was made, whatever the answer looks like: the host is to look what is there.
    let created: Created = reply.member("server").map_err(|cause| Error {
        kind: ErrorKind::Unavailable,
        ..cause
    })?;
    Ok(Server {
        id: created.id,
        name: spec.name.clone(),
        state: ServerState::Pending,
        detail: "BUILD".to_owned(),
        addresses: Vec::new(),
        image: Some(drawn.image),
        size: Some(drawn.size),
        labels: spec.labels.clone(),
        host_keys: Vec::new(),
        adopted: false,
    })
}
