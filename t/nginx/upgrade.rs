//! Another executable takes over from a running nginx, or gives up.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use harness::{Nginx, Probe, Role, Signal, eventually, wait_until};

use crate::guard::{guards, node_warnings};
use crate::pair::{INTERVAL, PATIENCE, Pair, SERVER, on_every_pair};
use crate::{board_of, get, logs, lua, on_every_nginx, start_active, status_when};

#[test]
fn nobody_notices_an_upgrade() {
    on_every_pair("upgrade", |pair, _| {
        unnoticed(pair, |nginx| {
            let [old, new] = start_another(nginx);
            end(old, Signal::SIGQUIT);
            assert_eq!(nginx.master(), Some(new));
        });
        pair.one.nginx.reload();
        pair.one.wait_for_generation(2);
    });
}

#[test]
fn nobody_notices_an_upgrade_that_is_taken_back() {
    on_every_pair("rollback", |pair, _| {
        unnoticed(pair, |nginx| {
            let [old, new] = start_another(nginx);
            end(new, Signal::SIGQUIT);
            wait_until("the old master is back", PATIENCE, || nginx.master() == Some(old));
        });
        pair.one.nginx.reload();
        pair.one.wait_for_generation(2);
    });
}

#[test]
fn no_peer_notices_an_upgrade_that_is_stopped_at_once() {
    on_every_pair("fast rollback", |pair, _| {
        let calm = pair.calm();

        let [_, new] = start_another(&pair.one.nginx);
        end(new, Signal::SIGTERM);

        std::thread::sleep(INTERVAL * 5);
        pair.assert_calm(&calm);
    });
}

#[test]
fn nobody_notices_an_upgrade_that_is_taken_back_late() {
    on_every_pair("late rollback", |pair, _| {
        unnoticed(pair, |nginx| {
            let [old, new] = start_another(nginx);
            // As in nginx's manual: the old workers go, and are started again.
            harness::signal(old, Signal::SIGWINCH);
            wait_until("they go", PATIENCE, || nginx.pids(Role::Carrier).len() == 1);
            let before = handovers(nginx);
            harness::signal(old, Signal::SIGHUP);
            wait_until("the old workers are back", PATIENCE, || handovers(nginx) > before);
            end(new, Signal::SIGQUIT);
        });
    });
}

#[test]
fn an_old_worker_passes_on_what_it_is_asked_and_shows_what_is() {
    on_every_pair("drained by an old worker", |pair, _| {
        let [old, _] = start_another(&pair.one.nginx);

        for (request, state) in [("drain", "initialize"), ("undrain", "active")] {
            // Workers of both masters answer, in no certain order.
            let ask = format!(
                "if vrrp.status().node.master_pid ~= {old} then return 'try again' end
                 return vrrp.{request}()"
            );
            eventually("an old worker is asked", PATIENCE, || {
                let answer = lua(&pair.one.host, &ask);
                if answer == "true" { Ok(()) } else { Err(answer) }
            });
            // Enough times in a row that workers of both masters have said so.
            eventually("all workers say what is", PATIENCE, || {
                let said = |_| pair.one.status().map_err(|error| error.to_string());
                let all = (0..20).map(said).collect::<Result<Vec<_>, _>>()?;
                let wrong = all.iter().find(|status| {
                    let node = &status["node"];
                    let assigned = &status["instances"][0]["addresses"][0]["assigned"];
                    node["draining"] != (request == "drain")
                        || *assigned != (request == "undrain")
                        || status["instances"][0]["state"] != state
                });
                wrong.map_or(Ok(()), |wrong| Err(wrong.to_string()))
            });
        }
        end(old, Signal::SIGQUIT);
    });
}

#[test]
fn an_upgrade_that_crashes_leaves_the_old_nginx_in_charge() {
    on_every_pair("crashed upgrade", |pair, _| {
        let [old, new] = start_another(&pair.one.nginx);
        let of_new = pair.one.nginx.pids(Role::All).into_iter().filter(|pid| *pid >= new);

        of_new.for_each(|pid| harness::signal(pid, Signal::SIGKILL));

        // The pid file is back as soon as the old master has noticed.
        wait_until("the old master is alone", PATIENCE, || {
            pair.one.nginx.pids(Role::Master) == [old]
        });
        // The other node may serve meanwhile.
        pair.wait_until_settled();
        let calm = pair.calm();
        std::thread::sleep(INTERVAL * 10);
        pair.assert_calm(&calm);
    });
}

