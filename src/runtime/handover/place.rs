//! Where the engines of one host meet.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};

use super::Peer;
use crate::guard::DoorId;
use crate::net::{file_of_thread, local};

/// The path of the socket: one for each network namespace, as its addresses are its own.
#[derive(Clone, Debug)]
pub(in crate::runtime) struct Place {
    path: PathBuf,
}

impl Place {
    /// Finds the place: `run_dir`, or the usual directory that can be used. Makes the directory if
    /// it is missing.
    ///
    /// # Errors
    ///
    /// When there is no directory, others may write into it, or we may not.
    pub(in crate::runtime) fn find(run_dir: Option<&Path>) -> io::Result<Self> {
        if let Some(directory) = run_dir {
            return Self::in_directory(directory);
        }
        Self::find_among([OPENRESTY, OWN].map(Path::new))
    }

    /// Finds the one of two usual directories that can be used, or makes the second.
    fn find_among(usual: [&Path; 2]) -> io::Result<Self> {
        let existing = usual.into_iter().filter(|directory| directory.is_dir());
        let (mut usable, mut problems) = (Vec::new(), Vec::new());
        for directory in existing {
            match Self::in_directory(directory) {
                Ok(place) => usable.push(place),
                Err(error) => problems.push(error.to_string()),
            }
        }
        // Another one may be created while an engine runs: the one with an open door comes first.
        if usable.len() > 1 {
            usable.sort_by_key(|place| !place.is_attended());
        }
        if let Some(place) = usable.into_iter().next() {
            return Ok(place);
        }
        if !usual[1].is_dir() {
            match Self::in_directory(usual[1]) {
                Ok(place) => return Ok(place),
                Err(error) => problems.push(error.to_string()),
            }
        }
        Err(io::Error::other(problems.join("; ")))
    }

    fn in_directory(directory: &Path) -> io::Result<Self> {
        let at_place = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", directory.display()))
        };
        if !directory.is_dir() {
            DirBuilder::new().mode(0o700).create(directory).map_err(at_place)?;
        }
        let found = fs::metadata(directory).map_err(at_place)?;
        let we = geteuid().as_raw();
        if let Some(problem) = distrust(found.uid(), found.mode(), we) {
            return Err(at_place(io::Error::new(io::ErrorKind::PermissionDenied, problem)));
        }
        accessat(CWD, directory, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).map_err(
            |error| at_place(io::Error::other(format!("user {we} cannot write into it: {error}"))),
        )?;
        let namespace = fs::metadata(file_of_thread("ns/net"))?.ino();
        Ok(Self { path: directory.join(format!("vrrp-{namespace}.sock")) })
    }

    /// Returns the path of the socket.
    pub(in crate::runtime) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the directory of the socket.
    pub(in crate::runtime) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Returns the identity of the place: engines with the same one meet there.
    pub(in crate::runtime) fn id(&self) -> Option<DoorId> {
        DoorId::at(self.directory()).ok()
    }

    /// Connects to the engine that has the routers; `None` if there is none. Never blocks.
    pub(in crate::runtime) fn knock(&self) -> Option<Peer> {
        let stream = local::connect(&self.path).and_then(UnixStream::from_std).ok()?;
        match Peer::trusted(stream) {
            Ok(peer) => Some(peer),
            Err(error) => {
                tracing::warn!("nobody to take the routers over from: {error}");
                None
            }
        }
    }

    /// Tells whether an engine has its door open. The file of a killed engine stays.
    fn is_attended(&self) -> bool {
        match local::connect(&self.path) {
            Ok(_) => true,
            // Its queue is full: the door is open.
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    /// Returns the identity of the door at the place, if there is one.
    pub(in crate::runtime) fn door_id(&self) -> Option<DoorId> {
        DoorId::at(&self.path).ok()
    }

    /// Opens a door in place of the present one: from now on the next engine knocks at ours.
    ///
    /// # Errors
    ///
    /// When the directory does not allow it.
    pub(in crate::runtime) fn open(&self) -> io::Result<Door> {
        let (listener, id) = local::listen(&self.path, DoorId::at)?;
        Ok(Door { path: self.path.clone(), id, listener })
    }
}

/// Returns why a directory cannot be trusted, and what helps: whoever can write into it can take
/// the routers.
fn distrust(owner: u32, mode: u32, we: u32) -> Option<String> {
    if owner != 0 && owner != we {
        return Some(format!("it belongs to user {owner}: chown it to root or to user {we}"));
    }
    let mode = mode & 0o7777;
    (mode & 0o022 != 0)
        .then(|| format!("others may write into it (mode {mode:04o}): chmod go-w it"))
}

/// The open socket. Dropping it removes its file, unless another engine has replaced it.
#[derive(Debug)]
pub(in crate::runtime) struct Door {
    path: PathBuf,
    id: DoorId,
    listener: UnixListener,
}

impl Door {
    /// Returns the identity of the door.
    pub(in crate::runtime) fn id(&self) -> DoorId {
        self.id
    }

    /// Waits for another engine. An error is a connection that was refused.
    pub(in crate::runtime) fn poll_visitor(&self, cx: &mut Context<'_>) -> Poll<io::Result<Peer>> {
        self.listener.poll_accept(cx).map(|accepted| Peer::trusted(accepted?.0))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.id.remove_from(&self.path);
    }
}

/// OpenResty's unit creates this one.
const OPENRESTY: &str = "/run/openresty";
const OWN: &str = "/run/resty-vrrp";

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::{Place, distrust};

    #[test]
    fn engines_meet_where_one_answers_and_not_where_one_was_killed() {
        let base = std::env::temp_dir().join(format!("resty-vrrp-places-{}", std::process::id()));
        let [first, second] = ["first", "second"].map(|name| base.join(name));
        std::fs::create_dir_all(&base).unwrap();
        let [killed, living] = [&first, &second].map(|directory| {
            let place = Place::in_directory(directory).unwrap();
            (UnixListener::bind(place.path()).unwrap(), place)
        });
        drop(killed.0);

        let found = Place::find_among([&first, &second]).unwrap();

        assert_eq!(found.path(), living.1.path());
        std::fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn a_directory_is_trusted_where_only_root_and_we_may_write() {
        for (owner, mode) in [(0, 0o040_755), (33, 0o040_755), (33, 0o040_700)] {
            assert_eq!(distrust(owner, mode, 33), None);
        }
    }

    #[test]
    fn a_directory_of_somebody_else_is_refused_and_so_is_one_that_others_may_write_into() {
        let told = |owner, mode| distrust(owner, mode, 33).unwrap_or_default();

        assert_eq!(
            told(1000, 0o040_755),
            "it belongs to user 1000: chown it to root or to user 33"
        );
        for mode in [0o040_775, 0o040_757, 0o041_777] {
            assert!(told(33, mode).ends_with("chmod go-w it"), "{}", told(33, mode));
        }
        assert!(told(0, 0o041_777).contains("(mode 1777)"));
    }
}
