//! How soon a resignation is followed.

use std::time::{Duration, Instant};

use harness::{Keepalived, Sniffer};

use crate::keepalived::{assert_theirs, like};
use crate::pair::on_every_nginx;
use crate::router::{PATIENCE, Router, v2, v3};

#[test]
fn we_are_active_the_skew_after_keepalived_resigns_and_hardly_later() {
    on_every_nginx("resignation", |lab, carrier| {
        for (high, low) in [(v3(150), v3(100)), (v2(150), v2(100))] {
            let ours = Router::start(&lab.a, carrier, low);
            let mut theirs = Keepalived::start(&lab.b, &like(high));
            assert_theirs(&ours, &theirs, lab);
            let sniffer = Sniffer::start(&lab.client);
            let start = Instant::now();

            theirs.stop();

            let advert = |what, priority| {
                sniffer.wait_for_advert(what, start, PATIENCE, |it| it.priority == priority)
            };
            let (last, first) = (advert("they resign", 0), advert("we advertise", low.priority));
            let (waited, skew) = (first.at - last.at, low.skew_time());
            println!("version {}: {waited:.1?} after a resignation", low.version);
            assert!(waited < skew + HARDLY_LATER, "{waited:?}, skew {skew:?}");
            assert_eq!(ours.instance().expect("it answers")["reason"], "resigned");
            ours.nginx.quit();
        }
    });
}

const HARDLY_LATER: Duration = Duration::from_millis(50);
