//! The reference of the command line, as Markdown, from the command line itself.

use clap::{Arg, Command, CommandFactory as _};

use crate::cli::Arguments;
use crate::exit::MEANINGS;

/// Where the reference is kept, from the root of the repository.
pub const PATH: &str = "docs/plctl.md";

const INTRODUCTION: &str = "\
# plctl

The operator's tool. `cargo run -p plctl -- <command>`, or the binary of the same name. This page is generated from the command line:
`cargo xtask tidy --write`.

It finds the services in the file that `--config` names, else in `PLCTL_REDIS_URL` and `PLCTL_<SERVICE>_DATABASE_URL` (one for each of `auth`,
`post`, `interaction`, `moderation`, `engagement`, `minting` that you want to reach), else in the record of the stack that `cargo xtask up`
has started here. It needs the Redis user that may do everything and, per service, the database role that owns the schema.

Every command that changes something knows `--dry-run`, writes who did what and why into `operator_action` before it acts (`plctl actions` reads
it), does nothing the second time, and refuses in one line when the state does not allow it.
";

/// The whole page.
pub fn render() -> String {
    let mut page = vec![INTRODUCTION.to_owned()];
    page.push("## Exit codes\n\n| code | meaning |\n|---|---|".to_owned());
    for (code, meaning) in MEANINGS {
        row(&mut page, &[&code.to_string(), meaning]);
    }
    let mut root = Arguments::command();
    root.build();
    page.push("\n## Options of every command\n".to_owned());
    options(&mut page, &root, true);
    page.push("\n## Commands".to_owned());
    for command in root.get_subcommands() {
        describe(&mut page, command, "plctl");
    }
    page.join("\n") + "\n"
}

fn describe(page: &mut Vec<String>, command: &Command, parent: &str) {
    let name = format!("{parent} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    if command.has_subcommands() {
        for inner in command.get_subcommands() {
            describe(page, inner, &name);
        }
        return;
    }
    let positionals =
        command.get_positionals().map(|argument| format!(" <{}>", placeholder(argument)));
    let usage = name + &positionals.collect::<String>();
    page.push(format!("\n### `{usage}`\n\n{about}."));
    if command.get_arguments().any(is_listed) {
        page.push(String::new());
        options(page, command, false);
    }
}

fn is_listed(argument: &Arg) -> bool {
    !argument.is_global_set() && !["help", "version"].contains(&argument.get_id().as_str())
}

fn options(page: &mut Vec<String>, command: &Command, global: bool) {
    page.push("| option | default | meaning |\n|---|---|---|".to_owned());
    for argument in command
        .get_arguments()
        .filter(|argument| if global { argument.is_global_set() } else { is_listed(argument) })
    {
        let mut name = match argument.get_long() {
            Some(long) => format!("`--{long}"),
            None => format!("`<{}>", placeholder(argument)),
        };
        if argument.get_long().is_some() && argument.get_action().takes_values() {
            name = format!("{name} {}", placeholder(argument));
        }
        name.push('`');
        let defaults = argument.get_default_values().iter().map(|value| value.to_string_lossy());
        let mut default = defaults.collect::<Vec<_>>().join(" ");
        if let Some(variable) = argument.get_env() {
            default = format!("`${}`", variable.to_string_lossy());
        }
        if !argument.get_action().takes_values() {
            default.clear();
        }
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        row(page, &[&name, &default, &help.replace('|', "\\|")]);
    }
}

fn placeholder(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let name = names
        .first()
        .map_or_else(|| argument.get_id().as_str().to_uppercase(), ToString::to_string);
    name.to_uppercase()
}

fn row(page: &mut Vec<String>, cells: &[&str]) {
    page.push(format!("| {} |", cells.join(" | ")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_says_what_it_does_and_every_option_what_it_means() {
        let mut root = Arguments::command();
        root.build();
        root.clone().debug_assert();
        let mut seen = 0;
        let mut open: Vec<&Command> = root.get_subcommands().collect();
        while let Some(command) = open.pop() {
            open.extend(command.get_subcommands());
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen}");
    }

    #[test]
    fn the_reference_names_every_exit_code_and_the_required_arguments() {
        let page = render();

        for (code, _) in MEANINGS {
            assert!(page.contains(&format!("| {code} | ")), "{code}");
        }
        assert!(page.contains("### `plctl groups seek <GROUP>`"), "{page}");
        assert!(page.contains("| `--reason TEXT` |"), "{page}");
    }
}
