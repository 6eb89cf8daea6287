//! Man pages and shell completions, made of the arguments as they are.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use super::arguments::CommandLine;

/// Writes all of them into a directory.
pub(super) fn into(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut command = CommandLine::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "resty-vrrp", directory)?;
    }
    command.build();
    let visible = command.get_subcommands().filter(|it| !it.is_hide_set()).cloned();
    for page in visible.chain([command.clone()]) {
        let name = page.get_display_name().unwrap_or("resty-vrrp").to_owned();
        let mut text = Vec::new();
        Man::new(page).section("8").render(&mut text)?;
        fs::write(directory.join(format!("{name}.8")), text)?;
    }
    Ok(())
}
