//! Lists that a service hands out in pages.

use super::{Request, Response};
use crate::{Error, Result};

/// More pages than any list has that is worth having: the guard against a service whose last page names a next one.
const MAX_PAGES: usize = 1000;

/// Everything that a list holds. `read` takes the items out of a page and makes the request for the next one, if there is one.
pub fn pages<T>(first: Request, mut read: impl FnMut(Response) -> Result<(Vec<T>, Option<Request>)>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    let mut next = Some(first);
    for _ in 0..MAX_PAGES {
        let Some(request) = next else { return Ok(all) };
        let url = request.url.clone();
        let (items, following) = read(request.send()?)?;
        all.extend(items);
        next = following;
        if next.as_ref().is_some_and(|request| request.url == url) {
            return Err(Error::failed(format!("the page {url} names itself as the next one")));
        }
    }
    Err(Error::failed(format!("the list has more than {MAX_PAGES} pages")))
}