#[test]
fn nobody_notices_a_reload_to_a_version_with_another_layout_of_the_board() {
    on_every_pair("another layout", |pair, _| {
        unnoticed(pair, |nginx| {
            let before = handovers(nginx);
            relabel_board(&pair.one.nginx);
            nginx.reload();
            wait_until("the new version has the routers", PATIENCE, || handovers(nginx) > before);
            wait_until("the old version is gone", PATIENCE, || {
                nginx.pids(Role::Carrier).len() == 1
            });
        });
    });
}

/// As a package does it: the new files are there before nginx is reloaded.
#[test]
fn a_carrier_that_is_started_again_after_an_installation_has_the_library_of_its_board() {
    on_every_pair("installed before the reload", |pair, _| {
        if std::env::var_os("LUA_LIB_DIR").is_some() {
            println!("an installed library is not broken for a test");
            return;
        }
        let (one, library) = (&pair.one, pair.library());
        let files = [library.clone(), library.with_file_name("guard")];
        let calm = pair.calm();
        let elsewhere = |file: &Path| file.with_extension("before");
        for file in &files {
            fs::rename(file, elsewhere(file)).expect("it was installed");
            fs::write(file, "of another version").expect("the directory is writable");
        }
        let before = guards(&one.host);

        one.nginx.kill9(Role::Carrier);

        eventually("there is another guard", PATIENCE, || {
            let now = guards(&one.host);
            if now.len() == 1 && now != before { Ok(()) } else { Err(format!("{now:?}")) }
        });
        pair.assert_calm(&calm);
        for file in &files {
            fs::remove_file(file).expect("it is there");
        }
        let before = one.nginx.carrier_pid();
        one.nginx.kill9(Role::Carrier);
        wait_until("there is another carrier", PATIENCE, || one.nginx.carrier_pid() != before);
        one.nginx.try_reload().expect_err("there is no library any more");
        pair.assert_calm(&calm);
        for file in &files {
            fs::rename(elsewhere(file), file).expect("it is still there");
        }
        one.nginx.reload();
        one.wait_for_generation(2);
        pair.assert_calm(&calm);
        assert!(node_warnings(&one.host).is_empty(), "{:?}", node_warnings(&one.host));
    });
}

#[test]
fn a_library_that_knows_another_layout_of_the_board_asks_for_a_reload() {
    on_every_nginx("library of another layout", |host, carrier| {
        let nginx = start_active(host, carrier);
        relabel_board(&nginx);
        for carrier in nginx.pids(Role::Carrier) {
            harness::signal(carrier, Signal::SIGKILL);
        }

        eventually("the engine is refused", PATIENCE, || {
            let health = get(host, "/ha/healthz");
            let asks = health.status == 503 && health.body.contains("reload nginx");
            if asks { Ok(()) } else { Err(health.body) }
        });
        logs(&nginx, "it was installed after nginx was started; reload nginx");
        nginx.reload();

        status_when(host, "active");
    });
}

/// Makes the board of a running nginx one of another version.
fn relabel_board(nginx: &Nginx) {
    board_of(nginx).header().layout.fetch_sub(1, Relaxed);
}

/// Lets something happen to the first node that no client and no peer may notice.
#[track_caller]
fn unnoticed(pair: &Pair, work: impl FnOnce(&Nginx)) {
    let probe = Probe::start(&pair.client, SERVER, "/");
    probe.wait_for("worker-01", PATIENCE);
    let calm = pair.calm();
    work(&pair.one.nginx);
    std::thread::sleep(INTERVAL * 5);
    let longest = pair.assert_calm(&calm);
    let report = probe.finish();
    println!("longest silence {longest:.1?}; {report}");
    assert!(report.failures().is_empty(), "{:?}", report.failures());
}

/// Starts another master beside the one that runs, and returns both once the new one has the
/// routers.
#[track_caller]
pub(crate) fn start_another(nginx: &Nginx) -> [i32; 2] {
    let old = nginx.master().expect("nginx runs");
    let before = handovers(nginx);
    harness::signal(old, Signal::SIGUSR2);
    eventually("the routers are handed over", PATIENCE, || {
        if handovers(nginx) > before { Ok(()) } else { Err(nginx.error_log()) }
    });
    let new = nginx.master().expect("there is a pid file");
    assert_ne!(old, new);
    std::thread::sleep(Duration::from_millis(200));
    [old, new]
}

fn handovers(nginx: &Nginx) -> usize {
    nginx.error_log().matches("goes on where the engine before this one was").count()
}

#[track_caller]
fn end(master: i32, signal: Signal) {
    harness::signal(master, signal);
    wait_until("a master ends", PATIENCE, || !harness::is_alive(master));
}
