//! What a newcomer is told when the server is ready.

use std::net::SocketAddr;

use crate::{
    admin,
    config::{Command, Config},
    output::tell,
};

/// Prints where to go and what to try.
pub(crate) fn print(config: &Config, at: SocketAddr) {
    let url = format!("http://{at}");
    tell(format_args!("Baeum is ready at {url}"));
    tell(format_args!("  API and its documentation   {url}/docs"));
    tell(format_args!("  health, metrics             {url}/health/ready  {url}/metrics"));
    if config.command == Command::Serve && config.is_embedded() {
        let (address, file) = admin::hint(&config.data);
        tell(format_args!("  data                        {} (kept between runs)", config.data.display()));
        tell(format_args!("  administrator               {address}, password in {file}"));
    }
    tell(format_args!("  learners to look at         baeum demo --learners 12 --url {url}"));
    tell(format_args!("Stop it with Ctrl-C."));
}
