-- The layout of the board: src/status/layout.rs as LuaJIT declares it. A test
-- compares the two.

local ffi = require "ffi"


ffi.cdef [[
typedef struct {
    uint64_t magic;
    uint64_t length;
    uint32_t layout;
    uint32_t generation;
    uint32_t header_size;
    int32_t board_fd;
    uint32_t instance_size;
    uint32_t address_size;
    uint32_t instances;
    uint32_t addresses;
    uint32_t peers;
    uint32_t peers_offset;
    uint32_t owner;
    uint32_t event_size;
    uint32_t events_offset;
    uint32_t warnings_offset;
    uint32_t warnings;
    uint32_t instances_offset;
    uint32_t addresses_offset;
    uint32_t worker_timeout_ms;
    uint32_t workers_total;
    int32_t master_pid;
    uint32_t carrier;
    int32_t carrier_pid;
    uint64_t carrier_beat_ms;
    uint64_t engine_beat_ms;
    uint64_t guarded_ms;
    uint64_t started_ms;
    uint64_t starts;
    uint32_t engine_state;
    uint32_t healthy;
    uint32_t draining;
    uint32_t superseded;
    uint32_t control;
    uint32_t findings;
    uint32_t shutdown_timeout_ms;
    uint8_t reserved[4];
    uint64_t page;
    uint64_t late_turns;
    uint64_t late_us;
    uint64_t events;
    uint64_t events_begun;
    uint64_t events_delivered;
    uint64_t events_from_ms;
    uint64_t lines;
    char token[136];
    char router_id[128];
    char module[32];
    char nginx[64];
    char run_dir[72];
    char error[512];
    char reasons[32][24];
} resty_vrrp_header;

typedef struct {
    uint64_t beat_ms;
    uint64_t ended;
    uint64_t listeners;
} resty_vrrp_worker;

typedef struct {
    uint32_t request;
    uint32_t user;
    resty_vrrp_worker workers[1024];
} resty_vrrp_page;

typedef struct {
    uint64_t number;
    uint64_t at_ms;
    char instance[64];
    uint8_t from;
    uint8_t to;
    uint8_t reason;
    uint8_t reserved[5];
} resty_vrrp_event;

typedef struct {
    uint64_t number;
    uint64_t at_ms;
    uint8_t level;
    uint8_t reserved[7];
    char text[488];
} resty_vrrp_line;

typedef struct {
    uint64_t advertisements_sent;
    uint64_t advertisements_received;
    uint64_t priority_zero_sent;
    uint64_t priority_zero_received;
    uint64_t announcements_sent;
    uint64_t checksum;
    uint64_t ttl;
    uint64_t version;
    uint64_t vrid;
    uint64_t length;
    uint64_t kind;
    uint64_t auth;
    uint64_t interval;
    uint64_t address_list;
    uint64_t owner;
    uint64_t own_source;
    uint64_t unlisted;
    uint64_t martian;
    uint64_t not_running;
    uint64_t rivals;
    uint64_t became_active[32];
    uint64_t left_active[32];
} resty_vrrp_counters;

typedef struct {
    char name[32];
    int16_t weight;
    uint8_t weighted;
    uint8_t ok;
    uint8_t reserved[4];
} resty_vrrp_check;

typedef struct {
    uint64_t seq;
    uint64_t since_ms;
    uint32_t instance;
    uint8_t reserved[4];
    char name[32];
    char text[456];
} resty_vrrp_warning;

typedef struct {
    uint64_t seq;
    uint32_t verdict;
    uint8_t reserved[4];
    char test[24];
    char text[600];
} resty_vrrp_finding;

typedef struct {
    uint64_t at_ms;
    uint8_t from;
    uint8_t to;
    uint8_t reason;
    uint8_t reserved[5];
} resty_vrrp_transition;

typedef struct {
    uint64_t seq;
    uint32_t state;
    uint32_t adver_interval_ms;
    uint64_t since_ms;
    uint64_t transitions;
    uint64_t active_down_interval_us;
    uint64_t active_last_advert_ms;
    uint8_t active_address[16];
    uint8_t active_family;
    uint8_t active_priority;
    uint8_t active_is_self;
    uint8_t reason;
    uint8_t vrid;
    uint8_t family;
    uint8_t version;
    uint8_t priority;
    uint8_t effective_priority;
    uint8_t preempt;
    uint8_t checks;
    uint8_t checksum;
    uint8_t reserved[4];
    uint32_t first_address;
    uint32_t addresses;
    uint32_t first_peer;
    uint32_t peers;
    char name[64];
    char sync_group[64];
    char interface[16];
    char fault[256];
    resty_vrrp_counters counters;
    resty_vrrp_check check[28];
    resty_vrrp_transition history[32];
} resty_vrrp_instance;

typedef struct {
    uint8_t address[16];
    uint8_t family;
    uint8_t prefix;
    uint8_t excluded;
    uint8_t assigned;
    uint8_t contested;
    uint8_t ours;
    uint8_t reserved[2];
    uint64_t lost;
    char interface[16];
    char label[16];
} resty_vrrp_address;

typedef struct {
    uint8_t address[16];
    uint8_t family;
    uint8_t reserved[7];
    uint64_t heard_ms;
} resty_vrrp_peer;
]]


return {
    -- "RSTYVRRP"
    MAGIC = 0x5052525659545352ULL,
    VERSION = 17,
    WITHDRAWN = 2 ^ 52,
    NEVER = 2 ^ 53,
    WORKERS = 1024,
    EVENTS = 1024,
    LINES = 200,
    WARNINGS = 256,
    FINDINGS = 32,
    -- The instance of a warning about the whole node.
    NODE = 2 ^ 32 - 1,
    CHECKS = 28,
    HISTORY = 32,
    REASONS = 32,

    -- The header's engine_state.
    NONE = 0,
    STARTING = 1,
    RUNNING = 2,
    FAILED = 3,
    STOPPED = 4,

    -- The header's carrier.
    AGENT = 1,
    WORKER = 2,

    -- The page's request.
    DRAIN = 1,
    UNDRAIN = 2,

    -- A finding's verdict.
    VERDICTS = { [0] = "ok", [1] = "warning", [2] = "fault" },

    -- An instance's state, and its name.
    INITIALIZE = 0,
    BACKUP = 1,
    ACTIVE = 2,
    FAULT = 3,
    STATES = {
        [0] = "initialize", [1] = "backup", [2] = "active", [3] = "fault",
    },
}
