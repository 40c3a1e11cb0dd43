//! Lists that come in pages. Each service says in its own way where the next page is; all of them may say it for ever, so what was seen
//! once ends the walk.

use crate::api::{Call, Reply, Service, Session};
use crate::errors::garbage;
use bootmachine_sdk::{Error, ErrorKind};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// More pages than any list has.
const MOST_PAGES: usize = 1000;

/// How often a list that changes while it is read is begun.
const MOST_WALKS: usize = 3;

/// How a walk over the pages ended.
enum Walk {
    Whole(Vec<Value>),
    /// The next page begins after something that is gone.
    Broken(Error),
}

/// A list: which service, the path of its first page, and the key of the list in the answer.
#[derive(Debug, Clone)]
pub struct List {
    service: Service,
    path: String,
    key: &'static str,
}

impl List {
    /// See `List`.
    pub fn new(service: Service, path: impl Into<String>, key: &'static str) -> Self {
        Self {
            service,
            path: path.into(),
            key,
        }
    }

    /// The request for the first page, for a batch with others.
    pub fn first(&self) -> Call {
        Call::get(self.service, self.path.clone())
    }

    /// All items.
    pub fn all<T: DeserializeOwned>(&self, session: &mut Session) -> Result<Vec<T>, Error> {
        let first = session.call(self.first())?;
        self.rest(session, first)
    }

    /// All items, of which the first page is here already.
    pub fn rest<T: DeserializeOwned>(&self, session: &mut Session, first: Reply) -> Result<Vec<T>, Error> {
        let request = first.request.clone();
        let items = self.values(session, first)?.into_iter().enumerate();
        let read =
            |(index, item)| serde_json::from_value(item).map_err(|cause| garbage(&request, format!("`{}[{index}]`: {cause}", self.key)));
        items.map(read).collect()
    }

    /// The same, unread. Where the thing that a page was to begin after is gone meanwhile, the list is walked anew.
    fn values(&self, session: &mut Session, first: Reply) -> Result<Vec<Value>, Error> {
        let mut first = first;
        for _ in 1..MOST_WALKS {
            match self.walk(session, first)? {
                Walk::Whole(items) => return Ok(items),
                Walk::Broken(_) => first = session.call(self.first())?,
            }
        }
        match self.walk(session, first)? {
            Walk::Whole(items) => Ok(items),
            Walk::Broken(cause) => Err(cause),
        }
    }

    fn walk(&self, session: &mut Session, first: Reply) -> Result<Walk, Error> {
        let mut items = Vec::new();
        let mut seen = vec![self.path.clone()];
        let mut reply = first;
        loop {
            let mut body: Value = reply.json()?;
            let Some(Value::Array(page)) = body.get_mut(self.key).map(Value::take) else {
                return Err(garbage(&reply.request, format!("missing list `{}`", self.key)));
            };
            let empty = page.is_empty();
            items.extend(page);
            let Some(path) = self
                .next(&body)
                .filter(|path| !empty && !seen.contains(path) && seen.len() < MOST_PAGES)
            else {
                return Ok(Walk::Whole(items));
            };
            reply = match session.call(Call::get(self.service, path.clone())) {
                Ok(reply) => reply,
                Err(cause) if matches!(cause.kind, ErrorKind::InvalidSetting | ErrorKind::NotFound) => {
                    return Ok(Walk::Broken(Error {
                        kind: ErrorKind::Unavailable,
                        ..cause
                    }));
                }
                Err(cause) => return Err(cause),
            };
            seen.push(path);
        }
    }

    /// Where the next page is: `KEY_links` with `rel` `next` (Nova, Neutron) or `next` (Glance). Only the query is taken from the link:
    /// clouds behind proxies write their inner address before it.
    fn next(&self, body: &Value) -> Option<String> {
        let links = body.get(format!("{}_links", self.key)).and_then(Value::as_array);
        let next = links
            .into_iter()
            .flatten()
            .find(|link| link["rel"] == "next")
            .and_then(|link| link["href"].as_str());
        let href = next.or_else(|| body["next"].as_str())?;
        let (_, query) = href.split_once('?')?;
        let path = self.path.split('?').next().unwrap_or_default();
        Some(format!("{path}?{query}"))
    }
}
