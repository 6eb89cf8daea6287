-- note: weights.conf:1:1: vrrp_script best (killall -0 nginx): built in: a node whose nginx does not serve resigns, without a script and without a weight
-- note: weights.conf:7:5: state: nothing to set: the election decides
-- weights.conf:9:5: dont_track_primary: no counterpart: nobody is heard on a link that is down
-- note: weights.conf:11:14: priority 150 + 30 = 180: keepalived adds positive weights while all is well; here weights are taken off while something fails
-- note: weights.conf:13:9: track_interface: the interface of an instance is always watched: a fault when it is down
-- weights.conf:17:23: reverse: no counterpart: eth4 is not tracked
-- weights.conf:18:14: eth6: expected weight or the end of the line: keepalived ignores eth5 then
-- weights.conf:22:9: worst: there is no vrrp_script worst: keepalived ignores it
require("resty.vrrp").setup {
    instances = {
        {
            name = "EDGE",
            interface = "eth0",
            vrid = 90,
            priority = 180,
            version = 2,
            track = {
                { interface = "eth1", weight = -20 },
                { interface = "eth2", weight = -30 },
                { interface = "eth3" },
            },
            addresses = { "192.168.56.240/24" },
        },
    },
}
