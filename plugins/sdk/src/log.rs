//! What the plugin has to say to the operator: [`info!`] and its like, and [`step`].

pub use crate::bindings::imports::bootmachine::plugin::log::Level;
#[doc(inline)]
pub use crate::{__log_debug as debug, __log_error as error, __log_info as info, __log_trace as trace, __log_warn as warn};

/// Writes a line to the operator's log.
pub fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::imports::bootmachine::plugin::log::log(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::record_log(level, message);
}

/// Says what this call is doing now, in a few words and in the present participle: `installing salt-minion`.
pub fn step(text: impl AsRef<str>) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::imports::bootmachine::plugin::log::step(text.as_ref());
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::record_step(text.as_ref());
}

/// Logs for those who follow every step.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_trace {
    ($($part:tt)*) => {
        $crate::log::log($crate::log::Level::Trace, &::std::format!($($part)*))
    };
}

/// Logs for those who look for a fault.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($part:tt)*) => {
        $crate::log::log($crate::log::Level::Debug, &::std::format!($($part)*))
    };
}

/// Logs for everybody.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($part:tt)*) => {
        $crate::log::log($crate::log::Level::Info, &::std::format!($($part)*))
    };
}

/// Logs something that the operator should know of though the call succeeds.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($($part:tt)*) => {
        $crate::log::log($crate::log::Level::Warn, &::std::format!($($part)*))
    };
}

/// Logs something that went wrong.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($part:tt)*) => {
        $crate::log::log($crate::log::Level::Error, &::std::format!($($part)*))
    };
}
