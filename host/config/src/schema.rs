//! The JSON schema of `bootmachine.toml`, for editors: made from the types that the file is read into.

use schemars::{Schema, generate::SchemaSettings, transform::Transform};
use serde_json::Value as Json;

use crate::config::Config;

/// The schema, JSON Schema draft 2020-12.
pub fn json_schema() -> Json {
    let settings = SchemaSettings::draft2020_12().with_transform(NoNull);
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}

/// TOML has no null: what may be left out is left out.
#[derive(Debug, Clone)]
struct NoNull;

impl Transform for NoNull {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(Json::Array(types)) = schema.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [one] = types.as_slice() {
                let one = one.clone();
                schema.insert("type".to_owned(), one);
            }
        }
        if let Some(Json::Array(choices)) = schema.get_mut("anyOf") {
            choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
            if let [Json::Object(one)] = choices.as_slice() {
                let one = one.clone();
                schema.remove("anyOf");
                for (key, value) in one {
                    schema.insert(key, value);
                }
            }
        }
        schemars::transform::transform_subschemas(self, schema);
    }
}
