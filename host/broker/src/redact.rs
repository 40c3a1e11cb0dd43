//! How URLs are written in messages and logs: without user information, query and fragment, where secrets hide.

use std::fmt;

use url::Url;

/// Displays a URL without user information, query and fragment.
#[derive(Clone, Copy, Debug)]
pub struct Redacted<'a>(pub &'a Url);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://", self.0.scheme())?;
        if let Some(host) = self.0.host_str() {
            formatter.write_str(host)?;
        }
        if let Some(port) = self.0.port() {
            write!(formatter, ":{port}")?;
        }
        formatter.write_str(self.0.path())
    }
}

/// The URL without user information, query and fragment.
pub fn without_query(url: &Url) -> String {
    Redacted(url).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origin_and_path_remain() {
        let url = Url::parse("https://user:word@[2001:db8::1]:8443/v3/a?token=x#y").expect("a URL");
        assert_eq!(without_query(&url), "https://[2001:db8::1]:8443/v3/a");
        let url = Url::parse("http://example.com/?q").expect("a URL");
        assert_eq!(without_query(&url), "http://example.com/");
    }
}
