//! `cmd`.

use serde_json::json;

use super::{Call, Outcome, Result};

/// Runs a shell command.
pub fn run(call: &mut Call) -> Result {
    let command = call.chunk.name.clone();
    if call.test {
        return Ok(Outcome::would(format!("Command \"{command}\" would have been executed")));
    }
    let script = call
        .chunk
        .text("cwd")
        .map_or_else(|| command.clone(), |cwd| format!("cd '{cwd}' && {command}"));
    let done = call.host.run(&["/bin/sh", "-c", &script], b"");
    let changes = json!({"pid": 1000, "retcode": done.status, "stdout": done.stdout, "stderr": done.stderr});
    Ok(Outcome {
        result: Some(done.status == 0),
        ..Outcome::changed(changes, format!("Command \"{command}\" run"))
    })
}
