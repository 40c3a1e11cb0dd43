//! A service that a test plays.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use crate::http::{Header, Method, Request, Response};
use crate::{Error, Result};

type Handler = Box<dyn FnMut(&Request) -> Result<Response>>;

thread_local! {
    static CURRENT: RefCell<Option<(Rc<RefCell<Handler>>, Rc<RefCell<String>>)>> = const { RefCell::new(None) };
}

pub(crate) fn answer(request: &Request) -> Result<Response> {
    let Some((handler, transcript)) = CURRENT.with_borrow(Clone::clone) else {
        return Err(Error::permission_denied(format!(
            "the test plays no service that answers {}",
            request.url
        )));
    };
    let result = (handler.borrow_mut())(request);
    write_exchange(&mut transcript.borrow_mut(), request, &result);
    result
}

/// A service that a test plays, for as long as it lives: what `http::send` reaches in this thread.
///
/// ```
/// use bootmachine_sdk::http::Request;
/// use bootmachine_sdk::testing::{Service, json_response};
/// use bootmachine_sdk::serde_json::json;
///
/// let service = Service::scripted([("GET https://cloud.test/servers", json_response(200, &json!({ "servers": [] })))]);
/// Request::get("https://cloud.test/servers").send()?;
/// assert_eq!(service.finish(), "GET https://cloud.test/servers\n-> 200 {\"servers\":[]}\n");
/// # Ok::<(), bootmachine_sdk::Error>(())
/// ```
#[derive(Debug)]
pub struct Service {
    transcript: Rc<RefCell<String>>,
    left: Rc<RefCell<Vec<String>>>,
}

impl Service {
    /// A service that answers by this function.
    pub fn new(handler: impl FnMut(&Request) -> Result<Response> + 'static) -> Self {
        Self::install(Box::new(handler), Rc::default())
    }

    /// A service that expects these requests (method and URL), in this order, and nothing else.
    pub fn scripted<I>(script: I) -> Self
    where
        I: IntoIterator<Item: Into<(&'static str, Response)>>,
    {
        let script: Vec<(&'static str, Response)> = script.into_iter().map(Into::into).collect();
        let left = Rc::new(RefCell::new(script.iter().map(|(line, _)| (*line).to_owned()).collect::<Vec<_>>()));
        let mut answers = script.into_iter();
        let remaining = Rc::clone(&left);
        let handler = move |request: &Request| {
            let line = format!("{} {}", method_name(request.method), request.url);
            match answers.next() {
                Some((expected, response)) => {
                    assert_eq!(line, expected, "the plugin sent another request than the script expects");
                    remaining.borrow_mut().remove(0);
                    Ok(response)
                }
                None => panic!("the plugin sent `{line}` after the end of the script"),
            }
        };
        Self::install(Box::new(handler), left)
    }

    fn install(handler: Handler, left: Rc<RefCell<Vec<String>>>) -> Self {
        let transcript = Rc::new(RefCell::new(String::new()));
        CURRENT.set(Some((Rc::new(RefCell::new(handler)), Rc::clone(&transcript))));
        Self { transcript, left }
    }

    /// Requests and responses so far, a line for each: `POST https://… {"body": …}` and `-> 202 {"body": …}`.
    pub fn transcript(&self) -> String {
        self.transcript.borrow().clone()
    }

    /// The whole transcript. Panics where the script expected more requests.
    pub fn finish(self) -> String {
        let left = self.left.borrow();
        assert!(left.is_empty(), "the plugin never sent: {left:#?}");
        self.transcript()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        CURRENT.take();
    }
}

/// A response with a plain body.
pub fn response(status: u16, body: &str) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
    }
}

/// A response with a JSON body.
pub fn json_response(status: u16, body: &serde_json::Value) -> Response {
    response(status, &body.to_string()).with_header("content-type", "application/json")
}

impl Response {
    /// Adds a header field, for tests that play a service.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(Header {
            name: name.to_ascii_lowercase(),
            value: value.to_owned(),
        });
        self
    }
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}

fn write_exchange(transcript: &mut String, request: &Request, result: &Result<Response>) {
    let body = |body: &[u8]| {
        if body.is_empty() {
            String::new()
        } else {
            format!(" {}", String::from_utf8_lossy(body))
        }
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        transcript,
        "{} {}{}",
        method_name(request.method),
        request.url,
        body(request.body.as_deref().unwrap_or_default())
    );
    let _ = match result {
        Ok(response) => writeln!(transcript, "-> {}{}", response.status, body(&response.body)),
        Err(error) => writeln!(transcript, "-> {:?}: {}", error.kind, error.message),
    };
}
