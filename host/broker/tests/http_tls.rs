//! TLS: whom the broker takes for the server, who it is there, and what is said when it is somebody else. Proxies and sockets, too.

mod common;

use std::net::SocketAddr;
use std::sync::Arc;

use bootmachine_broker::ErrorKind;
use bootmachine_broker::http::{ClientIdentity, HttpOptions, ServerTrust, Tls};
use common::{Names, World, get, grants, options, world_over, world_with};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A certificate authority of the test's own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, both in PEM.
struct Leaf {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn issue(&self, name: &str) -> Leaf {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Leaf {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

fn self_signed(name: &str) -> Leaf {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .and_then(|params| params.self_signed(&key))
        .expect("a certificate");
    Leaf {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

/// Answers each request with `hello`, and the number of certificates that the client showed. `wanted` issued the clients' certificates.
async fn serve_tls(leaf: &Leaf, wanted: Option<&Authority>) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = match wanted {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM"))
                .expect("an authority");
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .expect("a verifier"),
            )
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).expect("PEM")];
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("PEM");
    let config = builder.with_single_cert(chain, key).expect("a key that fits");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let shown = stream.get_ref().1.peer_certificates().map_or(0, <[_]>::len);
                let service = hyper::service::service_fn(move |_| async move {
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(format!("hello {shown}")))
                });
                let stream = hyper_util::rt::TokioIo::new(stream);
                drop(hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await);
            });
        }
    });
    address
}

fn named(name: &str) -> HttpOptions {
    HttpOptions {
        resolver: Arc::new(Names::default().with(name, &["127.0.0.1"])),
        ..options()
    }
}

fn trusting(text: &str) -> Tls {
    Tls {
        server: Some(ServerTrust::parse(text).expect("certificates")),
        client: None,
    }
}

async fn answer(world: &World, address: SocketAddr) -> Result<String, (ErrorKind, String, Option<String>)> {
    let url = format!("https://cloud.test:{}/", address.port());
    match world.client.send(get(url)).await {
        Ok(response) => Ok(String::from_utf8_lossy(&response.body).into_owned()),
        Err(error) => Err((error.kind, error.message.replace(&address.port().to_string(), "PORT"), error.hint)),
    }
}

fn world(tls: Tls, options: HttpOptions) -> World {
    world_over(tls, options, grants(&["https://cloud.test:*"]), &[])
}

fn fingerprint(leaf: &Leaf) -> String {
    use sha2::Digest as _;
    let certificate = CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).expect("PEM");
    hex::encode(sha2::Sha256::digest(&certificate))
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let address = serve_tls(&self_signed("cloud.test"), None).await;
    let error = answer(&world(Tls::default(), named("cloud.test")), address)
        .await
        .expect_err("refused");
    insta::assert_debug_snapshot!(error, @r#"
    (
        Failed,
        "the TLS connection to https://cloud.test:PORT failed: its certificate was issued by nobody who is trusted here",
        Some(
            "if it is from a CA of your own, add that to the system's, or name its file in BOOTMACHINE_CA_FILE or in the plugin's setting for the server's certificate",
        ),
    )
    "#);
}

