//! The completion scripts, really run by the shells that they are for.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use expectrl::{Expect, Session};

use crate::daemon::House;
use crate::samples::healthy;

/// A folder with the script in it, and how it is named there.
fn script(house: &House, shell: &str, name: &str) -> PathBuf {
    let path = house.folder.path().join(name);
    std::fs::write(&path, house.run(&["completions", shell]).good()).unwrap();
    path
}

/// The shell, or a word about why it is not tried.
fn shell(name: &str) -> Option<Command> {
    let there = Command::new(name).arg("-c").arg("exit 0").output().is_ok_and(|output| output.status.success());
    if !there {
        println!("completions are not run in {name}: it is missing (Debian: apt install {name})");
        assert!(std::env::var_os("CHECK_STRICT").is_none(), "{name} is missing");
        return None;
    }
    let mut command = Command::new(name);
    let programs = PathBuf::from(env!("CARGO_BIN_EXE_peerctl")).parent().unwrap().to_owned();
    let usual = std::env::var_os("PATH").unwrap();
    let path = std::iter::once(programs).chain(std::env::split_paths(&usual));
    command.env_clear().env("PATH", std::env::join_paths(path).unwrap()).env("TERM", "dumb");
    Some(command)
}

#[test]
fn bash() {
    let house = House::new(healthy);
    let Some(mut bash) = shell("bash") else { return };
    let script = script(&house, "bash", "peerctl.bash");
    let complete = r#"
        source "$1"
        offered() {
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
            _peerctl "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            echo "${COMPREPLY[@]}"
        }
        complete -p peerctl; offered peerctl downl; offered peerctl download --det; offered peerctl completions z"#;
    let output = bash.args(["--norc", "-c", complete, "bash"]).arg(script).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].contains("-F _peerctl"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(lines[1..], ["download", "--detach", "zsh"], "{said}");
}

#[test]
fn zsh() {
    let house = House::new(healthy);
    let Some(mut zsh) = shell("zsh") else { return };
    script(&house, "zsh", "_peerctl");
    zsh.args(["-f", "-i"]).env("HOME", house.folder.path()).env("PS1", "prompt> ").current_dir(house.folder.path());
    let mut session = Session::spawn(zsh).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(10)));
    session.send_line("fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; echo ready$((1))").unwrap();
    session.expect("ready1").unwrap();
    session.send("peerctl explai\t").unwrap();
    session.expect("peerctl explain ").unwrap();
    session.send("\u{15}peerctl completions zs\t").unwrap();
    session.expect("peerctl completions zsh ").unwrap();
}

#[test]
fn fish() {
    let house = House::new(healthy);
    let Some(mut fish) = shell("fish") else { return };
    let script = script(&house, "fish", "peerctl.fish");
    let complete = "source $argv[1]; complete -C 'peerctl paus'; complete -C 'peerctl download --detac'";
    let output =
        fish.args(["--no-config", "-c", complete]).arg(script).env("HOME", house.folder.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = said.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(words, ["pause", "--detach"], "{said}{}", String::from_utf8_lossy(&output.stderr));
}
