//! `bootmachine:plugin/ssh`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bootmachine_broker::ssh as broker;
use wasmtime::component::Resource;

use crate::bindings::ssh::{Command, File, Host, HostSession, Output, Step, StepOutcome};
use crate::bindings::types::Error;
use crate::call::Ctx;
use crate::reach::{Session, SessionHandle};

impl Host for Ctx {}

impl Ctx {
    fn session(&self, handle: &Resource<SessionHandle>) -> wasmtime::Result<Arc<dyn Session>> {
        Ok(Arc::clone(&self.table.get(handle)?.session))
    }
}

impl HostSession for Ctx {
    async fn run(&mut self, handle: Resource<SessionHandle>, command: Command) -> wasmtime::Result<Result<Output, Error>> {
        let (session, since) = (self.session(&handle)?, Instant::now());
        let answer = session.run(command.into()).await;
        self.spent_in_host(since);
        Ok(answer.map(Output::from).map_err(Error::from))
    }

    async fn run_all(&mut self, handle: Resource<SessionHandle>, steps: Vec<Step>) -> wasmtime::Result<Result<Vec<StepOutcome>, Error>> {
        let (session, since) = (self.session(&handle)?, Instant::now());
        let steps = steps
            .into_iter()
            .map(|step| match step {
                Step::Run(command) => broker::Step::Run(command.into()),
                Step::WriteFile(file) => broker::Step::WriteFile(file.into()),
            })
            .collect();
        let answer = session.run_all(steps).await;
        self.spent_in_host(since);
        let outcomes = answer.map(|outcomes| {
            outcomes
                .into_iter()
                .map(|outcome| match outcome {
                    broker::StepOutcome::Ran(output) => StepOutcome::Ran(output.into()),
                    broker::StepOutcome::Wrote(changed) => StepOutcome::Wrote(changed),
                })
                .collect()
        });
        Ok(outcomes.map_err(Error::from))
    }

    async fn read_file(&mut self, handle: Resource<SessionHandle>, path: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let (session, since) = (self.session(&handle)?, Instant::now());
        let answer = session.read_file(&path).await;
        self.spent_in_host(since);
        Ok(answer.map_err(Error::from))
    }

    async fn write_file(&mut self, handle: Resource<SessionHandle>, file: File) -> wasmtime::Result<Result<bool, Error>> {
        let (session, since) = (self.session(&handle)?, Instant::now());
        let answer = session.write_file(file.into()).await;
        self.spent_in_host(since);
        Ok(answer.map_err(Error::from))
    }

    async fn reboot(&mut self, handle: Resource<SessionHandle>) -> wasmtime::Result<Result<(), Error>> {
        let (session, since) = (self.session(&handle)?, Instant::now());
        let answer = session.reboot().await;
        self.spent_in_host(since);
        Ok(answer.map_err(Error::from))
    }

    async fn drop(&mut self, handle: Resource<SessionHandle>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl From<Command> for broker::Command {
    fn from(command: Command) -> Self {
        Self {
            program: command.program,
            arguments: command.arguments,
            environment: command
                .environment
                .into_iter()
                .map(|variable| (variable.name, variable.value))
                .collect(),
            stdin: command.stdin,
            user: command.user,
            timeout: command.timeout_ms.map(|milliseconds| Duration::from_millis(milliseconds.into())),
        }
    }
}

impl From<File> for broker::File {
    fn from(file: File) -> Self {
        Self {
            path: file.path,
            content: file.content,
            mode: file.mode,
            owner: file.owner,
            group: file.group,
        }
    }
}

impl From<broker::Output> for Output {
    fn from(output: broker::Output) -> Self {
        Self {
            status: output.status,
            stdout: output.stdout,
            stderr: output.stderr,
            truncated: output.truncated,
        }
    }
}
