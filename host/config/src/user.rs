//! `[[users]]`: the people who may log in.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    keys::PublicKey,
    located::Located,
    names::user_name_fault,
    reader::{Reader, Section},
};

/// One entry of `[[users]]`: somebody who may log in.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct User {
    /// The login name.
    #[schemars(regex(pattern = r"^[a-z_][a-z0-9_-]{0,31}$"))]
    pub name: Located<String>,
    /// The full name, for people.
    #[schemars(with = "Option<String>")]
    pub full_name: String,
    /// The numeric user id; the servers choose one by default.
    #[schemars(range(min = 1, max = 4_294_967_293_u32))]
    pub uid: Option<Located<u32>>,
    /// Further groups to be in; groups that do not exist are made.
    #[schemars(with = "Option<Vec<String>>")]
    pub groups: Vec<Located<String>>,
    /// Public keys: lines as in authorized_keys, or files that hold them.
    #[schemars(with = "Option<Vec<PublicKey>>")]
    pub keys: Vec<Located<PublicKey>>,
    /// Whether sudo works, without a password. At least one user needs it.
    #[schemars(with = "Option<bool>", extend("default" = false))]
    pub sudo: bool,
}

impl User {
    fn read(r: &mut Reader, mut section: Section<'_, '_>) -> Self {
        let name = section.required(r, "name", "\"sam\"");
        if name.value == "root" {
            let error = r.error(
                name.span.clone(),
                "`root` can not be one of the users: a secured server lets nobody log in as root",
            );
            r.push(error.with_help("name a user of your own and give it `sudo = true`"));
        } else if let Some(fault) = user_name_fault(&name).filter(|_| !name.is_empty()) {
            let error = r
                .error(name.span.clone(), format!("`{name}` can not be the name of a user"))
                .with_label(fault);
            r.push(error.with_help("use up to 32 lower-case letters, digits, `-` and `_`, a letter first"));
        }
        let full_name = section.string(r, "full-name");
        if let Some(full) = full_name.as_ref().filter(|full| full.contains([':', ','])) {
            let error = r.error(full.span.clone(), "`full-name` can not hold a colon or a comma");
            r.push(error.with_label("passwd(5) separates fields by them"));
        }
        let uid = section
            .integer(r, "uid", 1..=4_294_967_293)
            .map(|uid| Located::new(u32::try_from(uid.value).unwrap_or(u32::MAX), uid.span));
        let groups = section.strings(r, "groups");
        for group in &groups {
            if let Some(fault) = user_name_fault(group) {
                r.push(
                    r.error(group.span.clone(), format!("`{group}` can not be the name of a group"))
                        .with_label(fault),
                );
            }
        }
        let sudo = section.boolean(r, "sudo").unwrap_or(false);
        let mut keys: Vec<Located<PublicKey>> = Vec::new();
        let array = section.array(r, "keys", "an array of public keys");
        // Whether anybody can administer is checked over all users.
        if !sudo && array.is_none_or(|array| array.is_empty()) && !section.holds("keys", |value| !value.is_array()) {
            let warning = r
                .error(section.span.clone(), format!("user `{name}` has no key and can not log in"))
                .into_warning();
            r.push(warning.with_help("add `keys = [{ file = \"~/.ssh/id_ed25519.pub\" }]`: passwords are not accepted"));
        }
        for value in array.into_iter().flatten() {
            for key in PublicKey::read(r, &name, value) {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        section.finish(r);
        Self {
            name,
            full_name: full_name.map(|n| n.value).unwrap_or_default(),
            uid,
            groups,
            keys,
            sudo,
        }
    }

    /// Reads all users and checks that no two are the same.
    pub(crate) fn read_all(r: &mut Reader, sections: Vec<Section<'_, '_>>) -> Vec<Self> {
        let users: Vec<_> = sections.into_iter().map(|section| Self::read(r, section)).collect();
        let mut names = HashMap::new();
        let mut uids = HashMap::new();
        for user in &users {
            if !user.name.is_empty()
                && let Some(first) = names.insert(user.name.as_str(), user.name.span.clone())
            {
                let error = r.error(user.name.span.clone(), format!("there are two users `{}`", user.name));
                r.push(error.with_label("the second").with_context(first, "the first"));
            }
            if let Some(uid) = &user.uid
                && let Some(first) = uids.insert(uid.value, uid.span.clone())
            {
                let error = r.error(uid.span.clone(), format!("two users have the uid {uid}"));
                r.push(error.with_label("the second").with_context(first, "the first"));
            }
        }
        users
    }

    /// Whether bootmachine can go on with a secured server as this user.
    pub fn can_administer(&self) -> bool {
        self.sudo && !self.keys.is_empty()
    }
}
