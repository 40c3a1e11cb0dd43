//! What the project may use and does use, and the availability zones.

use serde_json::json;

use super::create::{self, ZONE};
use crate::api::context::Context;
use crate::api::reply::{Answer, Failure, Reply};
use crate::api::{Door, Routes, methods};

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/compute/v2.1/limits", methods(Door::Scoped, &[("GET", limits)]))
        .route("/compute/v2.1/os-server-groups", methods(Door::Scoped, &[("GET", server_groups)]))
        .route(
            "/compute/v2.1/os-server-groups/{group}",
            methods(Door::Scoped, &[("GET", no_server_group)]),
        )
        .route("/compute/v2.1/os-availability-zone", methods(Door::Scoped, &[("GET", zones)]))
}

fn limits(c: &mut Context<'_>) -> Answer {
    let quotas = c.cloud.options.quotas;
    let (instances, cores, ram) = create::used(c);
    let mut absolute = json!({
        "maxTotalInstances": quotas.instances,
        "maxTotalCores": quotas.cores,
        "maxTotalRAMSize": quotas.ram,
        "maxServerMeta": quotas.metadata_items,
        "maxTotalKeypairs": quotas.key_pairs,
        "maxServerGroups": 10,
        "maxServerGroupMembers": 10,
        "totalRAMUsed": ram,
        "totalCoresUsed": cores,
        "totalInstancesUsed": instances,
        "totalServerGroupsUsed": 0,
    });
    // What Neutron and Glance count was taken out of Nova's answer with 2.36 and 2.39, personalities with 2.57.
    if !c.since(36) {
        absolute["maxTotalFloatingIps"] = json!(-1);
        absolute["maxSecurityGroups"] = json!(-1);
        absolute["maxSecurityGroupRules"] = json!(-1);
        absolute["totalFloatingIpsUsed"] = json!(0);
        absolute["totalSecurityGroupsUsed"] = json!(0);
    }
    if !c.since(39) {
        absolute["maxImageMeta"] = json!(quotas.metadata_items);
    }
    if !c.since(57) {
        absolute["maxPersonality"] = json!(5);
        absolute["maxPersonalitySize"] = json!(10_240);
    }
    Ok(Reply::ok(json!({ "limits": { "rate": [], "absolute": absolute } })))
}

fn zones(_: &mut Context<'_>) -> Answer {
    let zone = json!({ "zoneName": ZONE, "zoneState": { "available": true }, "hosts": null });
    Ok(Reply::ok(json!({ "availabilityZoneInfo": [zone] })))
}

/// Server groups can not be made here, so there are none.
fn server_groups(_: &mut Context<'_>) -> Answer {
    Ok(Reply::ok(json!({ "server_groups": [] })))
}

fn no_server_group(c: &mut Context<'_>) -> Answer {
    Err(Failure::not_found(format!(
        "Instance group {} could not be found.",
        c.path("group")
    )))
}
