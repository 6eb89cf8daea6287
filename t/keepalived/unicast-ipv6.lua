-- note: unicast-ipv6.conf:4:5: vrrp_check_unicast_src: always so: only the peers are heard, and multicast is never used
-- note: unicast-ipv6.conf:8:5: state: nothing to set: the election decides
-- unicast-ipv6.conf:15:38: max_ttl: no counterpart
-- note: unicast-ipv6.conf:29:5: native_ipv6: the first address says which family the election has
-- unicast-ipv6.conf:30:5: unicast_peer: keepalived speaks from a link-local address here, and this from one that reaches beyond the link: give unicast_src_ip where keepalived is still running
-- note: unicast-ipv6.conf:30:5: min_hop_limit = 1: keepalived hears its peers from behind any number of routers; where they are on one link, leave it out (255)
require("resty.vrrp").setup {
    router_id = "site-a",
    instances = {
        {
            name = "WEB_6",
            interface = "eth0",
            vrid = 61,
            priority = 150,
            version = 3,
            advert_interval_ms = 500,
            source = "2001:db8:56::101",
            peers = { "2001:db8:57::102", "2001:db8:58::103" },
            hop_limit = 255,
            min_hop_limit = 252,
            addresses = { "fe80::56:61/64", "2001:db8:90::61/128" },
        },
        {
            name = "LINK_6",
            interface = "eth1",
            vrid = 62,
            priority = 150,
            version = 3,
            peers = { "fe80::102", "2001:db8:56::103" },
            min_hop_limit = 1,
            addresses = { "2001:db8:90::62/64" },
        },
    },
}
