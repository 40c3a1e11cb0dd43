//! Key pairs that a server's options name. The plugin makes none: the operator's key travels in the user-data.

use crate::api::{Call, Reply, Service};
use bootmachine_sdk::Error;
use bootmachine_sdk::http::encode;

/// The request that looks for one.
pub fn question(name: &str) -> Call {
    Call::get(Service::Compute, format!("/os-keypairs/{}", encode(name)))
}

/// What the answer says.
pub fn answer(name: &str, reply: Reply) -> Result<(), Error> {
    if reply.status == 404 {
        return Err(Error::not_found(format!("there is no key pair `{name}`"))
            .hint("`openstack keypair list` shows them; leave `key-name` out to use the operator's key alone"));
    }
    reply.success().map(|_| ())
}
