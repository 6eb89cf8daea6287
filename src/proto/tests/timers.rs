//! When things happen.

use super::*;

#[test]
fn a_backup_takes_over_after_active_down_interval_of_silence() {
    let mut subject = Subject::started(&config());

    let done = timed_effects(subject.run(DOWN));

    assert_eq!(done, [(DOWN, advertise(100)), (DOWN, CLAIM)]);
    assert_eq!(subject.reason(), Some(Reason::NoResponse));
}

/// RFC 3768 §6.1: `Skew_Time` is `(256 - Priority) / 256` seconds, whatever the interval.
#[test]
fn version_2_does_not_scale_the_skew() {
    let adver_interval = Centiseconds::new(500).unwrap();
    let mut subject = Subject::started(&InstanceConfig { adver_interval, ..v2() });

    assert_eq!(subject.takes_over_after(), Duration::from_micros(15_609_375));
}

#[test]
fn version_3_scales_the_skew_with_the_interval() {
    let adver_interval = Centiseconds::new(10).unwrap();
    let mut subject = Subject::started(&InstanceConfig { adver_interval, ..config() });

    assert_eq!(subject.takes_over_after(), Duration::from_nanos(360_937_500));
}

#[test]
fn a_skew_below_a_millisecond_is_kept() {
    let (adver_interval, priority) = (Centiseconds::new(1).unwrap(), Priority::new(254));
    let config = InstanceConfig { priority, adver_interval, ..config() };

    assert_eq!(Subject::started(&config).timeout(), Some(Duration::from_nanos(30_078_125)));
}

#[test]
fn dead_factor_is_the_number_of_advertisements_that_may_be_missed() {
    let mut subject = Subject::started(&InstanceConfig { dead_factor: 10, ..config() });

    assert_eq!(subject.takes_over_after(), 10 * SECOND + SKEW);
}

#[test]
fn every_advertisement_of_the_active_router_restarts_the_timer() {
    let mut subject = Subject::started(&config());

    for _ in 0..60 {
        assert_eq!(subject.run(SECOND), []);
        assert_eq!(effects(subject.hears(&Advert::new(200))), []);
    }

    assert_eq!(subject.takes_over_after(), DOWN);
}

/// RFC 9568 §6.4.2: `Active_Adver_Interval` is what the Active router advertises.
#[test]
fn a_backup_learns_the_interval_of_the_active_router() {
    let mut subject =
        Subject::started(&InstanceConfig { priority: Priority::new(150), ..config() });

    subject.hears(&Advert::new(200).every(300));

    assert_eq!(subject.snapshot().active_down_interval, Duration::from_nanos(10_242_187_500));
    assert_eq!(subject.takes_over_after(), Duration::from_nanos(10_242_187_500));
}

#[test]
fn a_backup_learns_again_from_the_next_active_router() {
    let mut subject = Subject::started(&config());
    subject.hears(&Advert::new(200).every(300));

    subject.hears(&Advert::new(210).every(50).from(HIGHER));

    assert_eq!(subject.takes_over_after(), Duration::from_nanos(1_804_687_500));
}

#[test]
fn an_active_router_advertises_at_its_own_interval_not_the_learned_one() {
    let mut subject = Subject::started(&config());
    subject.hears(&Advert::new(200).every(300));
    let takeover = subject.takes_over_after();
    assert_eq!(takeover, Duration::from_micros(10_828_125));

    let done = subject.run(2 * SECOND);

    assert_eq!(done.len(), 2);
}

#[test]
fn a_restart_forgets_the_learned_interval() {
    let mut subject = Subject::started(&config());
    subject.hears(&Advert::new(200).every(300));

    subject.handle(Input::Shutdown);
    subject.handle(Input::Startup);

    assert_eq!(subject.takes_over_after(), DOWN);
}

/// RFC 9568 §6.4.2: on priority 0, `Active_Down_Timer` is set to `Skew_Time`.
#[test]
fn a_resignation_is_answered_after_the_skew() {
    let mut subject = Subject::started(&config());

    subject.hears(&Advert::new(0).every(10));

    assert_eq!(subject.takes_over_after(), SKEW);
    assert_eq!(subject.reason(), Some(Reason::Resigned));
}

