//! Programs that look at or use the network.

use super::{has, options, value};
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
        "gpg" => gpg,
        _ => return None,
    })
}

fn curl(ctx: &mut Exec) -> i32 {
    let (flags, rest) = options(&ctx.args(), "omHAuw");
    let Some(url) = rest.first().cloned() else {
        return ctx.fail(2, "no URL specified");
    };
    let Some(network) = ctx.machine.network() else { return 7 };
    let answer = lock(&network.internet).fetch(&url);
    let host = url.split('/').nth(2).unwrap_or_default().to_owned();
    match answer {
        Ok(content) => match value(&flags, &["o", "--output"]) {
            Some(path) => {
                let path = path.to_owned();
                let written = ctx.write_file(&path, content, 0o666);
                written.map_or_else(|_| ctx.fail(23, "(23) Failure writing output to destination"), |()| 0)
            }
            None => {
                ctx.out(content);
                0
            }
        },
        Err(Refusal::Unresolved) => ctx.fail(6, format!("(6) Could not resolve host: {host}")),
        Err(Refusal::Unreachable) => ctx.fail(7, format!("(7) Failed to connect to {host} port 443")),
        Err(Refusal::Status(code)) if has(&flags, &["f", "--fail"]) => {
            ctx.fail(22, format!("(22) The requested URL returned error: {code}"))
        }
        Err(Refusal::Status(code)) => {
            ctx.outln(format!("<html><body>{code}</body></html>"));
            0
        }
    }
}

fn gpg(ctx: &mut Exec) -> i32 {
    use base64::Engine;
    let (flags, rest) = options(&ctx.args(), "o");
    if !has(&flags, &["--dearmor"]) {
        return ctx.fail(2, "only --dearmor is modelled");
    }
    // The output's name may follow its option or be attached to it.
    let mut operands = rest;
    let output = match value(&flags, &["o", "--output"]) {
        Some("") if !operands.is_empty() => Some(operands.remove(0)),
        Some(path) => Some(path.to_owned()),
        None => None,
    };
    let content = ctx.read_file(operands.first().map_or("-", String::as_str)).unwrap_or_default();
    let text = String::from_utf8_lossy(&content).into_owned();
    let body: String = text
        .lines()
        .skip_while(|l| !l.is_empty())
        .take_while(|l| !l.starts_with("-----END"))
        .filter(|l| !l.starts_with('='))
        .collect();
    let data = base64::engine::general_purpose::STANDARD
        .decode(body.trim())
        .ok()
        .filter(|d| !d.is_empty() && text.contains("BEGIN PGP PUBLIC KEY BLOCK"));
    let Some(data) = data else {
        return ctx.fail(2, "no valid OpenPGP data found.");
    };
    match output {
        Some(path) => {
            let written = ctx.write_file(&path, data, 0o666);
            written.map_or_else(|e| ctx.fail(2, format!("can't create '{path}': {e}")), |()| 0)
        }
        None => {
            ctx.out(data);
            0
        }
    }
}