#[tokio::test]
async fn the_operators_own_authority_is_trusted_beside_the_systems() {
    let authority = Authority::new();
    let address = serve_tls(&authority.issue("cloud.test"), None).await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs_err::write(file.path(), authority.pem()).expect("written");
    let options = HttpOptions {
        ca_file: Some(file.path().to_owned()),
        ..named("cloud.test")
    };
    assert_eq!(answer(&world(Tls::default(), options), address).await, Ok("hello 0".into()));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let address = serve_tls(&authority.issue("elsewhere.test"), None).await;
    let error = answer(&world(trusting(&authority.pem()), named("cloud.test")), address)
        .await
        .expect_err("refused");
    insta::assert_debug_snapshot!(error, @r#"
    (
        Failed,
        "the TLS connection to https://cloud.test:PORT failed: certificate not valid for name \"cloud.test\"; certificate is only valid for DnsName(\"elsewhere.test\")",
        None,
    )
    "#);
}

#[tokio::test]
async fn the_named_certificate_is_taken_as_it_is_and_no_other() {
    let (leaf, other) = (self_signed("elsewhere.test"), self_signed("cloud.test"));
    let address = serve_tls(&leaf, None).await;
    let colons: Vec<String> = fingerprint(&leaf)
        .as_bytes()
        .chunks(2)
        .map(|pair| String::from_utf8_lossy(pair).to_uppercase())
        .collect();
    for right in [
        leaf.certificate.clone(),
        format!("sha256:{}", fingerprint(&leaf)),
        format!("sha256:{}", colons.join(":")),
        format!("{}{}", other.certificate, leaf.certificate),
    ] {
        assert_eq!(
            answer(&world(trusting(&right), named("cloud.test")), address).await,
            Ok("hello 0".into()),
            "{right}"
        );
    }
    for wrong in [other.certificate.clone(), format!("sha256:{}", fingerprint(&other))] {
        let (kind, message, hint) = answer(&world(trusting(&wrong), named("cloud.test")), address)
            .await
            .expect_err("refused");
        assert_eq!(kind, ErrorKind::Failed);
        assert_eq!(
            message,
            format!(
                "https://cloud.test:PORT is not the expected server: its certificate has the fingerprint sha256:{}, and another one is expected",
                fingerprint(&leaf)
            )
        );
        assert!(hint.is_some_and(|hint| hint.starts_with("compare the fingerprint on the server itself")));
    }
}

/// The system's authorities do not count where the operator named the server.
#[tokio::test]
async fn what_is_named_takes_the_place_of_all_authorities() {
    let (authority, other) = (Authority::new(), Authority::new());
    let address = serve_tls(&authority.issue("cloud.test"), None).await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs_err::write(file.path(), authority.pem()).expect("written");
    let options = || HttpOptions {
        ca_file: Some(file.path().to_owned()),
        ..named("cloud.test")
    };
    assert!(answer(&world(Tls::default(), options()), address).await.is_ok());
    assert!(answer(&world(trusting(&authority.pem()), options()), address).await.is_ok());
    let error = answer(&world(trusting(&other.pem()), options()), address)
        .await
        .expect_err("refused");
    assert!(
        error.1.starts_with("https://cloud.test:PORT is not the expected server"),
        "{}",
        error.1
    );
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_wanted() {
    let (clients, server) = (Authority::new(), self_signed("cloud.test"));
    let address = serve_tls(&server, Some(&clients)).await;
    let without = answer(&world(trusting(&server.certificate), named("cloud.test")), address)
        .await
        .expect_err("turned away");
    insta::assert_debug_snapshot!(without, @r#"
    (
        Unauthenticated,
        "https://cloud.test:PORT wants to see a client certificate",
        Some(
            "`bootmachine plugin show` says which settings of the plugin are for one",
        ),
    )
    "#);
    let leaf = clients.issue("operator");
    let with = Tls {
        client: Some(ClientIdentity::parse(&leaf.certificate, &leaf.key.clone().into()).expect("an identity")),
        ..trusting(&server.certificate)
    };
    assert_eq!(answer(&world(with, named("cloud.test")), address).await, Ok("hello 1".into()));
}

#[test]
fn certificates_and_keys_that_make_no_sense_are_told_apart() {
    let (one, other) = (self_signed("one"), self_signed("other"));
    let trust = |text: &str| ServerTrust::parse(text).expect_err("no certificate");
    let identity = |chain: &str, key: &str| ClientIdentity::parse(chain, &key.to_owned().into()).expect_err("no identity");
    let said = [
        trust("sha256:abcd"),
        trust("sha256:zz"),
        trust(""),
        trust("-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n"),
        trust(&one.key),
        identity(&one.certificate, &other.key),
        identity(&one.certificate, "nonsense"),
        identity(
            &one.certificate,
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        ),
        identity(&one.key, &one.key),
    ];
    insta::assert_debug_snapshot!(said, @r#"
    [
        "a SHA-256 fingerprint has 64 hexadecimal digits",
        "a SHA-256 fingerprint has 64 hexadecimal digits",
        "there is no certificate in PEM",
        "the PEM can not be read: base64 decode error: InvalidCharacter(37)",
        "there is no certificate in PEM",
        "the private key is not the certificate's",
        "there is no private key in PEM",
        "the private key has a passphrase, which can not be asked for here",
        "there is no certificate in PEM",
    ]
    "#);
}

/// A proxy that knows CONNECT (RFC 9110, section 9.3.6) and nothing else; counts the tunnels.
#[tokio::test]
async fn a_proxy_makes_a_tunnel_and_the_certificate_is_checked_through_it() {
    let leaf = self_signed("cloud.test");
    let address = serve_tls(&leaf, None).await;
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
    let proxy_address = proxy.local_addr().expect("bound");
    let (asked, mut heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = proxy.accept().await {
            let asked = asked.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = client.read_u8().await else { return };
                    head.push(byte);
                }
                let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
                drop(asked.send(line));
                let Ok(mut server) = tokio::net::TcpStream::connect(address).await else {
                    return;
                };
                drop(client.write_all(b"HTTP/1.1 200 tunnelled\r\n\r\n").await);
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    // The proxy resolves names: the broker's own resolver knows none.
    let options = HttpOptions {
        proxy: Some(format!("http://{proxy_address}").parse().expect("a URL")),
        resolver: Arc::new(Names::default()),
        ..options()
    };
    assert_eq!(
        answer(&world(trusting(&leaf.certificate), options), address).await,
        Ok("hello 0".into())
    );
    assert_eq!(heard.recv().await, Some(format!("CONNECT cloud.test:{} HTTP/1.1", address.port())));
}

#[cfg(unix)]
mod sockets {
    use super::*;

    fn serve_socket(path: &std::path::Path) {
        let listener = tokio::net::UnixListener::bind(path).expect("a socket");
        let router = axum::Router::new().fallback(|request: axum::extract::Request| async move {
            let host = request
                .headers()
                .get("host")
                .map(|host| host.to_str().unwrap_or_default().to_owned());
            format!("{} {} {}", request.method(), request.uri(), host.unwrap_or_default())
        });
        tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
    }

    #[tokio::test]
    async fn a_granted_socket_is_talked_to_and_no_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, other) = (directory.path().join("d.socket"), directory.path().join("other.socket"));
        serve_socket(&path);
        serve_socket(&other);
        let mut grants = bootmachine_broker::grants::Grants::new("cloudy", "providers.rack");
        for socket in [&path, &other] {
            grants.declare(common::pattern(&format!("unix:{}", socket.display())), "the daemon");
        }
        let origin = common::origin(&format!("unix:{}", path.display()));
        grants.grant(common::pattern(&origin.to_string())).expect("not too wide");
        let world = world_with(options(), grants, &[]);
        let answer = world
            .client
            .send(get(format!("{}/1.0/instances?recursion=2", origin.base_url())))
            .await
            .expect("an answer");
        assert_eq!(String::from_utf8_lossy(&answer.body), "GET /1.0/instances?recursion=2 localhost");

        let forbidden = common::origin(&format!("unix:{}", other.display()));
        let error = world
            .client
            .send(get(format!("{}/", forbidden.base_url())))
            .await
            .expect_err("denied");
        assert_eq!(error.kind, ErrorKind::PermissionDenied);
        assert_eq!(
            error.hint,
            Some(format!(
                "add allow = [\"unix:{}\"] to [providers.rack] in bootmachine.toml",
                other.display()
            ))
        );
        assert_eq!(
            world.audit()[0],
            format!("GET /1.0/instances unix:{} 200", path.display()),
            "the audit log names the socket"
        );
    }

    #[tokio::test]
    async fn a_socket_that_is_not_there_is_not_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("d.socket");
        let mut grants = grants(&[]);
        let pattern = common::pattern(&format!("unix:{}", path.display()));
        grants.declare(pattern.clone(), "the daemon");
        grants.grant(pattern).expect("not too wide");
        let world = world_with(options(), grants, &[]);
        let origin = common::origin(&format!("unix:{}", path.display()));
        let error = world.client.send(get(origin.base_url())).await.expect_err("not there");
        let said = error.message.replace(&path.display().to_string(), "SOCKET");
        insta::assert_debug_snapshot!((error.kind, said, error.hint), @r#"
        (
            NotFound,
            "unix:SOCKET can not be reached: no such file or directory (os error 2)",
            Some(
                "is the daemon installed and running, and is this its socket?",
            ),
        )
        "#);
        assert_eq!(world.audit().len(), 1, "one try");
    }
}