#[test]
fn the_skew_after_a_resignation_is_that_of_the_learned_interval() {
    let mut subject = Subject::started(&config());
    subject.hears(&Advert::new(200).every(300));

    subject.hears(&Advert::new(0).every(10));

    assert_eq!(subject.takes_over_after(), Duration::from_micros(1_828_125));
}

#[test]
fn a_better_router_after_a_resignation_keeps_us_back() {
    let mut subject = Subject::started(&config());
    subject.hears(&Advert::new(0));
    subject.run(millis(300));

    subject.hears(&Advert::new(150).from(HIGHER));

    assert_eq!(subject.takes_over_after(), DOWN);
    assert_eq!(subject.reason(), Some(Reason::NoResponse));
}

#[test]
fn each_of_several_resignations_restarts_the_timer() {
    let mut subject = Subject::started(&config());

    for _ in 0..3 {
        subject.run(millis(500));
        subject.hears(&Advert::new(0));
    }

    assert_eq!(subject.takes_over_after(), SKEW);
}

#[test]
fn advertisements_of_an_active_router_do_not_drift() {
    let mut subject = Subject::active(&config());
    let begin = subject.now;

    for tick in 1_u32..=10 {
        let wait = subject.timeout().unwrap();
        assert_eq!(subject.oversleep(wait + millis(7) * tick), [advertise(100)]);

        let next = subject.node.poll_timeout().unwrap();
        assert_eq!(next - begin, SECOND * (tick + 1));
    }
}

#[test]
fn missed_advertisements_are_skipped_and_the_rest_stay_where_they_were() {
    let mut subject = Subject::active(&config());

    let done = subject.oversleep(millis(3_400));

    assert_eq!(done, [advertise(100), ANNOUNCE]);
    assert_eq!(subject.timeout(), Some(millis(600)));
}

/// RFC 9568 §6.4.3: the answer to a resignation restarts `Adver_Timer`.
#[test]
fn an_active_router_answers_a_resignation_and_restarts_its_timer() {
    let mut subject = Subject::active(&config());
    subject.run(millis(300));

    assert_eq!(effects(subject.hears(&Advert::new(0))), [advertise(100)]);
    assert_eq!(subject.timeout(), Some(SECOND));
}

#[test]
fn a_timer_that_an_advertisement_overtook_does_not_fire() {
    let mut subject = Subject::started(&config());
    subject.now = subject.now + DOWN + millis(1);

    subject.hears(&Advert::new(200));

    assert_eq!(subject.wake(), []);
    assert_eq!(subject.takes_over_after(), DOWN);
}

#[test]
fn time_that_runs_backwards_changes_nothing() {
    let mut subject = Subject::started(&config());
    let timeout = subject.node.poll_timeout();

    let before = Instant::from_nanos(subject.now.as_nanos() - 5_000_000_000);
    subject.node.handle_timeout(before);
    let advert = Advert::new(200).datagram();
    subject.node.handle(arrival(LINK, &advert), before);

    assert_eq!(subject.drain(), []);
    assert_eq!(subject.node.poll_timeout(), timeout);
}

#[test]
fn a_raised_priority_shortens_the_wait_of_a_backup_by_the_difference_of_the_skews() {
    let mut subject = Subject::started(&config());
    subject.run(SECOND);

    subject.handle(Input::Priority { router: ROUTER, priority: Priority::new(200) });

    assert_eq!(subject.takes_over_after(), Duration::from_micros(3_218_750).saturating_sub(SECOND));
}

#[test]
fn a_lowered_priority_lengthens_the_wait_after_a_resignation_too() {
    let mut subject = Subject::started(&config());
    subject.hears(&Advert::new(0));
    subject.run(millis(100));

    subject.handle(Input::Priority { router: ROUTER, priority: Priority::new(40) });

    assert_eq!(
        subject.takes_over_after(),
        Duration::from_micros(843_750).saturating_sub(millis(100))
    );
}

/// A busy host without `realtime` wakes it late, again and again.
#[test]
fn a_backup_that_always_wakes_late_takes_over_all_the_same() {
    let mut subject = Subject::started(&config());
    let begin = subject.now;

    while subject.state() == State::Backup {
        subject.wake_late(SECOND, millis(300));
        assert!(subject.now.since(begin) <= 4 * DOWN, "it never takes over");
    }

    assert!(subject.now.since(begin) > DOWN);
}

