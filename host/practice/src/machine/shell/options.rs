//! What `set` switches.

/// The options of a shell.
#[derive(Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct Options {
    pub errexit: bool,
    pub nounset: bool,
    pub noglob: bool,
    pub xtrace: bool,
    pub noclobber: bool,
    pub noexec: bool,
    pub allexport: bool,
    pub pipefail: bool,
}

impl Options {
    /// Those that are on, as `$-` says them.
    pub(super) fn flags(self) -> String {
        let all = [
            (self.errexit, 'e'),
            (self.noglob, 'f'),
            (self.nounset, 'u'),
            (self.xtrace, 'x'),
            (self.noclobber, 'C'),
            (self.allexport, 'a'),
        ];
        all.iter().filter(|(on, _)| *on).map(|(_, c)| *c).collect()
    }

    /// Sets one by letter; false if there is no such option.
    pub(crate) fn letter(&mut self, letter: char, on: bool) -> bool {
        match letter {
            'e' => self.errexit = on,
            'u' => self.nounset = on,
            'f' => self.noglob = on,
            'x' => self.xtrace = on,
            'C' => self.noclobber = on,
            'n' => self.noexec = on,
            'a' => self.allexport = on,
            // Known, and without effect where nobody types.
            'm' | 'b' | 'h' | 'v' | 'i' | 'E' => {}
            _ => return false,
        }
        true
    }

    /// Sets one by name; false if there is no such option.
    pub(crate) fn named(&mut self, name: &str, on: bool, bash: bool) -> bool {
        match name {
            "errexit" => self.errexit = on,
            "nounset" => self.nounset = on,
            "noglob" => self.noglob = on,
            "xtrace" => self.xtrace = on,
            "noclobber" => self.noclobber = on,
            "noexec" => self.noexec = on,
            "allexport" => self.allexport = on,
            // dash before 0.5.13 has none.
            "pipefail" if bash => self.pipefail = on,
            "posix" if bash => {}
            _ => return false,
        }
        true
    }
}
