//! Programs that look at or use the network.

use super::{has, options_with, value};
use crate::machine::Refusal;
use crate::machine::process::{Exec, lock};

pub(super) fn find(name: &str) -> Option<fn(&mut Exec) -> i32> {
    Some(match name {
        "curl" => curl,
        "ss" => |ctx| {
            ctx.outln("State  Recv-Q Send-Q Local Address:Port Peer Address:Port");
            let ports = ctx.system().sshd.as_ref().map(|s| s.ports.clone()).unwrap_or_default();
            for port in ports {
                ctx.outln(format!("LISTEN 0      128          0.0.0.0:{port}      0.0.0.0:*"));
                ctx.outln(format!("LISTEN 0      128             [::]:{port}         [::]:*"));
            }
            0
        },
        _ => return None,
    })
}

/// Options of curl that take a value.
const CURL_VALUED: &[&str] = &[
    "--output",
    "--retry",
    "--retry-delay",
    "--retry-max-time",
    "--max-time",
    "--connect-timeout",
    "--proto",
    "--header",
    "--user-agent",
    "--write-out",
    "--data",
    "--request",
    "--user",
    "--cacert",
];

fn curl(ctx: &mut Exec) -> i32 {
    let (flags, rest) = options_with(&ctx.args(), "omHAuwdX", CURL_VALUED);
    let Some(url) = rest.first().cloned() else {
        ctx.errln("curl: (2) no URL specified\ncurl: try 'curl --help' or 'curl --manual' for more information");
        return 2;
    };
    if has(&flags, &["d", "--data", "X", "--request", "w", "--write-out"]) {
        return ctx.fail(2, "sending data and --write-out are not modelled");
    }
    // Silent means without messages, too, unless they are asked for.
    let quiet = has(&flags, &["s", "--silent"]) && !has(&flags, &["S", "--show-error"]);
    let fail = |ctx: &mut Exec, status: i32, text: String| {
        if !quiet {
            ctx.errln(format!("curl: ({status}) {text}"));
        }
        status
    };
    let scheme = url.split_once("://").map_or("http", |(scheme, _)| scheme).to_owned();
    if let Some(allowed) = value(&flags, &["--proto"])
        && !allowed.trim_start_matches('=').split(',').any(|one| one == scheme)
    {
        return fail(ctx, 1, format!("Protocol \"{scheme}\" disabled"));
    }
    if !matches!(scheme.as_str(), "http" | "https") {
        return fail(ctx, 1, format!("Protocol \"{scheme}\" not supported"));
    }
    let Some(network) = ctx.machine.network() else { return 7 };
    let answer = lock(&network.internet).fetch(&url);
    let parsed = url::Url::parse(&url).ok();
    let host = parsed.as_ref().and_then(url::Url::host_str).unwrap_or_default().to_owned();
    let port = parsed.as_ref().and_then(url::Url::port_or_known_default).unwrap_or(443);
    let content = match answer {
        Ok(content) => content,
        Err(Refusal::Unresolved) => return fail(ctx, 6, format!("Could not resolve host: {host}")),
        Err(Refusal::Unreachable) => {
            return fail(
                ctx,
                7,
                format!("Failed to connect to {host} port {port} after 21 ms: Could not connect to server"),
            );
        }
        Err(Refusal::Status(code)) if has(&flags, &["f", "--fail"]) => {
            return fail(ctx, 22, format!("The requested URL returned error: {code}"));
        }
        Err(Refusal::Status(code)) => format!("<html><body>{code}</body></html>\n").into_bytes(),
    };
    let path = match value(&flags, &["o", "--output"]) {
        Some(path) => Some(path.to_owned()),
        None if has(&flags, &["O", "--remote-name"]) => Some(
            url.rsplit('/')
                .next()
                .unwrap_or_default()
                .split('?')
                .next()
                .unwrap_or_default()
                .to_owned(),
        ),
        None => None,
    };
    match path.filter(|path| path != "-") {
        Some(path) => match ctx.write_file(&path, content, 0o666) {
            Ok(()) => 0,
            Err(error) => {
                if !quiet {
                    ctx.errln(format!("Warning: Failed to open the file {path}: {error}"));
                }
                fail(ctx, 23, "Failure writing output to destination".into())
            }
        },
        None => {
            ctx.out(content);
            0
        }
    }
}
