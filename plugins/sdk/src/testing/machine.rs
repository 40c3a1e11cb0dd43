//! A machine that a test plays.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write as _};
use std::rc::Rc;

use super::ssh::{self, Shell};
use crate::machine::Machine;
use crate::ssh::{Command, File, Output, Session, Step, StepOutcome};
use crate::system::{Outcome, Release, Repository, ServiceAction};
use crate::{Error, Result};

struct State {
    shell: Shell,
    files: BTreeMap<String, File>,
    transcript: String,
    /// What a script still expects.
    left: Rc<RefCell<VecDeque<(String, Output)>>>,
}

/// A machine that a test plays: its commands are a script or a function, its files are kept, and everything stands in the transcript.
/// Clones are the same machine.
///
/// ```
/// use bootmachine_sdk::ssh::Command;
/// use bootmachine_sdk::testing::{TestMachine, ok};
///
/// let machine = TestMachine::scripted([("uname -m", ok("x86_64\n"))]);
/// assert_eq!(machine.session().run(Command::new("uname").arg("-m"))?.stdout_text(), "x86_64");
/// assert_eq!(machine.finish(), "$ uname -m\n  x86_64\n");
/// # Ok::<(), bootmachine_sdk::Error>(())
/// ```
#[derive(Clone)]
pub struct TestMachine(Rc<RefCell<State>>);

impl fmt::Debug for TestMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestMachine")
    }
}

impl TestMachine {
    /// A machine whose commands do what this function says.
    pub fn new(shell: impl FnMut(&Command, &mut BTreeMap<String, File>) -> Result<Output> + 'static) -> Self {
        Self::with_script(Box::new(shell), Rc::default())
    }

    /// A machine that expects these commands, as [`Command`] displays them, in this order, and nothing else.
    pub fn scripted<I, S>(script: I) -> Self
    where
        I: IntoIterator<Item = (S, Output)>,
        S: Into<String>,
    {
        let script: VecDeque<_> = script.into_iter().map(|(line, output)| (line.into(), output)).collect();
        let left = Rc::new(RefCell::new(script));
        let remaining = Rc::clone(&left);
        let shell = move |command: &Command, _: &mut BTreeMap<String, File>| match remaining.borrow_mut().pop_front() {
            Some((expected, output)) => {
                assert_eq!(
                    command.to_string(),
                    expected,
                    "the plugin ran another command than the script expects"
                );
                Ok(output)
            }
            None => panic!("the plugin ran `{command}` after the end of the script"),
        };
        Self::with_script(Box::new(shell), left)
    }

    fn with_script(shell: Shell, left: Rc<RefCell<VecDeque<(String, Output)>>>) -> Self {
        Self(Rc::new(RefCell::new(State {
            shell,
            files: BTreeMap::new(),
            transcript: String::new(),
            left,
        })))
    }

    /// Puts a file there.
    pub fn with_file(self, path: &str, content: &str) -> Self {
        self.0.borrow_mut().files.insert(path.to_owned(), File::new(path, content));
        self
    }

    /// The text of a file.
    pub fn file(&self, path: &str) -> Option<String> {
        self.0
            .borrow()
            .files
            .get(path)
            .map(|file| String::from_utf8_lossy(&file.content).into_owned())
    }

    /// A login on it.
    pub fn session(&self) -> Session<'static> {
        Session::new(self.clone())
    }

    /// It as a member of a cluster.
    pub fn named(&self, name: &str, release: Release) -> ClusterMachine {
        ClusterMachine {
            machine: self.clone(),
            name: name.to_owned(),
            roles: Vec::new(),
            release,
            private_address: "10.0.0.1".to_owned(),
            changes: true,
        }
    }

    /// Commands, their output and files so far, and what was asked of the distro.
    pub fn transcript(&self) -> String {
        self.0.borrow().transcript.clone()
    }

    /// The transcript so far; the next one starts afresh.
    pub fn take_transcript(&self) -> String {
        std::mem::take(&mut self.0.borrow_mut().transcript)
    }

    /// The whole transcript. Panics where the script expected more commands.
    pub fn finish(&self) -> String {
        let state = self.0.borrow();
        let left: Vec<_> = state.left.borrow().iter().map(|(line, _)| line.clone()).collect();
        assert!(left.is_empty(), "the plugin never ran: {left:#?}");
        state.transcript.clone()
    }

    fn note(&self, line: &str) {
        let _ = writeln!(self.0.borrow_mut().transcript, "{line}");
    }
}

