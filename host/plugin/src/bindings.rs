//! What `wasmtime` generates from `wit/`: one module with the interfaces that plugins import, and one for each world.
//!
//! The worlds' own import interfaces are mapped to the shared module, so that an `error` or a `session` is one type everywhere.

#![allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, reason = "generated")]

/// Every interface that a plugin may import, and the types that all worlds share.
pub mod imports {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package bootmachine:host;
            world imports {
                import bootmachine:plugin/types@0.1.0;
                import bootmachine:plugin/system@0.1.0;
                import bootmachine:plugin/log@0.1.0;
                import bootmachine:plugin/http@0.1.0;
                import bootmachine:plugin/ssh@0.1.0;
                import bootmachine:plugin/machine@0.1.0;
            }
        ",
        world: "bootmachine:host/imports",
        imports: {
            "bootmachine:plugin/log": trappable,
            default: async | trappable,
        },
        with: {
            "bootmachine:plugin/ssh.session": crate::reach::SessionHandle,
            "bootmachine:plugin/machine.machine": crate::reach::MachineHandle,
        },
        additional_derives: [PartialEq, Eq],
    });
}

pub use imports::bootmachine::plugin::{http, log, machine, ssh, system, types};

pub mod provider_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "provider-plugin",
        exports: { default: async },
        with: {
            "bootmachine:plugin/types": crate::bindings::types,
            "bootmachine:plugin/log": crate::bindings::log,
            "bootmachine:plugin/http": crate::bindings::http,
        },
    });
}

pub mod distro_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "distro-plugin",
        exports: { default: async },
        with: {
            "bootmachine:plugin/types": crate::bindings::types,
            "bootmachine:plugin/system": crate::bindings::system,
            "bootmachine:plugin/log": crate::bindings::log,
            "bootmachine:plugin/ssh": crate::bindings::ssh,
        },
    });
}

pub mod cm_tool_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "cm-tool-plugin",
        exports: { default: async },
        with: {
            "bootmachine:plugin/types": crate::bindings::types,
            "bootmachine:plugin/system": crate::bindings::system,
            "bootmachine:plugin/log": crate::bindings::log,
            "bootmachine:plugin/ssh": crate::bindings::ssh,
            "bootmachine:plugin/machine": crate::bindings::machine,
        },
    });
}
