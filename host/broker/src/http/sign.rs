//! What the host adds to a request as it leaves: AWS Signature Version 4, and the Basic scheme.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use url::Url;
use zeroize::Zeroizing;

use crate::{BrokerError, ErrorKind};

/// Everything that a signature needs beside the request, values in place of references.
pub(super) struct Signer {
    pub(super) credentials: Credentials,
    pub(super) region: String,
    pub(super) service: String,
}

impl Signer {
    /// Adds the headers of the signature. What there was of them is replaced.
    pub(super) fn sign(
        &self,
        method: &http::Method,
        url: &Url,
        headers: &mut HeaderMap,
        body: &[u8],
        time: SystemTime,
    ) -> Result<(), BrokerError> {
        let fail = |error: &dyn std::fmt::Display| BrokerError::new(ErrorKind::Failed, format!("the request can not be signed: {error}"));
        for name in [AUTHORIZATION.as_str(), "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"] {
            headers.remove(name);
        }
        let mut settings = SigningSettings::default();
        if self.service == "s3" {
            // The one service whose rules differ: paths are signed as they are, and the body's digest is sent along.
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(time)
            .settings(settings)
            .build()
            .map_err(|error| fail(&error))?
            .into();
        let mut texts = Vec::with_capacity(headers.len());
        for (name, value) in &*headers {
            let value = value
                .to_str()
                .map_err(|_| fail(&format_args!("the value of the header `{name}` is not ASCII")))?;
            texts.push((name.as_str(), value));
        }
        let request = SignableRequest::new(method.as_str(), url.as_str(), texts.into_iter(), SignableBody::Bytes(body))
            .map_err(|error| fail(&error))?;
        // The signer traces whole requests, secrets included.
        let signed = tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || sign(request, &parameters));
        let (instructions, _) = signed.map_err(|error| fail(&error))?.into_parts();
        let (signature, _) = instructions.into_parts();
        for header in signature {
            let mut value = HeaderValue::from_str(header.value()).map_err(|error| fail(&error))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(header.name()), value);
        }
        Ok(())
    }
}

/// The header `Authorization` of the Basic scheme (RFC 7617), in UTF-8.
pub(super) fn basic(user_name: &str, password: &str) -> Result<HeaderValue, BrokerError> {
    let invalid = |message: &str| BrokerError::new(ErrorKind::InvalidSetting, message);
    if user_name.contains(':') {
        return Err(invalid("a user name of the Basic scheme can not contain a colon"));
    }
    if user_name.chars().chain(password.chars()).any(char::is_control) {
        return Err(invalid("a user name or password of the Basic scheme contains control characters")
            .with_hint("look for a line end at the end of the value"));
    }
    let pair = Zeroizing::new(format!("{user_name}:{password}"));
    let header = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value =
        HeaderValue::from_str(&header).map_err(|_| invalid("the Basic scheme makes no header of this user name and password"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7617, sections 2 and 2.1.
    #[test]
    fn the_basic_scheme_is_as_its_examples_say() {
        for (user_name, password, header) in [
            ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("test", "123\u{a3}", "Basic dGVzdDoxMjPCow=="),
            ("", ":", "Basic Ojo="),
        ] {
            assert_eq!(basic(user_name, password).expect("a header"), header);
        }
        for (user_name, password) in [("a:b", "c"), ("a", "b\n"), ("a\u{7f}", "b")] {
            assert_eq!(basic(user_name, password).expect_err(user_name).kind, ErrorKind::InvalidSetting);
        }
    }

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second)
    }

    fn signer(service: &str) -> Signer {
        let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "test");
        Signer {
            credentials,
            region: "us-east-1".into(),
            service: service.into(),
        }
    }

    fn authorization(headers: &HeaderMap) -> &str {
        headers.get(AUTHORIZATION).expect("signed").to_str().expect("ASCII")
    }

    /// `get-vanilla` of the AWS Signature Version 4 test suite.
    #[test]
    fn signs_the_plain_example() {
        let mut headers = HeaderMap::new();
        let url = Url::parse("https://example.amazonaws.com/").expect("a URL");
        signer("service")
            .sign(&http::Method::GET, &url, &mut headers, b"", at(1_440_938_160))
            .expect("signed");
        assert_eq!(
            authorization(&headers),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        assert_eq!(headers.get("x-amz-date").expect("dated"), "20150830T123600Z");
    }

    /// The worked example of "Signing AWS API requests": `ListUsers` of IAM.
    #[test]
    fn signs_the_documented_example() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "content-type",
            HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"),
        );
        headers.insert(AUTHORIZATION, HeaderValue::from_static("what the plugin made up"));
        let url = Url::parse("https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08").expect("a URL");
        signer("iam")
            .sign(&http::Method::GET, &url, &mut headers, b"", at(1_440_938_160))
            .expect("signed");
        assert_eq!(
            authorization(&headers),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }
}