impl crate::ssh::Backend for TestMachine {
    fn run(&self, command: &Command) -> Result<Output> {
        let state = &mut *self.0.borrow_mut();
        ssh::write_command(&mut state.transcript, command);
        let result = (state.shell)(command, &mut state.files);
        ssh::write_output(&mut state.transcript, &result);
        result
    }

    fn run_all(&self, steps: &[Step]) -> Result<Vec<StepOutcome>> {
        let mut outcomes = Vec::new();
        for step in steps {
            match step {
                Step::Run(command) => {
                    let output = self.run(command)?;
                    let failed = !output.is_success();
                    outcomes.push(StepOutcome::Ran(output));
                    if failed {
                        break;
                    }
                }
                Step::WriteFile(file) => outcomes.push(StepOutcome::Wrote(self.write_file(file)?)),
            }
        }
        Ok(outcomes)
    }

    fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.note(&format!("< {path}"));
        Ok(self.0.borrow().files.get(path).map(|file| file.content.clone()))
    }

    fn write_file(&self, file: &File) -> Result<bool> {
        if !file.path.starts_with('/') || file.path.split('/').any(|part| part == "..") {
            return Err(Error::failed(format!("`{}` is not an absolute path without `..`", file.path)));
        }
        let state = &mut *self.0.borrow_mut();
        let changed = state.files.get(&file.path) != Some(file);
        ssh::write_file(&mut state.transcript, file, changed);
        state.files.insert(file.path.clone(), file.clone());
        Ok(changed)
    }

    fn reboot(&self) -> Result<()> {
        self.note("* reboot");
        Ok(())
    }
}

/// A [`TestMachine`] as a CM tool sees it. What is asked of the distro stands in the transcript and succeeds.
#[derive(Clone, Debug)]
pub struct ClusterMachine {
    /// Behind its session.
    pub machine: TestMachine,
    /// The server's name.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// What it runs.
    pub release: Release,
    /// Where others reach it.
    pub private_address: String,
    /// What the distro answers: whether it changed anything.
    pub changes: bool,
}

impl ClusterMachine {
    /// With these roles.
    pub fn roles(mut self, roles: &[&str]) -> Self {
        self.roles = roles.iter().map(|role| (*role).to_owned()).collect();
        self
    }

    /// With this private address.
    pub fn address(mut self, address: &str) -> Self {
        address.clone_into(&mut self.private_address);
        self
    }

    /// What a plugin is handed.
    pub fn handle(&self) -> Machine<'_> {
        Machine::new(self.clone())
    }
}

impl crate::machine::Backend for ClusterMachine {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn roles(&self) -> Vec<String> {
        self.roles.clone()
    }

    fn release(&self) -> Release {
        self.release.clone()
    }

    fn private_address(&self) -> String {
        self.private_address.clone()
    }

    fn session(&self) -> Session<'_> {
        self.machine.session()
    }

    fn install_packages(&self, names: &[String]) -> Result<Outcome> {
        self.machine.note(&format!("* install packages: {}", names.join(" ")));
        Ok(Outcome::changed(self.changes))
    }

    fn remove_packages(&self, names: &[String]) -> Result<Outcome> {
        self.machine.note(&format!("* remove packages: {}", names.join(" ")));
        Ok(Outcome::changed(self.changes))
    }

    fn add_repository(&self, repository: &Repository) -> Result<Outcome> {
        self.machine.note(&format!("* add repository: {repository:?}"));
        Ok(Outcome::changed(self.changes))
    }

    fn service(&self, name: &str, action: ServiceAction) -> Result<()> {
        self.machine.note(&format!("* service {name}: {action:?}"));
        Ok(())
    }

    fn upload_tree(&self, label: &str, path: &str) -> Result<bool> {
        self.machine.note(&format!("* upload {label} to {path}"));
        Ok(self.changes)
    }
}
