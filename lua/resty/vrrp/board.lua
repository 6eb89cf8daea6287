-- The board: shared memory that the engine writes and every nginx process
-- reads; and beside it the page, which the workers write. Both are memfds that
-- the master makes before it forks; on a kernel without, files in /dev/shm that
-- have no name any more.
--
-- The master and its children have the board mapped for reading alone, and no
-- descriptor that is good for anything but to open it again. Under the
-- privileged agent only root may do that: workers cannot write on the board.

local clock = require "resty.vrrp.clock"
local ffi = require "ffi"
local layout = require "resty.vrrp.layout"
local text = require "resty.vrrp.text"

local C = ffi.C
local cast = ffi.cast
local copy = ffi.copy
local ffi_string = ffi.string
local format = string.format
local gc = ffi.gc
local io_open = io.open
local ipairs = ipairs
local max = math.max
local min = math.min
local now_ms = clock.now_ms
local pairs = pairs
local sizeof = ffi.sizeof
local tonumber = tonumber
local count_workers = ngx.worker.count
local worker_pid = ngx.worker.pid


ffi.cdef [[
long resty_vrrp_syscall(long, ...) __asm__("syscall");
long resty_vrrp_lseek(int, long, int) __asm__("lseek");
void *resty_vrrp_mmap(void *, size_t, int, int, int, long) __asm__("mmap");
void *resty_vrrp_mremap(void *, size_t, size_t, int) __asm__("mremap");
int resty_vrrp_munmap(void *, size_t) __asm__("munmap");
int resty_vrrp_close(int) __asm__("close");
int resty_vrrp_open(const char *, int, ...) __asm__("open");
int resty_vrrp_mkostemp(char *, int) __asm__("mkostemp");
int resty_vrrp_unlink(const char *) __asm__("unlink");
int resty_vrrp_fchmod(int, unsigned) __asm__("fchmod");
unsigned resty_vrrp_geteuid(void) __asm__("geteuid");
int resty_vrrp_memcmp(const void *, const void *, size_t) __asm__("memcmp");
char *resty_vrrp_strerror(int) __asm__("strerror");
]]


-- An engine without a heartbeat for engine_timeout_ms is dead or hung. It beats
-- ten times as often.
local _M = { engine_timeout_ms = 1000 }
local mt = { __index = _M }


local NAME = "resty.vrrp"
local PAGE_NAME = "resty.vrrp.page"
-- By number: a C library before glibc 2.27 has no function for it. It is the
-- same number wherever the kernel uses the common table.
local SYS_MEMFD_CREATE = jit.arch == "x64" and 319 or 279
-- Close on exec, and allow sealing.
local MEMFD_FLAGS = 3
local ENOSYS = 38
local SHM = "/dev/shm/"
local SEEK_END = 2
local PROT_READ = 1
local PROT_READ_WRITE = 3
local O_CLOEXEC = 0x80000
local O_RDONLY = 0x80000
local O_RDWR = 0x80002
local O_PATH = 0x280000
local MAP_SHARED = 1
local MREMAP_MAYMOVE = 1

-- nginx starts the carrier a moment after the workers. What else its
-- init_worker_by_lua does may take some time.
local CARRIER_TIMEOUT_MS = 3000
-- A slot is written in a microsecond.
local READ_ATTEMPTS = 10000

