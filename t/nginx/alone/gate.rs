//! What `is_active` costs a location.

use harness::{Role, Signal};

use crate::{lua, on_every_nginx, start_active};

#[test]
fn the_question_is_compiled_and_allocates_nothing() {
    on_every_nginx("cost", |host, carrier| {
        let nginx = start_active(host, carrier);

        let measured = lua(
            host,
            "local is_active, names, sum = vrrp.is_active, { 'VI_1', 'VI_1' }, 0
             local function ask(times)
                for n = 1, times do
                    if is_active(names[n % 2 + 1]) then sum = sum + 1 end
                end
             end
             ask(1e5)
             collectgarbage() collectgarbage('stop')
             local before_kb = collectgarbage('count')
             local start = os.clock()
             ask(1e7)
             local nanos = (os.clock() - start) * 1e9 / 1e7
             local grown_kb = collectgarbage('count') - before_kb
             collectgarbage('restart')
             return string.format('%.1f %.1f', nanos, grown_kb)",
        );

        let (nanos, grown_kb) = measured.split_once(' ').unwrap();
        println!("{}: is_active takes {nanos} ns", carrier.version);
        assert!(nanos.parse::<f64>().unwrap() <= 10.0, "{nanos} ns");
        assert!(grown_kb.parse::<f64>().unwrap() <= 1.0, "{grown_kb} KB for ten million questions");
        nginx.signal(Role::Master, Signal::SIGTERM);
    });
}
