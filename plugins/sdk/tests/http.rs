//! Requests as a plugin builds them, and responses as it reads them.

use std::time::Duration;

use bootmachine_sdk::http::{self, Request, encode};
use bootmachine_sdk::serde_json::json;
use bootmachine_sdk::testing::{Service, json_response, response};
use bootmachine_sdk::{Error, ErrorKind};

#[test]
fn a_request_is_built_from_parts_that_need_escaping() -> Result<(), Error> {
    let request = Request::get("https://cloud.test/servers")
        .query("name", "web 1&2")
        .query("marker", "é")
        .header("x-a", "b");
    assert_eq!(request.url, "https://cloud.test/servers?name=web%201%262&marker=%C3%A9");
    let form = Request::post("https://cloud.test/").form(&[("grant_type", "a+b"), ("x", "=")]);
    assert_eq!(form.body.as_deref(), Some(&b"grant_type=a%2Bb&x=%3D"[..]));
    let body = Request::post("https://cloud.test/").json(&json!({ "b": 1, "a": "x" }))?;
    assert_eq!(body.body.as_deref(), Some(&br#"{"b":1,"a":"x"}"#[..]));
    assert_eq!(body.headers[0].value, "application/json");
    assert_eq!(encode("a/b~c"), "a%2Fb~c");
    Ok(())
}

#[test]
fn a_refusal_becomes_an_error_in_the_services_own_words() {
    let cases = [
        (
            400,
            json!({ "badRequest": { "code": 400, "message": "Invalid imageRef provided." } }),
            ErrorKind::Failed,
            "Invalid imageRef provided (HTTP 400)",
        ),
        (
            401,
            json!({ "error": { "code": 401, "message": "Wrong password.", "title": "Unauthorized" } }),
            ErrorKind::Unauthenticated,
            "Wrong password (HTTP 401)",
        ),
        (
            403,
            json!({ "NeutronError": { "type": "X", "message": "no", "detail": "" } }),
            ErrorKind::PermissionDenied,
            "no (HTTP 403)",
        ),
        (
            409,
            json!({ "errors": [{ "detail": "taken" }] }),
            ErrorKind::AlreadyExists,
            "taken (HTTP 409)",
        ),
        (503, json!({}), ErrorKind::Unavailable, "the service answered HTTP 503"),
        (501, json!([]), ErrorKind::Unsupported, "the service answered HTTP 501"),
    ];
    for (status, body, kind, message) in cases {
        let error = json_response(status, &body).to_error();
        assert_eq!((error.kind, error.message.as_str()), (kind, message));
    }
    let html = response(502, "<html><body>Bad Gateway</body></html>").with_header("content-type", "text/html; charset=utf-8");
    assert_eq!(html.to_error().message, "the service answered HTTP 502");
    assert_eq!(response(404, "\n no such page\nmore").to_error().message, "no such page (HTTP 404)");
    let busy = response(429, "slow down").with_header("Retry-After", "7").to_error();
    assert_eq!((busy.kind, busy.retry_after_ms), (ErrorKind::RateLimited, Some(7000)));
    let doing = response(404, "gone").success_or("reading the image");
    assert_eq!(doing, Err(Error::not_found("reading the image: gone (HTTP 404)")));
}

#[test]
fn pages_are_read_to_the_end_and_no_further() {
    let page = |items: serde_json::Value, next: Option<&str>| json_response(200, &json!({ "items": items, "next": next }));
    let read = |response: http::Response| {
        #[derive(serde::Deserialize)]
        struct Page {
            items: Vec<u32>,
            next: Option<String>,
        }
        let page: Page = response.json()?;
        Ok((page.items, page.next.map(Request::get)))
    };
    let service = Service::scripted([
        ("GET https://cloud.test/1", page(json!([1, 2]), Some("https://cloud.test/2"))),
        ("GET https://cloud.test/2", page(json!([3]), None)),
    ]);
    assert_eq!(http::pages(Request::get("https://cloud.test/1"), read), Ok(vec![1, 2, 3]));
    service.finish();

    let service = Service::new(move |_| Ok(page(json!([1]), Some("https://cloud.test/1"))));
    let error = http::pages(Request::get("https://cloud.test/1"), read);
    assert_eq!(
        error,
        Err(Error::failed("the page https://cloud.test/1 names itself as the next one"))
    );
    assert_eq!(service.transcript().lines().count(), 2);
}

#[test]
fn answers_come_in_the_order_of_the_requests() {
    let _service = Service::new(|request| match request.url.rsplit('/').next() {
        Some("b") => Err(Error::unavailable("connection refused").retry_after(Duration::from_millis(5))),
        last => Ok(response(200, last.unwrap_or_default())),
    });
    let answers = http::send_all(
        ["a", "b", "c"]
            .map(|name| Request::get(format!("https://cloud.test/{name}")))
            .into(),
    );
    let texts: Vec<_> = answers.into_iter().map(|answer| answer.map(|response| response.text())).collect();
    assert_eq!(texts[0], Ok("a".to_owned()));
    assert_eq!(texts[1].as_ref().map_err(|error| error.retry_after_ms), Err(Some(5)));
    assert_eq!(texts[2], Ok("c".to_owned()));
}

#[test]
fn without_a_service_a_request_fails_and_says_so() {
    let error = Request::get("https://cloud.test/").send();
    assert_eq!(
        error,
        Err(Error::permission_denied(
            "the test plays no service that answers https://cloud.test/"
        ))
    );
}