#[test]
fn who_hears_the_active_router_again_may_be_deaf_again() {
    let mut subject = Subject::started(&config());
    for _ in 0..3 {
        subject.sleep(3 * SECOND);
        subject.hears(&Advert::new(200));
    }

    subject.sleep(3 * SECOND);

    assert_eq!(subject.takes_over_after(), DOWN);
}

#[test]
fn an_active_router_that_overslept_steps_down_and_listens() {
    let mut subject = Subject::active(&config());

    let done = subject.oversleep(DOWN + Duration::from_nanos(1));

    assert_eq!(effects(done), [RELEASE]);
    assert_eq!(subject.reason(), Some(Reason::Overslept));
    assert_eq!(subject.takes_over_after(), DOWN);
}

#[test]
fn an_active_router_that_overslept_less_than_active_down_interval_goes_on() {
    let mut subject = Subject::active(&config());

    assert_eq!(subject.oversleep(DOWN), [advertise(100), ANNOUNCE]);
    assert_eq!(subject.state(), State::Active);
}

#[test]
fn an_active_router_announces_again_when_it_has_missed_an_advertisement_and_not_before() {
    let mut subject = Subject::active(&config());

    assert_eq!(subject.oversleep(millis(1_999)), [advertise(100)]);
    assert_eq!(subject.oversleep(SECOND + millis(1)), [advertise(100), ANNOUNCE]);
}

#[test]
fn an_active_router_that_overslept_does_not_defend_itself_against_what_it_finds() {
    let mut subject = Subject::active(&config());
    subject.now = subject.now + 10 * SECOND;

    assert_eq!(effects(subject.hears(&Advert::new(50))), [RELEASE]);
    assert_eq!(subject.state(), State::Backup);
}

#[test]
fn a_backup_that_overslept_listens_before_it_takes_over() {
    let mut subject = Subject::started(&config());
    subject.hears(&Advert::new(200).every(300));
    let learned = subject.timeout().unwrap();

    assert_eq!(subject.oversleep(2 * learned + Duration::from_nanos(1)), []);

    assert_eq!(subject.takes_over_after(), learned);
}

#[test]
fn what_a_backup_slept_through_does_not_count_as_silence() {
    for slept in [millis(2_500), 5 * SECOND, 7 * SECOND] {
        let mut subject = Subject::started(&config());
        subject.hears(&Advert::new(200));
        subject.run(SECOND);

        subject.sleep(slept);

        assert_eq!(subject.wake(), []);
        assert_eq!(subject.takes_over_after(), DOWN.saturating_sub(SECOND), "{slept:?}");
    }
}

#[test]
fn a_backup_that_wakes_late_by_less_than_a_quarter_of_an_interval_has_missed_nothing() {
    let mut subject = Subject::started(&config());
    subject.run(SECOND);

    subject.sleep(millis(250));

    assert_eq!(subject.takes_over_after(), DOWN.saturating_sub(SECOND + millis(250)));
}

#[test]
fn however_long_a_backup_slept_it_listens_no_longer_than_it_would_anew() {
    let hold = InstanceConfig { startup_hold: 5 * SECOND, ..config() };
    for (config, listens) in [(config(), DOWN), (hold, 5 * SECOND)] {
        let mut subject = Subject::started(&config);

        subject.sleep(3600 * SECOND);

        assert_eq!(subject.wake(), []);
        assert_eq!(subject.takes_over_after(), listens);
    }
}

/// `CLOCK_MONOTONIC` stands still while a machine is suspended.
#[test]
fn an_active_router_whose_machine_was_suspended_for_too_long_listens_first() {
    let mut subject = Subject::active(&config());
    subject.run(millis(500));

    assert_eq!(effects(subject.suspend(DOWN)), [RELEASE]);

    assert_eq!((subject.state(), subject.reason()), (State::Backup, Some(Reason::Overslept)));
    assert_eq!(subject.takes_over_after(), DOWN);
}

#[test]
fn an_active_router_whose_machine_was_suspended_for_a_moment_advertises_at_once() {
    let mut subject = Subject::active(&config());
    subject.run(millis(500));

    assert_eq!(subject.suspend(2 * SECOND), [advertise(100), ANNOUNCE]);

    assert_eq!(subject.timeout(), Some(millis(500)), "the others stay where they were");
}

