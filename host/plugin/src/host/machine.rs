//! `bootmachine:plugin/machine`: what a CM tool asks of a machine is routed to the machine's distro.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::Resource;

use crate::bindings::machine::{Host, HostMachine};
use crate::bindings::system::{Outcome, Release, Repository, ServiceAction};
use crate::bindings::types::Error;
use crate::call::Ctx;
use crate::reach::{Machine, MachineHandle, SessionHandle};

impl Host for Ctx {}

impl Ctx {
    fn machine(&self, handle: &Resource<MachineHandle>) -> wasmtime::Result<Machine> {
        Ok(self.table.get(handle)?.machine.clone())
    }
}

impl HostMachine for Ctx {
    async fn name(&mut self, handle: Resource<MachineHandle>) -> wasmtime::Result<String> {
        Ok(self.machine(&handle)?.name)
    }

    async fn roles(&mut self, handle: Resource<MachineHandle>) -> wasmtime::Result<Vec<String>> {
        Ok(self.machine(&handle)?.roles)
    }

    async fn release(&mut self, handle: Resource<MachineHandle>) -> wasmtime::Result<Release> {
        Ok(self.machine(&handle)?.release)
    }

    async fn private_address(&mut self, handle: Resource<MachineHandle>) -> wasmtime::Result<String> {
        Ok(self.machine(&handle)?.private_address)
    }

    async fn session(&mut self, handle: Resource<MachineHandle>) -> wasmtime::Result<Resource<SessionHandle>> {
        let session = Arc::clone(&self.table.get(&handle)?.machine.session);
        Ok(self.table.push(SessionHandle { session })?)
    }

    async fn install_packages(&mut self, handle: Resource<MachineHandle>, names: Vec<String>) -> wasmtime::Result<Result<Outcome, Error>> {
        let (machine, listener, since) = (self.machine(&handle)?, Arc::clone(&self.listener), Instant::now());
        let answer = machine.install_packages(listener, names).await;
        self.spent_in_host(since);
        Ok(answer.map_err(Error::from))
    }

    async fn remove_packages(&mut self, handle: Resource<MachineHandle>, names: Vec<String>) -> wasmtime::Result<Result<Outcome, Error>> {
        let (machine, listener, since) = (self.machine(&handle)?, Arc::clone(&self.listener), Instant::now());
        let answer = machine.remove_packages(listener, names).await;
        self.spent_in_host(since);
        Ok(answer.map_err(Error::from))
    }

    async fn add_repository(
        &mut self,
        handle: Resource<MachineHandle>,
        repository: Repository,
    ) -> wasmtime::Result<Result<Outcome, Error>> {
        let (machine, listener, since) = (self.machine(&handle)?, Arc::clone(&self.listener), Instant::now());
        let answer = machine.add_repository(listener, repository).await;
        self.spent_in_host(since);
        Ok(answer.map_err(Error::from))
    }

    async fn service(
        &mut self,
        handle: Resource<MachineHandle>,
        name: String,
        action: ServiceAction,
    ) -> wasmtime::Result<Result<(), Error>> {
        let (machine, listener, since) = (self.machine(&handle)?, Arc::clone(&self.listener), Instant::now());
        let answer = machine.service(listener, name, action).await;
        self.spent_in_host(since);
        Ok(answer.map_err(Error::from))
    }

    async fn upload_tree(&mut self, handle: Resource<MachineHandle>, label: String, path: String) -> wasmtime::Result<Result<bool, Error>> {
        let (machine, since) = (self.machine(&handle)?, Instant::now());
        let answer = machine.upload_tree(&label, &path).await;
        self.spent_in_host(since);
        Ok(answer.map_err(Error::from))
    }

    async fn drop(&mut self, handle: Resource<MachineHandle>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}