local HEADER = ffi.typeof("resty_vrrp_header *")
local WORDS = ffi.typeof("resty_vrrp_page *")
local EVENTS = ffi.typeof("resty_vrrp_event *")
local LINES = ffi.typeof("resty_vrrp_line *")
local WARNINGS = ffi.typeof("resty_vrrp_warning *")
local FINDINGS = ffi.typeof("resty_vrrp_finding *")
local INSTANCES = ffi.typeof("resty_vrrp_instance *")
local ADDRESSES = ffi.typeof("resty_vrrp_address *")
local PEERS = ffi.typeof("resty_vrrp_peer *")
local HEADER_SIZE = sizeof("resty_vrrp_header")
local INSTANCE_SIZE = sizeof("resty_vrrp_instance")
local ADDRESS_SIZE = sizeof("resty_vrrp_address")
local PEER_SIZE = sizeof("resty_vrrp_peer")
local EVENTS_AT = HEADER_SIZE
local PAGE_SIZE = sizeof("resty_vrrp_page")
local LINES_AT = EVENTS_AT + layout.EVENTS * sizeof("resty_vrrp_event")
local WARNINGS_AT = LINES_AT + layout.LINES * sizeof("resty_vrrp_line")
local FINDINGS_AT = WARNINGS_AT
                    + layout.WARNINGS * sizeof("resty_vrrp_warning")
local INSTANCES_AT = FINDINGS_AT
                     + layout.FINDINGS * sizeof("resty_vrrp_finding")
-- The kernel maps whole pages, which are no larger.
local KERNEL_PAGE = 65536


local function why()
    return ffi_string(C.resty_vrrp_strerror(ffi.errno()))
end


-- Returns a text of the board. A worker may have overwritten the end of it.
local function text_of(field)
    return ffi_string(field, sizeof(field)):match("^%Z*")
end


_M.text_of = text_of


-- Returns a number of the board that can be counted on: nothing gets so far.
local function countable(number)
    return min(tonumber(number), 2 ^ 52)
end


_M.countable = countable


-- Returns the length of a board of so many slots.
local function length_of(count)
    return INSTANCES_AT + count.instances * INSTANCE_SIZE
           + count.addresses * ADDRESS_SIZE + count.peers * PEER_SIZE
end


-- Returns the numbers of slots, or nil if this is no board of this version.
-- Whatever a worker has written, all tables lie within length.
local function count_slots(header, length)
    if length < HEADER_SIZE or header.magic ~= layout.MAGIC
       or header.layout ~= layout.VERSION or header.length ~= length then
        return nil
    end
    local count = {
        instances = header.instances,
        addresses = header.addresses,
        peers = header.peers,
    }
    return length_of(count) == length and count or nil
end


-- Returns the board whose header is at this address, without its slots. The
-- numbers are those that were checked: those on the board may be others by now.
local function without_slots(header, count)
    local start = cast("char *", header)
    local slots = cast(INSTANCES, start + INSTANCES_AT)
    local addresses = cast(ADDRESSES, slots + count.instances)
    return setmetatable({
        header = header,
        events = cast(EVENTS, start + EVENTS_AT),
        lines = cast(LINES, start + LINES_AT),
        warnings = cast(WARNINGS, start + WARNINGS_AT),
        findings = cast(FINDINGS, start + FINDINGS_AT),
        slots = slots,
        addresses = addresses,
        peers = cast(PEERS, addresses + count.addresses),
        count = count,
    }, mt)
end


-- Returns the board whose header is at this address, with its slots in the
-- order of the configuration, and by name. That reads all of the board.
local function at(header, count)
    local board = without_slots(header, count)
    board.instances, board.by_name = {}, {}
    for index = 1, count.instances do
        local slot = board.slots + (index - 1)
        board.instances[index] = slot
        board.by_name[text_of(slot.name)] = slot
    end
    return board
end


