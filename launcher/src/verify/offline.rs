//! A lesson on a machine with no network: Linux gives it one of its own (`unshare`), in which there is nobody else.

use crate::paths::Places;
use crate::process;
use std::process::{Command, Stdio};

const OFFLINE_PY: &str = include_str!("offline.py");

/// Why no lesson can be run like that here; nothing where it can.
pub fn why_not(places: &Places) -> Option<String> {
    let mut nothing = Command::new("true");
    nothing.stdin(Stdio::null());
    match alone(places, &nothing).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

/// The same command in a network of its own.
pub fn alone(places: &Places, command: &Command) -> Command {
    let mut wrapped = process::command("unshare");
    wrapped.args(["--map-root-user", "--net"]).arg(places.python()).args(["-I", "-c", OFFLINE_PY]);
    wrapped.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_command_is_the_same_but_for_its_network() {
        let places = Places { root: "/course".into(), aula: "/course/.aula".into() };
        let mut command = Command::new("/bin/aula");
        command.args(["run", "a b.ipynb"]).env("AULA_SHORT", "1").env_remove("HF_TOKEN").current_dir("/");
        let wrapped = alone(&places, &command);
        let words: Vec<&str> = wrapped.get_args().filter_map(|word| word.to_str()).collect();
        assert_eq!(&words[words.len() - 3..], ["/bin/aula", "run", "a b.ipynb"]);
        assert!(wrapped.get_envs().any(|(name, value)| name == "AULA_SHORT" && value == Some("1".as_ref())));
        assert!(wrapped.get_envs().any(|(name, value)| name == "HF_TOKEN" && value.is_none()));
        assert_eq!(wrapped.get_current_dir(), Some(Path::new("/")));
    }
}
