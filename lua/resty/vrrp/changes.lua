-- What the status says, as JSON that all clients of this worker share: the text
-- of each instance, and when it last changed. A client asks for what is newer
-- than what it has; so one that reads slowly misses what lies between, and
-- nothing waits for it.

local board_module = require "resty.vrrp.board"
local clock = require "resty.vrrp.clock"
local ffi = require "ffi"
local json = require "resty.vrrp.json"
local status = require "resty.vrrp.status"

local C = ffi.C
local concat = table.concat
local copy = ffi.copy
local ipairs = ipairs
local max = math.max
local now_ms = clock.now_ms
local read = board_module.read
local show = json.show
local sizeof = ffi.sizeof


local _M = {}
local mt = { __index = _M }


-- How often it is looked for what has changed. A change of the board itself is
-- written at once.
local LOOK_MS = 100
-- How often the node is told of, and instances of which nothing has changed but
-- numbers that always grow.
local REFRESH_MS = 1000
local MAX_REFRESHED = 50
-- What is written at once keeps nginx from serving for a millisecond or two. So
-- does reading so many instances that have changed.
local MAX_WRITTEN = 32
local MAX_READ = 128
-- Where more has to be written, the event loop turns so long in between.
local NEXT_MS = 5
-- Length in bytes from which a message is sent, however much is to follow.
local LONG = 48 * 1024

-- What matters of an instance: all but its number, times that grow by
-- themselves, and counters.
local SLOT = "resty_vrrp_instance"
local FIRST_AT = ffi.offsetof(SLOT, "state")
local FIRST_SIZE = ffi.offsetof(SLOT, "active_last_advert_ms") - FIRST_AT
local SECOND_AT = ffi.offsetof(SLOT, "active_address")
local SECOND_SIZE = ffi.offsetof(SLOT, "counters") - SECOND_AT
local THIRD_AT = ffi.offsetof(SLOT, "check")
local THIRD_SIZE = ffi.offsetof(SLOT, "history") - THIRD_AT
local ADDRESS_SIZE = sizeof("resty_vrrp_address")

local BYTES = ffi.typeof("const char *")


local function differ(one, other, at, size)
    return C.resty_vrrp_memcmp(ffi.cast(BYTES, one) + at,
                               ffi.cast(BYTES, other) + at, size) ~= 0
end


-- Returns the changes of a board; at first all of it has changed.
function _M.new(board)
    local count = board.count
    return setmetatable({
        board = board,
        -- Grows with every turn that has written something.
        number = 0,
        -- By the place of an instance: its text, and the number of the turn
        -- that wrote it.
        texts = {}, written = {},
        -- The places that have to be written, and those whose numbers are old.
        pending = {}, is_pending = {}, is_old = {},
        next_old = 1,
        -- Where to go on looking.
        next_slot = 1,
        -- What the board said when it was last looked at.
        slots = ffi.new("resty_vrrp_instance[?]", max(1, count.instances)),
        addresses = ffi.new("resty_vrrp_address[?]", max(1, count.addresses)),
        warnings = {},
        look_ms = 0, refresh_ms = 0,
    }, mt)
end