-- Makes an empty file in /dev/shm that only its maker can open, and removes it:
-- for a kernel before Linux 3.17, which has no memfd.
local function make_file(name)
    local path = SHM .. name .. ".XXXXXX"
    local template = ffi.new("char[?]", #path + 1, path)
    local fd = C.resty_vrrp_mkostemp(template, O_CLOEXEC)
    if fd < 0 then
        return nil, "cannot make shared memory in " .. SHM .. ": " .. why()
    end
    C.resty_vrrp_unlink(template)
    return fd
end


-- Makes empty shared memory.
local function make(name)
    local fd = tonumber(C.resty_vrrp_syscall(SYS_MEMFD_CREATE, name,
                                             cast("long", MEMFD_FLAGS)))
    if fd >= 0 then
        return fd
    end
    if ffi.errno() == ENOSYS then
        return make_file(name)
    end
    return nil, "cannot make shared memory: " .. why()
end


-- Makes empty shared memory for a board and for its page. Returns both
-- descriptors.
function _M.create()
    local fd, err = make(NAME)
    if not fd then
        return nil, err
    end
    local page_fd
    page_fd, err = make(PAGE_NAME)
    if not page_fd then
        C.resty_vrrp_close(fd)
        return nil, err
    end
    return fd, page_fd
end


-- Closes memory that did not become a board.
function _M.discard(fd, page_fd)
    C.resty_vrrp_close(fd)
    C.resty_vrrp_close(page_fd)
end


-- Maps length bytes of fd. Returns their address, or nil.
local function map(fd, length, protection)
    local memory = C.resty_vrrp_mmap(nil, length, protection, MAP_SHARED, fd, 0)
    if cast("intptr_t", memory) == -1 then
        return nil, "cannot map the board: " .. why()
    end
    return memory
end


-- Maps memory that this process may have open for nothing, or for another
-- purpose.
local function map_again(fd, length, flags, protection)
    local again = C.resty_vrrp_open("/proc/self/fd/" .. fd, flags)
    if again < 0 then
        return nil, "cannot open the board: " .. why()
    end
    local memory, err = map(again, length, protection)
    C.resty_vrrp_close(again)
    return memory, err
end


-- Maps the board in fd for writing: only the master, before it has children
-- that know of it.
function _M.map(fd, page_fd)
    local length = tonumber(C.resty_vrrp_lseek(fd, 0, SEEK_END))
    local memory, err = map(fd, length, PROT_READ_WRITE)
    if not memory then
        return nil, err
    end
    local count = count_slots(cast(HEADER, memory), length)
    if not count then
        C.resty_vrrp_munmap(memory, length)
        return nil, "core.so and the Lua files are of different versions:"
                    .. " install both from one release"
    end
    local board = at(gc(cast(HEADER, memory), function()
        C.resty_vrrp_munmap(memory, length)
    end), count)
    board.fd, board.page_fd = fd, page_fd
    return board
end


-- Unmaps a board that was mapped for writing, at once: no child may have it.
local function unmap(board)
    local length = length_of(board.count)
    C.resty_vrrp_munmap(gc(board.header, nil), length)
end


-- Says whether the master has taken on another configuration since this board.
local function set_superseded(board, superseded)
    local writable = board and board:writable()
    if writable then
        writable.header.superseded = superseded
        unmap(writable)
    end
end


_M.set_superseded = set_superseded


-- Gives a board that was mapped for writing the form in which the master and
-- its children have it: mapped for reading, and open for nothing. If it is
-- locked, only the user of the master can open it again; else each of its
-- children can. The garbage collector unmaps and closes everything.
function _M:publish(locked)
    local fd, page_fd = self.fd, self.page_fd
    local count = self.count
    local length = length_of(count)
    -- 0600 or 0666. A file in /dev/shm has been locked so far.
    local mode = locked and 384 or 438
    if C.resty_vrrp_fchmod(fd, mode) ~= 0
       or not locked and C.resty_vrrp_fchmod(page_fd, mode) ~= 0 then
        return nil, "cannot give the board its mode: " .. why()
    end
    -- A map of what is open for writing could be made writable again.
    local memory, err = map_again(fd, length, O_RDONLY, PROT_READ)
    local page = memory and map(page_fd, PAGE_SIZE, PROT_READ_WRITE)
    local handle = page and C.resty_vrrp_open("/proc/self/fd/" .. fd, O_PATH)
                   or -1
    if handle < 0 then
        return nil, err or "cannot keep the board: " .. why()
    end
    self.header.owner = C.resty_vrrp_geteuid()
    self.header.board_fd = handle
    unmap(self)
    C.resty_vrrp_close(fd)

    local mapped_by = worker_pid()
    local board = at(gc(cast(HEADER, memory), function()
        C.resty_vrrp_munmap(memory, length)
        C.resty_vrrp_munmap(page, PAGE_SIZE)
        C.resty_vrrp_close(handle)
        C.resty_vrrp_close(page_fd)
        -- The master has refused a configuration after setup(). It goes on
        -- with the earlier one.
        if worker_pid() == mapped_by then
            set_superseded(_M.find(), 0)
        end
    end), count)
    board.fd, board.page_fd, board.page = handle, page_fd, cast(WORDS, page)
    board.carried_ms, board.begun_ms = self.carried_ms, self.begun_ms
    return board
end


-- Maps the board once more, for writing: for the process that carries the
-- engine. Its slots are not read here: each page of them would count as memory
-- of the process once more. Returns nil and an error if this process may not.
function _M:writable()
    local count = self.count
    local length = length_of(count)
    local memory, err = map_again(self.fd, length, O_RDWR, PROT_READ_WRITE)
    if not memory then
        return nil, err
    end
    local board = without_slots(gc(cast(HEADER, memory), function()
        C.resty_vrrp_munmap(memory, length)
    end), count)
    board.fd, board.page_fd, board.page = self.fd, self.page_fd, self.page
    board.carried_ms, board.begun_ms = self.carried_ms, self.begun_ms
    return board
end


-- Tells whether workers cannot write on the board.
function _M:is_locked()
    local user = self.page.user
    return self.header.carrier == layout.AGENT and user > 0
           and user - 1 ~= self.header.owner and user ~= 1
end


-- Returns the beginning, the end, whether it can be written, the number and the
-- name of memory that a line of /proc/self/maps shows, if it is of ours.
local function map_of(line)
    local from, to, writes, inode, path = line:match(
        "^(%x+)%-(%x+) r([w-])%-s %x+ %S+ (%d+)%s+(/%S+)")
    local name = path and (path:match("^/memfd:(.+)$")
                           or path:match("^/dev/shm/(.+)%.%w+$"))
    if name then
        return tonumber(from, 16), tonumber(to, 16), writes, tonumber(inode),
               name
    end
end


-- Returns the newest board that is mapped for reading in this process:
-- inherited from the master, or mapped by another Lua VM.
function _M.find()
    local maps = io_open("/proc/self/maps")
    if not maps then
        return nil
    end
    local newest, count
    local pages = {}
    for line in maps:lines() do
        local from, to, writes, inode, name = map_of(line)
        if name == PAGE_NAME then
            pages[inode] = from
        elseif name == NAME and writes == "-" then
            local header = cast(HEADER, from)
            -- The map ends with the page in which the board ends.
            local length = tonumber(header.length)
            local whole = length <= to - from
                          and length > to - from - KERNEL_PAGE
            local slots = count_slots(header, whole and length or 0)
            if slots and (not newest
                          or header.generation > newest.generation) then
                newest, count = header, slots
            end
        end
    end
    maps:close()
    local page = newest and pages[tonumber(newest.page)]
    if not page then
        return nil
    end
    local board = at(newest, count)
    board.page, board.fd = cast(WORDS, page), newest.board_fd
    return board
end


-- Of shared memory, a move of nothing makes a second map.
local function map_twice(memory, length)
    memory = C.resty_vrrp_mremap(memory, 0, length, MREMAP_MAYMOVE)
    return cast("intptr_t", memory) ~= -1 and memory or nil
end


-- Maps the newest board of this process once more, for a Lua VM that did not
-- make it: whoever has mapped it already may unmap it at any moment.
function _M.open()
    local found = _M.find()
    if not found then
        return nil
    end
    local count = found.count
    local length = length_of(count)
    local memory = map_twice(found.header, length)
    local page = memory and map_twice(found.page, PAGE_SIZE)
    if not page then
        return nil
    end
    local board = at(gc(cast(HEADER, memory), function()
        C.resty_vrrp_munmap(memory, length)
        C.resty_vrrp_munmap(page, PAGE_SIZE)
    end), count)
    board.page, board.fd = cast(WORDS, page), found.fd
    return board
end


-- Returns a function that returns a copy of a slot of this type, as the engine
-- last published it. The copy is valid until the next call.
local function reader(slot_type)
    local size = sizeof(slot_type)
    local first, second = ffi.new(slot_type), ffi.new(slot_type)

    local function read(slot)
        for _ = 1, READ_ATTEMPTS do
            copy(first, slot, size)
            copy(second, slot, size)
            -- Two equal copies: the slot was not being written meanwhile.
            if first.seq % 2 == 0
               and C.resty_vrrp_memcmp(first, second, size) == 0 then
                return first
            end
        end
        -- The engine was killed while it wrote. The slot stays like this.
        return first
    end

    -- The JIT compiler could remove the second copy as a repetition.
    jit.off(read)
    return read
end


_M.read = reader("resty_vrrp_instance")
_M.read_warning = reader("resty_vrrp_warning")
_M.read_finding = reader("resty_vrrp_finding")


-- Returns the time of the engine's last heartbeat (0: none yet), and whether
-- its guard has withdrawn its routers since.
function _M:last_beat()
    local beat_ms = tonumber(self.header.engine_beat_ms)
    if beat_ms >= layout.WITHDRAWN then
        return beat_ms - layout.WITHDRAWN, true
    end
    return beat_ms, false
end


-- Returns what is wrong if workers have begun, but the carrier has not.
function _M:missing_carrier()
    local header = self.header
    if header.carrier_beat_ms ~= 0 or self.page.user == 0
       or now_ms() - (self.begun_ms or now_ms()) < CARRIER_TIMEOUT_MS then
        return nil
    end
    local name = header.carrier == layout.AGENT
                 and "the privileged agent, where ngx.worker.id() is nil"
                 or "worker 0"
    return "init_worker() was not called yet in " .. name .. ": if an error has"
           .. " ended init_worker_by_lua before it, the error log says which"
end


-- Returns true if the engine runs; else nil, the reason, and whether the engine
-- has yet to start.
function _M:engine()
    local header = self.header
    local state = header.engine_state
    if state == layout.RUNNING then
        local beat_ms, withdrawn = self:last_beat()
        if withdrawn then
            return nil, "it hung, and its guard has removed the addresses"
        end
        if beat_ms == self.carried_ms then
            beat_ms = max(beat_ms, self.begun_ms)
        end
        local age_ms = now_ms() - beat_ms
        if age_ms <= _M.engine_timeout_ms then
            return true
        end
        return nil, self:missing_carrier()
                    or format("no sign of life for %d ms", age_ms)
    end
    if state == layout.FAILED then
        return nil, text_of(header.error)
    end
    if state == layout.STARTING then
        return nil, "it is starting", true
    end
    if state == layout.STOPPED then
        return nil, "it was stopped"
    end
    local missing = self:missing_carrier()
    return nil, missing or "it was not started: is init_worker() called?",
           not missing
end


-- Notes that a process begins to use this board. If the earlier engine ran when
-- this board was made, it has until a moment from now to be replaced.
function _M:begin()
    self.begun_ms = now_ms()
end


-- Fields that the engine observes, as against those that are configured.
local OBSERVED = {
    "state", "since_ms", "transitions", "active_down_interval_us",
    "active_last_advert_ms", "active_family", "active_priority",
    "active_is_self", "reason", "checksum", "counters", "checks",
}
local OBSERVED_ARRAYS = { "active_address", "fault", "check", "history" }


local function carry_slot_over(slot, before)
    for _, field in ipairs(OBSERVED) do
        slot[field] = before[field]
    end
    for _, field in ipairs(OBSERVED_ARRAYS) do
        copy(slot[field], before[field], sizeof(slot[field]))
    end
end


-- Iterates over so many slots from a place on, if the table has them.
local function each(slots, count, next_place, many)
    local last = next_place + many - 1
    return function()
        local place = next_place
        next_place = place + 1
        if place <= last and last < count then
            return slots[place]
        end
    end
end


-- Iterates over the addresses of a slot, if the board has those that it names.
function _M:each_address(slot)
    return each(self.addresses, self.count.addresses,
                slot.first_address, slot.addresses)
end


-- Iterates over the peers of a slot, if the board has those that it names.
function _M:each_peer(slot)
    return each(self.peers, self.count.peers, slot.first_peer, slot.peers)
end


-- Iterates over the checks of a slot.
function _M.each_check(slot)
    return each(slot.check, layout.CHECKS, 0, min(slot.checks, layout.CHECKS))
end


-- Iterates over copies of so many slots.
local function each_copy(slots, count, read)
    local next_place = 0
    return function()
        local place = next_place
        next_place = place + 1
        if place < count then
            return read(slots + place)
        end
    end
end


-- Iterates over copies of the warnings.
function _M:each_warning()
    return each_copy(self.warnings, min(self.header.warnings, layout.WARNINGS),
                     _M.read_warning)
end


-- Iterates over copies of the doctor's findings.
function _M:each_finding()
    return each_copy(self.findings, min(self.header.findings, layout.FINDINGS),
                     _M.read_finding)
end


-- Returns a key that identifies an address within its slot.
local function address_key(one)
    return ffi_string(one.address, sizeof(one.address)) .. one.prefix
           .. text_of(one.interface)
end


local function carry_addresses_over(board, slot, previous, before)
    local known = {}
    for one in previous:each_address(before) do
        known[address_key(one)] = one
    end
    for one in board:each_address(slot) do
        local earlier = known[address_key(one)]
        if earlier then
            one.assigned = earlier.assigned
            one.ours = earlier.ours
            one.lost = earlier.lost
        end
    end
end


local function carry_peers_over(board, slot, previous, before)
    local known = {}
    for one in previous:each_peer(before) do
        known[ffi_string(one.address, sizeof(one.address))] = one
    end
    for one in board:each_peer(slot) do
        local earlier = known[ffi_string(one.address, sizeof(one.address))]
        one.heard_ms = earlier and earlier.heard_ms or 0
    end
end


-- Warnings keep their time. Those about routers that are gone are left out.
local function carry_warnings_over(board, previous)
    local place = {}
    for index, slot in ipairs(board.instances) do
        place[text_of(slot.name)] = index - 1
    end
    local count = 0
    for warning in previous:each_warning() do
        local about = previous.instances[warning.instance + 1]
        local instance = about and place[text_of(about.name)]
        if instance or warning.instance == layout.NODE then
            local slot = board.warnings[count]
            copy(slot, warning, sizeof(slot))
            slot.instance = instance or layout.NODE
            count = count + 1
        end
    end
    board.header.warnings = count
end


-- Copies the slots of a ring. One that is being overwritten has no number then.
local function carry_ring_over(ring, previous, count)
    for place = 0, count - 1 do
        local number = previous[place].number
        if number ~= 0 then
            ring[place] = previous[place]
            if previous[place].number ~= number then
                ring[place].number = 0
            end
        end
    end
end


-- Copies the state of an earlier board. This board shows it until its engine
-- has taken over: until then the addresses stay where they are. If the earlier
-- engine hangs, its successor knows no more of it than this copy.
function _M:carry_over(previous)
    if previous:engine() then
        self.carried_ms = previous:last_beat()
        self:begin()
    end
    for name, slot in pairs(self.by_name) do
        local before = previous.by_name[name]
        if before and before.vrid == slot.vrid
           and text_of(before.interface) == text_of(slot.interface) then
            carry_slot_over(slot, _M.read(before))
            carry_addresses_over(self, slot, previous, before)
            carry_peers_over(self, slot, previous, before)
        end
    end
    carry_warnings_over(self, previous)
    local header, earlier = self.header, previous.header
    carry_ring_over(self.events, previous.events, layout.EVENTS)
    carry_ring_over(self.lines, previous.lines, layout.LINES)
    header.late_turns, header.late_us = earlier.late_turns, earlier.late_us
    header.events, header.lines = earlier.events, earlier.lines
    header.events_begun = earlier.events_begun
    header.events_delivered = earlier.events_delivered
    header.events_from_ms = layout.NEVER
    copy(header.reasons, earlier.reasons, sizeof(header.reasons))
    copy(header.run_dir, earlier.run_dir, sizeof(header.run_dir))
    header.engine_beat_ms = earlier.engine_beat_ms
    header.guarded_ms = earlier.guarded_ms
    header.engine_state = earlier.engine_state
    header.draining = earlier.draining
end


-- Returns the name of a reason, or an empty text.
function _M:reason(number)
    local reasons = self.header.reasons
    return number * sizeof(reasons[0]) < sizeof(reasons)
           and text_of(reasons[number]) or ""
end


-- Returns a change of state by its number, or nil if it has been overwritten.
function _M:event(number)
    local slot = self.events[number % layout.EVENTS]
    if slot.number ~= number then
        return nil
    end
    local event = {
        seq = number,
        at = clock.iso8601(tonumber(slot.at_ms)),
        instance = text_of(slot.instance),
        from = layout.STATES[slot.from],
        to = layout.STATES[slot.to],
        reason = self:reason(slot.reason),
        generation = self.header.generation,
    }
    -- The slot may have been overwritten meanwhile.
    return slot.number == number and event or nil
end


-- Writes the state of the engine, and the reason if it failed.
function _M:set_engine(state, err)
    local header = self.header
    copy(header.error, text.cut(err or "", sizeof(header.error) - 1))
    header.engine_state = state
end


-- Notes whose the workers are.
function _M:note_user()
    self.page.user = C.resty_vrrp_geteuid() + 1
end


-- Writes a heartbeat of worker id (from 0).
function _M:beat(id)
    local slot = self.page.workers[id]
    slot.ended = 0
    slot.beat_ms = now_ms()
end


-- Notes that worker id (from 0) has shut down as planned.
function _M:leave(id)
    local slot = self.page.workers[id]
    slot.ended = 1
    slot.beat_ms = 0
end


-- Notes how many clients of worker id (from 0) listen to changes.
function _M:set_listeners(id, count)
    if id < layout.WORKERS then
        self.page.workers[id].listeners = count
    end
end


-- Iterates over the words of the workers with a heartbeat in time.
function _M:each_living_worker()
    local oldest_ms = now_ms() - self.header.worker_timeout_ms
    local last_id = min(count_workers(), layout.WORKERS) - 1
    local id = -1
    return function()
        while id < last_id do
            id = id + 1
            local slot = self.page.workers[id]
            local beat_ms = tonumber(slot.beat_ms)
            if beat_ms > 0 and beat_ms >= oldest_ms then
                return slot
            end
        end
    end
end


-- Returns how many clients of all workers listen to changes. A worker that has
-- died takes its clients along.
function _M:count_listeners()
    local count = 0
    for slot in self:each_living_worker() do
        count = count + countable(slot.listeners)
    end
    return count
end


-- Returns the number of workers, and of those with a heartbeat in time.
function _M:count_workers()
    local alive = 0
    for _ in self:each_living_worker() do
        alive = alive + 1
    end
    return min(count_workers(), layout.WORKERS), alive
end


return _M
