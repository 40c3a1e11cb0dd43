//! Execution modules as templates call them, `salt['user.info']('sam')`: a few of those that only read.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, Serde, Value as Jinja};
use minijinja::{Error, ErrorKind};
use serde_json::{Value, json};

use super::minion;
use crate::machine::Machine;
use crate::machine::model::users;
use crate::machine::process::lock;

/// The modules of the machine that a template is rendered for.
#[derive(Clone)]
pub struct Modules(pub Arc<Machine>);

impl fmt::Debug for Modules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Modules").field(&self.0.spec.name).finish()
    }
}

fn answer(value: Value) -> Jinja {
    Jinja::from(Serde(value))
}

impl Object for Modules {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let machine = self.0.clone();
        Some(match key.as_str()? {
            "file.file_exists" => Jinja::from_function(move |path: String| minion::read(&machine, &path).is_some()),
            "file.read" => Jinja::from_function(move |path: String| {
                minion::read(&machine, &path)
                    .map(|content| String::from_utf8_lossy(&content).into_owned())
                    .ok_or_else(|| {
                        let words = format!("[Errno 2] No such file or directory: '{path}'");
                        Error::new(ErrorKind::InvalidOperation, words)
                    })
            }),
            "user.list_users" => Jinja::from_function(move || answer(list_users(&machine))),
            "user.info" => Jinja::from_function(move |name: String| answer(user(&machine, &name))),
            "shadow.info" => Jinja::from_function(move |name: String| answer(shadow(&machine, &name))),
            _ => return None,
        })
    }
}

fn list_users(machine: &Machine) -> Value {
    let mut names: Vec<String> = users::users(&lock(&machine.system).files)
        .into_iter()
        .map(|user| user.name)
        .collect();
    names.sort();
    json!(names)
}

/// Empty where there is no such user.
fn user(machine: &Machine, name: &str) -> Value {
    let files = &lock(&machine.system).files;
    let Some(user) = users::user(files, name) else { return json!({}) };
    json!({
        "name": user.name, "uid": user.uid, "gid": user.gid, "groups": users::group_names(files, &user), "home": user.home,
        "shell": user.shell, "passwd": "x", "fullname": user.gecos.split(',').next(),
    })
}

/// The fields of `/etc/shadow`; all of them empty where there is no such line.
fn shadow(machine: &Machine, name: &str) -> Value {
    const NUMBERS: [&str; 6] = ["lstchg", "min", "max", "warn", "inact", "expire"];
    let text = lock(&machine.system).files.text("/etc/shadow");
    let fields = text
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name));
    let mut found =
        json!({"name": fields.as_ref().map_or("", |_| name), "passwd": fields.as_ref().and_then(|fields| fields.get(1)).unwrap_or(&"")});
    for (index, key) in NUMBERS.iter().enumerate() {
        found[key] = match &fields {
            // An empty field is -1, as getspnam(3) has it.
            Some(fields) => json!(fields.get(index + 2).and_then(|days| days.parse::<i64>().ok()).unwrap_or(-1)),
            None => json!(""),
        };
    }
    found
}
