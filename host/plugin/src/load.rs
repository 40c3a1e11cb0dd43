//! From bytes to a plugin: inspected, compiled, linked, and asked what it is.

use std::sync::Arc;
use std::time::Instant;

use sha2::Digest as _;
use wasmtime::component::Component;

use bootmachine_broker::audit::Actor;

use crate::bindings::cm_tool_world::CmToolPluginPre;
use crate::bindings::distro_world::DistroPluginPre;
use crate::bindings::provider_world::ProviderPluginPre;
use crate::call::{Ctx, bounded, store};
use crate::engine::Engine;
use crate::error::{PluginError, Who};
use crate::inspect::{Inspection, inspect};
use crate::manifest::{Kind, Manifest};
use crate::reach::{Listener, TracingListener};

/// A plugin that is ready to be called. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

struct Loaded {
    engine: Engine,
    linked: Linked,
    manifest: Manifest,
    inspection: Inspection,
    digest: String,
    size: usize,
}

/// A component with its imports resolved; an instance of it is made in microseconds.
pub(crate) enum Linked {
    Provider(ProviderPluginPre<Ctx>),
    Distro(DistroPluginPre<Ctx>),
    CmTool(CmToolPluginPre<Ctx>),
}

impl Plugin {
    /// Loads a component. `label` names it in messages until its manifest is known: a file name, or the bundled plugin's name.
    ///
    /// # Errors
    /// [`PluginError::Unloadable`] where it is no plugin or wants what is never given; the errors of a call where `describe` breaks down.
    pub async fn load(engine: &Engine, label: &str, bytes: &[u8]) -> Result<Self, PluginError> {
        let unloadable = |reason: String, hint: Option<String>| PluginError::Unloadable {
            who: Who {
                name: label.to_owned(),
                version: String::new(),
            },
            reason,
            hint,
        };
        let inspection = inspect(bytes).map_err(|refusal| unloadable(refusal.reason, refusal.hint))?;
        let begun = Instant::now();
        let misses = engine.cache.as_ref().map(wasmtime::Cache::cache_misses);
        // On a thread of its own: what is not compiled yet takes seconds, and whoever waits for it has something to show meanwhile.
        let (compiler, source) = (engine.inner.clone(), bytes.to_vec());
        let compiling = tokio::task::spawn_blocking(move || Component::new(&compiler, source));
        let compiled = compiling.await.unwrap_or_else(|error| Err(wasmtime::Error::msg(error.to_string())));
        let component = compiled.map_err(|error| {
            unloadable(
                format!("it does not compile: {error:#}"),
                Some("was the file changed on its way?".into()),
            )
        })?;
        let compile_time = begun.elapsed();
        // Where two are compiled at once, one may be taken for the other.
        let cached = misses.is_some_and(|misses| engine.cache.as_ref().is_some_and(|cache| cache.cache_misses() == misses));
        let linked = link(engine, &component, &inspection).map_err(|error| {
            unloadable(
                format!("it does not fit the contract: {error:#}"),
                Some("it was built against another `wit/` than this bootmachine's: a newer bootmachine may run it, or its author rebuilds it".into()),
            )
        })?;
        let who = Who {
            name: label.to_owned(),
            version: String::new(),
        };
        let manifest = describe(engine, &linked, who).await?;
        manifest
            .check(inspection.kind)
            .map_err(|reason| unloadable(reason, Some("its author mends the manifest".into())))?;
        let digest = hex::encode(sha2::Sha256::digest(bytes));
        tracing::debug!(
            plugin = label,
            version = manifest.version,
            kind = %inspection.kind,
            bytes = bytes.len(),
            digest = &digest[..12],
            compile_ms = u64::try_from(compile_time.as_millis()).unwrap_or(u64::MAX),
            ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "loaded, {}",
            if cached { "compiled before" } else { "compiled now" }
        );
        Ok(Self(Arc::new(Loaded {
            engine: engine.clone(),
            linked,
            manifest,
            inspection,
            digest,
            size: bytes.len(),
        })))
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.0.inspection.kind
    }

    /// The interfaces that it imports.
    pub fn imports(&self) -> &[String] {
        &self.0.inspection.imports
    }

    /// SHA-256 of its bytes, in hexadecimal digits. Grants belong to this, not to the name.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// How it is named in the audit log and in grants.
    pub fn actor(&self) -> Actor {
        Actor {
            plugin: self.0.manifest.name.clone(),
            version: self.0.manifest.version.clone(),
            digest: self.0.digest.clone(),
        }
    }

    pub(crate) fn who(&self) -> Who {
        Who {
            name: self.0.manifest.name.clone(),
            version: self.0.manifest.version.clone(),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn linked(&self) -> &Linked {
        &self.0.linked
    }

    pub(crate) fn wrong_kind(&self, wanted: Kind) -> PluginError {
        PluginError::Unloadable {
            who: self.who(),
            reason: format!("it is a {}, and a {wanted} is needed here", self.kind()),
            hint: Some("`bootmachine plugin list` shows the plugins of each kind".into()),
        }
    }
}

fn link(engine: &Engine, component: &Component, inspection: &Inspection) -> wasmtime::Result<Linked> {
    let linker = crate::host::linker(&engine.inner, inspection.kind, inspection.wants_wasi)?;
    let instance = linker.instantiate_pre(component)?;
    Ok(match inspection.kind {
        Kind::Provider => Linked::Provider(ProviderPluginPre::new(instance)?),
        Kind::Distro => Linked::Distro(DistroPluginPre::new(instance)?),
        Kind::CmTool => Linked::CmTool(CmToolPluginPre::new(instance)?),
    })
}

async fn describe(engine: &Engine, linked: &Linked, who: Who) -> Result<Manifest, PluginError> {
    let listener: Arc<dyn Listener> = Arc::new(TracingListener);
    let mut store = store(engine, who, None, listener);
    macro_rules! describe {
        ($pre:expr) => {{
            bounded!(store, "describe", {
                let instance = $pre.instantiate_async(&mut store).await?;
                Ok(Manifest::from(
                    instance.bootmachine_plugin_plugin().call_describe(&mut store).await?,
                ))
            })
        }};
    }
    match linked {
        Linked::Provider(pre) => describe!(pre),
        Linked::Distro(pre) => describe!(pre),
        Linked::CmTool(pre) => describe!(pre),
    }
}
