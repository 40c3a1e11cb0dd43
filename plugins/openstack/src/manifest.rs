//! What the plugin says of itself: its settings, where operators keep them already, and the origins it talks to.

use bootmachine_sdk::Manifest;
use bootmachine_sdk::manifest::{FileFormat, Setting};

/// Where the OpenStack clients look for clouds.yaml.
const CLOUDS: [&str; 4] = [
    "$OS_CLIENT_CONFIG_FILE",
    "./clouds.yaml",
    "~/.config/openstack/clouds.yaml",
    "/etc/openstack/clouds.yaml",
];

/// Where they look for secure.yaml, whose values come before those of clouds.yaml.
const SECURE: [&str; 4] = [
    "$OS_CLIENT_SECURE_FILE",
    "./secure.yaml",
    "~/.config/openstack/secure.yaml",
    "/etc/openstack/secure.yaml",
];

/// Where a value stands already: in the cloud of clouds.yaml that `cloud` names, and in an openrc file's variables.
fn known(mut setting: Setting, pointers: &[&str], variables: &[&str]) -> Setting {
    for pointer in pointers {
        let pointer = format!("/clouds/{{cloud}}/{pointer}");
        setting = setting
            .file(FileFormat::Yaml, &SECURE, &pointer)
            .file(FileFormat::Yaml, &CLOUDS, &pointer);
    }
    variables.iter().fold(setting, |setting, variable| setting.env(variable))
}

fn secret(name: &str, pointers: &[&str], variables: &[&str], summary: &str) -> Setting {
    known(Setting::secret(name, summary).bound_to("{auth-url}"), pointers, variables)
}

fn text(name: &str, pointers: &[&str], variables: &[&str], summary: &str) -> Setting {
    known(Setting::text(name, summary), pointers, variables)
}

fn endpoint(service: &str, summary: &str) -> Setting {
    let variable = format!("OS_{}_ENDPOINT_OVERRIDE", service.to_uppercase());
    let pointer = format!("{service}_endpoint_override");
    known(Setting::url(&format!("{service}-endpoint"), summary), &[&pointer], &[&variable])
}

/// The manifest. Without authority, the same each time.
pub fn manifest() -> Manifest {
    let manifest = Manifest::provider(
        "openstack",
        env!("CARGO_PKG_VERSION"),
        "Servers of an OpenStack cloud, Rackspace included",
    )
    .homepage("https://docs.openstack.org/api-quick-start/")
    .origin("{auth-url}", "the identity service, to log in")
    .origin(
        "{auth-url}:*",
        "the services of a cloud that runs them on the identity service's host",
    )
    .origin("{compute-endpoint}", "the compute service, where its endpoint is set")
    .origin("{image-endpoint}", "the image service, where its endpoint is set")
    .origin("{network-endpoint}", "the network service, where its endpoint is set")
    .origin(
        "https://*",
        "the compute, image and network endpoints of the cloud's service catalogue",
    )
    .secret_header("x-subject-token");
    login(manifest)
        .setting(text(
            "region-name",
            &["region_name", "regions/0/name", "regions/0"],
            &["OS_REGION_NAME"],
            "the region, where there are several",
        ))
        .setting(known(
            Setting::choice(
                "interface",
                &["public", "internal", "admin", "publicURL", "internalURL", "adminURL"],
                "which endpoints to use",
            )
            .default("public"),
            &["interface", "endpoint_type"],
            &["OS_INTERFACE", "OS_ENDPOINT_TYPE"],
        ))
        .setting(endpoint("compute", "the compute service, instead of the catalogue's"))
        .setting(endpoint("image", "the image service, instead of the catalogue's"))
        .setting(endpoint("network", "the network service, instead of the catalogue's"))
        .setting(Setting::text(
            "compute-microversion",
            "the newest compute microversion to use, for example 2.60",
        ))
        .setting(Setting::json(
            "networks",
            "names or ids of the networks that servers are attached to",
        ))
        .setting(Setting::text(
            "floating-network",
            "the external network that servers without a public address get a floating one from",
        ))
        .setting(Setting::json("security-groups", "names or ids of the security groups of servers"))
        .setting(Setting::text("availability-zone", "the availability zone of servers"))
}

fn login(manifest: Manifest) -> Manifest {
    manifest
        .setting(Setting::text("cloud", "a cloud of clouds.yaml, which the other settings are then read from").env("OS_CLOUD"))
        .setting(known(
            Setting::url("auth-url", "the identity service, with or without /v3").required(),
            &["auth/auth_url"],
            &["OS_AUTH_URL"],
        ))
        .setting(known(
            Setting::choice(
                "auth-type",
                &[
                    "password",
                    "v3password",
                    "application-credential",
                    "v3applicationcredential",
                    "token",
                    "v3token",
                    "rackspace-apikey",
                    "rackspace_apikey",
                ],
                "how to log in; by default what the other settings are for",
            ),
            &["auth_type"],
            &["OS_AUTH_TYPE"],
        ))
        .setting(text("username", &["auth/username"], &["OS_USERNAME"], "the user's name"))
        .setting(text(
            "user-id",
            &["auth/user_id"],
            &["OS_USER_ID"],
            "the user's id, instead of name and domain",
        ))
        .setting(secret("password", &["auth/password"], &["OS_PASSWORD"], "the user's password"))
        .setting(text(
            "user-domain-name",
            &["auth/user_domain_name", "auth/domain_name"],
            &["OS_USER_DOMAIN_NAME"],
            "the domain of the user's name",
        ))
        .setting(text(
            "user-domain-id",
            &["auth/user_domain_id", "auth/domain_id"],
            &["OS_USER_DOMAIN_ID"],
            "the same by id; `default` where neither is set",
        ))
        .setting(text(
            "project-name",
            &["auth/project_name", "auth/tenant_name"],
            &["OS_PROJECT_NAME", "OS_TENANT_NAME"],
            "the project",
        ))
        .setting(text(
            "project-id",
            &["auth/project_id", "auth/tenant_id"],
            &["OS_PROJECT_ID", "OS_TENANT_ID"],
            "the project's id, instead of name and domain",
        ))
        .setting(text(
            "project-domain-name",
            &["auth/project_domain_name", "auth/domain_name"],
            &["OS_PROJECT_DOMAIN_NAME"],
            "the domain of the project's name",
        ))
        .setting(text(
            "project-domain-id",
            &["auth/project_domain_id", "auth/domain_id"],
            &["OS_PROJECT_DOMAIN_ID"],
            "the same by id; `default` where neither is set",
        ))
        .setting(text(
            "application-credential-id",
            &["auth/application_credential_id"],
            &["OS_APPLICATION_CREDENTIAL_ID"],
            "an application credential's id",
        ))
        .setting(text(
            "application-credential-name",
            &["auth/application_credential_name"],
            &["OS_APPLICATION_CREDENTIAL_NAME"],
            "an application credential's name, together with its user",
        ))
        .setting(secret(
            "application-credential-secret",
            &["auth/application_credential_secret"],
            &["OS_APPLICATION_CREDENTIAL_SECRET"],
            "an application credential's secret",
        ))
        .setting(secret(
            "token",
            &["auth/token"],
            &["OS_TOKEN", "OS_AUTH_TOKEN"],
            "a token to exchange for one of our own",
        ))
        .setting(secret(
            "api-key",
            &["auth/api_key"],
            &["OS_API_KEY"],
            "the API key of a Rackspace account",
        ))
}
