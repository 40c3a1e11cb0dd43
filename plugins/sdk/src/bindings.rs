//! What wit-bindgen makes of `wit/`. The types that interfaces share are generated once, in `imports`; the exports are a world for each
//! interface, which the export macros put together. Plugin authors use what the other modules make of this.
#![allow(missing_docs, clippy::pedantic, unsafe_code)]

pub mod imports {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: r"
            package bootmachine:sdk;
            world imports {
                import bootmachine:plugin/types@0.1.0;
                import bootmachine:plugin/log@0.1.0;
                import bootmachine:plugin/http@0.1.0;
                import bootmachine:plugin/system@0.1.0;
                import bootmachine:plugin/ssh@0.1.0;
                import bootmachine:plugin/machine@0.1.0;
            }
        ",
        world: "bootmachine:sdk/imports",
        generate_all,
        additional_derives: [PartialEq],
    });
}

pub mod plugin {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: r"
            package bootmachine:sdk;
            world plugin { export bootmachine:plugin/plugin@0.1.0; }
        ",
        world: "bootmachine:sdk/plugin",
        pub_export_macro: true,
        export_macro_name: "__export_plugin",
        default_bindings_module: "bootmachine_sdk::bindings::plugin",
        additional_derives: [PartialEq],
    });
}

pub mod provider {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: r"
            package bootmachine:sdk;
            world provider {
                import bootmachine:plugin/types@0.1.0;
                export bootmachine:plugin/provider@0.1.0;
            }
        ",
        world: "bootmachine:sdk/provider",
        with: { "bootmachine:plugin/types@0.1.0": crate::bindings::imports::bootmachine::plugin::types },
        pub_export_macro: true,
        export_macro_name: "__export_provider",
        default_bindings_module: "bootmachine_sdk::bindings::provider",
        additional_derives: [PartialEq],
    });
}

pub mod distro {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: r"
            package bootmachine:sdk;
            world distro {
                import bootmachine:plugin/types@0.1.0;
                import bootmachine:plugin/system@0.1.0;
                import bootmachine:plugin/ssh@0.1.0;
                export bootmachine:plugin/distro@0.1.0;
            }
        ",
        world: "bootmachine:sdk/distro",
        with: {
            "bootmachine:plugin/types@0.1.0": crate::bindings::imports::bootmachine::plugin::types,
            "bootmachine:plugin/system@0.1.0": crate::bindings::imports::bootmachine::plugin::system,
            "bootmachine:plugin/ssh@0.1.0": crate::bindings::imports::bootmachine::plugin::ssh,
        },
        pub_export_macro: true,
        export_macro_name: "__export_distro",
        default_bindings_module: "bootmachine_sdk::bindings::distro",
        additional_derives: [PartialEq],
    });
}

pub mod cm_tool {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: r"
            package bootmachine:sdk;
            world cm-tool {
                import bootmachine:plugin/types@0.1.0;
                import bootmachine:plugin/system@0.1.0;
                import bootmachine:plugin/ssh@0.1.0;
                import bootmachine:plugin/machine@0.1.0;
                export bootmachine:plugin/cm-tool@0.1.0;
            }
        ",
        world: "bootmachine:sdk/cm-tool",
        with: {
            "bootmachine:plugin/types@0.1.0": crate::bindings::imports::bootmachine::plugin::types,
            "bootmachine:plugin/system@0.1.0": crate::bindings::imports::bootmachine::plugin::system,
            "bootmachine:plugin/ssh@0.1.0": crate::bindings::imports::bootmachine::plugin::ssh,
            "bootmachine:plugin/machine@0.1.0": crate::bindings::imports::bootmachine::plugin::machine,
        },
        pub_export_macro: true,
        export_macro_name: "__export_cm_tool",
        default_bindings_module: "bootmachine_sdk::bindings::cm_tool",
        additional_derives: [PartialEq],
    });
}