function _M:must_write(place)
    if not self.is_pending[place] then
        self.is_pending[place] = true
        self.pending[#self.pending + 1] = place
    end
end


-- Looks for instances that have changed, or have been counting, from where it
-- ended before. Reads a number of them at most, and then goes on the next time.
function _M:look_at_slots()
    local board, slots = self.board, self.slots
    local count = board.count.instances
    local place, left = self.next_slot, MAX_READ
    while place <= count and left > 0 do
        local known = slots + (place - 1)
        if known.seq ~= board.slots[place - 1].seq then
            local slot = read(board.slots + (place - 1))
            if differ(slot, known, FIRST_AT, FIRST_SIZE)
               or differ(slot, known, SECOND_AT, SECOND_SIZE)
               or differ(slot, known, THIRD_AT, THIRD_SIZE) then
                self:must_write(place)
            end
            self.is_old[place] = true
            copy(known, slot, sizeof(SLOT))
            left = left - 1
        end
        place = place + 1
    end
    self.next_slot = place <= count and place or 1
end


-- Looks for instances whose addresses have come or gone.
function _M:look_at_addresses()
    local board, known = self.board, self.addresses
    local size = board.count.addresses * ADDRESS_SIZE
    if not differ(known, board.addresses, 0, size) then
        return
    end
    for place, slot in ipairs(board.instances) do
        local first, count = slot.first_address, slot.addresses
        if first + count <= board.count.addresses
           and differ(known, board.addresses, first * ADDRESS_SIZE,
                      count * ADDRESS_SIZE) then
            self:must_write(place)
        end
    end
    copy(known, board.addresses, size)
end


function _M:look_at_warnings(view)
    for place = 1, self.board.count.instances do
        local warnings = view.warnings_of(place)
        local text = warnings[1] and show(warnings) or nil
        if text ~= self.warnings[place] then
            self.warnings[place] = text
            self:must_write(place)
        end
    end
end


-- Returns what matters of the node, as a text: it is told at once when that has
-- changed.
local function what_matters(view)
    local node = view.node
    local now, age = node.now, node.heartbeat_age_ms
    node.now, node.heartbeat_age_ms = nil, nil
    -- How long the engine has been silent is no change.
    local text = view.engine.problem and show(node):gsub("%d+ ms", "")
                 or show(node)
    node.now, node.heartbeat_age_ms = now, age
    return text
end


-- Looks for what has changed. Returns whether the node has. Where the last look
-- has not come to the end of the instances, it is only those that are left.
function _M:look(view)
    if self.next_slot > 1 then
        self:look_at_slots()
        return false
    end
    local engine = view.engine
    local problem = engine.problem and engine.problem:gsub("%d+ ms", "")
                    or engine.running
    if problem ~= self.problem then
        self.problem = problem
        for place = 1, self.board.count.instances do
            self:must_write(place)
        end
    end
    self:look_at_slots()
    self:look_at_addresses()
    if engine.running then
        self:look_at_warnings(view)
    end
    local matters = what_matters(view)
    local has_changed = matters ~= self.matters
    self.matters = matters
    return has_changed
end


function _M:write(view, place)
    self.texts[place] = show(view.instance(place))
    self.written[place] = self.number
    self.is_pending[place], self.is_old[place] = nil, nil
end


-- Chooses instances of which only numbers have changed, each in its turn.
function _M:refresh()
    local count = self.board.count.instances
    local place, left = self.next_old, MAX_REFRESHED
    for _ = 1, count do
        if left > 0 and self.is_old[place] and not self.is_pending[place] then
            self:must_write(place)
            left = left - 1
        end
        if left == 0 then
            break
        end
        place = place % count + 1
    end
    self.next_old = place
end


function _M:write_pending(view)
    local pending, rest = self.pending, {}
    for index, place in ipairs(pending) do
        if index <= MAX_WRITTEN then
            self:write(view, place)
        else
            rest[#rest + 1] = place
        end
    end
    self.pending = rest
end


-- Looks at the board, unless another client of this worker has just done so.
-- Returns the seconds until it is time to look again.
function _M:turn()
    local now = now_ms()
    if now >= self.look_ms then
        local view = status.view(self.board)
        local is_due = self:look(view) or now >= self.refresh_ms
        if is_due or self.pending[1] then
            self.number = self.number + 1
            self.last = nil
            if now >= self.refresh_ms then
                self.refresh_ms = now + REFRESH_MS
                self:refresh()
            end
            self:write_pending(view)
            self.node = show(view.node)
        end
        local goes_on = self.pending[1] or self.next_slot > 1
        self.look_ms = now + (goes_on and NEXT_MS or LOOK_MS)
    end
    return max(1, self.look_ms - now_ms()) / 1000
end


-- Returns a message with the instances from a place on that were written after
-- turn number since, and the place of the next message, if there is one.
function _M:message(since, place)
    local texts, length = {}, 0
    local count = self.board.count.instances
    while place <= count and length < LONG do
        if (self.written[place] or 0) > since then
            texts[#texts + 1] = self.texts[place]
            length = length + #self.texts[place]
        end
        place = place + 1
    end
    local text = concat {
        'data: {"version":', status.VERSION, ',"node":', self.node,
        ',"total":', count, ',"instances":[', concat(texts, ","), "]}\n\n",
    }
    return text, place <= count and place or nil
end


-- As message(), for the first message: clients that have all there was before
-- this turn get the same text.
function _M:first_message(since)
    if since ~= self.number - 1 then
        return self:message(since, 1)
    end
    if not self.last then
        local text, place = self:message(since, 1)
        self.last = { text = text, place = place }
    end
    return self.last.text, self.last.place
end


return _M