#[test]
fn a_backup_whose_machine_was_suspended_does_not_count_that_as_silence() {
    for (suspended, waits) in [(SECOND, DOWN), (3600 * SECOND, DOWN)] {
        let mut subject = Subject::started(&config());
        subject.run(SECOND);

        assert_eq!(subject.suspend(suspended), []);

        assert_eq!(subject.takes_over_after(), waits);
    }
}

#[test]
fn a_router_whose_addresses_were_given_away_releases_and_listens_however_short_its_sleep() {
    for config in [config(), owner()] {
        // An owner that has started is Active.
        let begin = if config.priority.is_owner() { Subject::started } else { Subject::active };
        let mut subject = begin(&config);
        subject.now = subject.now + millis(1);

        assert_eq!(effects(subject.handle(Input::Withdrawn)), [RELEASE]);

        assert_eq!((subject.state(), subject.reason()), (State::Backup, Some(Reason::Overslept)));
        assert_eq!(subject.timeout(), Some(subject.snapshot().active_down_interval));
    }
}

#[test]
fn a_router_that_had_nothing_to_give_away_goes_on_as_it_was() {
    let mut subject = Subject::started(&config());
    subject.run(SECOND);
    let timeout = subject.timeout();

    assert_eq!(subject.handle(Input::Withdrawn), []);

    assert_eq!((subject.state(), subject.timeout()), (State::Backup, timeout));
}

#[test]
fn startup_hold_puts_off_a_takeover_but_not_the_listening() {
    let mut subject = Subject::started(&InstanceConfig { startup_hold: 30 * SECOND, ..config() });
    assert_eq!(subject.state(), State::Backup);
    assert_eq!(subject.timeout(), Some(30 * SECOND));

    subject.run(29 * SECOND);
    subject.hears(&Advert::new(200));

    assert_eq!(subject.takes_over_after(), DOWN);
}

#[test]
fn whoever_resigns_ends_the_startup_hold() {
    let mut subject = Subject::started(&InstanceConfig { startup_hold: 30 * SECOND, ..config() });
    subject.hears(&Advert::new(200));

    subject.hears(&Advert::new(0));

    assert_eq!(subject.takes_over_after(), SKEW);
}

#[test]
fn an_owner_with_a_startup_hold_listens_first_too() {
    let mut subject = Subject::started(&InstanceConfig { startup_hold: 30 * SECOND, ..owner() });

    assert_eq!(subject.takes_over_after(), 30 * SECOND);
    assert_eq!(subject.reason(), Some(Reason::Owner));
}

#[test]
fn startup_hold_follows_a_lost_link_but_not_a_lost_nginx() {
    let mut subject = Subject::started(&InstanceConfig { startup_hold: 30 * SECOND, ..config() });
    subject.run(40 * SECOND);

    subject.handle(failing());
    subject.handle(Input::Health(Health::Serving));
    let after_health = subject.timeout();
    subject.handle(link(LinkCarrier::Down, None));
    subject.handle(failing());
    subject.handle(link_up(OURS));
    subject.handle(Input::Health(Health::Serving));

    assert_eq!((after_health, subject.timeout()), (Some(DOWN), Some(30 * SECOND)));
}

#[test]
fn a_backup_that_could_not_add_the_addresses_takes_over_as_soon_as_it_can() {
    let mut subject = Subject::started(&config());
    subject.handle(Input::CannotClaim(true));

    assert_eq!(timed_effects(subject.run(DOWN + 20 * SECOND)), []);
    assert_eq!((subject.state(), subject.reason()), (State::Backup, Some(Reason::Startup)));

    subject.handle(Input::CannotClaim(false));
    assert!(subject.takes_over_after() <= millis(100));
    assert_eq!(subject.reason(), Some(Reason::NoResponse));
}

#[test]
fn an_owner_that_cannot_add_the_addresses_is_backup_until_it_can() {
    let mut subject = Subject::stopped(&owner());
    subject.handle(Input::CannotClaim(true));

    assert_eq!(effects(subject.handle(Input::Startup)), []);
    assert_eq!(timed_effects(subject.run(SECOND)), []);
    subject.handle(Input::CannotClaim(false));

    assert!(subject.takes_over_after() <= millis(100));
    assert_eq!(subject.reason(), Some(Reason::Owner));
}
